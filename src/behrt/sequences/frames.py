"""The frames that this half of the workflow hands on, as schemas enforced on writing."""

import dataframely as dy
import polars as pl

TRAIN, TUNING, HELD_OUT = "train", "tuning", "held_out"
SPLITS: tuple[str, ...] = (TRAIN, TUNING, HELD_OUT)
"""MEDS' own names, repeated: importing its schemas takes every job a quarter of a second."""


class Sequences(dy.Schema):
    """One row a subject: its visits that hold a diagnosis, in order of time.

    A visit is a calendar day. Special tokens are never stored: they are put in when a batch is
    made. `code` and `visit` run side by side: every diagnosis, sorted by visit, then code.
    """

    subject_id = dy.Int64(primary_key=True)
    split = dy.String(check=lambda split: split.is_in(SPLITS))
    sex = dy.Int8(min=0, max=2, description="0 unknown, 1 male, 2 female")
    region = dy.Int32(nullable=True)
    practice = dy.Int64(nullable=True)
    birth_month = dy.Int32(description="year * 12 + month - 1")
    follow_up_start = dy.Int32(description="days since 1970-01-01")
    follow_up_end = dy.Int32(description="days since 1970-01-01, inclusive")
    visit_day = dy.List(dy.Int32(), description="days since 1970-01-01, ascending")
    visit_age = dy.List(dy.Int16(min=0), description="months since January of the birth year")
    code = dy.List(dy.Int16(min=0), description="phenotype index")
    visit = dy.List(dy.Int16(min=0), description="index of the visit that holds the code")

    @dy.rule()
    def one_age_a_visit(cls) -> pl.Expr:
        return pl.col("visit_age").list.len() == pl.col("visit_day").list.len()

    @dy.rule()
    def one_visit_a_code(cls) -> pl.Expr:
        return pl.col("visit").list.len() == pl.col("code").list.len()

    @dy.rule()
    def visits_hold_a_diagnosis(cls) -> pl.Expr:
        return pl.col("visit").list.n_unique() == pl.col("visit_day").list.len()

    @dy.rule()
    def follow_up_is_not_negative(cls) -> pl.Expr:
        return pl.col("follow_up_start") <= pl.col("follow_up_end")


class TaskExamples(dy.Schema):
    """One row an eligible subject: how many visits are input, and what follows them.

    The label may be empty; the subject's `input_visits` first visits are those of `Sequences`.
    """

    subject_id = dy.Int64(primary_key=True)
    split = dy.String(check=lambda split: split.is_in(SPLITS))
    input_visits = dy.Int16(min=1)
    label = dy.List(dy.Int16(min=0), description="phenotype indices, sorted and unique")
    known = dy.List(
        dy.Int16(min=0), min_length=1, description="phenotype indices in the input, sorted, unique"
    )
