"""The schemas of sequences and examples, which are enforced when they are written."""

from pathlib import Path

import dataframely as dy
import polars as pl

TRAIN, TUNING, HELD_OUT = "train", "tuning", "held_out"
SPLITS: tuple[str, ...] = (TRAIN, TUNING, HELD_OUT)
"""The names in MEDS, repeated here: importing its schemas takes a quarter of a second per job."""


class Sequences(dy.Schema):
    """One row per subject: its visits in order of time, and the diagnoses of each.

    A visit is a calendar day. Special tokens are not stored: they are added when a batch is made.
    `code` and `visit` have the same length: every diagnosis, sorted by visit, then code. Files have
    the columns of `DiagnosisSequences` or of `ConceptSequences`.
    """

    subject_id = dy.Int64(primary_key=True)
    split = dy.String(check=lambda split: split.is_in(SPLITS))
    sex = dy.Int8(min=0, max=2, description="0 unknown, 1 male, 2 female")
    region = dy.Int32(nullable=True)
    practice = dy.Int64(nullable=True)
    birth_month = dy.Int32(description="year * 12 + month - 1")
    follow_up_start = dy.Int32(description="days since 1970-01-01")
    follow_up_end = dy.Int32(description="days since 1970-01-01, inclusive")
    known_until = dy.Int32(description="the last day of which it is known what is recorded")
    visit_day = dy.List(dy.Int32(), description="days since 1970-01-01, ascending")
    visit_age = dy.List(dy.Int16(min=0), description="months since January of the birth year")
    code = dy.List(dy.Int16(min=0), description="phenotype index")
    visit = dy.List(dy.Int16(min=0), description="index of the visit with the code")

    @dy.rule()
    def one_age_per_visit(cls) -> pl.Expr:
        return pl.col("visit_age").list.len() == pl.col("visit_day").list.len()

    @dy.rule()
    def one_visit_per_code(cls) -> pl.Expr:
        return pl.col("visit").list.len() == pl.col("code").list.len()

    @dy.rule()
    def every_code_is_of_a_visit(cls) -> pl.Expr:
        return pl.col("visit").list.max().fill_null(-1) < pl.col("visit_day").list.len()

    @dy.rule()
    def follow_up_is_not_negative(cls) -> pl.Expr:
        return pl.col("follow_up_start") <= pl.col("follow_up_end")


class DiagnosisSequences(Sequences):
    """The sequences of a run whose inputs are diagnoses only: every visit has one."""

    @dy.rule()
    def every_visit_has_a_diagnosis(cls) -> pl.Expr:
        return pl.col("visit").list.n_unique() == pl.col("visit_day").list.len()


class ConceptSequences(Sequences):
    """The sequences of a run with further inputs: every visit has a diagnosis or another word.

    `concept` and `concept_visit` have the same length: every other word, sorted by visit, then
    word.
    """

    concept = dy.List(dy.Int16(min=0), description="word index, after those of the phenotypes")
    concept_visit = dy.List(dy.Int16(min=0), description="index of the visit with the word")

    @dy.rule()
    def one_visit_per_word(cls) -> pl.Expr:
        return pl.col("concept_visit").list.len() == pl.col("concept").list.len()

    @dy.rule()
    def every_visit_has_a_word(cls) -> pl.Expr:
        both = pl.concat_list("visit", "concept_visit")
        return both.list.n_unique() == pl.col("visit_day").list.len()


def read_sequences(path: Path) -> dy.DataFrame[Sequences]:
    """Read a shard, with the columns that it has, and check it."""
    read = pl.read_parquet(path)
    schema = ConceptSequences if "concept" in read.columns else DiagnosisSequences
    return schema.validate(read)


class TaskExamples(dy.Schema):
    """One row per eligible subject: the number of visits in the input, and the label.

    The label may be empty. The input is the first `input_visits` visits of `Sequences`.
    """

    subject_id = dy.Int64(primary_key=True)
    split = dy.String(check=lambda split: split.is_in(SPLITS))
    input_visits = dy.Int16(min=1)
    label = dy.List(dy.Int16(min=0), description="phenotype indices, sorted and unique")
    known = dy.List(
        dy.Int16(min=0), description="phenotype indices in the input, sorted and unique"
    )
