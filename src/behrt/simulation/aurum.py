"""The tables of CPRD GOLD converted to those of CPRD Aurum.

What a practice records does not depend on the database. Rows of Clinical, Test and Referral become
observations. The first row of a disease also becomes a problem, and a referral a row of Referral.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from behrt.simulation.patients import SUFFIX
from behrt.simulation.primary_care import Columns

_CODE = 100_000_000_000_000_009
_STEP = 1_000_003
_CONCEPT = 700_000_000_000_000_007
_NUMBER = 10**12
_REGULAR_PATIENT = 3
_OBSERVATION_TYPES = {"clinical": 7, "test": 10, "referral": 11, "measured": 10}
_WITHOUT_READ = 7
# Further from 0 than the number of concepts of the other codes.
_MARKERS = 200_000


def medcodeid(medcode: pl.Expr) -> pl.Expr:
    """Return Aurum's code (18 digits) for a medcode of GOLD; null for 0, which is not a code."""
    return pl.when(medcode > 0).then(_CODE + medcode * _STEP)


def prodcodeid(prodcode: pl.Expr) -> pl.Expr:
    """Return Aurum's code (18 digits) for a prodcode of GOLD."""
    return _CODE + prodcode * _STEP


def _pracid() -> pl.Expr:
    return pl.col("patid") % SUFFIX


def _frame(columns: Columns) -> pl.DataFrame:
    """Return columns as a frame, scalars repeated."""
    long = {name: value for name, value in columns.items() if _is_column(value)}
    scalars = [pl.lit(value).alias(name) for name, value in columns.items() if name not in long]
    return pl.DataFrame(long).with_columns(scalars)


def _is_column(value: object) -> bool:
    return isinstance(value, np.ndarray | pl.Series)


def _columns(frame: pl.DataFrame) -> Columns:
    return {column.name: column for column in frame}


def aurum_tables(gold: Mapping[str, Columns]) -> dict[str, Columns]:
    """Return the columns of Aurum's tables for one block.

    Args:
        gold: tables of the block, from `behrt.simulation.primary_care.gp_tables`.
            `measured`, if there is one, has measurements in the columns of Test.
    """
    observations = _observations(gold)
    pointed = observations.select(
        "patid", "obsid", _pracid().alias("pracid"), "table", "episode", date="obsdate"
    )
    blank = pl.lit(None, pl.String)
    problems = pointed.filter(pl.col("episode") == 1).select(
        "patid",
        "obsid",
        "pracid",
        parentprobobsid=blank,
        probenddate=blank,
        expduration=blank,
        lastrevdate="date",
        lastrevstaffid=blank,
        parentprobrelid=blank,
        probstatusid=1,
        signid=2,
    )
    referrals = pointed.filter(pl.col("table") == "referral").select(
        "patid",
        "obsid",
        "pracid",
        refsourceorgid=blank,
        reftargetorgid=blank,
        refurgencyid=1,
        refservicetypeid=2,
        refmodeid=1,
    )
    return {
        "patient": _columns(_patients(_frame(gold["patient"]))),
        "consultation": _columns(_consultations(_frame(gold["consultation"]))),
        "observation": _columns(observations.drop("table", "episode")),
        "problem": _columns(problems),
        "referral": _columns(referrals),
        "drugissue": _columns(_issues(_frame(gold["therapy"]))),
    }


def _patients(patients: pl.DataFrame) -> pl.DataFrame:
    return patients.select(
        "patid",
        pracid=_pracid(),
        usualgpstaffid=SUFFIX + _pracid(),
        gender="gender",
        yob="yob",
        mob="mob",
        emis_ddate="deathdate",
        regstartdate="crd",
        patienttypeid=_REGULAR_PATIENT,
        regenddate="tod",
        acceptable="accept",
        cprd_ddate="deathdate",
    )


def _consultations(consultations: pl.DataFrame) -> pl.DataFrame:
    return consultations.select(
        "patid",
        consid=_consid(),
        pracid=_pracid(),
        consdate="eventdate",
        enterdate="sysdate",
        staffid="staffid",
        conssourceid="constype",
        cprdconstype=pl.lit(None, pl.String),
        consmedcodeid=medcodeid(pl.col("constype")),
    )


