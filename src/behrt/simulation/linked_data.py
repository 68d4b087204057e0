"""A block of simulated people as linked tables: eligibility, HES APC and ONS deaths."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.settings.simulation import Flaws
from behrt.simulation.days import NO_DAY, pack
from behrt.simulation.drawn_codes import draw_mostly_first
from behrt.simulation.flaws import random_mask
from behrt.simulation.patients import (
    HES_COVERAGE,
    ONS_COVERAGE,
    Patients,
    generator,
    within,
)
from behrt.simulation.primary_care import Columns
from behrt.simulation.procedures import Operations
from behrt.simulation.text import blank_where, dates

TABLES = (
    "linkage_eligibility",
    "hes_patient",
    "hes_hospital",
    "hes_episodes",
    "hes_diagnosis_epi",
    "hes_diagnosis_hosp",
    "hes_primary_diag_hosp",
    "death_patient",
)

PROCEDURES = "hes_procedures_epi"

NO_ICD = "-."
NO_OPCS = "&"
LINK_DATE = "01/09/2018"

_ETHNICITIES = np.array(
    ["White"] * 30
    + ["Unknown"] * 4
    + ["Indian", "Pakistani", "Bl_Afric", "Bl_Carib", "Oth_Asian", "Other", "Mixed", "Chinese"]
)
_EXTRA_CODES = np.array([0, 0, 1, 1, 1, 2, 2, 3])
_LONG_STAY = 3
# ICDx has a fifth character: the site of a musculoskeletal disease.
_SITED_CHAPTER = "M"
_SITED_SHARE = 0.4


@dataclass(frozen=True)
class HospitalCodes:
    """ICD-10 codes of each disease, and those that no code list contains.

    The codes of disease d are `code[start[d]:start[d] + size[d]]`. Those of no list start at
    `first_unmapped`; the last code is `-.`, for a missing diagnosis. `sited` is true for codes
    that take a fifth character.
    """

    code: pl.Series
    sited: np.ndarray
    start: np.ndarray
    size: np.ndarray
    first_unmapped: int

    @property
    def missing(self) -> int:
        """The index of `-.`."""
        return len(self.code) - 1


def hospital_codes(codes: pl.DataFrame, diseases: int) -> HospitalCodes:
    """Return the ICD-10 codes of `behrt.simulation.code_lists.CodesToWrite`, ready for drawing."""
    listed = codes.drop_nulls("icd")
    mapped = listed.filter(pl.col("kind") == "diagnosis").sort("disease", maintain_order=True)
    unmapped = listed.filter(pl.col("kind") != "diagnosis")
    size = np.bincount(mapped["disease"].to_numpy(), minlength=diseases)
    code = pl.concat([mapped["icd"], unmapped["icd"], pl.Series("icd", [NO_ICD])]).rechunk()
    sited = code.str.starts_with(_SITED_CHAPTER) & (code.str.len_chars() == 5)
    return HospitalCodes(code, sited.to_numpy(), np.cumsum(size) - size, size, len(mapped))


@dataclass(frozen=True)
class _Spells:
    """Hospital spells that HES delivers, in order of patient and of the patient's spells."""

    row: np.ndarray
    number: np.ndarray
    spno: np.ndarray
    admitted: np.ndarray
    discharged: np.ndarray
    emergency: np.ndarray
    episodes: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


def tables_of(inputs: Collection[str]) -> tuple[str, ...]:
    """Return the linked tables that a run's inputs need."""
    return (*TABLES, PROCEDURES) if "procedures" in inputs else TABLES


def linked_tables(
    patients: Patients,
    diagnoses: pl.DataFrame,
    admissions: pl.DataFrame,
    codes: HospitalCodes,
    flaws: Flaws,
    seed: int,
) -> dict[str, Columns]:
    """Return the columns of each of `TABLES` for one block.

    Args:
        patients: of the block.
        diagnoses: person, day, disease, setting, spell, rank; all settings.
        admissions: person, spell, admitted_day, discharged_day, emergency.
        codes: of the diagnoses.
        flaws: of the delivery.
        seed: of the simulation.
    """
    spells = _spells(patients, admissions, flaws, seed)
    return {
        "linkage_eligibility": _eligibility(patients),
        "hes_patient": _hes_patient(patients, spells, seed),
        "hes_hospital": _hospital(patients, spells, seed),
        **_diagnoses(patients, spells, diagnoses, codes, flaws, seed),
        "death_patient": _deaths(patients, diagnoses, codes, flaws, seed),
    }


