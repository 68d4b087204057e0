"""The tasks of a configuration: their names, windows and words."""

from typing import Any

import pytest

from behrt.errors import InputError
from behrt.tasks import Task, all_eligible_tasks, key_of, tasks_by_name, tasks_of

DEFAULT = {"T1": "next_visit", "T2": {"months": 6}, "T3": {"months": 12}}


def test_tasks_are_in_order_of_their_windows() -> None:
    tasks = tasks_of({"tasks": {"T4": {"months": 24}, "T0": {"months": 3}, **DEFAULT}})
    assert [(task.name, task.months) for task in tasks] == [
        ("T1", None), ("T0", 3), ("T2", 6), ("T3", 12), ("T4", 24),
    ]  # fmt: skip
    assert tasks_of({"tasks": {"T1": "next_visit", "T2": None}}) == [Task("T1")]


def test_a_task_with_a_window_is_also_for_all_eligible_patients() -> None:
    found = tasks_by_name(tasks_of({"tasks": DEFAULT}))
    assert list(found) == ["T1", "T2", "T3", "T2_all", "T3_all"]
    assert [key_of(name) for name in found] == ["T1", "T2", "T3", "T2", "T3"]
    assert [task.labelled for task in found.values()] == [True, True, True, False, False]
    assert all_eligible_tasks([Task("T1")]) == []


@pytest.mark.parametrize(
    ("months", "window", "title"),
    [
        (None, "at the next visit", "T: next visit"),
        (1, "in the next month", "T: next month"),
        (6, "in the next 6 months", "T: next 6 months"),
        (12, "in the next 12 months", "T: next 12 months"),
        (18, "in the next 18 months", "T: next 18 months"),
        (24, "in the next 2 years", "T: next 2 years"),
    ],
)
def test_a_window_in_words(months: int | None, window: str, title: str) -> None:
    task = Task("T", months)
    assert (task.window, task.title) == (window, title)
    assert task.on_all_eligible().window == window
    assert task.on_all_eligible().title == "T, all eligible patients"


@pytest.mark.parametrize(
    "arguments",
    [("",), ("2T",), ("T_2",), ("oracle",), ("MLM",), ("T", 0), ("T", 1.5), ("T", 6, "x")],
)
def test_a_task_without_a_valid_name_window_or_population_is_refused(arguments: Any) -> None:
    with pytest.raises(InputError, match=r"config, tasks\."):
        Task(*arguments)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"tasks": {"T1": None}}, r"config, tasks: there is none"),
        (
            {"evaluation": {"task": "T9"}},
            r"config, evaluation\.task: there is no task 'T9'\. Choose",
        ),
        ({"search": {"task": "T9"}}, r"config, search\.task"),
        ({"ablation": {"tasks": ["T2", "T9"]}}, r"config, ablation\.tasks"),
        ({"models": {"a": None, "b": {"tasks": {"T9": {}}}}}, r"config, models\.b\.tasks"),
        ({"more_models": {"b": {"tasks": {"T9": {}}}}}, r"config, more_models\.b\.tasks"),
    ],
)
def test_a_task_that_is_not_there_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tasks_of({"tasks": DEFAULT, **config})
