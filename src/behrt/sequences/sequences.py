"""Turn MEDS events into one row per patient: the visits with a word, in order of time."""

from datetime import date, timedelta
from pathlib import Path

import dataframely as dy
import polars as pl
from meds.schema import birth_code, death_code

from behrt.errors import InputError
from behrt.sequences.frames import HELD_OUT, ConceptSequences, DiagnosisSequences, Sequences
from behrt.sequences.vocabulary import Vocabulary, is_word, word_of

FOLLOW_UP_START = "FOLLOW_UP//START"
FOLLOW_UP_END = "FOLLOW_UP//END"
SEXES = {"SEX//male": 1, "SEX//female": 2}

EXCLUDE, LABEL = "exclude", "label"
"""The rules for deaths within the window of a task: see `build_sequences`."""

NEVER = 2**31 - 1


def _subjects(events: pl.DataFrame) -> pl.DataFrame:
    """Return one row per subject: sex, region, practice, birth, first and last day of follow-up."""
    code, day = pl.col("code"), pl.col("day")
    sex = code.replace_strict(SEXES, default=None, return_dtype=pl.Int8).drop_nulls().unique()
    not_birth = day.filter(code != birth_code)

    def number(prefix: str, dtype: type[pl.DataType]) -> pl.Expr:
        values = code.filter(code.str.starts_with(prefix)).str.strip_prefix(prefix)
        return values.cast(dtype, strict=False).min()

    return (
        events.group_by("subject_id")
        .agg(
            sex=pl.when(sex.len() == 1).then(sex.first()).otherwise(pl.lit(0, pl.Int8)),
            region=number("REGION//", pl.Int32),
            practice=number("PRACTICE//", pl.Int64),
            birth=day.filter(code == birth_code).min(),
            death=day.filter(code == death_code).min(),
            follow_up_start=pl.coalesce(
                day.filter(code == FOLLOW_UP_START).min(), not_birth.min(), day.min()
            ),
            follow_up_end=pl.coalesce(
                day.filter(code == FOLLOW_UP_END).max(), not_birth.max(), day.max()
            ),
        )
        .sort("subject_id")
    )


def _words(events: pl.DataFrame, vocabulary: Vocabulary, where: str | Path) -> pl.DataFrame:
    """Return one row per word: subject_id, day, code (word index), visit; sorted."""
    codes = pl.DataFrame(
        {"word": vocabulary.phenotypes}, schema={"word": pl.String}
    ).with_row_index("index")
    diagnoses = events.filter(is_word(pl.col("code"))).with_columns(word=word_of(pl.col("code")))
    unknown = diagnoses.join(codes, on="word", how="anti")["code"].unique().sort()
    if len(unknown):
        raise InputError(
            where,
            f"{unknown[0]!r} and {len(unknown) - 1} other codes are not in the vocabulary",
            "List every phenotype in the MEDS code metadata and build the vocabulary again",
        )
    if diagnoses["day"].has_nulls():
        raise InputError(
            where, "a diagnosis has no time", "Leave out undated diagnoses when writing MEDS"
        )
    words = diagnoses.join(codes, on="word")
    if vocabulary.concept_codes:
        first = len(vocabulary.phenotypes)
        others = pl.DataFrame({"code": vocabulary.concept_codes}).with_row_index("index", first)
        found = events.join(others, on="code")
        if found["day"].has_nulls():
            raise InputError(
                where,
                "a medication, procedure, test or measurement has no time",
                "Leave out undated events when writing MEDS",
            )
        words = pl.concat([frame.select("subject_id", "day", "index") for frame in (words, found)])
    return (
        words.select("subject_id", "day", code=pl.col("index").cast(pl.Int16))
        .unique()
        .sort("subject_id", "day", "code")
        .with_columns(visit=pl.col("day").rle_id().over("subject_id").cast(pl.Int16))
    )


