"""A block of simulated people as tables of CPRD GOLD.

Each contact with the practice is one consultation. It has a clinical row for each recorded disease,
one or more rows with codes that no code list contains (symptoms, measurements with a row of
Additional, management, administration), and some tests, prescriptions and referrals.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.settings.simulation import Flaws
from behrt.simulation.days import NO_DAY, pack, unpack
from behrt.simulation.drawn_codes import draw_mostly_first
from behrt.simulation.flaws import random_mask, with_duplicates
from behrt.simulation.paths import IN_PARTS
from behrt.simulation.patients import SUFFIX, Patients, generator, staff_per_practice
from behrt.simulation.text import blank_where, dates

Columns = dict[str, object]

TABLES = IN_PARTS["gold"]

# The number of unmapped rows of a consultation is one of these, at random (mean 1.9).
_UNMAPPED_ROWS = np.array([1, 1, 1, 1, 2, 2, 2, 2, 3, 4])
_UNMAPPED_KINDS = {"symptom": 0.42, "administration": 0.25, "measurement": 0.18, "management": 0.15}
_REFERRALS_PER_CONSULTATION = 0.03
_TESTED_CONSULTATIONS = 0.12
_TESTS_AT_ONCE = 3
_PRESCRIBED_CONSULTATIONS = 0.5
_PRODUCTS = 2_000
_CHILD_DAYS = 16 * 365.25

_EARLIEST = -(2**19)

# Section of the record (SED): symptom, examination, diagnosis, management, administration.
_SECTION = {
    "diagnosis": 3,
    "symptom": 1,
    "measurement": 2,
    "management": 5,
    "administration": 6,
}


@dataclass(frozen=True)
class _Pools:
    """Texts by group: those of group g are `text[start[g]:start[g] + size[g]]`."""

    text: pl.Series
    start: np.ndarray
    size: np.ndarray

    def draw(self, draws: np.random.Generator, group: np.ndarray) -> pl.Series:
        """Return one text of each element's group, drawn uniformly."""
        part = draws.random(len(group), dtype=np.float32)
        return self.text.gather(self.start[group] + (part * self.size[group]).astype(np.int64))


def _pools(*groups: list[str]) -> _Pools:
    size = np.array([len(group) for group in groups])
    text = pl.Series([text for group in groups for text in group], dtype=pl.String)
    return _Pools(text, np.cumsum(size) - size, size)


def _numbers(first: float, last: float, step: float, decimals: int = 0) -> list[str]:
    return [f"{value:.{decimals}f}" for value in np.arange(first, last + step / 2, step)]


# Measurements: entity type, and its data1, data2, data3.
_MEASUREMENTS = np.array([1, 13, 14, 4, 5])  # blood pressure, weight, height, smoking, alcohol
_MEASURED = (
    _pools(
        _numbers(55, 105, 1),
        _numbers(45, 125, 0.5, 1),
        _numbers(1.45, 1.95, 0.01, 2),
        ["1", "2", "2", "3"],
        ["1", "1", "2"],
    ),
    _pools(_numbers(95, 180, 1), [""], [""], ["", "", "5", "10", "20"], ["", *_numbers(1, 30, 1)]),
    _pools([""], _numbers(18, 42, 0.1, 1), [""], [""], [""]),
)

# Tests: entity type, unit of measure, and the value with its normal range.
_TESTS = np.array([165, 166, 163, 175, 196])  # haemoglobin, creatinine, cholesterol, TSH, potassium
_UNITS = np.array([56, 142, 96, 97, 96])
_VALUES = _pools(
    _numbers(9, 18, 0.1, 1),
    _numbers(45, 180, 1),
    _numbers(2.5, 8.5, 0.1, 1),
    _numbers(0.2, 9, 0.1, 1),
    _numbers(3, 6, 0.1, 1),
)
_RANGE_FROM = _pools(["11.5", "13.0"], ["60"], ["0", ""], ["0.3"], ["3.5"])
_RANGE_TO = _pools(["16.5", "18.0"], ["120"], ["5.0", ""], ["5.5"], ["5.3"])

