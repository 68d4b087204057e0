"""The cohort's steps as they may be printed."""

import polars as pl

from behrt.disclosure import Rules
from behrt.tables.cohort_flow import tabulate


def test_excluded_patients_are_the_differences() -> None:
    flow = pl.DataFrame({"step": [0, 1, 2], "name": ["a", "b", "c"], "patients": [90, 50, 40]})
    assert tabulate(flow, Rules(5))["excluded"].to_list() == [None, 40, 10]


def test_excluded_patients_are_those_of_the_numbers_shown() -> None:
    """Rounded by itself, 14 would be 15, and tell that 92 and 78 are 92 and 78 among 25 pairs."""
    flow = pl.DataFrame({"step": [0, 1], "name": ["a", "b"], "patients": [92, 78]})
    assert tabulate(flow, Rules(8, 5))["excluded"].to_list() == [None, 10]


def test_a_small_exclusion_hides_the_step_and_both_its_differences() -> None:
    flow = pl.DataFrame({"step": [0, 1, 2], "name": ["a", "b", "c"], "patients": [90, 88, 40]})
    assert tabulate(flow, Rules(5)).select("patients", "excluded").rows() == [
        (90, None),
        (None, None),
        (40, None),
    ]
