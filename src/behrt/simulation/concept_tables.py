"""Prescriptions, tests and measurements of a block as rows of CPRD GOLD's tables.

They are added to the tables of `behrt.simulation.primary_care`, whose rows stay as they are. Each
day with a row is a consultation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.settings.simulation import ConceptProcess, Flaws
from behrt.simulation.concepts import Concepts
from behrt.simulation.days import NO_DAY, pack, unpack
from behrt.simulation.flaws import random_mask, with_duplicates
from behrt.simulation.look_ups import (
    ABNORMAL,
    BLOOD_PRESSURE,
    EQUAL,
    HEIGHT,
    LESS,
    MORE,
    NO,
    NORMAL,
    SMOKING,
    STOPPED,
    WEIGHT,
    YES,
    medcodes,
    product_of,
    products,
    units,
)
from behrt.simulation.markers import CURRENT, Markers, Smoking, Values
from behrt.simulation.patients import SUFFIX, Patients, generator
from behrt.simulation.primary_care import Columns, Visits, entered_days
from behrt.simulation.text import blank_where, dates
from behrt.simulation.treatments import Prescriptions

_ISSUED = 25
_EXAMINATION, _RESULT = 2, 3
_FILTRATION = "eGFR"
_LARGEST_FILTRATION = 90.0
_YEARS_BEFORE, _YEAR_AFTER = 730, 365
_QUALIFIED = 0.8
_HEIGHTS = 0.3
_MALE_HEIGHT, _FEMALE_HEIGHT, _HEIGHT_SPREAD = 1.755, 1.62, 0.068
_CIGARETTES = np.array(["", "5", "10", "15", "20", "30"])
_STATUS = np.array([YES, STOPPED, NO])


@dataclass(frozen=True)
class _Drawn:
    """What is drawn for the rows of one table, with a generator of its own."""

    patients: Patients
    visits: Visits
    flaws: Flaws
    draws: np.random.Generator
    seed: int

    def event(self, row: np.ndarray, day: np.ndarray, dated: np.ndarray | None = None) -> Columns:
        """Return patid, dates, consultation and staff; `dated` are other days than the visits'."""
        visit = np.searchsorted(self.visits.key, pack(row, day))
        written = day if dated is None else dated
        lost = random_mask(self.draws, len(row), self.flaws.missing_date)
        return {
            "patid": self.patients.patid[row],
            "eventdate": dates(np.where(lost, NO_DAY, written)),
            "sysdate": dates(entered_days(self.draws, day)),
            "consid": self.visits.consid[visit],
            "staffid": self.visits.staffid[visit],
        }

    def twice(self, columns: Columns) -> Columns:
        """Return the columns with some of the rows delivered twice."""
        rows = len(columns["patid"])  # type: ignore[arg-type]
        at = with_duplicates(self.draws, rows, self.flaws.duplicate)
        return {name: _gather(column, at) for name, column in columns.items()}


def _gather(column: object, at: np.ndarray) -> object:
    if isinstance(column, np.ndarray):
        return column[at]
    return column.gather(at) if isinstance(column, pl.Series) else column