_QUANTITIES = np.array([28, 28, 30, 56, 56, 60, 84, 100, 112, 200])


@dataclass(frozen=True)
class GpCodes:
    """Medcodes of each disease, and those of each kind that no code list contains.

    The codes of disease d are `medcode[start[d]:start[d] + size[d]]`; a disease may have none.
    """

    medcode: np.ndarray
    start: np.ndarray
    size: np.ndarray
    unmapped: Mapping[str, np.ndarray]


def gp_codes(codes: pl.DataFrame, diseases: int) -> GpCodes:
    """Return the medcodes of `behrt.simulation.code_lists.CodesToWrite`, ready for drawing."""
    listed = codes.drop_nulls("medcode")
    mapped = listed.filter(pl.col("kind") == "diagnosis").sort("disease", maintain_order=True)
    size = np.bincount(mapped["disease"].to_numpy(), minlength=diseases)
    unmapped = listed.filter(pl.col("kind") != "diagnosis").partition_by("kind", as_dict=True)
    return GpCodes(
        mapped["medcode"].to_numpy(),
        np.cumsum(size) - size,
        size,
        {str(kind): frame["medcode"].to_numpy() for (kind,), frame in unmapped.items()},
    )


def gp_tables(
    patients: Patients,
    diagnoses: pl.DataFrame,
    contacts: pl.DataFrame,
    codes: GpCodes,
    flaws: Flaws,
    seed: int,
    without: Collection[str] = (),
) -> dict[str, Columns]:
    """Return the columns of each of `TABLES` for one block.

    Tests, measurements and prescriptions are drawn at random: they mean nothing.

    Args:
        patients: of the block.
        diagnoses: person, day, disease, first; recorded by the GP.
        contacts: person, day.
        codes: of the diagnoses and other rows.
        flaws: of the delivery.
        seed: of the simulation.
        without: which of tests, measurements and medications to leave out, with their tables.
    """
    recorded, older = _by_registration(patients, diagnoses, flaws, seed)
    visits = _consultations(patients, recorded, contacts, seed)
    measured = "measurements" not in without
    clinical, additional = _clinical(
        patients, visits, recorded, older, codes, flaws, seed, measured
    )
    made = {
        "patient": _patient(patients, flaws, seed),
        "consultation": _consultation(patients, visits, flaws, seed),
        "clinical": clinical,
        "referral": _referral(patients, visits, codes, seed),
    }
    if measured:
        made["additional"] = additional
    if "tests" not in without:
        made["test"] = _test(patients, visits, codes, seed)
    if "medications" not in without:
        made["therapy"] = _therapy(patients, visits, seed)
    return made


def visits_of(
    patients: Patients, diagnoses: pl.DataFrame, contacts: pl.DataFrame, flaws: Flaws, seed: int
) -> "Visits":
    """Return the consultations of `gp_tables`, given the same arguments."""
    recorded, _ = _by_registration(patients, diagnoses, flaws, seed)
    return _consultations(patients, recorded, contacts, seed)


