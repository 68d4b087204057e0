"""The cohort's steps as they may be printed."""

import polars as pl

from behrt.evaluation.cohort_flow import tabulate


def test_excluded_patients_are_the_differences() -> None:
    flow = pl.DataFrame({"step": [0, 1, 2], "name": ["a", "b", "c"], "patients": [90, 50, 40]})
    assert tabulate(flow, 5)["excluded"].to_list() == [None, 40, 10]


def test_a_small_exclusion_hides_the_step_and_both_its_differences() -> None:
    flow = pl.DataFrame({"step": [0, 1, 2], "name": ["a", "b", "c"], "patients": [90, 88, 40]})
    assert tabulate(flow, 5).select("patients", "excluded").rows() == [
        (90, None),
        (None, None),
        (40, None),
    ]