def with_concepts(
    tables: Mapping[str, Columns],
    patients: Patients,
    visits: Visits,
    concepts: Concepts,
    markers: Markers,
    flaws: Flaws,
    settings: ConceptProcess,
    seed: int,
    database: str,
) -> dict[str, Columns]:
    """Return tables of GOLD with the rows of a block's inputs.

    Args:
        tables: from `behrt.simulation.primary_care.gp_tables`, without what `concepts` has.
        patients: of the block.
        visits: from `behrt.simulation.primary_care.visits_of`.
        concepts: of the block.
        markers: the tables that the values are from.
        flaws: of the delivery.
        settings: of the inputs.
        seed: of the simulation.
        database: gold; or aurum, in which case measurements are the table `measured`, in the
            columns of Test, which `behrt.simulation.aurum` converts.
    """
    made = dict(tables)
    every = visits
    if (prescribed := concepts.prescriptions) is not None:
        every, added = _with_issues(patients, visits, prescribed)
        made["consultation"] = _joined(made["consultation"], added)

    def drawn(use: str) -> _Drawn:
        draws = generator(seed, int(patients.person[0]), f"concept {use}")
        return _Drawn(patients, every, flaws, draws, seed)

    if prescribed is not None:
        made["therapy"] = _therapy(drawn("therapy"), prescribed, settings)
    if (tests := concepts.tests) is not None:
        made["test"] = _test(drawn("test"), tests, markers, settings)
    if (measured := concepts.measurements) is not None and concepts.smoking is not None:
        if database == "aurum":
            made["measured"] = _observed(
                drawn("measured"), measured, concepts.smoking, markers, settings
            )
        else:
            clinical, made["additional"] = _additional(
                drawn("additional"), measured, concepts.smoking, markers, settings
            )
            made["clinical"] = _joined(made["clinical"], clinical)
    return made


def _joined(columns: Columns, more: Columns) -> Columns:
    """Return the rows of both, by patient, those of `columns` first."""
    frames = [pl.DataFrame(dict(part)).select(list(columns)) for part in (columns, more)]
    both = pl.concat(frames, how="vertical_relaxed").sort("patid", maintain_order=True)
    return {column.name: column for column in both}


def _with_issues(
    patients: Patients, visits: Visits, prescribed: Prescriptions
) -> tuple[Visits, Columns]:
    """Return the visits with those on which only something is issued, and rows of the latter."""
    key = np.setdiff1d(pack(prescribed.row, prescribed.day), visits.key)
    row, day = unpack(key)
    before = np.bincount(visits.row, minlength=len(patients))
    first = np.searchsorted(row, np.arange(len(patients)))
    consid = before[row] + np.arange(len(row)) - first[row] + 1
    staffid = SUFFIX + patients.pracid[row]
    order = np.argsort(np.concatenate([visits.key, key]), kind="stable")
    every = Visits(
        *(
            np.concatenate([old, new])[order]
            for old, new in (
                (visits.row, row),
                (visits.day, day),
                (visits.consid, consid),
                (visits.staffid, staffid),
                (visits.key, key),
            )
        )
    )
    text = dates(day)
    return every, {
        "patid": patients.patid[row],
        "eventdate": text,
        "sysdate": text,
        "constype": np.full(len(row), _ISSUED),
        "consid": consid,
        "staffid": staffid,
        "duration": np.zeros(len(row), dtype=np.int64),
    }


def _therapy(drawn: _Drawn, prescribed: Prescriptions, settings: ConceptProcess) -> Columns:
    draws, patients = drawn.draws, drawn.patients
    row, day, n = prescribed.row, prescribed.day, len(prescribed)
    # A person keeps one product of a substance most of the time.
    usual = (patients.person[row] * 31 + prescribed.substance * 7) % 97 / 97
    other = random_mask(draws, n, 0.1)
    part = np.where(other, draws.random(n), usual)
    product = product_of(prescribed.substance, part)
    table = products()
    bnf = table["bnfcode"].rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    unknown = random_mask(draws, n, settings.unknown_product)
    unlisted = draws.choice(np.array([0, 99_990, 99_991]), n)
    outside = draws.random(n)
    before = patients.registered[row] - draws.integers(1, _YEARS_BEFORE, n)
    after = patients.closes[row] + draws.integers(1, _YEAR_AFTER, n)
    share = settings.outside_registration
    dated = np.where(outside < share / 2, before, day)
    dated = np.where(outside > 1 - share / 2, after, dated)
    return drawn.twice(
        {
            **drawn.event(row, day, dated),
            "prodcode": np.where(unknown, unlisted, table["prodcode"].to_numpy()[product]),
            "dosageid": draws.integers(1, 400, n),
            "bnfcode": np.where(unknown, 0, bnf[product]),
            "qty": draws.choice(np.array([28, 28, 30, 56, 56, 60, 84, 100, 112]), n),
            "numdays": draws.choice(np.array([0, 0, 28, 56, 84]), n),
            "numpacks": 0,
            "packtype": draws.integers(1, 30, n),
            "issueseq": draws.integers(0, 40, n),
        }
    )