def _by_registration(
    patients: Patients, diagnoses: pl.DataFrame, flaws: Flaws, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return diagnoses made by the practice, and older ones copied from earlier notes."""
    draws = generator(seed, int(patients.person[0]), "notes")
    row = patients.rows_of(diagnoses["person"])
    day = diagnoses["day"].to_numpy()
    before = day < patients.registered[row]
    after = (patients.left[row] != NO_DAY) & (day > patients.left[row])
    copied = before & random_mask(draws, len(row), flaws.before_registration)
    made = ~before & (~after | random_mask(draws, len(row), flaws.after_registration))
    return diagnoses.filter(pl.Series(made)), diagnoses.filter(pl.Series(copied))


@dataclass(frozen=True)
class Visits:
    """Consultations in order of patient and day; `key` packs the patient's row and the day."""

    row: np.ndarray
    day: np.ndarray
    consid: np.ndarray
    staffid: np.ndarray
    key: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


def _consultations(
    patients: Patients, diagnoses: pl.DataFrame, contacts: pl.DataFrame, seed: int
) -> Visits:
    keys = [
        pack(patients.rows_of(frame["person"]), frame["day"].to_numpy())
        for frame in (diagnoses, contacts)
    ]
    key = np.unique(np.concatenate(keys))
    row, day = unpack(key)
    # consid counts within the patient; it is unique together with patid.
    starts = np.searchsorted(row, np.arange(len(patients)))
    consid = np.arange(len(key)) - starts[row] + 1
    draws = generator(seed, int(patients.person[0]), "staff")
    practice = patients.practice[row]
    member = (draws.random(len(key)) ** 2 * staff_per_practice(practice)).astype(np.int64) + 1
    return Visits(row, day, consid, member * SUFFIX + patients.pracid[row], key)


def entered_days(draws: np.random.Generator, day: np.ndarray) -> np.ndarray:
    """Return the day of data entry: mostly the same day, else within a month."""
    late = random_mask(draws, len(day), 0.1)
    return day + late * draws.integers(1, 31, len(day))


def _patient(patients: Patients, flaws: Flaws, seed: int) -> Columns:
    draws = generator(seed, int(patients.person[0]), "patient")
    n = len(patients)
    bad = ~patients.acceptable
    fault = draws.integers(0, 3, n)
    unsexed = bad & (fault == 0)
    undated = bad & (fault == 1)
    gap = np.where(bad & (fault == 2), draws.integers(30, 2000, n), 0)
    gone = patients.left != NO_DAY
    died_here = (patients.died != NO_DAY) & ~(gone & (patients.left < patients.died))
    late = np.where(random_mask(draws, n, flaws.late_gp_death), draws.integers(1, 31, n), 0)
    death = np.where(died_here, np.minimum(patients.died + late, patients.closes), NO_DAY)
    left = np.where(died_here, death, patients.left)
    earlier = np.where(random_mask(draws, n, 0.1), draws.integers(30, 3650, n), 0)
    first = np.maximum(patients.registered - earlier, patients.born)
    born = patients.born.astype("datetime64[D]")
    year = born.astype("datetime64[Y]").astype(np.int64) + 1970
    month = born.astype("datetime64[M]").astype(np.int64) % 12 + 1
    grown = np.minimum(np.where(left == NO_DAY, patients.closes, left), patients.closes)
    child = grown - patients.born < _CHILD_DAYS
    reason = np.select([died_here, gone], [1, draws.integers(2, 12, n)], 0)
    return {
        "patid": patients.patid,
        "vmid": 0,
        "gender": np.where(unsexed, draws.choice([0, 3, 4], n), patients.sex),
        "yob": year,
        "mob": blank_where(month, ~child),
        "marital": draws.integers(0, 12, n),
        "famnum": patients.person // 2,
        "CHSreg": np.where(child, 1, 0),
        "CHSdate": dates(np.where(child, patients.registered, NO_DAY)),
        "prescr": 0,
        "capsup": np.where(patients.practice % 5 == 0, 1, 0),
        "frd": dates(np.where(undated, NO_DAY, first)),
        "crd": dates(np.where(undated, NO_DAY, patients.registered)),
        "regstat": np.where(gap > 0, 99, 0),
        "reggap": gap,
        "internal": 0,
        "tod": dates(left),
        "toreason": reason,
        "deathdate": dates(death),
        "accept": patients.acceptable.astype(np.int64),
    }


def _consultation(patients: Patients, visits: Visits, flaws: Flaws, seed: int) -> Columns:
    draws = generator(seed, int(patients.person[0]), "consultation")
    n = len(visits)
    day = np.where(random_mask(draws, n, flaws.missing_date), NO_DAY, visits.day)
    columns = {
        "day": day,
        "entered": entered_days(draws, visits.day),
        "constype": draws.choice(np.array([9, 9, 9, 9, 3, 1, 21, 10, 60]), n),
        "duration": draws.integers(0, 25, n),
    }
    at = with_duplicates(draws, n, flaws.duplicate)
    return {
        "patid": patients.patid[visits.row[at]],
        "eventdate": dates(columns["day"][at]),
        "sysdate": dates(columns["entered"][at]),
        "constype": columns["constype"][at],
        "consid": visits.consid[at],
        "staffid": visits.staffid[at],
        "duration": columns["duration"][at],
    }


def _clinical(
    patients: Patients,
    visits: Visits,
    recorded: pl.DataFrame,
    older: pl.DataFrame,
    codes: GpCodes,
    flaws: Flaws,
    seed: int,
    with_measurements: bool,
) -> tuple[Columns, Columns]:
    draws = generator(seed, int(patients.person[0]), "clinical")
    diagnoses = pl.concat([recorded, older])
    row = patients.rows_of(diagnoses["person"])
    diagnosed = diagnoses["day"].to_numpy()
    disease = diagnoses["disease"].to_numpy()
    # Older notes are entered at the first consultation, with their own dates.
    noted = np.arange(len(row)) >= len(recorded)
    mapped = np.searchsorted(visits.key, pack(row, np.where(noted, _EARLIEST, diagnosed)))
    # A GP cannot code a disease that has no primary-care list.
    kept = (np.append(visits.row, -1)[mapped] == row) & (codes.size[disease] > 0)
    mapped, disease, diagnosed = mapped[kept], disease[kept], diagnosed[kept]
    chosen = draw_mostly_first(draws, codes.start[disease], codes.size[disease])
    medcode = codes.medcode[chosen]
    first = diagnoses["first"].to_numpy()[kept]
    episode = np.where(first, 1, draws.integers(2, 4, len(mapped)))

    unmapped = np.repeat(np.arange(len(visits)), draws.choice(_UNMAPPED_ROWS, len(visits)))
    kinds = list(_UNMAPPED_KINDS)
    kind = np.searchsorted(
        np.cumsum(list(_UNMAPPED_KINDS.values()))[:-1], draws.random(len(unmapped)), side="right"
    )
    size = np.array([len(codes.unmapped[name]) for name in kinds])
    pool = np.concatenate([codes.unmapped[name] for name in kinds])
    other = pool[draw_mostly_first(draws, (np.cumsum(size) - size)[kind], size[kind])]
    measured = (kind == kinds.index("measurement")) & with_measurements
    what = draws.integers(0, len(_MEASUREMENTS), len(unmapped))
    section = np.array([_SECTION[name] for name in kinds])[kind]

    visit = np.concatenate([mapped, unmapped])
    order = np.argsort(visit, kind="stable")
    visit = visit[order]
    n = len(visit)
    of = visits.row[visit]
    adid = np.concatenate([np.zeros(len(mapped), bool), measured])[order]
    # adid counts the block's measurements; it is unique together with patid.
    adid_number = np.where(adid, np.cumsum(adid), 0)
    enttype = np.concatenate(
        [np.full(len(mapped), 31), np.where(measured, _MEASUREMENTS[what], 20)]
    )
    columns: dict[str, np.ndarray] = {
        "day": np.concatenate([diagnosed, visits.day[unmapped]])[order],
        "constype": np.concatenate([np.full(len(mapped), _SECTION["diagnosis"]), section])[order],
        "medcode": np.concatenate([medcode, other])[order],
        "episode": np.concatenate([episode, np.zeros(len(unmapped), np.int64)])[order],
        "enttype": enttype[order],
        "adid": adid_number,
    }
    entered = entered_days(draws, visits.day[visit])
    columns["medcode"] = np.where(random_mask(draws, n, flaws.no_medcode), 0, columns["medcode"])
    late = patients.closes[of] + draws.integers(1, 365, n)
    day = np.where(random_mask(draws, n, flaws.after_collection), late, columns["day"])
    day = np.where(random_mask(draws, n, flaws.missing_date), NO_DAY, day)
    at = with_duplicates(draws, n, flaws.duplicate)
    additional = _additional(
        draws,
        patients.patid[visits.row[unmapped[measured]]],
        what[measured],
    )
    return {
        "patid": patients.patid[of[at]],
        "eventdate": dates(day[at]),
        "sysdate": dates(entered[at]),
        "constype": columns["constype"][at],
        "consid": visits.consid[visit[at]],
        "medcode": columns["medcode"][at],
        "staffid": visits.staffid[visit[at]],
        "episode": columns["episode"][at],
        "enttype": columns["enttype"][at],
        "adid": columns["adid"][at],
    }, additional


def _additional(draws: np.random.Generator, visit_patid: np.ndarray, what: np.ndarray) -> Columns:
    data = {f"data{i + 1}": pools.draw(draws, what) for i, pools in enumerate(_MEASURED)}
    return {
        "patid": visit_patid,
        "enttype": _MEASUREMENTS[what],
        "adid": np.arange(1, len(what) + 1),
        **data,
        **dict.fromkeys(("data4", "data5", "data6", "data7")),
    }


def _referral(patients: Patients, visits: Visits, codes: GpCodes, seed: int) -> Columns:
    draws = generator(seed, int(patients.person[0]), "referral")
    (visit,) = np.nonzero(random_mask(draws, len(visits), _REFERRALS_PER_CONSULTATION))
    n = len(visit)
    return {
        **_event(draws, patients, visits, visit),
        "constype": 5,
        "medcode": draws.choice(codes.unmapped["referral"], n),
        "source": 1,
        "nhsspec": draws.integers(1, 80, n),
        "fhsaspec": draws.integers(0, 60, n),
        "inpatient": draws.integers(0, 4, n),
        "attendance": draws.integers(0, 3, n),
        "urgency": draws.integers(0, 4, n),
    }


def _test(patients: Patients, visits: Visits, codes: GpCodes, seed: int) -> Columns:
    draws = generator(seed, int(patients.person[0]), "test")
    (tested,) = np.nonzero(random_mask(draws, len(visits), _TESTED_CONSULTATIONS))
    visit = np.repeat(tested, draws.integers(1, _TESTS_AT_ONCE + 1, len(tested)))
    n = len(visit)
    what = draws.integers(0, len(_TESTS), n)
    return {
        **_event(draws, patients, visits, visit),
        "constype": 2,
        "medcode": draws.choice(codes.unmapped["test"], n),
        "enttype": _TESTS[what],
        "data1": 3,
        "data2": _VALUES.draw(draws, what),
        "data3": _UNITS[what],
        "data4": draws.choice(np.array([0, 9, 9, 9, 12]), n),
        "data5": _RANGE_FROM.draw(draws, what),
        "data6": _RANGE_TO.draw(draws, what),
        "data7": 0,
        "data8": None,
    }


def _therapy(patients: Patients, visits: Visits, seed: int) -> Columns:
    draws = generator(seed, int(patients.person[0]), "therapy")
    (visit,) = np.nonzero(random_mask(draws, len(visits), _PRESCRIBED_CONSULTATIONS))
    n = len(visit)
    product = 1 + (_PRODUCTS * draws.random(n) ** 3).astype(np.int64)
    return {
        **_event(draws, patients, visits, visit),
        "prodcode": product,
        "dosageid": draws.integers(1, 400, n),
        "bnfcode": product * 37 % 997,
        "qty": draws.choice(_QUANTITIES, n),
        "numdays": draws.choice(np.array([0, 0, 0, 28]), n),
        "numpacks": 0,
        "packtype": draws.integers(1, 30, n),
        "issueseq": draws.integers(0, 40, n),
    }


def _event(
    draws: np.random.Generator, patients: Patients, visits: Visits, visit: np.ndarray
) -> Columns:
    return {
        "patid": patients.patid[visits.row[visit]],
        "eventdate": dates(visits.day[visit]),
        "sysdate": dates(entered_days(draws, visits.day[visit])),
        "consid": visits.consid[visit],
        "staffid": visits.staffid[visit],
    }
