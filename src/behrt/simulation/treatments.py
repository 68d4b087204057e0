"""Prescriptions: treatments that follow the records of diseases, and some for other reasons.

`treatments.csv` lists which substances the record of a disease starts, how often and after what
lag. A lasting treatment starts once, after the disease's first record; it is then issued on the
person's issue days, unless it is left out or pauses, until it stops. A course is started by any
record of the disease, and is issued a fixed number of times. The practice prescribes only while the
person is registered. `substances.csv` lists the substances, the products that contain them, and how
often each is prescribed for another reason.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt.ragged import ragged_ranges
from behrt.settings.simulation import ConceptProcess
from behrt.simulation.days import YEAR, pack, unpack
from behrt.simulation.histories import Histories
from behrt.simulation.parameter_tables import indexed, read_table

SUBSTANCES = Path(__file__).with_name("substances.csv")
TREATMENTS = Path(__file__).with_name("treatments.csv")

_COURSE_DAYS = 28
_SUBSTANCES = 1024


class SubstanceSchema(dy.Schema):
    """One row per substance, sorted by name.

    Attributes:
        substance: its name.
        bnf: codes of the British National Formulary, eight digits each, separated by "/"; null for
            what the formulary does not list.
        formulation, route: of its products.
        strengths: of its products, separated by "|". Each is one product.
        otherwise: how often it is prescribed for another reason than a simulated disease, relative
            to the other substances.
    """

    substance = dy.String(primary_key=True)
    bnf = dy.String(nullable=True, regex=r"^[0-9]{8}(/[0-9]{8})*$")
    formulation = dy.String()
    route = dy.String(nullable=True)
    strengths = dy.String(min_length=1)
    otherwise = dy.Float64(min=0)


class TreatmentSchema(dy.Schema):
    """One row per disease and substance.

    Attributes:
        disease: whose record may start the treatment.
        substance: in the table of substances.
        started: probability that a record starts it; for a lasting treatment, the first record.
        lag_days: mean days from the record to the first prescription, of an exponential
            distribution.
        issues: prescriptions of a course; null for a lasting treatment.
        years: mean time until a lasting treatment stops, of an exponential distribution.
    """

    disease = dy.String(primary_key=True)
    substance = dy.String(primary_key=True)
    started = dy.Float64(min_exclusive=0, max=1)
    lag_days = dy.Float64(min=0)
    issues = dy.Int64(nullable=True, min=1)
    years = dy.Float64(nullable=True, min_exclusive=0)

    @dy.rule()
    def a_course_or_a_lasting_treatment(cls) -> pl.Expr:
        return pl.col("issues").is_null() != pl.col("years").is_null()


def read_substances(path: Path = SUBSTANCES) -> dy.DataFrame[SubstanceSchema]:
    """Read the table of substances, sorted by name.

    Raises:
        InputError: a value is missing or out of range, or a name occurs twice.
    """
    return read_table(
        SubstanceSchema, path, "substances", lambda read: read.sort("substance"), ("bnf",)
    )


def read_treatments(path: Path = TREATMENTS) -> dy.DataFrame[TreatmentSchema]:
    """Read the table of treatments.

    Raises:
        InputError: a value is missing or out of range, or a treatment occurs twice.
    """
    return read_table(TreatmentSchema, path, "treatments")


@dataclass(frozen=True)
class Treatments:
    """The tables of substances and treatments.

    Attributes:
        substances: sorted by name (`SubstanceSchema`).
        table: sorted by disease, `disease` and `substance` being indices.
    """

    substances: pl.DataFrame
    table: pl.DataFrame

    @classmethod
    def of(cls, diseases: pl.DataFrame) -> "Treatments":
        """Read the tables; `diseases` are the world's.

        Raises:
            InputError: a treatment names an unknown disease or substance.
        """
        substances = read_substances()
        table: pl.DataFrame = read_treatments()
        for column, names in (
            ("disease", diseases["name"]),
            ("substance", substances["substance"]),
        ):
            table = indexed(table, column, names, TREATMENTS, f"{column}s")
        return cls(substances, table.sort("disease", "substance"))

    @cached_property
    def shares_otherwise(self) -> np.ndarray:
        """Cumulative shares of the substances among prescriptions for other reasons."""
        weight = self.substances["otherwise"].to_numpy()
        share: np.ndarray = np.cumsum(weight) / weight.sum()
        return share


@dataclass(frozen=True)
class Prescriptions:
    """Prescriptions, sorted by row, day and substance.

    Attributes:
        row: int64, the person's row.
        day: int64.
        substance: int64, index into the substances.
    """

    row: np.ndarray
    day: np.ndarray
    substance: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


def make_prescriptions(
    histories: Histories, treatments: Treatments, settings: ConceptProcess
) -> Prescriptions:
    """Return all prescriptions; a substance is prescribed once a day at most."""
    table = treatments.table
    lasting = table["issues"].is_null().to_numpy()
    substance = table["substance"].to_numpy()
    started = [
        _lasting(histories, table, np.flatnonzero(lasting), settings),
        _courses(histories, table, np.flatnonzero(~lasting)),
    ]
    keys = [pack(row, day) * _SUBSTANCES + substance[treatment] for row, treatment, day in started]
    keys.append(_otherwise(histories, treatments, settings))
    key, chosen = np.divmod(np.unique(np.concatenate(keys)), _SUBSTANCES)
    row, day = unpack(key)
    kept = (day >= histories.start[row]) & (day <= histories.end[row])
    return Prescriptions(row[kept], day[kept], chosen[kept])


def _drawn_days(drawn: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return days (int64) of an exponential distribution, from uniform numbers."""
    days: np.ndarray = np.floor(-np.log1p(-drawn) * mean).astype(np.int64)
    return days


