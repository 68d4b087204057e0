"""Writing MEDS (the Medical Event Data Standard), valid under the `meds` package's schemas.

All sources use it, so that their datasets have the same form.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from meds.schema import CodeMetadataSchema, DataSchema, DatasetMetadataSchema

from behrt.concept_descriptions import describe
from behrt.files import atomic, write_json

VALUE, UNIT = "numeric_value", "unit"

_DESCRIPTIONS = {
    "MEDS_BIRTH": "Birth, on the first of the month (January where the month is not known)",
    "MEDS_DEATH": "Death",
    "FOLLOW_UP//START": "First day of follow-up",
    "FOLLOW_UP//END": "Last day of follow-up",
    "VISIT//GP": "A day with a consultation or a record at the general practice",
    "VISIT//HOSPITAL": "A day of admission to hospital",
    "SEX//unknown": "Sex: unknown",
    "SEX//male": "Sex: male",
    "SEX//female": "Sex: female",
}


def write_events(events: pl.DataFrame, path: Path) -> None:
    """Write the events of a shard as MEDS data, and check them.

    Args:
        events: subject_id, time, code; of a dataset with values also numeric_value (Float32) and
            unit (String), null for events without a value.
        path: of the Parquet file.
    """
    given = pl.col(VALUE) if VALUE in events.columns else pl.lit(None)
    valued = events.with_columns(given.cast(pl.Float32).alias(VALUE))
    table = DataSchema.align(valued.to_arrow())
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def list_codes(
    words: pl.DataFrame, shards: Sequence[Path], names: pl.DataFrame | None = None
) -> pl.DataFrame:
    """List every code of the dataset: code, description, parent_codes; sorted by code.

    All words of the vocabulary are listed, including those that no patient has.

    Args:
        words: code, description String and parent_codes List(String) of the vocabulary.
        shards: the MEDS data.
        names: code and description of other codes that the data may have.
    """
    seen = pl.scan_parquet(list(shards)).select("code").unique().collect(engine="streaming")
    fixed = pl.DataFrame({"code": list(_DESCRIPTIONS)})
    others = pl.concat([fixed, seen]).unique().join(words, on="code", how="anti")
    kind, number = (
        pl.col("code").str.split("//").list.first(),
        pl.col("code").str.split("//").list.last(),
    )
    numbered = kind.str.to_titlecase() + " " + number
    given = pl.DataFrame(schema={"code": pl.String, "description": pl.String})
    described = others.join(given if names is None else names, on="code", how="left").select(
        "code",
        description=pl.coalesce(
            "description",
            describe(pl.col("code")),
            pl.col("code").replace_strict(_DESCRIPTIONS, default=numbered),
        ),
        parent_codes=pl.lit(None, dtype=pl.List(pl.String)),
    )
    return pl.concat([words, described]).sort("code")


def write_codes(codes: pl.DataFrame, path: Path) -> None:
    """Write the code metadata, and check them."""
    with atomic(path) as temporary:
        pq.write_table(CodeMetadataSchema.align(codes.to_arrow()), temporary)


def write_dataset(name: str, path: Path, units: bool = False) -> None:
    """Write the dataset's metadata, without a time of creation, so that the bytes are the same.

    Args:
        name: of the dataset.
        path: of the JSON file.
        units: whether the data has the column `unit`.
    """
    metadata = {
        "dataset_name": name,
        "etl_name": "behrt-workflow",
        "etl_version": version("behrt-workflow"),
        "meds_version": version("meds"),
        **({"code_modifier_columns": [UNIT]} if units else {}),
    }
    DatasetMetadataSchema.validate(metadata)
    write_json(metadata, path)
