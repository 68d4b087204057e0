"""Drugs, procedures, measurements and smoking in the tables of the OMOP common data model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from behrt.errors import InputError
from behrt.settings.concepts import MeasurementSettings
from behrt.sources import omop
from behrt.sources.inputs import as_records, judge_measurements, judge_tests
from behrt.sources.omop import CONCEPT_PREFIX, OmopTable, find_table
from behrt.sources.records import DatasetFile, Tally

ANCESTORS = "concept_ancestor"
_EQUAL = (0, 4172703)
"""operator_concept_id of a value itself; others are of a bound of it."""

_ID = "person_id"
_OF = {
    "medications": ("drug_exposure",),
    "procedures": ("procedure_occurrence",),
    "tests": ("measurement",),
    "measurements": ("measurement", "observation"),
}
_LAYOUTS = {
    "drug_exposure": ((_ID, "drug_concept_id", "drug_exposure_start_date"), ()),
    "procedure_occurrence": (
        (_ID, "procedure_concept_id", "procedure_date"),
        ("procedure_source_concept_id",),
    ),
    "measurement": (
        (_ID, "measurement_concept_id", "measurement_date"),
        (
            "value_as_number",
            "unit_concept_id",
            "unit_source_value",
            "range_low",
            "range_high",
            "operator_concept_id",
            "value_as_concept_id",
        ),
    ),
    "observation": (
        (_ID, "observation_concept_id", "observation_date"),
        ("value_as_concept_id",),
    ),
}
"""Required and optional columns."""


@dataclass(frozen=True)
class Measurements:
    """Which concepts are measurements.

    Attributes:
        kinds: kind, units and status by concept; several entries have the same kind.
    """

    kinds: tuple[Mapping[str, Any], ...]

    def frame(self) -> pl.DataFrame:
        """Return concept Int64, kind, status String, known_units List(Int64); no concept twice.

        Raises:
            InputError: a concept has two meanings.
        """
        rows = [
            (concept, item["kind"], item["status"], list(item["units"]))
            for item in self.kinds
            for concept in item["concepts"]
        ]
        schema = pl.Schema(
            {
                "concept": pl.Int64(),
                "kind": pl.String(),
                "status": pl.String(),
                "known_units": pl.List(pl.Int64),
            }
        )
        found = pl.DataFrame(rows, schema=schema, orient="row")
        if found["concept"].is_duplicated().any():
            raise InputError(
                "config, omop.measurements",
                f"concept {found.filter(pl.col('concept').is_duplicated())['concept'][0]} is there "
                "twice",
                "Give each concept one meaning",
            )
        return found


def find_parts(folder: Path, concepts: Sequence[str]) -> list[DatasetFile]:
    """List the files of the tables that the inputs are read from, sorted by table and path.

    Raises:
        InputError: a table is missing, or as `behrt.sources.omop.find_table`.
    """
    parts = []
    for table in dict.fromkeys(table for concept in concepts for table in _OF[concept]):
        files = find_table(Path(folder), table)
        if not files and table != "observation":
            users = " and ".join(concept for concept in concepts if table in _OF[concept])
            raise InputError(
                folder,
                f"there is no {table}.parquet or {table}.csv, which `inputs` needs for {users}",
                f"Add the table, or remove {users} from `inputs`",
            )
        parts += [
            DatasetFile(table, f"{index:03d}", path) for index, path in enumerate(files, start=1)
        ]
    return sorted(parts, key=lambda part: (part.table, part.part))


def find_ancestors(folder: Path) -> dict[str, list[Path]]:
    """Return the files of concept_ancestor as `ancestors`; empty if it was not delivered."""
    files = find_table(Path(folder), ANCESTORS)
    return {"ancestors": files} if files else {}


def read_batches(
    path: Path,
    table: str,
    concepts: Sequence[str],
    measurements: Measurements,
    tests: pl.DataFrame,
    bands: MeasurementSettings,
    tally: Tally,
    blank: Sequence[str] = (),
) -> Iterator[pl.DataFrame]:
    """Yield the records of inputs in a file, batch by batch, as `InputRecords`.

    Args:
        path: a file of the table.
        table: its name.
        concepts: the inputs beyond diagnoses that are read.
        measurements: which concepts are measurements.
        tests: of `behrt.sources.inputs.read_tests`.
        bands: of measurements.
        tally: counts the rows.
        blank: texts that stand for no value.

    Raises:
        InputError: the file cannot be read, or a column is missing or of an unusable type.
    """
    required, optional = _LAYOUTS[table]
    layout = OmopTable(required, optional, (_ID,), lambda rows: rows)
    known = measurements.frame()
    for rows in omop.read_rows(path, layout, tally, blank):
        if table == "measurement":
            smoking, others = _split(rows, known, "measurement")
            if "measurements" in concepts:
                yield _smoking(smoking, bands)
            yield _measured(others, concepts, known, tests, bands)
        elif table == "observation":
            yield _smoking(_split(rows, known, "observation")[0], bands)
        elif table == "drug_exposure":
            yield _coded(rows, "medications", "drug_concept_id", "drug_exposure_start_date")
        else:
            yield _coded(
                rows,
                "procedures",
                "procedure_concept_id",
                "procedure_date",
                "procedure_source_concept_id",
            )


def _column(rows: pl.DataFrame, name: str | None, kind: type[pl.DataType]) -> pl.Expr:
    return pl.col(name) if name in rows.columns else pl.lit(None, kind)


def _above_0(concept: pl.Expr) -> pl.Expr:
    return pl.when(concept > 0).then(concept)


def _code(concept: pl.Expr) -> pl.Expr:
    return pl.format(CONCEPT_PREFIX + "{}", _above_0(concept))


def _coded(
    rows: pl.DataFrame, concept: str, column: str, day: str, source: str | None = None
) -> pl.DataFrame:
    given = _above_0(_column(rows, source, pl.Int64))
    return as_records(
        rows,
        concept=pl.lit(concept),
        day=pl.col(day),
        code=pl.coalesce(_code(pl.col(column)), _code(given)),
        source_concept=given,
        outcome=pl.lit("mapped"),
    )


def _measured(
    rows: pl.DataFrame,
    concepts: Sequence[str],
    known: pl.DataFrame,
    tests: pl.DataFrame,
    bands: MeasurementSettings,
) -> pl.DataFrame:
    unit = _above_0(_column(rows, "unit_concept_id", pl.Int64))
    operator = _column(rows, "operator_concept_id", pl.Int64)
    typed = rows.select(
        "subject_id",
        day="measurement_date",
        concept_id=_above_0(pl.col("measurement_concept_id")),
        code=_code(pl.col("measurement_concept_id")),
        value=_column(rows, "value_as_number", pl.Float64),
        low=_column(rows, "range_low", pl.Float64),
        high=_column(rows, "range_high", pl.Float64),
        unit_id=unit,
        unit_text=_column(rows, "unit_source_value", pl.String),
        written=pl.lit(False),
        exact=operator.is_null() | operator.is_in(_EQUAL),
    ).join(known, left_on="concept_id", right_on="concept", how="left", maintain_order="left")
    made = []
    if "measurements" in concepts:
        measured = typed.drop_nulls("kind").with_columns(
            concept=pl.lit("measurements"),
            certain=pl.col("unit_id").is_in(pl.col("known_units")).fill_null(False),
            unit=pl.col("unit_id").cast(pl.String),
        )
        made.append(as_records(judge_measurements(measured, bands)))
    if "tests" in concepts:
        tested = typed.filter(pl.col("kind").is_null()).with_columns(
            concept=pl.lit("tests"),
            test=pl.col("concept_id").cast(pl.String),
            unit=pl.col("unit_id").cast(pl.String),
        )
        judged = judge_tests(tested, tests)
        # A test that the configuration does not name is called after its concept.
        unnamed = ~pl.col("test").is_in(tests["code"].unique().implode())
        event = pl.col("event").str.replace("^TEST//", "TEST//" + CONCEPT_PREFIX)
        made.append(
            as_records(
                judged,
                event=pl.when(unnamed).then(event).otherwise("event"),
                unit=pl.when(pl.col("unit").is_not_null()).then(
                    pl.coalesce("unit_text", pl.format(CONCEPT_PREFIX + "{}", "unit_id"))
                ),
            )
        )
    return pl.concat(made)


def _split(
    rows: pl.DataFrame, known: pl.DataFrame, table: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the rows of a table into those of smoking and others.

    A row is of smoking if its answer or its concept is. Its status is that of the answer; the
    concept decides only where there is no answer, since it may be a question.

    Returns:
        subject_id, day, found (the concept that decides), kind, status (null if the answer has
        none); and the other rows as they are.
    """
    smoking = known.filter(pl.col("kind") == "smoking").select("concept", "status")
    listed = smoking["concept"].implode()
    concept, answer = (
        _above_0(_column(rows, name, pl.Int64))
        for name in (f"{table}_concept_id", "value_as_concept_id")
    )
    is_smoking = pl.any_horizontal(concept.is_in(listed), answer.is_in(listed)).fill_null(False)
    of_smoking = (
        rows.filter(is_smoking)
        .select(
            "subject_id",
            day=f"{table}_date",
            found=pl.coalesce(answer, concept),
            kind=pl.lit("smoking"),
        )
        .join(smoking, left_on="found", right_on="concept", how="left", maintain_order="left")
    )
    return of_smoking, rows.filter(~is_smoking)


def _smoking(rows: pl.DataFrame, bands: MeasurementSettings) -> pl.DataFrame:
    typed = rows.with_columns(
        concept=pl.lit("measurements"),
        code=_code(pl.col("found")),
        value=pl.lit(None, pl.Float64),
        unit=pl.lit(None, pl.String),
        certain=pl.lit(True),
        written=pl.lit(False),
        exact=pl.lit(True),
    )
    return as_records(judge_measurements(typed, bands))