def _lasting(
    histories: Histories, table: pl.DataFrame, chosen: np.ndarray, settings: ConceptProcess
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, treatment and day of the issues of lasting treatments."""
    disease, started, lag, years = (
        table[name].to_numpy()[chosen] for name in ("disease", "started", "lag_days", "years")
    )
    recorded = histories.recorded[disease]
    which, row = np.nonzero(recorded <= histories.end)
    day = recorded[which, row]
    treatment = chosen[which]
    kept = histories.uniform("started", row, treatment) < started[which]
    which, row, day, treatment = which[kept], row[kept], day[kept], treatment[kept]
    begin = day + _drawn_days(histories.uniform("lag", row, treatment), lag[which])
    length = _drawn_days(histories.uniform("stops", row, treatment), years[which] * YEAR)
    end = np.minimum(begin + length, histories.end[row])

    # The person's issue days: a phase, and multiples of the interval.
    phase = histories.uniform("issues", row, 0) * settings.issue_days
    since = np.maximum(begin + 1, histories.start[row])
    first = np.ceil((since - phase) / settings.issue_days).astype(np.int64)
    last = np.floor((end - phase) / settings.issue_days).astype(np.int64)
    count = np.maximum(last - first + 1, 0)
    episode = np.repeat(np.arange(len(row)), count)
    number, _ = ragged_ranges(first, count)
    due = np.floor(phase[episode] + number * settings.issue_days).astype(np.int64)
    at, of = row[episode], treatment[episode]
    issued = histories.uniform("issued", at, of, number) < settings.adherence
    pause = number // settings.pause_issues
    issued &= histories.uniform("paused", at, of, pause) >= settings.paused
    return (
        np.concatenate([row, at[issued]]),
        np.concatenate([treatment, of[issued]]),
        np.concatenate([begin, due[issued]]),
    )


def _courses(
    histories: Histories, table: pl.DataFrame, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, treatment and day of the issues of courses."""
    disease = table["disease"].to_numpy()[chosen]
    size = np.bincount(disease, minlength=len(histories.onset))
    first = np.cumsum(size) - size
    copies = size[histories.disease]
    record = np.repeat(np.arange(len(histories.row)), copies)
    which, _ = ragged_ranges(first[histories.disease], copies)
    treatment = chosen[which]
    row, day = histories.row[record], histories.day[record]
    started, lag, issues = (
        table[name].to_numpy()[treatment] for name in ("started", "lag_days", "issues")
    )
    kept = histories.uniform("course", row, treatment, day) < started
    row, day, treatment = row[kept], day[kept], treatment[kept]
    begin = day + _drawn_days(histories.uniform("lag", row, treatment, day), lag[kept])
    count = issues[kept].astype(np.int64)
    course = np.repeat(np.arange(len(row)), count)
    number, _ = ragged_ranges(np.zeros(len(row), dtype=np.int64), count)
    return row[course], treatment[course], begin[course] + number * _COURSE_DAYS


def _otherwise(
    histories: Histories, treatments: Treatments, settings: ConceptProcess
) -> np.ndarray:
    """Return the keys of prescriptions for other reasons, at visits."""
    row, day = histories.visit
    kept = histories.uniform("other", row, 0, day) < settings.other_prescriptions
    row, day = row[kept], day[kept]
    drawn = histories.uniform("which", row, 0, day)
    substance = np.searchsorted(treatments.shares_otherwise, drawn, side="right")
    return pack(row, day) * _SUBSTANCES + substance