def _numbers(values: np.ndarray, decimals: np.ndarray) -> pl.Series:
    """Return values as text: without a decimal point where there are no decimals."""
    frame = pl.DataFrame({"value": values, "whole": decimals == 0})
    text = pl.when("whole").then(pl.col("value").cast(pl.Int64).cast(pl.String))
    return frame.select(text.otherwise(pl.col("value").cast(pl.String))).to_series()


def _text(values: np.ndarray) -> pl.Series:
    return pl.Series(values).cast(pl.String)


def _bounds(markers: Markers, marker: np.ndarray, female: np.ndarray, end: str) -> np.ndarray:
    """Return the ends (`low` or `high`) of normal ranges, NaN for an open end."""
    table = markers.table
    by_sex = [table[f"{end}_{sex}"].to_numpy()[marker] for sex in ("male", "female")]
    bounds: np.ndarray = np.where(female, by_sex[1], by_sex[0])
    return bounds


def _range_text(bound: np.ndarray, decimals: np.ndarray, lost: np.ndarray) -> pl.Series:
    blank = lost | np.isnan(bound)
    text = _numbers(np.where(blank, 0.0, bound), decimals)
    frame = pl.DataFrame({"text": text, "blank": blank})
    return frame.select(pl.when(~pl.col("blank")).then("text")).to_series()


def _results(drawn: _Drawn, done: Values, markers: Markers, settings: ConceptProcess) -> Columns:
    """Return the data fields of tests with a value."""
    draws, table, marker = drawn.draws, markers.table, done.marker
    n = len(done)
    female = drawn.patients.sex[done.row] == 2
    low, high = (_bounds(markers, marker, female, end) for end in ("low", "high"))
    decimals = table["decimals"].to_numpy()[marker]
    scale = table["logarithmic"].to_numpy()[marker]
    least: np.ndarray = 10.0**-decimals
    filtration = table["name"].to_list().index(_FILTRATION)
    below = scale & (done.value <= least)
    above = (marker == filtration) & (done.value > _LARGEST_FILTRATION)
    value = np.where(below, least, np.where(above, _LARGEST_FILTRATION, done.value))
    operator = np.select([below, above], [LESS, MORE], EQUAL)

    code = np.array([units()[unit] for unit in table["unit"]])
    fault = draws.random(n)
    unit = np.where(fault < settings.unknown_unit / 2, 0, code[marker])
    wrong = fault > 1 - settings.unknown_unit / 2
    unit = np.where(wrong, code[draws.integers(0, len(code), n)], unit)
    lost = random_mask(draws, n, settings.no_value)
    no_range = random_mask(draws, n, settings.no_range)
    abnormal = (value < low) | (value > high)
    qualifier = np.where(abnormal, ABNORMAL, NORMAL)
    qualifier = np.where(random_mask(draws, n, _QUALIFIED), qualifier, 0)
    return {
        "data1": np.where(lost, 0, operator),
        "data2": _blank(_numbers(value, decimals), lost),
        "data3": np.where(lost, 0, unit),
        "data4": qualifier,
        "data5": _range_text(low, decimals, no_range | lost),
        "data6": _range_text(high, decimals, no_range | lost),
        "data7": 0,
        "data8": None,
    }


def _blank(text: pl.Series, blank: np.ndarray) -> pl.Series:
    frame = pl.DataFrame({"text": text, "blank": blank})
    return frame.select(pl.when(~pl.col("blank")).then("text")).to_series()


