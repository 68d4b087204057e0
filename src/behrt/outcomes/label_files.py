"""Labels from outside: a label file of MEDS, as ACES writes it, or a table made by hand."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.errors import InputError
from behrt.outcomes.frames import OutcomeLabels
from behrt.outcomes.labels import Dated, Step, require_both
from behrt.sequences.frames import HELD_OUT, read_sequences

COLUMNS = ("subject_id", "prediction_time", "boolean_value")
NO_VISIT = "no visit before the prediction"
BEFORE_CUT_OFF = "before the cut-off"
FROM_CUT_OFF = "from the cut-off on, not held out"
UNUSED = (NO_VISIT, BEFORE_CUT_OFF, FROM_CUT_OFF)
"""Reasons that are counted, but do not count towards the share that may be refused."""

_ADVICE = (
    "Write subject_id as whole numbers, prediction_time as timestamps, boolean_value as Boolean"
)
_TRUE, _FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")
_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M")


def read_label_file(path: Path) -> pl.DataFrame:
    """Return subject_id Int64, prediction_time Datetime("us"), boolean_value Boolean.

    What cannot be read is null. Other columns are left out.

    Raises:
        InputError: the file cannot be read, or lacks a column, or has one of another type.
    """
    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "it cannot be read", "Give a Parquet file, or a CSV file") from None
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise InputError(path, f"no column {', '.join(missing)}", _ADVICE)
    reads = {"subject_id": _whole, "prediction_time": _time, "boolean_value": _boolean}
    for name, read in reads.items():
        if (expression := read(frame.schema[name])) is None:
            raise InputError(path, f"{name} is of type {frame.schema[name]}", _ADVICE)
        frame = frame.with_columns(expression.alias(name))
    return frame.select(COLUMNS)


def _whole(kind: pl.DataType) -> pl.Expr | None:
    column = pl.col("subject_id")
    return column.cast(pl.Int64, strict=False) if kind.is_integer() or kind == pl.String else None


def _time(kind: pl.DataType) -> pl.Expr | None:
    column = pl.col("prediction_time")
    if kind == pl.String:
        day = column.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
        times = (column.str.to_datetime(f, time_unit="us", strict=False) for f in _FORMATS)
        return pl.coalesce(day, *times)
    if isinstance(kind, pl.Datetime):
        column = column.dt.replace_time_zone(None)
    return column.cast(pl.Datetime("us")) if isinstance(kind, pl.Datetime | pl.Date) else None


def _boolean(kind: pl.DataType) -> pl.Expr | None:
    column = pl.col("boolean_value")
    if kind == pl.Boolean:
        return column
    if not (kind == pl.String or kind.is_integer()):
        return None
    word = column.cast(pl.String).str.to_lowercase().str.strip_chars()
    return pl.when(word.is_in(_TRUE)).then(True).when(word.is_in(_FALSE)).then(False)


@dataclass
class LabelCounts:
    """How many rows of a label file are used, and not used for which reason.

    Attributes:
        rows: of the file.
        unused: rows by reason.
        steps: the patients of the cohort, and those with a label that is used.
    """

    rows: int
    unused: Counter[str] = field(default_factory=Counter)
    steps: list[Step] = field(default_factory=list)

    def check(self, path: Path, maximum: float, name: str) -> None:
        """Stop the run if more than a share of the rows is refused.

        Raises:
            InputError: with the share of each reason.
        """
        refused = {
            reason: count for reason, count in self.unused.most_common() if reason not in UNUSED
        }
        if sum(refused.values()) > maximum * self.rows:
            shares = [f"{reason} {count / self.rows:.1%}" for reason, count in refused.items()]
            raise InputError(
                path,
                f"{sum(refused.values()) / self.rows:.1%} of the labels cannot be used "
                f"({', '.join(shares)}), more than the {maximum:.1%} that "
                f"`outcomes.{name}.maximum_refused` allows",
                "Look at the file; if the other labels are as they should be, raise this share",
            )


def take_labels(
    path: Path,
    sequences: list[Path],
    name: str,
    maximum_refused: float,
    records_of_the_day: bool,
    cut_off: date | None = None,
) -> tuple[dy.DataFrame[OutcomeLabels], LabelCounts]:
    """Return the labels of a file that can be used, and why others cannot.

    Equal rows count once. A label is refused if a value is missing or cannot be read, if another
    label of the same subject and time contradicts it, if the subject has no sequence, or if its day
    is before birth (the first of the month) or after the end of the record. A label without an
    earlier visit is not used, nor, in a split by time, one of a held-out subject before the cut-off
    or of another subject from the cut-off on.

    Args:
        path: the file.
        sequences: the shards.
        name: of the outcome, for errors.
        maximum_refused: the share of the rows that may be refused.
        records_of_the_day: whether records of the day of the prediction are part of the input.
        cut_off: the first day on which a held-out prediction may be made; None for any.

    Raises:
        InputError: the file cannot be read, too many labels are refused, or a split is left with
            equal labels or none.
    """
    read = read_label_file(path)
    counts = LabelCounts(read.height)

    def refuse(frame: pl.DataFrame, reason: str, bad: pl.Expr) -> pl.DataFrame:
        kept = frame.filter(~bad.fill_null(False))
        if kept.height < frame.height:
            counts.unused[reason] += frame.height - kept.height
        return kept

    for column in COLUMNS:
        read = refuse(read, f"blank or unreadable {column}", pl.col(column).is_null())
    read = refuse(read, "repeated", ~pl.struct(COLUMNS).is_first_distinct())
    contradicts = pl.struct("subject_id", "prediction_time").is_duplicated()
    read = refuse(read, "contradicted by another label", contradicts)
    parts, known, cohort = [], 0, 0
    for shard in sequences:
        subjects = read_sequences(shard).with_row_index("row")
        cohort += subjects.height
        part = read.join(
            subjects.select("subject_id", "row", "split", "birth_month", "follow_up_end"),
            on="subject_id",
            maintain_order="left",
        )
        known += part.height
        time = pl.col("prediction_time")
        part = part.with_columns(day=time.dt.date().cast(pl.Int32))
        month = time.dt.year() * 12 + time.dt.month() - 1
        part = refuse(part, "before birth", month < pl.col("birth_month"))
        if cut_off is not None:
            held_out, early = pl.col("split") == HELD_OUT, time.dt.date() < cut_off
            part = refuse(part, BEFORE_CUT_OFF, held_out & early)
            part = refuse(part, FROM_CUT_OFF, ~held_out & ~early)
        part = refuse(part, "after the end of the record", pl.col("day") > pl.col("follow_up_end"))
        visits = subjects.select("row", day="visit_day").explode("day", empty_as_null=False)
        dated = Dated.of(visits["row"].to_numpy(), visits["day"].to_numpy())
        last_day = part["day"].to_numpy() - (not records_of_the_day)
        inputs = pl.Series("input_visits", dated.by(part["row"].to_numpy(), last_day))
        part = part.with_columns(inputs.cast(pl.Int16))
        parts.append(refuse(part, NO_VISIT, pl.col("input_visits") == 0))
    if known < read.height:
        counts.unused["unknown subject"] += read.height - known
    counts.check(path, maximum_refused, name)
    labels = OutcomeLabels.validate(
        pl.concat(parts)
        .with_columns(weight=pl.lit(1.0))
        .sort("subject_id", "prediction_time")
        .select(OutcomeLabels.column_names())
    )
    require_both(labels, name)
    counts.steps = [
        Step("Patients of the cohort", cohort, 0),
        Step("With a label that can be used", labels["subject_id"].n_unique(), labels.height),
    ]
    return labels, counts