def procedure_table(
    patients: Patients,
    admissions: pl.DataFrame,
    operations: Operations,
    codes: pl.Series,
    flaws: Flaws,
    no_procedure: float,
    seed: int,
) -> Columns:
    """Return the columns of hes_procedures_epi for one block.

    Args:
        patients: of the block.
        admissions: person, spell, admitted_day, discharged_day, emergency.
        operations: of the block; only those in spells that HES delivers are in the table.
        codes: of the operations.
        flaws: of the delivery.
        no_procedure: share of the rows without a code or date.
        seed: of the simulation.
    """
    draws = generator(seed, int(patients.person[0]), "opcs")
    spells = _spells(patients, admissions, flaws, seed)
    key = np.append(pack(spells.row, spells.number), -1)
    wanted = pack(operations.row, operations.spell)
    spell = np.searchsorted(key[:-1], wanted)
    (kept,) = np.nonzero(key[spell] == wanted)
    kept = kept[np.lexsort((operations.code[kept], operations.day[kept], spell[kept]))]
    spell, day, code = spell[kept], operations.day[kept], operations.code[kept]
    # A spell has each code only once.
    _, once = np.unique(spell * len(codes) + code, return_index=True)
    once.sort()
    spell, day, code = spell[once], day[once], code[once]
    starts = np.searchsorted(spell, spell)
    fault = draws.random(len(spell))
    missing, undated = fault < no_procedure / 2, fault > 1 - no_procedure / 2
    text = pl.DataFrame({"code": codes.gather(code), "missing": missing}).select(
        pl.when("missing").then(pl.lit(NO_OPCS)).otherwise("code")
    )
    start, end = _episode_days(spells)
    return {
        "patid": patients.patid[spells.row[spell]],
        "spno": spells.spno[spell],
        "epikey": spells.spno[spell] * 10 + 1,
        "admidate": dates(spells.admitted[spell]),
        "epistart": dates(start[spell, 0]),
        "epiend": dates(end[spell, 0]),
        "discharged": dates(spells.discharged[spell]),
        "OPCS": text.to_series(),
        "evdate": dates(np.where(undated, NO_DAY, day)),
        "p_order": np.arange(len(spell)) - starts + 1,
    }


def _eligibility(patients: Patients) -> Columns:
    at = patients.listed
    linked = patients.linked[at].astype(np.int64)
    return {
        "patid": patients.patid[at],
        "pracid": patients.pracid[at],
        "linkdate": LINK_DATE,
        "hes_e": linked,
        "death_e": linked,
        "cr_e": linked,
        "lsoa_e": linked,
        "mh_e": linked,
    }


def _spells(patients: Patients, admissions: pl.DataFrame, flaws: Flaws, seed: int) -> _Spells:
    draws = generator(seed, int(patients.person[0]), "spells")
    admissions = admissions.sort("person", "spell")
    row = patients.rows_of(admissions["person"])
    admitted = admissions["admitted_day"].to_numpy()
    stray = random_mask(draws, len(row), flaws.outside_coverage)
    unfinished = random_mask(draws, len(row), flaws.unfinished)
    discharged = np.where(unfinished, NO_DAY, admissions["discharged_day"].to_numpy())
    long = ~unfinished & (discharged - admitted >= _LONG_STAY)
    episodes = 1 + (long & random_mask(draws, len(row), 0.5))
    number = admissions["spell"].to_numpy().astype(np.int64)
    kept = patients.linked[row] & (within(admitted, HES_COVERAGE) | stray)
    return _Spells(
        row[kept],
        number[kept],
        # Unique across patients, who have fewer than 1,000 spells each.
        (patients.person[row] * 1000 + number + 1)[kept],
        admitted[kept],
        discharged[kept],
        admissions["emergency"].to_numpy()[kept],
        episodes[kept],
    )


def _hes_patient(patients: Patients, spells: _Spells, seed: int) -> Columns:
    draws = generator(seed, int(patients.person[0]), "hes")
    ethnicity = draws.choice(_ETHNICITIES, len(patients))
    at = np.unique(spells.row)
    return {
        "patid": patients.patid[at],
        "pracid": patients.pracid[at],
        "gen_ethnicity": ethnicity[at],
        "gen_hesid": patients.person[at] * 7 + 13,
        "n_patid_hes": 1,
        "match_rank": 1,
    }


