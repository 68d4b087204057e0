"""Writing files whole or not at all: every writer goes through a temporary name and a rename."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet(frame: pl.DataFrame, path: Path, row_group_size: int | None = None) -> None:
    """Write a frame as Parquet, atomically and with the same bytes for the same frame."""
    with atomic(path) as temporary:
        frame.write_parquet(
            temporary, compression="zstd", statistics=True, row_group_size=row_group_size
        )


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as CSV (UTF-8, comma, header row), atomically."""
    with atomic(path) as temporary:
        frame.write_csv(temporary)


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write a mapping as indented JSON with sorted keys, atomically."""
    with atomic(path) as temporary:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    value: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return value