def _sorted(values: Values) -> Values:
    """Return values by person and day."""
    order = np.lexsort((values.marker, pack(values.row, values.day)))
    return Values(values.row[order], values.day[order], values.marker[order], values.value[order])


def _medcode(markers: Markers, marker: np.ndarray) -> np.ndarray:
    code: np.ndarray = np.array([medcodes()[name] for name in markers.table["name"]])[marker]
    return code


def _test(drawn: _Drawn, tests: Values, markers: Markers, settings: ConceptProcess) -> Columns:
    tests = _sorted(tests)
    return drawn.twice(
        {
            **drawn.event(tests.row, tests.day),
            "constype": _RESULT,
            "medcode": _medcode(markers, tests.marker),
            "enttype": markers.table["entity"].to_numpy()[tests.marker],
            **_results(drawn, tests, markers, settings),
        }
    )


@dataclass(frozen=True)
class _Measured:
    """Measurements by kind: blood pressure, body mass index with weight, and some heights."""

    pressure_row: np.ndarray
    pressure_day: np.ndarray
    systolic: np.ndarray
    diastolic: np.ndarray
    weight_row: np.ndarray
    weight_day: np.ndarray
    weight: np.ndarray
    index: np.ndarray
    height_row: np.ndarray
    height_day: np.ndarray
    height: np.ndarray


def _measured(drawn: _Drawn, values: Values, markers: Markers) -> _Measured:
    def of(name: str) -> np.ndarray:
        return np.flatnonzero(values.marker == markers.table["name"].to_list().index(name))

    systolic, diastolic = of("Systolic blood pressure"), of("Diastolic blood pressure")
    mass = of("Body mass index")
    patients = drawn.patients
    # The generator of heights is not that of the rows, whose number depends on later visits.
    tall = generator(drawn.seed, int(patients.person[0]), "heights").standard_normal(len(patients))
    middle = np.where(patients.sex == 2, _FEMALE_HEIGHT, _MALE_HEIGHT)
    height = np.round(middle + _HEIGHT_SPREAD * tall, 2)
    index, row = values.value[mass], values.row[mass]
    high = random_mask(drawn.draws, len(mass), _HEIGHTS)
    return _Measured(
        values.row[systolic],
        values.day[systolic],
        values.value[systolic],
        values.value[diastolic],
        row,
        values.day[mass],
        np.round(index * height[row] ** 2, 1),
        index,
        row[high],
        values.day[mass][high],
        height[row][high],
    )


def _additional(
    drawn: _Drawn, values: Values, smoking: Smoking, markers: Markers, settings: ConceptProcess
) -> tuple[Columns, Columns]:
    """Return rows of Clinical, and those of Additional that they point to."""
    found = _measured(drawn, values, markers)
    codes = medcodes()
    status = np.array([codes[one] for one in range(len(_STATUS))])
    cigarettes = drawn.draws.choice(_CIGARETTES, len(smoking.row))
    smokes = smoking.status == CURRENT
    whole = np.zeros(len(found.systolic), dtype=np.int64)
    kinds: list[tuple[int, np.ndarray, np.ndarray, object, dict[str, pl.Series]]] = [
        (
            BLOOD_PRESSURE,
            found.pressure_row,
            found.pressure_day,
            codes["blood pressure"],
            {"data1": _numbers(found.diastolic, whole), "data2": _numbers(found.systolic, whole)},
        ),
        (
            WEIGHT,
            found.weight_row,
            found.weight_day,
            codes["weight"],
            {"data1": _text(found.weight), "data3": _text(found.index)},
        ),
        (
            HEIGHT,
            found.height_row,
            found.height_day,
            codes["height"],
            {"data1": _text(found.height)},
        ),
        (
            SMOKING,
            smoking.row,
            smoking.day,
            status[smoking.status],
            {
                "data1": pl.Series(_STATUS[smoking.status]).cast(pl.String),
                "data2": pl.Series(np.where(smokes, cigarettes, "")),
            },
        ),
    ]
    frames = []
    for entity, row, day, medcode, data in kinds:
        blank = pl.Series([None] * len(row), dtype=pl.String)
        frames.append(
            pl.DataFrame(
                {
                    "row": row,
                    "day": day,
                    "enttype": np.full(len(row), entity),
                    "medcode": np.broadcast_to(np.asarray(medcode), len(row)),
                    **{f"data{i}": data.get(f"data{i}", blank) for i in range(1, 4)},
                }
            )
        )
    rows = pl.concat(frames).sort("row", "day", "enttype", maintain_order=True)
    lost = random_mask(drawn.draws, len(rows), settings.no_value)
    row = rows["row"].to_numpy()
    adid = np.arange(1, len(rows) + 1)
    clinical = {
        **drawn.event(row, rows["day"].to_numpy()),
        "constype": np.full(len(rows), _EXAMINATION),
        "medcode": rows["medcode"],
        "episode": np.zeros(len(rows), dtype=np.int64),
        "enttype": rows["enttype"],
        "adid": adid,
    }
    additional: Columns = {
        "patid": drawn.patients.patid[row],
        "enttype": rows["enttype"],
        "adid": adid,
        **{f"data{i}": _blank(rows[f"data{i}"], lost) for i in range(1, 4)},
        **dict.fromkeys(("data4", "data5", "data6", "data7")),
    }
    return drawn.twice(clinical), additional


