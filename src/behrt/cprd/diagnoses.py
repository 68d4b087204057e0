"""Diagnosis rows of one shard, from general practice and hospital, and their phenotypes.

Rows of general practice are joined to the code lists by medcode. Hospital rows
(hes_diagnosis_hosp, on the day of admission, as in the authors' later public code) are joined by
ICD-10 at level 4: to an entry of four characters, and to an entry of three characters that includes
the code.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from behrt.caliber.icd import MISSING, at_level_4, with_children
from behrt.cprd.shards import scan_shard

MEDCODE = "medcode"
ICD = "icd10"


def scan_diagnoses(
    general_practice: Sequence[Path],
    hospital: Sequence[Path],
    shard: int,
    pointers: Sequence[Path] = (),
) -> pl.LazyFrame:
    """Scan one shard's diagnoses: subject_id, day (Date), system, code (String).

    `pointers` are parts of source tables that name by obsid the rows that are diagnoses (CPRD
    Aurum's Problem and Referral); with them, other rows of general practice are left out.

    A missing day or code is null; so are medcode 0 and ICD-10 code `-.`. A text that is not an
    ICD-10 code is returned as it is, and is counted among the unmapped codes.
    """
    frames = []
    if general_practice:
        rows = scan_shard(general_practice, shard)
        if pointers:
            rows = rows.join(scan_shard(pointers, shard), on=["subject_id", "obsid"], how="semi")
        medcode = pl.col("medcode")
        code = pl.when(medcode != 0).then(medcode).cast(pl.String)
        frames.append(_select(rows, "eventdate", MEDCODE, code))
    if hospital:
        rows = scan_shard(hospital, shard)
        icd = pl.col("icd")
        written = pl.when(~icd.is_in(MISSING)).then(icd)
        frames.append(_select(rows, "admidate", ICD, pl.coalesce(at_level_4(icd), written)))
    return pl.concat(frames)


def _select(rows: pl.LazyFrame, date: str, system: str, code: pl.Expr) -> pl.LazyFrame:
    return rows.select(
        "subject_id", pl.col(date).alias("day"), pl.lit(system).alias("system"), code.alias("code")
    )


def read_mapping(medcodes: Path, icd: Path) -> pl.DataFrame:
    """Read the pairs of a code and a phenotype: system, code, phenotype (Int16), each once.

    Args:
        medcodes: phenotypes/medcodes.parquet.
        icd: phenotypes/icd.parquet; an entry of three characters stands for itself and for every
            code of four characters that begins with it.
    """
    by_medcode = pl.read_parquet(medcodes).select(
        pl.lit(MEDCODE).alias("system"),
        pl.col("medcode").cast(pl.String).alias("code"),
        "phenotype",
    )
    entries = with_children(pl.read_parquet(icd).select(code="icd", phenotype="phenotype"))
    by_icd = entries.select(pl.lit(ICD).alias("system"), "code", "phenotype")
    return pl.concat([by_medcode, by_icd]).unique().sort(pl.all())
