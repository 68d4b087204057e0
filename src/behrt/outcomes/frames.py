"""The labels of an outcome, which are a label file of MEDS with further columns."""

import dataframely as dy
import polars as pl

from behrt.sequences.frames import SPLITS


class OutcomeLabels(dy.Schema):
    """One row per prediction, sorted by subject and time; a subject may have several.

    The input is the first `input_visits` visits of the subject's sequence.
    """

    subject_id = dy.Int64(primary_key=True)
    prediction_time = dy.Datetime(primary_key=True, time_unit="us")
    boolean_value = dy.Bool(description="whether the event happens")
    split = dy.String(check=lambda split: split.is_in(SPLITS))
    input_visits = dy.Int16(min=1)
    weight = dy.Float64(min=0, description="1, or the inverse probability of being followed")

    @dy.rule()
    def one_split_per_subject(cls) -> pl.Expr:
        return pl.col("split").n_unique().over("subject_id") == 1