def _observed(
    drawn: _Drawn, values: Values, smoking: Smoking, markers: Markers, settings: ConceptProcess
) -> Columns:
    """Return measurements in the columns of Test, as Aurum's observations have them."""
    found = _measured(drawn, values, markers)
    codes, unit = medcodes(), units()
    kinds: list[tuple[object, np.ndarray, np.ndarray, np.ndarray, int, int]] = [
        (codes[name], found.pressure_row, found.pressure_day, pressure, unit["mmHg"], 0)
        for name, pressure in (
            ("Systolic blood pressure", found.systolic),
            ("Diastolic blood pressure", found.diastolic),
        )
    ]
    by_weight = found.weight_row, found.weight_day
    kinds += [
        (codes["weight"], *by_weight, found.weight, unit["kg"], 1),
        (codes["Body mass index"], *by_weight, found.index, unit["kg/m2"], 1),
        (codes["height"], found.height_row, found.height_day, found.height, unit["m"], 2),
    ]
    frames = [
        pl.DataFrame(
            {
                "row": row,
                "day": day,
                "medcode": np.full(len(row), code),
                "value": _numbers(value, np.full(len(row), decimals)),
                "unit": np.full(len(row), number),
            }
        )
        for code, row, day, value, number, decimals in kinds
    ]
    status = np.array([codes[one] for one in range(len(_STATUS))])
    frames.append(
        pl.DataFrame(
            {
                "row": smoking.row,
                "day": smoking.day,
                "medcode": status[smoking.status],
                "value": pl.Series([None] * len(smoking.row), dtype=pl.String),
                "unit": pl.Series([None] * len(smoking.row), dtype=pl.Int64),
            }
        )
    )
    rows = pl.concat(frames).sort("row", "day", "medcode", maintain_order=True)
    lost = random_mask(drawn.draws, len(rows), settings.no_value)
    no_unit = random_mask(drawn.draws, len(rows), settings.unknown_unit)
    no_unit |= rows["unit"].is_null().to_numpy()
    return drawn.twice(
        {
            **drawn.event(rows["row"].to_numpy(), rows["day"].to_numpy()),
            "constype": _EXAMINATION,
            "medcode": rows["medcode"],
            "data2": _blank(rows["value"], lost),
            "data3": blank_where(rows["unit"].fill_null(0).to_numpy(), no_unit),
            "data5": pl.Series([None] * len(rows), dtype=pl.String),
            "data6": pl.Series([None] * len(rows), dtype=pl.String),
        }
    )
