"""Writing tiny deliveries by hand."""

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from behrt.cprd.databases import GOLD

Writer = Callable[..., Path]


def write_delivered(
    path: Path,
    source_table: str,
    rows: Iterable[dict[str, object]],
    *,
    line_end: str = "\r\n",
) -> Path:
    """Write rows, given by column name, as CPRD delivers a table; zipped if the name says so."""
    columns = GOLD.source_tables[source_table].columns
    lines = ["\t".join(columns)]
    for row in rows:
        unknown = set(row) - {column.lower() for column in columns}
        assert not unknown, unknown
        lines.append("\t".join(str(row.get(column.lower(), "")) for column in columns))
    text = (line_end.join(lines) + line_end).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.with_suffix(".txt").name, text)
    else:
        path.write_bytes(text)
    return path


@pytest.fixture
def delivered() -> Writer:
    return write_delivered
