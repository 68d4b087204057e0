"""Tests and measurements: which are done at a visit, and their values.

`markers.csv` lists them, and `marker_changes.csv` what diseases do to them. A test is done at a
visit to the practice for no particular reason, or to follow up a recorded disease. Its value is
that of a healthy person of this age and sex, plus what the person's diseases change. A disease
changes a value from its onset, whether it is recorded or not, and less once it has been recorded,
when it is treated. So a value may be abnormal before the disease's first record. Values depend on
nothing that comes later.

A person's smoking depends on the susceptibility that raises or lowers all spontaneous risks of the
process. It changes no risk itself.
"""

from dataclasses import dataclass
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt.settings.simulation import ConceptProcess
from behrt.simulation.days import YEAR
from behrt.simulation.histories import Histories
from behrt.simulation.parameter_tables import indexed, read_table

MARKERS = Path(__file__).with_name("markers.csv")
CHANGES = Path(__file__).with_name("marker_changes.csv")

TESTS, MEASUREMENTS = "tests", "measurements"

CURRENT, EX, NEVER_SMOKED = 0, 1, 2
"""Smoking status; `behrt.simulation.look_ups` has their codes."""

_CONTROLLED_AFTER = 90
_MOST_TESTED = 0.95
_ADULT = 16.0
_FULL_TESTING_AGE = 60.0
_SMALLEST = 1e-3
_SPREAD_OF_CHANGES = 0.5

_SMOKING_RECORDED = 0.12
_SMOKING_STARTS, _YEARS_OF_SMOKING = 17.0, 30.0
_EVER_SMOKED = (0.0, -0.3)
_EVER_BY_SUSCEPTIBILITY = 3.0
_FORGOTTEN = 0.06


class MarkerSchema(dy.Schema):
    """One row per test or measurement. Those with one `entity` are measured together.

    Attributes:
        concept: tests or measurements.
        name: of the test.
        entity: GOLD's entity type.
        term: of the medical code.
        unit: of the values.
        male, female: mean of healthy people at the age of 50, null if the sex is not tested; the
            median, if `logarithmic`.
        per_decade: change with ten years of age.
        between, within: standard deviations between people, and within a person from day to day.
        logarithmic: whether `per_decade`, `between`, `within` and the changes by diseases apply to
            the natural logarithm of the value.
        decimals: of the recorded value.
        low_male … high_female: the normal range; null for an open end.
        tested: probability of the test at a visit at the age of 60 for no particular reason.
    """

    concept = dy.Enum([TESTS, MEASUREMENTS])
    name = dy.String(primary_key=True)
    entity = dy.Int64(min=1)
    term = dy.String(min_length=1)
    unit = dy.String(min_length=1)
    male = dy.Float64(min_exclusive=0)
    female = dy.Float64(nullable=True, min_exclusive=0)
    per_decade = dy.Float64()
    between = dy.Float64(min=0)
    within = dy.Float64(min=0)
    logarithmic = dy.Bool()
    decimals = dy.Int64(min=0, max=3)
    low_male = dy.Float64(nullable=True)
    high_male = dy.Float64(nullable=True)
    low_female = dy.Float64(nullable=True)
    high_female = dy.Float64(nullable=True)
    tested = dy.Float64(min=0, max=1)


class ChangeSchema(dy.Schema):
    """One row per marker and disease that changes it.

    Attributes:
        marker, disease: their names.
        change: of the value, in its unit, or of its natural logarithm.
        years: time from the onset until half to all of the change; the change starts at half.
        lasts_years: time after the onset, or the last flare-up, at which it ends; null for life.
        controlled: what is left of it from 90 days after the first record.
        tested: probability of the test at a visit once the disease is recorded.
    """

    marker = dy.String(primary_key=True)
    disease = dy.String(primary_key=True)
    change = dy.Float64()
    years = dy.Float64(min=0)
    lasts_years = dy.Float64(nullable=True, min_exclusive=0)
    controlled = dy.Float64(min=-3, max=1)
    tested = dy.Float64(min=0, max=1)


def read_markers(path: Path = MARKERS) -> dy.DataFrame[MarkerSchema]:
    """Read the table of markers.

    Raises:
        InputError: a value is missing or out of range, or a name occurs twice.
    """
    logarithmic = pl.col("logarithmic") == 1
    return read_table(MarkerSchema, path, "markers", lambda read: read.with_columns(logarithmic))


def read_changes(path: Path = CHANGES) -> dy.DataFrame[ChangeSchema]:
    """Read the table of changes.

    Raises:
        InputError: a value is missing or out of range, or a change occurs twice.
    """
    return read_table(ChangeSchema, path, "changes")


@dataclass(frozen=True)
class Markers:
    """The tables of markers and of the changes of each, whose diseases are indices."""

    table: pl.DataFrame
    changes: list[pl.DataFrame]

    @classmethod
    def of(cls, diseases: pl.DataFrame) -> "Markers":
        """Read the tables; `diseases` are the world's.

        Raises:
            InputError: a change names an unknown disease or marker.
        """
        table = read_markers()
        changes = indexed(read_changes(), "disease", diseases["name"], CHANGES, "diseases")
        changes = indexed(changes, "marker", table["name"], CHANGES, "markers")
        return cls(table, [changes.filter(pl.col("marker") == m) for m in range(len(table))])


