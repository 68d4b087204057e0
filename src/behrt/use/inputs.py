"""MEDS data of any place as inputs of a trained model: histories up to given times."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from meds.schema import birth_code, code_metadata_filepath, data_subdirectory, death_code

from behrt.concepts import PREFIXES
from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.load import examples_of
from behrt.sequences.frames import HELD_OUT
from behrt.sequences.sequences import FOLLOW_UP_END, FOLLOW_UP_START, SEXES, build_sequences
from behrt.sequences.vocabulary import Vocabulary, build_vocabulary, is_word, word_of
from behrt.sources.meds import read_metadata

Data = pl.DataFrame | pl.LazyFrame | str | Path
"""A MEDS dataset: a frame, a Parquet file, or the folder that holds `data/`."""

COLUMNS = {"subject_id": pl.Int64(), "time": pl.Datetime("us"), "code": pl.String()}
AT = {"subject_id": pl.Int64(), "prediction_time": pl.Datetime("us")}

FIRST_EVENT = "FIRST_EVENT"
"""The code that stands for a subject's first event, with which follow-up starts if none is given.
"""

UNKNOWN_WORDS = "diagnoses of words that the model does not know"
UNKNOWN_OTHERS = "records of other inputs of words that the model does not know"
UNDATED = "diagnoses without a time"
BEFORE_BIRTH = "diagnoses before the year of birth"
OUTSIDE_FOLLOW_UP = "diagnoses outside follow-up"
NO_BIRTH = "subjects without a birth"
NO_DIAGNOSIS = "predictions without a diagnosis up to their time"
NO_SUBJECT = "predictions for subjects who are not in the data"


@dataclass(frozen=True)
class Inputs:
    """Histories, one row per prediction.

    Attributes:
        rows: subject_id Int64, prediction_time Datetime, visits Int64 (days with a word up to
            that time), and further columns of the times that were given; sorted by the first two.
        examples: the same rows as arrays; their subject_id is the number of the row.
    """

    rows: pl.DataFrame
    examples: Examples


def read_inputs(
    data: Data,
    at: pl.DataFrame | None,
    vocabulary: Vocabulary,
    refused: Counter[str],
    shared_words: bool = False,
) -> Iterator[Inputs]:
    """Yield the inputs of each file of a dataset.

    An input is the diagnoses (and words of other inputs that the model has) at or before its
    prediction time; sex, birth and the start of follow-up are those of the subject. A visit is a
    calendar day with one. Events that are not words of a vocabulary only decide when follow-up
    starts, if the data have no FOLLOW_UP//START. Words count from FOLLOW_UP//START to
    FOLLOW_UP//END or death, first and last day included, where the data have these.

    Args:
        data: MEDS events: subject_id, time, code.
        at: subject_id and prediction_time, several per subject if wanted, and further columns,
            which are kept. None predicts for each subject at the last visit.
        vocabulary: of the model.
        refused: receives the number of diagnoses, subjects and predictions that are left out, by
            reason.
        shared_words: whether a dataset that describes another vocabulary is read; its words that
            the model does not know are then left out, and counted.

    Raises:
        InputError: the data or the times are not as MEDS defines them, or describe another
            vocabulary; a subject is in several files.
    """
    if at is not None:
        at = _typed(at, AT, "prediction times")
    known = pl.Series("subject_id", dtype=pl.Int64)
    for events in _parts(data, vocabulary, shared_words):
        subjects = events["subject_id"].unique()
        if subjects.is_in(known.implode()).any():
            raise InputError(
                "data",
                "a subject is in several files",
                "Write each subject to one file, as MEDS asks",
            )
        known = pl.concat([known, subjects])
        own = None if at is None else at.filter(pl.col("subject_id").is_in(subjects.implode()))
        inputs = _inputs(events, own, vocabulary, refused)
        if len(inputs.rows):
            yield inputs
    if at is not None:
        missing = ~pl.col("subject_id").is_in(known.implode())
        refused[NO_SUBJECT] += at.filter(missing).height


def _parts(data: Data, vocabulary: Vocabulary, shared_words: bool) -> Iterator[pl.DataFrame]:
    """Yield the events of each file: a subject is in one file only, according to MEDS."""
    if isinstance(data, pl.DataFrame | pl.LazyFrame):
        yield _typed(data.lazy().collect(), COLUMNS, "data")
        return
    path = Path(data)
    if not shared_words:
        # A file or a folder of a dataset is below the folder that describes its codes.
        places = (path, *path.resolve().parents[:3])
        described = (place / code_metadata_filepath for place in places)
        codes = next((file for file in described if file.is_file()), None)
        if codes is not None:
            _check_vocabulary(codes, vocabulary)
    if path.is_file():
        files = [path]
    else:
        inner = path / data_subdirectory
        files = sorted((inner if inner.is_dir() else path).rglob("*.parquet"))
    if not files:
        raise InputError(
            path, "there is no Parquet file", "Give the folder of a MEDS dataset, or a file of it"
        )
    for file in files:
        try:
            events = pl.read_parquet(file)
        except (OSError, pl.exceptions.PolarsError):
            raise InputError(file, "it cannot be read as Parquet", "Copy the file again") from None
        yield _typed(events, COLUMNS, file)


def _check_vocabulary(codes: Path, vocabulary: Vocabulary) -> None:
    described = read_metadata(codes)
    if described.filter(is_word(pl.col("code"))).is_empty():
        return  # its diagnoses, if it has any, are refused one by one
    other, vocabulary = build_vocabulary(described, codes), vocabulary.of_diseases()
    if other.version == vocabulary.version:
        return
    shared = len(set(other.phenotypes) & set(vocabulary.phenotypes))
    raise InputError(
        codes,
        f"its vocabulary is {other.version}, and that of the model {vocabulary.version}: "
        f"{shared} of its {len(other.phenotypes)} words are among the model's "
        f"{len(vocabulary.phenotypes)}",
        "Map the data with the same code lists, or pass shared_words=True (--shared-words) to "
        "predict from the words that both have",
    )


def _typed(frame: pl.DataFrame, columns: dict[str, pl.DataType], where: str | Path) -> pl.DataFrame:
    """Return the frame with some columns of the types that MEDS gives them."""
    fix = "Write the data as MEDS defines them: " + ", ".join(
        f"{name} {kind}" for name, kind in columns.items()
    )
    if missing := [name for name in columns if name not in frame.columns]:
        raise InputError(where, f"it has no column {', '.join(missing)}", fix)
    found = frame.schema
    for name, kind in columns.items():
        # A cast would read a number as a time, and cut a fraction off.
        number = found[name].is_numeric()
        fraction = number and not found[name].is_integer()
        if (kind.is_temporal() and number) or (kind.is_integer() and fraction):
            raise InputError(where, "a column has another type than in MEDS", fix)
    try:
        typed = frame.with_columns(pl.col(name).cast(kind) for name, kind in columns.items())
    except pl.exceptions.PolarsError:
        raise InputError(where, "a column has another type than in MEDS", fix) from None
    optional = "time" if "time" in columns else None
    for name in columns:
        if name != optional and typed[name].has_nulls():
            raise InputError(where, f"column {name} has empty cells", fix)
    return typed


def _inputs(
    events: pl.DataFrame, at: pl.DataFrame | None, vocabulary: Vocabulary, refused: Counter[str]
) -> Inputs:
    events = events.select(*COLUMNS)
    births = (
        events.filter(pl.col("code") == birth_code)
        .drop_nulls("time")
        .group_by("subject_id")
        .agg(birth=pl.col("time").min())
    )
    without = events.select("subject_id").unique().join(births, on="subject_id", how="anti")
    refused[NO_BIRTH] += without.height
    events = events.join(births, on="subject_id")
    diagnoses = _diagnoses(events, vocabulary, refused)
    if at is None:
        at = diagnoses.group_by("subject_id").agg(prediction_time=pl.col("time").max())
    at = at.sort("subject_id", "prediction_time", maintain_order=True)
    earlier = pl.col("time").is_null() | (pl.col("time") <= pl.col("prediction_time"))
    before = (
        at.select(*AT, row=pl.int_range(pl.len()))
        .join(_kept(events, diagnoses), on="subject_id")
        .filter(earlier | (pl.col("code") == birth_code))
        .select("time", "code", subject_id="row")
    )
    read = before.filter(_is_read(vocabulary))["subject_id"].unique().sort()
    refused[NO_DIAGNOSIS] += at.height - len(read)
    splits = pl.DataFrame([read]).with_columns(split=pl.lit(HELD_OUT))
    histories = build_sequences(
        before.filter(pl.col("subject_id").is_in(read.implode())), splits, vocabulary, "data"
    )
    rows = at[read].with_columns(visits=histories["visit_day"].list.len().cast(pl.Int64))
    first = ["subject_id", "prediction_time", "visits"]
    return Inputs(
        rows.select(*first, pl.exclude(first)),
        examples_of(histories, len(vocabulary.phenotypes), vocabulary.concepts),
    )


def _is_read(vocabulary: Vocabulary) -> pl.Expr:
    """Return whether a code is a diagnosis, or of another input that the vocabulary has."""
    prefixes = [PREFIXES[concept] for concept in vocabulary.concepts]
    others = [pl.col("code").str.starts_with(prefix) for prefix in prefixes]
    return pl.any_horizontal(is_word(pl.col("code")), *others)


def _diagnoses(events: pl.DataFrame, vocabulary: Vocabulary, refused: Counter[str]) -> pl.DataFrame:
    """Return the words that count, and count the others."""
    code, day = pl.col("code"), pl.col("time").dt.date()
    follow_up = events.group_by("subject_id").agg(
        start=day.filter(code == FOLLOW_UP_START).min(),
        end=pl.min_horizontal(
            day.filter(code == FOLLOW_UP_END).max(), day.filter(code == death_code).min()
        ),
    )
    left = events.filter(_is_read(vocabulary)).join(
        follow_up, on="subject_id", maintain_order="left"
    )
    known = pl.Series(vocabulary.phenotypes, dtype=pl.String).implode()
    for reason, wanted in (
        (UNKNOWN_WORDS, ~is_word(code) | word_of(code).is_in(known)),
        (UNKNOWN_OTHERS, is_word(code) | code.is_in(list(vocabulary.concept_codes))),
        (UNDATED, pl.col("time").is_not_null()),
        (BEFORE_BIRTH, pl.col("time").dt.year() >= pl.col("birth").dt.year()),
        (
            OUTSIDE_FOLLOW_UP,
            day.is_between(pl.coalesce("start", day), pl.coalesce("end", day)),
        ),
    ):
        kept = left.filter(wanted)
        refused[reason] += left.height - kept.height
        left = kept
    return left


def _kept(events: pl.DataFrame, diagnoses: pl.DataFrame) -> pl.DataFrame:
    """Return the events that decide an input: time, code and subject_id."""
    code = pl.col("code")
    fixed = events.filter(code.is_in([birth_code, FOLLOW_UP_START, *SEXES]))
    first = (
        events.filter(code != birth_code)
        .drop_nulls("time")
        .group_by("subject_id")
        .agg(pl.col("time").min())
        .with_columns(code=pl.lit(FIRST_EVENT))
    )
    return pl.concat([frame.select(*COLUMNS) for frame in (fixed, first, diagnoses)])
