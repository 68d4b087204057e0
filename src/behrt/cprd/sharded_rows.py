"""Rows in any order to one Parquet file, sorted by shard, in memory that does not grow with it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from behrt.cprd.row_order import sort_rows
from behrt.hashing import shard_of

ROW_GROUP_ROWS = 2**20
HELD_BYTES = 8 * 2**20
"""Of rows in memory before they are moved to disk."""


def write_sharded(
    frames: Iterable[pl.DataFrame],
    path: Path,
    schema: dict[str, type[pl.DataType]],
    shards: int | None,
    held_bytes: int = HELD_BYTES,
) -> None:
    """Write rows as Parquet, sorted by shard, then by all columns; no row group has two shards.

    Args:
        frames: the rows, with the columns of `schema`; those of a shard must fit in memory.
        path: the Parquet file. Beside it, rows are kept in a temporary file by shard.
        schema: name and dtype by column.
        shards: number of shards of the column patid, which has no nulls; the column `shard`
            (UInt16) is added. None for rows without patients.
        held_bytes: of rows in memory before they are moved to disk; the result does not depend on
            it.
    """
    empty = pl.DataFrame(schema=schema)
    unsorted = path.with_name(f"{path.name}.unsorted")
    try:
        held, places = _move(frames, unsorted, empty.to_arrow().schema, shards, held_bytes)
        shard_column = [] if shards is None else [pl.Series("shard", [], dtype=pl.UInt16)]
        written = empty.with_columns(shard_column).to_arrow().schema
        # Arrow's own pool keeps what was freed
        pool = pa.system_memory_pool()
        with (
            pa.OSFile(str(unsorted)) as file,
            pq.ParquetWriter(path, written, compression="zstd", memory_pool=pool) as writer,
        ):
            moved = pa.ipc.open_file(file, memory_pool=pool)
            for shard, (last, numbers) in enumerate(zip(held, places, strict=True)):
                batches = [_frame(moved.get_batch(number)) for number in numbers]
                rows = sort_rows(pl.concat([empty, *batches, *last]))
                if shards is not None:
                    rows = rows.with_columns(shard=pl.lit(shard, dtype=pl.UInt16))
                if rows.height:
                    writer.write_table(rows.to_arrow(), row_group_size=ROW_GROUP_ROWS)
    finally:
        unsorted.unlink(missing_ok=True)


def _move(
    frames: Iterable[pl.DataFrame],
    unsorted: Path,
    schema: pa.Schema,
    shards: int | None,
    held_bytes: int,
) -> tuple[list[list[pl.DataFrame]], list[list[int]]]:
    """Move rows to record batches of `unsorted`, each of one shard.

    Return, by shard, the last rows, which are not moved, and the numbers of the record batches.
    """
    held: list[list[pl.DataFrame]] = [[] for _ in range(shards or 1)]
    places: list[list[int]] = [[] for _ in held]
    size = number = 0
    with pa.OSFile(str(unsorted), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for frame in frames:
            for shard, rows in enumerate(_by_shard(frame, shards)):
                held[shard].append(rows)
            size += int(frame.estimated_size())
            if size > held_bytes:
                for shard, pieces in enumerate(held):
                    for batch in pl.concat(pieces, rechunk=True).to_arrow().to_batches():
                        writer.write_batch(batch)
                        places[shard].append(number)
                        number += 1
                    pieces.clear()
                size = 0
    return held, places


def _by_shard(rows: pl.DataFrame, shards: int | None) -> list[pl.DataFrame]:
    """Return the rows of each shard."""
    if shards is None:
        return [rows]
    shard = rows.select(shard_of(pl.col("patid"), shards)).to_series().to_numpy()
    order = np.argsort(shard, kind="stable")  # a radix sort
    ordered = rows[pl.Series(order.astype(np.uint32))]
    counts = np.bincount(shard, minlength=shards)
    starts = np.cumsum(counts) - counts
    return [ordered.slice(*place) for place in zip(starts.tolist(), counts.tolist(), strict=True)]


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame
