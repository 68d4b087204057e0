"""The prediction tasks of a run: what is predicted, over which window, and for which patients."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from behrt.errors import InputError

NEXT_VISIT = "next_visit"
"""The window of a task in the configuration, in place of months, that is the next visit."""

LABELLED, ELIGIBLE = "labelled", "eligible"
POPULATIONS = (LABELLED, ELIGIBLE)

RESERVED = ("mlm", "oracle")
"""Names of folders and rows in addition to those of the tasks."""

ALL = "_all"
"""Ends the name of a task on all eligible patients."""


@dataclass(frozen=True)
class Task:
    """A prediction task.

    The name of a task on all eligible patients ends in "_all". It takes the examples of the task
    without that ending, and also keeps those without a disease in the window.

    >>> Task("T2", 6).window
    'in the next 6 months'
    >>> Task("T2", 6).on_all_eligible().name
    'T2_all'

    Attributes:
        key: names the task in the configuration, its examples, and their random draw: "T2".
        months: calendar months of the window, or None for the next visit.
        population: `LABELLED`, patients with at least one disease in the window (the paper's), or
            `ELIGIBLE`, all whose follow-up covers the window.
    """

    key: str
    months: int | None = None
    population: str = LABELLED

    def __post_init__(self) -> None:
        where = f"config, tasks.{self.key}"
        if not (self.key.isascii() and self.key.isalnum() and self.key[0].isalpha()):
            raise InputError(
                where, "it is not the name of a task", "Use a letter, then letters and digits"
            )
        if self.key.lower() in RESERVED:
            raise InputError(where, "this name is reserved", "Give the task another name")
        if self.months is not None and (type(self.months) is not int or self.months < 1):
            raise InputError(where, f"{self.months!r} is not a window", "Give months from 1 on")
        if self.population not in POPULATIONS:
            raise InputError(
                where, f"no population {self.population!r}", f"Choose {' or '.join(POPULATIONS)}"
            )

    @property
    def name(self) -> str:
        """The name in paths and tables: "T2", or "T2_all" for all eligible patients."""
        return self.key if self.labelled else self.key + ALL

    @property
    def labelled(self) -> bool:
        """Whether only patients with at least one disease in the window count."""
        return self.population == LABELLED

    @property
    def horizon(self) -> str:
        """The window as a noun: "next visit", "next 6 months", "next 2 years"."""
        if self.months is None:
            return "next visit"
        if self.months == 1:
            return "next month"
        if self.months > 12 and self.months % 12 == 0:
            return f"next {self.months // 12} years"
        return f"next {self.months} months"

    @property
    def window(self) -> str:
        """The window as an adverbial: "at the next visit", "in the next 6 months"."""
        return f"{'at' if self.months is None else 'in'} the {self.horizon}"

    @property
    def title(self) -> str:
        """The heading of a panel or column: "T2: next 6 months", "T2, all eligible patients"."""
        return (
            f"{self.key}: {self.horizon}" if self.labelled else f"{self.key}, all eligible patients"
        )

    def on_all_eligible(self) -> "Task":
        """Return the same task on all eligible patients."""
        return replace(self, population=ELIGIBLE)


def key_of(name: str) -> str:
    """Return the task whose examples a task takes, by name: "T2" for "T2" and "T2_all"."""
    return name.removesuffix(ALL)


def tasks_of(config: Mapping[str, Any]) -> list[Task]:
    """Return the tasks of a configuration, the next visit first, then by length of the window.

    >>> config = {"tasks": {"T2": {"months": 6}, "T4": None, "T1": "next_visit"}}
    >>> [task.name for task in tasks_of(config)]
    ['T1', 'T2']

    Args:
        config: its `tasks` give, by name, "next_visit", {months: …}, or None to leave one out.

    Raises:
        InputError: a name or a window is not valid, there is no task, or another key of the
            configuration names one that is not there.
    """
    tasks = [
        Task(key, None if window == NEXT_VISIT else window["months"])
        for key, window in config["tasks"].items()
        if window is not None
    ]
    if not tasks:
        raise InputError("config, tasks", "there is none", "Give at least one task")
    known = [task.key for task in tasks]
    for where, key in _named_tasks(config):
        if key not in known:
            raise InputError(
                f"config, {where}", f"there is no task {key!r}", f"Choose from {', '.join(known)}"
            )
    return sorted(tasks, key=lambda task: (task.months or 0, task.key))


def _named_tasks(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where a configuration names a task, and the name."""
    for section in ("search", "evaluation"):
        if "task" in config.get(section, {}):
            yield f"{section}.task", config[section]["task"]
    for key in config.get("ablation", {}).get("tasks", []):
        yield "ablation.tasks", key
    for section in ("models", "more_models"):
        for name, model in config.get(section, {}).items():
            for key in (model or {}).get("tasks", {}):
                yield f"{section}.{name}.tasks", key


def all_eligible_tasks(tasks: list[Task]) -> list[Task]:
    """Return the tasks with a window of months, on all eligible patients.

    The next visit has none: it always holds a disease, as visits without one are not kept.
    """
    return [task.on_all_eligible() for task in tasks if task.months is not None]


def tasks_by_name(tasks: list[Task]) -> dict[str, Task]:
    """Return every task that can be trained, by name: as configured, and on all eligible."""
    return {task.name: task for task in [*tasks, *all_eligible_tasks(tasks)]}