def _methods(patients: Patients, spells: _Spells, seed: int) -> Columns:
    """Return methods of admission and discharge; a stay up to the day of death ends in death."""
    draws = generator(seed, int(patients.person[0]), "methods")
    n = len(spells)
    planned = draws.choice(np.array([11, 11, 12, 13]), n)
    urgent = draws.choice(np.array([21, 21, 21, 22, 28]), n)
    ends = [spells.discharged == NO_DAY, spells.discharged == patients.died[spells.row]]
    return {
        "admimeth": np.where(spells.emergency, urgent, planned),
        "admisorc": 19,
        "disdest": np.select(ends, [98, 79], 19),
        "dismeth": np.select(ends, [8, 4], 1),
    }


def _hospital(patients: Patients, spells: _Spells, seed: int) -> Columns:
    first = int(patients.person[0])
    draws = generator(seed, first, "hospital")
    unfinished = spells.discharged == NO_DAY
    waited = draws.integers(7, 250, len(spells))
    return {
        "patid": patients.patid[spells.row],
        "spno": spells.spno,
        "admidate": dates(spells.admitted),
        "discharged": dates(spells.discharged),
        **_methods(patients, spells, seed),
        "duration": blank_where(spells.discharged - spells.admitted, unfinished),
        "elecdate": dates(np.where(spells.emergency, NO_DAY, spells.admitted - waited)),
        "elecdur": blank_where(waited, spells.emergency),
    }


def _diagnoses(
    patients: Patients,
    spells: _Spells,
    diagnoses: pl.DataFrame,
    codes: HospitalCodes,
    flaws: Flaws,
    seed: int,
) -> dict[str, Columns]:
    """Return episodes, diagnoses by episode and by spell, and the primary diagnoses of spells.

    The diagnoses of a spell are those that the process recorded, in order of rank, then some that
    no code list contains. If there is a second episode, it has the second half.
    """
    first = int(patients.person[0])
    draws = generator(seed, first, "icd")
    hospital = diagnoses.filter(pl.col("setting") == 1).sort("person", "spell", "rank", "disease")
    disease = hospital["disease"].to_numpy()
    key = pack(spells.row, spells.number)
    wanted = pack(patients.rows_of(hospital["person"]), hospital["spell"].to_numpy())
    spell = np.searchsorted(key, wanted)
    known = np.append(key, -1)[spell] == wanted
    kept = known & (codes.size[disease] > 0)
    spell, disease = spell[kept], disease[kept]
    mapped = draw_mostly_first(draws, codes.start[disease], codes.size[disease])

    # A spell without a recorded disease still has at least one diagnosis.
    bare = np.bincount(spell, minlength=len(spells)) == 0
    extra = np.repeat(
        np.arange(len(spells)), np.maximum(draws.choice(_EXTRA_CODES, len(spells)), bare)
    )
    unmapped = draws.integers(codes.first_unmapped, codes.missing, len(extra))
    (lost,) = np.nonzero(random_mask(draws, len(spells), flaws.no_icd))
    spell = np.concatenate([spell, extra, lost])
    code = np.concatenate([mapped, unmapped, np.full(len(lost), codes.missing)])
    order = np.argsort(spell, kind="stable")
    spell, code = spell[order], code[order]
    # A spell has each code only once.
    _, once = np.unique(spell * len(codes.code) + code, return_index=True)
    once.sort()
    spell, code = spell[once], code[once]

    sited = codes.sited[code] & random_mask(draws, len(code), _SITED_SHARE)
    fifth = blank_where(draws.integers(0, 10, len(code)), ~sited)
    starts = np.searchsorted(spell, np.arange(len(spells)))
    count = np.bincount(spell, minlength=len(spells))
    rank = np.arange(len(spell)) - starts[spell]
    half = (count[spell] + 1) // 2
    later = (spells.episodes[spell] == 2) & (rank >= half)
    episode_start, episode_end = _episode_days(spells)
    by_spell: Columns = {
        "patid": patients.patid[spells.row[spell]],
        "spno": spells.spno[spell],
        "admidate": dates(spells.admitted[spell]),
        "discharged": dates(spells.discharged[spell]),
        "ICD": codes.code.gather(code),
        "ICDx": fifth,
    }
    start = np.where(later, episode_end[spell, 0], episode_start[spell, 0])
    end = np.where(later, episode_end[spell, 1], episode_end[spell, 0])
    primary = pl.Series(starts)
    return {
        "hes_episodes": _episodes(patients, spells, seed),
        "hes_diagnosis_epi": {
            "patid": by_spell["patid"],
            "spno": by_spell["spno"],
            "epikey": spells.spno[spell] * 10 + 1 + later,
            "epistart": dates(start),
            "epiend": dates(end),
            "ICD": by_spell["ICD"],
            "ICDx": fifth,
            "d_order": np.where(later, rank - half, rank) + 1,
        },
        "hes_diagnosis_hosp": by_spell,
        "hes_primary_diag_hosp": {
            "patid": patients.patid[spells.row],
            "spno": spells.spno,
            "admidate": dates(spells.admitted),
            "discharged": dates(spells.discharged),
            "ICD_PRIMARY": codes.code.gather(code[starts]),
            "ICDx": fifth.gather(primary),
        },
    }