def _consid() -> pl.Expr:
    """Return a unique id of a consultation; GOLD counts consultations within the patient."""
    return pl.col("consid") * _NUMBER + pl.col("patid")


def _observations(gold: Mapping[str, Columns]) -> pl.DataFrame:
    """Return all observations by patient, with `table` and `episode` of the row of GOLD."""
    frames = []
    for table, kind in _OBSERVATION_TYPES.items():
        if table not in gold:
            continue
        rows = _frame(gold[table])
        test = table in ("test", "measured")
        frames.append(
            rows.select(
                "patid",
                consid=_consid(),
                obsdate="eventdate",
                enterdate="sysdate",
                staffid="staffid",
                medcodeid=medcodeid(pl.col("medcode")),
                value=pl.col("data2") if test else pl.lit(None, pl.String),
                numunitid=(
                    pl.when(pl.col("data3") != 0).then("data3") if test else pl.lit(None, pl.Int64)
                ),
                obstypeid=kind,
                numrangelow=pl.col("data5") if test else pl.lit(None, pl.String),
                numrangehigh=pl.col("data6") if test else pl.lit(None, pl.String),
                table=pl.lit(table),
                episode=pl.col("episode") if table == "clinical" else pl.lit(None, pl.Int64),
            )
        )
    rows = pl.concat(frames).sort("patid", maintain_order=True)
    blank = pl.lit(None, pl.String)
    return rows.with_columns(
        pracid=_pracid(),
        # Unique: the number within the block, and the patient.
        obsid=(1 + pl.int_range(pl.len())) * _NUMBER + pl.col("patid"),
        parentobsid=blank,
        probobsid=blank,
    )


def _issues(issues: pl.DataFrame) -> pl.DataFrame:
    return issues.select(
        "patid",
        issueid=(1 + pl.int_range(pl.len())) * _NUMBER + pl.col("patid"),
        pracid=_pracid(),
        probobsid=pl.lit(None, pl.String),
        drugrecid=pl.lit(None, pl.String),
        issuedate="eventdate",
        enterdate="sysdate",
        staffid="staffid",
        prodcodeid=prodcodeid(pl.col("prodcode")),
        dosageid="dosageid",
        quantity="qty",
        quantunitid=pl.lit(None, pl.String),
        duration="numdays",
        estnhscost=pl.lit(None, pl.String),
    )


def medical_dictionary(medical: pl.DataFrame) -> pl.DataFrame:
    """Return EMIS's dictionary of the medical codes, in the delivered columns, sorted by code.

    Read codes that differ only in the term share a concept. Some codes that no code list contains
    are local to EMIS: they have no Read code.

    Args:
        medical: medcode, readcode, desc, and `listed`: whether a code list contains the code.
    """
    read = pl.col("readcode")
    term = read.str.tail(2)
    stem = read.str.head(5).str.strip_chars_end(".")
    local = ~pl.col("listed") & (pl.col("medcode") % _WITHOUT_READ == 0)
    original = pl.when(term == "00").then(stem).otherwise(stem + "-" + term.str.strip_chars("0"))
    code = medcodeid(pl.col("medcode"))
    return medical.sort("medcode").select(
        MedCodeId=code,
        Observations=pl.lit(None, pl.String),
        OriginalReadCode=pl.when(local).then(pl.format("EMISNQ{}", "medcode")).otherwise(original),
        CleansedReadCode=pl.when(~local).then(read),
        Term="desc",
        SnomedCTConceptId=_CONCEPT + read.str.head(5).rank("dense").cast(pl.Int64) * _STEP,
        SnomedCTDescriptionId=code,
        Release=pl.lit(None, pl.String),
        EmisCodeCategoryId=pl.lit(32),
    )


def marker_dictionary(codes: pl.DataFrame) -> pl.DataFrame:
    """Return EMIS's dictionary of the codes of tests and measurements.

    Args:
        codes: medcode, readcode, desc.
    """
    rows = medical_dictionary(codes.with_columns(listed=True))
    return rows.with_columns(pl.col("SnomedCTConceptId") + _MARKERS * _STEP)
