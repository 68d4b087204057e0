"""Files that one job reads together.

A delivery may come in thousands of files. A job for each would spend more time on starting than on
reading, and each job of a shard would have thousands of inputs, so that the time to plan a run
would grow with files times shards.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

File = TypeVar("File")

MOST_BATCHES = 64
"""Approximately the most batches of one table; larger files only raise the size of a batch."""


def batches(
    files: Sequence[File], size: Callable[[File], int], least: float
) -> list[tuple[File, ...]]:
    """Divide files into batches of consecutive ones.

    A batch begins where the files before it reach a multiple of the batch size: `least`, or, if
    that would give more than `MOST_BATCHES`, a share of the whole. So a file that is added at the
    end of a small table changes only the last batch.

    Args:
        files: in order.
        size: of a file, in bytes.
        least: bytes per batch; 0 for one file in each.

    >>> batches([60, 60, 30, 500, 10], lambda size: size, 100)
    [(60, 60), (30, 500), (10,)]
    >>> batches([60, 60, 30], lambda size: size, 0)
    [(60,), (60,), (30,)]
    """
    if least == 0:
        return [(file,) for file in files]
    sizes = [max(size(file), 1) for file in files]
    step = max(least, sum(sizes) / MOST_BATCHES)
    found: dict[int, list[File]] = {}
    before = 0
    for file, bytes_ in zip(files, sizes, strict=True):
        found.setdefault(int(before // step), []).append(file)
        before += bytes_
    return [tuple(batch) for batch in found.values()]


def by_first(
    files: Iterable[File],
    table: Callable[[File], str],
    name: Callable[[File], str],
    size: Callable[[File], int],
    megabytes: float,
) -> dict[tuple[str, str], tuple[File, ...]]:
    """Return the batches of several tables, by table and name of the batch's first file.

    Args:
        files: sorted by table.
        table, name, size: of a file; the size is in bytes.
        megabytes: the least size of a batch, as in `batches`.
    """
    tables: dict[str, list[File]] = {}
    for file in files:
        tables.setdefault(table(file), []).append(file)
    return {
        (source_table, name(batch[0])): batch
        for source_table, of_table in tables.items()
        for batch in batches(of_table, size, megabytes * 1e6)
    }