@dataclass(frozen=True)
class Values:
    """Tests or measurements that were done, sorted by marker, row and day.

    Attributes:
        row: int64, the person's row.
        day: int64.
        marker: int64, index into the markers.
        value: float64.
    """

    row: np.ndarray
    day: np.ndarray
    marker: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


def make_values(
    histories: Histories, markers: Markers, concept: str, settings: ConceptProcess
) -> Values:
    """Return all tests (concept `tests`) or measurements (`measurements`) with their values."""
    row, day = histories.visit
    age = histories.age(row, day)
    parts = []
    entity, done = -1, np.zeros(0, dtype=bool)
    for number, marker in enumerate(markers.table.iter_rows(named=True)):
        if marker["concept"] != concept:
            continue
        if marker["entity"] != entity:
            entity = marker["entity"]
            done = _tested(histories, row, day, age, entity, number, markers, settings)
        at, on = row[done], day[done]
        value = _value(histories, at, on, age[done], number, markers, settings)
        parts.append((at, on, np.full(len(at), number), value))
    return Values(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _tested(
    histories: Histories,
    row: np.ndarray,
    day: np.ndarray,
    age: np.ndarray,
    entity: int,
    number: int,
    markers: Markers,
    settings: ConceptProcess,
) -> np.ndarray:
    """Return bool, one per visit: whether a marker is tested."""
    marker = markers.table.row(number, named=True)
    by_age = np.clip(age / _FULL_TESTING_AGE, 0.1, 1.3) * (age >= _ADULT)
    usual = marker["tested"] * settings.testing * by_age
    untested = 1 - np.minimum(usual, _MOST_TESTED)
    for change in markers.changes[number].iter_rows(named=True):
        known = histories.recorded[change["disease"]][row] <= day
        untested[known] *= 1 - min(change["tested"] * settings.testing, _MOST_TESTED)
    if marker["female"] is None:
        untested[histories.female[row]] = 1
    tested: np.ndarray = histories.uniform("tested", row, entity, day) >= untested
    return tested


def _value(
    histories: Histories,
    row: np.ndarray,
    day: np.ndarray,
    age: np.ndarray,
    number: int,
    markers: Markers,
    settings: ConceptProcess,
) -> np.ndarray:
    """Return the values of a marker, one per test, rounded as recorded."""
    marker = markers.table.row(number, named=True)
    middle = np.where(histories.female[row], marker["female"] or 1.0, marker["male"])
    value = np.log(middle) if marker["logarithmic"] else middle
    value = value + marker["per_decade"] * (age - 50) / 10
    value += marker["between"] * histories.normal("person", row, number)
    within = marker["within"] * settings.variation
    value += within * histories.normal("within", row, number, day)
    for place, change in enumerate(markers.changes[number].iter_rows(named=True)):
        disease = change["disease"]
        begun = histories.onset[disease][row]
        if change["lasts_years"] is not None:
            begun = histories.latest_due(disease, row, day)
        since = day - begun
        acts = (since >= 0) & (since <= (change["lasts_years"] or np.inf) * YEAR)
        grown = 0.5 + 0.5 * np.clip(since / (max(change["years"], 0.01) * YEAR), 0, 1)
        drawn = histories.uniform(f"change{place}", row, number)
        part = 1 + _SPREAD_OF_CHANGES * (2 * drawn - 1)
        known = histories.recorded[disease][row] + _CONTROLLED_AFTER <= day
        left = np.where(known, change["controlled"], 1.0)
        value += acts * grown * part * left * change["change"]
    if marker["logarithmic"]:
        value = np.exp(value)
    rounded: np.ndarray = np.round(np.maximum(value, _SMALLEST), marker["decimals"])
    return rounded


@dataclass(frozen=True)
class Smoking:
    """Records of smoking, sorted by row and day.

    Attributes:
        row: int64, the person's row.
        day: int64.
        status: int64, `CURRENT`, `EX` or `NEVER_SMOKED`.
    """

    row: np.ndarray
    day: np.ndarray
    status: np.ndarray


def make_smoking(histories: Histories, settings: ConceptProcess) -> Smoking:
    """Return the recorded smoking of people, at visits."""
    row, day = histories.visit
    recorded = min(_SMOKING_RECORDED * settings.testing, _MOST_TESTED)
    done = histories.uniform("smoking", row, 0, day) < recorded
    done &= histories.age(row, day) >= _ADULT
    row, day = row[done], day[done]
    people = np.arange(len(histories.person))
    intercept = np.where(histories.female, _EVER_SMOKED[1], _EVER_SMOKED[0])
    logit = intercept + _EVER_BY_SUSCEPTIBILITY * np.log(histories.susceptibility)
    ever = histories.uniform("ever", people, 0) < 1 / (1 + np.exp(-logit))
    years = -np.log1p(-histories.uniform("quits", people, 0)) * _YEARS_OF_SMOKING
    age = histories.age(row, day)
    smoked = ever[row] & (age >= _SMOKING_STARTS)
    status = np.where(
        smoked, np.where(age < _SMOKING_STARTS + years[row], CURRENT, EX), NEVER_SMOKED
    )
    forgotten = histories.uniform("forgot", row, 0, day) < _FORGOTTEN
    status[(status == EX) & forgotten] = NEVER_SMOKED
    return Smoking(row, day, status)
