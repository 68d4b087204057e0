"""Procedures of hes_procedures_epi: OPCS-4 codes, or the phenotypes of CALIBER's OPCS lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from behrt.caliber import opcs
from behrt.caliber.lists import read_opcs
from behrt.concepts import PREFIXES
from behrt.cprd.shards import scan_shard

Level = Literal[3, 4, "caliber"]

OPCS = PREFIXES["procedures"] + "OPCS4//"
CALIBER = PREFIXES["procedures"] + "CALIBER//"


def read_listed(folder: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read the procedures of CALIBER's lists.

    Returns:
        opcs (three or four characters) String, events (MEDS codes) List(String), one row per entry;
        and the manifest of `behrt.caliber.lists.read_opcs`.
    """
    pairs, manifest = read_opcs(folder)
    listed = pairs.group_by("opcs").agg(events=(CALIBER + pl.col("phenotype")).unique().sort())
    return listed.sort("opcs"), manifest


def scan_procedures(
    parts: Sequence[Path], shard: int, level: Level, listed: pl.DataFrame | None = None
) -> pl.LazyFrame:
    """Scan one shard's procedures as `behrt.concept_events` counts them.

    The day is that of the procedure (evdate); where it is blank or before admission, when nothing
    of the stay was known, the first day of the episode (epistart), else that of admission
    (admidate). A procedure that HES marks as missing or not known (`-`, `&`) has no code; what is
    not an OPCS-4 code is unmapped.

    Args:
        parts: extracted parts of hes_procedures_epi.
        shard: number of the shard.
        level: characters of a code, or "caliber".
        listed: what `read_listed` returns, for "caliber".
    """
    written = pl.col("opcs").str.strip_chars()
    within = (pl.col("evdate") >= pl.col("admidate")).fill_null(True)
    rows = scan_shard(parts, shard).select(
        "subject_id",
        day=pl.coalesce(pl.when(within).then("evdate"), "epistart", "admidate"),
        code=pl.when(~written.is_in(opcs.MISSING)).then(written),
        opcs=opcs.at_level_4(pl.col("opcs")),
    )
    if listed is None:
        event = OPCS + (pl.col("opcs").str.head(3) if level == 3 else pl.col("opcs"))
        rows = rows.with_columns(
            events=pl.when(pl.col("opcs").is_not_null()).then(pl.concat_list(event))
        )
    else:
        entries = listed.lazy()
        rows = (
            rows.join(entries, on="opcs", how="left")
            .join(
                entries.rename({"events": "broader"}),
                left_on=pl.col("opcs").str.head(3),
                right_on="opcs",
                how="left",
            )
            .with_columns(
                events=pl.when(pl.col("events").is_null())
                .then("broader")
                .when(pl.col("broader").is_null())
                .then("events")
                .otherwise(pl.col("events").list.set_union("broader"))
            )
        )
    return rows.select(
        "subject_id",
        "day",
        pl.coalesce("opcs", "code").alias("code"),
        "events",
        value=pl.lit(None, pl.Float32),
        unit=pl.lit(None, pl.String),
        outcome=pl.when(pl.col("events").is_null())
        .then(pl.lit("unmapped"))
        .otherwise(pl.lit("mapped")),
    )
