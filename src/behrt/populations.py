"""Whose examples a task is learned and judged on: its name says it."""

EVERYBODY = "_all"
"""Ends the name of a task on all eligible patients: T2_all is T2 with those who get no disease."""


def drawn_as(task: str) -> str:
    """Return the task whose examples a task takes: T2 for T2_all."""
    return task.removesuffix(EVERYBODY)


def labelled(task: str) -> bool:
    """Return whether a task leaves out patients without a disease to predict, as the paper does."""
    return not task.endswith(EVERYBODY)
