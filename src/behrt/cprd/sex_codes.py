"""The codes that record a disease of one sex for patients of the other (paper, Results).

The paper found male infertility recorded for more women than men, because Read codes for
"infertility" that name no sex are in the lists of both sexes' phenotypes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt.caliber.sex_specific import SexSpecific
from behrt.cprd.diagnoses import ICD, scan_diagnoses
from behrt.cprd.events import with_outcome
from behrt.disclosure import hide_parts, is_small, suppress
from behrt.logs import progress

DECIMALS = 4
COLUMNS = (
    "disease",
    "sex",
    "system",
    "code",
    "read_code",
    "term",
    "also_listed_under",
    "of_both_sexes",
    "patients_own",
    "patients_other",
    "disease_other",
    "share_of_other",
)

_KEYS = ("phenotype", "system", "code", "sex")


def count_patients(
    cohort: Path,
    general_practice: Sequence[Path],
    hospital: Sequence[Path],
    mapping: pl.DataFrame,
    shard: int,
    pointers: Sequence[Path] = (),
) -> pl.DataFrame:
    """Count one shard's patients by disease, code and sex.

    The records are those that become events: of the cohort, in follow-up.

    Args:
        cohort: cohort/cohort.parquet.
        general_practice, hospital, pointers: extracted parts, as `scan_diagnoses` takes them.
        mapping: system, code, phenotype of the codes that count.
        shard: number of the shard.

    Returns:
        phenotype Int16, system, code String (both null in the row that counts a disease's patients
        by any code), sex Int8, patients Int64.
    """
    people = pl.scan_parquet(cohort).filter(pl.col("shard") == shard)
    window = people.select("subject_id", "follow_up_start", "follow_up_end")
    rows = with_outcome(
        scan_diagnoses(general_practice, hospital, shard, pointers), window, mapping.lazy()
    ).filter(pl.col("outcome") == "mapped")
    found = (
        rows.join(mapping.lazy(), on=["system", "code"])
        .join(people.select("subject_id", "sex"), on="subject_id")
        .select("subject_id", *_KEYS)
        .unique()
        .collect(engine="streaming")
    )
    by_code = found.group_by(_KEYS).len("patients")
    by_disease = found.group_by("phenotype", "sex").agg(
        patients=pl.col("subject_id").n_unique(),
    )
    counts = pl.concat([by_code, by_disease], how="diagonal_relaxed")
    return counts.with_columns(pl.col("patients").cast(pl.Int64))


def count_shards(
    cohort: Path,
    general_practice: Sequence[Path],
    hospital: Sequence[Path],
    mapping: pl.DataFrame,
    diseases: Sequence[SexSpecific],
    shards: int,
    pointers: Sequence[Path] = (),
) -> pl.DataFrame:
    """Count the patients of all shards, with one shard in memory at a time.

    Arguments and columns are those of `count_patients`; the mapping can have every code.
    """
    chosen = [disease.disease for disease in diseases]
    of_one_sex = mapping.filter(pl.col("phenotype").is_in(chosen))
    counted = []
    with progress(total=shards, label="sex-specific codes", unit="shards") as bar:
        for shard in range(shards):
            counted.append(
                count_patients(cohort, general_practice, hospital, of_one_sex, shard, pointers)
            )
            bar.update(1)
    return pl.concat(counted)


def read_names(phenotypes: Path) -> list[str]:
    """Return the names of the phenotypes, in order.

    Args:
        phenotypes: phenotypes/phenotypes.parquet.
    """
    return pl.read_parquet(phenotypes).sort("index")["phenotype"].to_list()


def tabulate(
    counts: pl.DataFrame,
    mapping: pl.DataFrame,
    terms: pl.DataFrame,
    names: Sequence[str],
    diseases: Sequence[SexSpecific],
    threshold: int,
) -> pl.DataFrame:
    """Return the codes by which each disease of one sex is recorded for the other.

    Args:
        counts: of all shards, as `count_patients` gives them.
        mapping: system, code, phenotype of all codes.
        terms: system, code, read, term.
        names: the phenotypes.
        diseases: of one sex.
        threshold: the smallest count of patients to show.

    Returns:
        One row per disease and code that a patient of the other sex has: disease, sex, system,
        code, read_code, term, also_listed_under String (other phenotypes with the code);
        of_both_sexes Boolean: the code is also listed under a disease of the other sex, or under
        one of both sexes; patients_own, patients_other Int64: patients of the disease's sex and of
        the other sex with this code; disease_other Int64: patients of the other sex with the
        disease by any code; share_of_other Float64: patients_other divided by disease_other. Null
        where the count is too small. Within a disease, the largest patients_other first.
    """
    total = counts.group_by(_KEYS).agg(pl.col("patients").sum())
    sides = pl.DataFrame(
        [(disease.disease, disease.name, disease.sex, disease.own) for disease in diseases],
        schema={"phenotype": pl.Int16, "disease": pl.String, "sex": pl.String, "own": pl.Int8},
        orient="row",
    )
    patients = pl.col("patients")
    is_own = pl.col("sex") == pl.col("own")
    is_other = (pl.col("sex") != pl.col("own")) & (pl.col("sex") > 0)
    wide = (
        total.join(sides.select("phenotype", "own"), on="phenotype")
        .group_by("phenotype", "system", "code")
        .agg(
            patients_own=patients.filter(is_own).sum(),
            patients_other=patients.filter(is_other).sum(),
        )
    )
    whole = wide.filter(pl.col("code").is_null()).select(
        "phenotype", disease_other="patients_other"
    )
    sex_of = {disease.disease: disease.sex for disease in diseases}
    listed = mapping.group_by("system", "code").agg(held_by=pl.col("phenotype").sort())
    # An ICD-10 code of four characters that is not listed has the term of its first three.
    above = (
        terms.filter(pl.col("system") == ICD)
        .rename({"code": "above", "term": "term_above"})
        .drop("read")
    )
    rows = (
        wide.drop_nulls("code")
        .filter(pl.col("patients_other") > 0)
        .join(whole, on="phenotype")
        .join(sides, on="phenotype")
        .join(listed, on=["system", "code"])
        .join(terms, on=["system", "code"], how="left")
        .with_columns(above=pl.col("code").str.head(3))
        .join(above, on=["system", "above"], how="left")
        .sort(
            "phenotype", "patients_other", "system", "code", descending=[False, True, False, False]
        )
    )
    held = [
        [phenotype for phenotype in by if phenotype != itself]
        for by, itself in rows.select("held_by", "phenotype").iter_rows()
    ]
    of_both = [
        any(sex_of.get(phenotype) != sex for phenotype in by)
        for by, sex in zip(held, rows["sex"], strict=True)
    ]
    table = rows.select(
        "disease",
        "sex",
        "system",
        "code",
        "patients_own",
        "patients_other",
        "disease_other",
        read_code="read",
        term=pl.coalesce("term", "term_above"),
        also_listed_under=pl.Series(
            ["; ".join(names[phenotype] for phenotype in by) for by in held], dtype=pl.String
        ),
        of_both_sexes=pl.Series(of_both, dtype=pl.Boolean),
        share_of_other=pl.col("patients_other") / pl.col("disease_other"),
    )
    return _suppressed(table, threshold)


def _suppressed(table: pl.DataFrame, threshold: int) -> pl.DataFrame:
    """Hide small counts, and counts of a disease's codes from which a small one would follow."""
    own = is_small(table["patients_own"].to_numpy(), threshold)
    total = is_small(table["disease_other"].to_numpy(), threshold)
    other = np.concatenate(
        [
            hide_parts(part["patients_other"].to_numpy(), threshold)
            for part in table.partition_by("disease", maintain_order=True)
        ]
        or [np.empty(0, dtype=bool)]
    )
    table = suppress(table, own, ["patients_own"])
    table = suppress(table, total, ["disease_other"])
    table = suppress(table, other | total, ["patients_other", "share_of_other"])
    return table.select(COLUMNS).with_columns(pl.col("share_of_other").round(DECIMALS))