def _cut(
    subjects: pl.DataFrame, visits: pl.DataFrame, cut_off: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return subjects and visits; those of training and tuning subjects end before the cut-off."""
    held_out = pl.col("split") == HELD_OUT
    kept = subjects.filter(held_out | (pl.col("follow_up_start") < cut_off))
    ended = kept.with_columns(
        follow_up_end=pl.when(held_out)
        .then(pl.col("follow_up_end"))
        .otherwise(pl.min_horizontal("follow_up_end", pl.lit(cut_off - timedelta(days=1))))
    )
    before = visits.join(kept.select("subject_id", "split"), on="subject_id").filter(
        held_out | (pl.col("day") < cut_off)
    )
    return ended, before.drop("split").sort("subject_id", "day", "code")


def build_sequences(
    events: pl.DataFrame,
    splits: pl.DataFrame,
    vocabulary: Vocabulary,
    where: str | Path = "events",
    cut_off: date | None = None,
    death: str = EXCLUDE,
) -> dy.DataFrame[Sequences]:
    """Return one row per subject, sorted by subject.

    A visit is a calendar day with at least one word of the vocabulary: the records of the practice
    and of the hospital on one day are one visit, a word recorded twice on a day counts once, and
    days without a word are left out. A subject without any word has a row. If the vocabulary has
    words of other concepts, these are in columns of their own (`ConceptSequences`), and a visit may
    have no diagnosis.

    The diagnoses of the MEDS dataset must be words of the vocabulary (CALIBER//…, CODE//…). Codes
    of other concepts that are no words are left out.
    Follow-up is from FOLLOW_UP//START to FOLLOW_UP//END if the dataset has them, otherwise from
    the first to the last event after birth. Sex is unknown unless the subject has exactly one of
    SEX//male and SEX//female; region and practice are null if there is no number for them.

    With a cut-off, follow-up and visits of training and tuning subjects end on the day before it,
    so that nothing later can be learned, and those whose follow-up starts later have no row.
    Held-out subjects keep all visits, because a prediction after the cut-off uses what was
    recorded before.

    With the rule `EXCLUDE` for deaths, `known_until` is the last day of follow-up. With `LABEL`, it
    is the last of all days if a subject dies by then, because nothing is recorded after death.

    >>> from datetime import datetime
    >>> events = pl.DataFrame(
    ...     [
    ...         (7, None, "SEX//male"),
    ...         (7, datetime(1950, 3, 1), "MEDS_BIRTH"),
    ...         (7, datetime(2001, 5, 2), "CALIBER//Gout"),
    ...         (7, datetime(2001, 5, 2), "CALIBER//Stroke"),
    ...         (7, datetime(2003, 1, 9), "CALIBER//Gout"),
    ...     ],
    ...     schema={"subject_id": pl.Int64, "time": pl.Datetime, "code": pl.String},
    ...     orient="row",
    ... )
    >>> splits = pl.DataFrame({"subject_id": [7], "split": ["train"]})
    >>> vocabulary = Vocabulary(("Gout", "Stroke"), ("Musculoskeletal", "Circulatory"))
    >>> sequences = build_sequences(events, splits, vocabulary)
    >>> sequences.select("subject_id", "sex", "visit_day", "visit_age", "code", "visit")
    shape: (1, 6)
    ┌────────────┬─────┬────────────────┬────────────┬───────────┬───────────┐
    │ subject_id ┆ sex ┆ visit_day      ┆ visit_age  ┆ code      ┆ visit     │
    │ ---        ┆ --- ┆ ---            ┆ ---        ┆ ---       ┆ ---       │
    │ i64        ┆ i8  ┆ list[i32]      ┆ list[i16]  ┆ list[i16] ┆ list[i16] │
    ╞════════════╪═════╪════════════════╪════════════╪═══════════╪═══════════╡
    │ 7          ┆ 1   ┆ [11444, 12061] ┆ [616, 636] ┆ [0, 1, 0] ┆ [0, 0, 1] │
    └────────────┴─────┴────────────────┴────────────┴───────────┴───────────┘

    Args:
        events: subject_id Int64, time Datetime (null for static events), code String.
        splits: subject_id Int64, split String.
        vocabulary: gives each word its index.
        where: named in an error.
        cut_off: the first day that is held out; None to split by subject alone.
        death: `EXCLUDE` or `LABEL`.

    Raises:
        InputError: a diagnosis that is not in the vocabulary; an undated word; a subject without a
            birth or a split; a visit before the year of birth; a follow-up that ends before it
            starts.
    """
    events = events.select("subject_id", "code", day=pl.col("time").dt.date())
    subjects = _subjects(events).join(splits, on="subject_id", how="left")
    for column, problem, fix in (
        ("birth", f"a subject has no {birth_code} event", "Write one for every subject"),
        ("split", "a subject has no split", "Draw the splits again from these shards"),
    ):
        if subjects[column].has_nulls():
            raise InputError(where, problem, fix)

    age = pl.col("day").dt.year() * 12 + pl.col("day").dt.month() - pl.col("birth_year") * 12 - 1
    visits = (
        _words(events, vocabulary, where)
        .join(subjects.select("subject_id", birth_year=pl.col("birth").dt.year()), on="subject_id")
        .with_columns(age=age)
        .sort("subject_id", "day", "code")
    )
    if (visits["age"] < 0).any():
        raise InputError(
            where, "a visit is before its subject's year of birth", "Refuse such events"
        )
    if (subjects["follow_up_start"] > subjects["follow_up_end"]).any():
        raise InputError(where, "a follow-up ends before it starts", "Refuse such subjects")

    if cut_off is not None:
        subjects, visits = _cut(subjects, visits, cut_off)
    first_of_visit = pl.col("visit").is_first_distinct()
    code, visit = pl.col("code"), pl.col("visit")
    words = {"code": code, "visit": visit}
    schema: type[Sequences] = DiagnosisSequences
    if vocabulary.concept_codes:
        disease = code < len(vocabulary.phenotypes)
        words = {
            "code": code.filter(disease),
            "visit": visit.filter(disease),
            "concept": code.filter(~disease),
            "concept_visit": visit.filter(~disease),
        }
        schema = ConceptSequences
    histories = visits.group_by("subject_id", maintain_order=True).agg(
        visit_day=pl.col("day").filter(first_of_visit).cast(pl.Int32),
        visit_age=pl.col("age").filter(first_of_visit).cast(pl.Int16),
        **words,
    )
    birth = pl.col("birth").dt
    ended = (pl.col("death") <= pl.col("follow_up_end")) & pl.lit(death == LABEL)
    frame = (
        subjects.join(histories, on="subject_id", how="left")
        .with_columns(
            pl.col("visit_day", "visit_age", *words).fill_null([]),
            pl.col("follow_up_start", "follow_up_end").cast(pl.Int32),
            birth_month=birth.year() * 12 + birth.month() - 1,
            known_until=pl.when(ended)
            .then(NEVER)
            .otherwise(pl.col("follow_up_end").cast(pl.Int32)),
        )
        .sort("subject_id")
    )
    return schema.validate(frame.select(schema.column_names()))


def read_events(path: Path) -> pl.DataFrame:
    """Read the columns of a MEDS shard that `build_sequences` uses."""
    return pl.read_parquet(path, columns=["subject_id", "time", "code"])
