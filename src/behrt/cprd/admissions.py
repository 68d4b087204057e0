"""Admissions of hes_hospital: the day and method of admission, and the day of discharge.

The method is HES's admimeth, of two characters. A first character 2 is an emergency: 21 to 25, 28
and 2A to 2D (NHS Data Dictionary, admission method).
"""

from dataclasses import replace
from pathlib import Path

import dataframely as dy
import polars as pl

from behrt.admissions import EMERGENCY_SPELL, SPELL, HospitalRecords
from behrt.cprd import layout

HOSPITAL = "hes_hospital"
SPELLS = replace(
    layout.LINKED[HOSPITAL],
    types={"patid": "id", "admidate": "date", "discharged": "date", "admimeth": "text"},
)
"""The source table with the columns that outcomes need, beyond those of the cohort."""


def spells_of(extracted: Path) -> dy.DataFrame[HospitalRecords]:
    """Return the spells of an extracted part; one without a day of admission is left out."""
    rows = pl.read_parquet(extracted).drop_nulls("admidate")
    emergency = pl.col("admimeth").str.starts_with("2").fill_null(False)
    return HospitalRecords.validate(
        rows.select(
            subject_id="patid",
            kind=pl.when(emergency).then(pl.lit(EMERGENCY_SPELL)).otherwise(pl.lit(SPELL)),
            day="admidate",
            until="discharged",
            shard="shard",
        )
    )