def _episode_days(spells: _Spells) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last days (int64), (spells, 2), of the first and second episodes.

    The second column is meaningless for a spell of one episode.
    """
    known = np.where(spells.discharged == NO_DAY, spells.admitted, spells.discharged)
    middle = np.where(spells.episodes == 2, (spells.admitted + known) // 2, spells.discharged)
    start = np.stack([spells.admitted, middle], axis=1)
    return start, np.stack([middle, spells.discharged], axis=1)


def _episodes(patients: Patients, spells: _Spells, seed: int) -> Columns:
    first = int(patients.person[0])
    draws = generator(seed, first, "episodes")
    at = np.repeat(np.arange(len(spells)), spells.episodes)
    order = np.concatenate([[0], (at[1:] == at[:-1]).astype(np.int64)])[: len(at)]
    start, end = _episode_days(spells)
    begins = np.where(order == 1, start[at, 1], start[at, 0])
    ends = np.where(order == 1, end[at, 1], end[at, 0])
    unfinished = ends == NO_DAY
    specialty = draws.choice(np.array([100, 101, 110, 300, 320, 340, 400, 430, 502]), len(at))
    methods = {
        name: value[at] if isinstance(value, np.ndarray) else value
        for name, value in _methods(patients, spells, seed).items()
    }
    return {
        "patid": patients.patid[spells.row[at]],
        "spno": spells.spno[at],
        "epikey": spells.spno[at] * 10 + 1 + order,
        "admidate": dates(spells.admitted[at]),
        "epistart": dates(begins),
        "epiend": dates(ends),
        "discharged": dates(spells.discharged[at]),
        "eorder": order + 1,
        "epidur": blank_where(ends - begins, unfinished),
        "epitype": 1,
        **methods,
        "mainspef": specialty,
        "tretspef": specialty,
        "pconsult": "&",
        "intmanig": 1,
        "classpat": 1,
        "firstreg": 8,
    }


def _deaths(
    patients: Patients, diagnoses: pl.DataFrame, codes: HospitalCodes, flaws: Flaws, seed: int
) -> Columns:
    draws = generator(seed, int(patients.person[0]), "deaths")
    n = len(patients)
    off = draws.integers(1, 6, n) * draws.choice(np.array([-1, 1]), n)
    shifted = np.where(random_mask(draws, n, flaws.ons_death_shifted), off, 0)
    strong = draws.choice(np.array([1, 1, 1, 2]), n)
    rank = np.where(random_mask(draws, n, flaws.weak_match), draws.integers(3, 7, n), strong)
    registered = draws.integers(1, 8, n)
    place = draws.choice(np.array(["H", "H", "C", "E"]), n)
    # The cause is the disease recorded last, or a code that no list contains.
    cause = np.full(n, codes.first_unmapped)
    recorded = diagnoses.filter(pl.Series(codes.size[diagnoses["disease"].to_numpy()] > 0))
    last = recorded.sort("person", "day", "disease").unique("person", keep="last")
    disease = last["disease"].to_numpy()
    cause[patients.rows_of(last["person"])] = codes.start[disease]
    (at,) = np.nonzero(patients.linked & within(patients.died, ONS_COVERAGE))
    died = (patients.died + shifted)[at]
    blank = ["nhs_indicator", *(f"cause{i}" for i in range(2, 16))]
    blank += [f"cause_neonatal{i}" for i in range(1, 9)]
    return {
        "patid": patients.patid[at],
        "pracid": patients.pracid[at],
        "gen_death_id": patients.person[at] * 11 + 5,
        "n_patid_death": 1,
        "match_rank": rank[at],
        "dor": dates(died + registered[at]),
        "dod": dates(died),
        "dod_partial": None,
        "pod_category": place[at],
        "cause": codes.code.gather(cause[at]),
        "cause1": codes.code.gather(cause[at]),
        **dict.fromkeys(blank),
    }
