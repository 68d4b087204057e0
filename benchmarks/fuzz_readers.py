"""Give the readers of deliveries damaged files for a while: they may only fail by an InputError.

    python benchmarks/fuzz_readers.py [--minutes 60] [--cases 20000] [--seed 0]

Each case is a loose or zipped part of any source table, with bytes changed, cut, doubled or
inserted anywhere. The part may be renamed, hidden, a link, a link to nothing, in a zip of another
name, or in a zip in a zip. It must be read with every row kept or refused, or raise an InputError
that shows no patient: no part may go missing. Batches that are parsed in one pass must give the
same file and manifest as the reader of any batch. A case that breaks this is shrunk by hypothesis
and printed.
"""

import argparse
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from behrt.cprd.databases import AURUM, GOLD, Database
from behrt.cprd.delivery import find_parts, survey
from behrt.cprd.extraction import extract_part
from behrt.cprd.layout import SourceTable
from behrt.errors import InputError

PATID = "8112920001"
VALUES = {
    "id": [PATID, "0", "", "-1", "1.0", "9" * 20, "x"],
    "integer": ["1", "0", "", "-1", "1.0", "9999999999"],
    "year": ["184", "1984", "0", "", "99999"],
    "date": ["01/02/2000", "20000201", "", "31/12/9999", "30/02/2000", "2000-02-01"],
    "text": ["M10.1", "-.", "", "hes", "\\N", '"', "é"],
}
PIECES = [
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b'"',
    b"e_patid",
    b"PK\5\6",
]

Edit = tuple[str, float, int, bytes]
edits = st.lists(
    st.tuples(
        st.sampled_from(["change", "cut", "double", "put in", "end"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 40),
        st.one_of(st.sampled_from(PIECES), st.binary(min_size=1, max_size=8)),
    ),
    max_size=4,
)


# What a part may become: its file's name is put into the text.
RENAMED = [
    "{stem}.csv",
    "{stem}.txt.gz",
    "{stem}.txt.filepart",
    ".{stem}.txt.x2Ab",
    "copy of {stem}.txt",
    "{stem} (1).txt",
    "{stem}.TXT",
    "{stem}_old.tsv",
    "{dashed}.txt",
]
PLACES = ["", "", "gold", "golden_copy", "GOLD_linked", "aurum", "laurums", "Results"]
HOW = ["as it is"] * 6 + ["link", "link to nothing", "renamed", "packed", "packed twice"]


@st.composite
def texts(draw: st.DrawFn) -> tuple[Database, SourceTable, bytes]:
    """Draw a database's source table and a text of it, correct but for its values."""
    database = draw(st.sampled_from([GOLD, AURUM]))
    source_table = draw(st.sampled_from(list(database.source_tables.values())))
    columns = draw(st.sampled_from(list(source_table.generations.values())))
    end = draw(st.sampled_from(["\r\n", "\n"]))
    lines = ["\t".join(columns)]
    for _ in range(draw(st.integers(0, 6))):
        values = []
        for name in columns:
            kind = source_table.types.get(source_table.ours(name))
            usual = draw(st.integers(0, 7)) > 0
            known = VALUES[kind] if kind else ["1"]
            values.append(known[0] if usual else draw(st.sampled_from(known)))
        lines.append("\t".join(values))
    return database, source_table, "".join(line + end for line in lines).encode()


def placed(path: Path, how: str, name: str, place: str) -> Path | None:
    """Rename, link or pack a part; return the file with its rows, None where there is none."""
    folder = path.parent
    if place:
        (folder / place).mkdir()
        path = path.rename(folder / place / path.name)
    if how == "link":
        target = folder / "elsewhere" / "data.bin"
        target.parent.mkdir()
        path.rename(target)
        path.symlink_to(target)
        # what a link leads to is not a part of its own
        return path
    if how == "link to nothing":
        path.unlink()
        path.symlink_to("unmounted")
        return None
    if how == "renamed":
        stem = path.stem
        other = name.format(stem=stem, dashed=stem.replace("_", "-"))
        return path.rename(path.with_name(other))
    if how in ("packed", "packed twice"):
        outer = path.with_name("22_000001_Results.zip")
        member = f"final/{path.name}"
        if how == "packed twice":
            inner = path.with_name("inner.zip")
            with zipfile.ZipFile(inner, "w") as archive:
                archive.write(path, path.name)
            path.unlink()
            path, member = inner, "final/linked.zip"
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(path, member)
        path.unlink()
        return outer
    return path


def spoilt(content: bytes, changes: list[Edit]) -> bytes:
    for how, where, length, piece in changes:
        start = int(where * len(content))
        before, hit, after = content[:start], content[start : start + length], content[start:]
        after = after[len(hit) :]
        content = {
            "change": before + piece + after,
            "cut": before + after,
            "double": before + hit + hit + after,
            "put in": before + piece + hit + after,
            "end": before,
        }[how]
    return content


def rows_in(content: bytes, *, zipped: bool, folder: Path) -> int:
    """Count rows, independently of how they are read."""
    if zipped:
        with zipfile.ZipFile(folder) as archive:
            (name,) = (name for name in archive.namelist() if name.lower().endswith(".txt"))
            content = archive.read(name)
    return sum(1 for line in content.split(b"\n")[1:] if line not in (b"", b"\r"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cases", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=0)
    given_arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp())
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

    def read(path: Path | None, database: Database, batch_bytes: int) -> None:
        parts = find_parts(folder, database=database.name)
        if not parts:
            found = survey(folder, database=database.name)
            assert found.passed_over, "a part is missing, which is not reported"
            counts["passed over as another database's"] += 1
            return
        (part,) = parts
        assert path is not None
        rows = folder / "rows" / "rows.parquet"

        def extract() -> dict[str, Any]:
            return extract_part(
                part.path,
                part.member,
                database.source_tables[part.source_table],
                rows,
                shards=2,
                maximum_refused=1.0,
                batch_bytes=batch_bytes,
            )

        with patch("behrt.cprd.extraction.can_be_read", lambda types: False):
            try:
                expected = extract()
            except InputError as error:
                with pytest.raises(InputError, match=f"^{re.escape(str(error))}$"):
                    extract()
                raise
        content = rows.read_bytes()
        manifest = extract()
        assert (manifest, rows.read_bytes()) == (expected, content)
        refused = sum(manifest["rows_refused"].values())
        assert manifest["rows_read"] == manifest["rows_kept"] + refused
        assert manifest["rows_kept"] == pl.read_parquet(rows).height
        assert manifest["rows_read"] == rows_in(
            path.read_bytes(), zipped=part.member is not None, folder=path
        )
        counts["read whole" if not refused else "read, rows refused"] += 1

    @settings(
        max_examples=100,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        drawn=texts(),
        inner=edits,
        outer=edits,
        zipped=st.booleans(),
        method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
        batch_bytes=st.sampled_from([7, 100, 2**20]),
        how=st.sampled_from(HOW),
        name=st.sampled_from(RENAMED),
        place=st.sampled_from(PLACES),
    )
    def case(
        drawn: tuple[Database, SourceTable, bytes],
        inner: list[Edit],
        outer: list[Edit],
        zipped: bool,
        method: int,
        batch_bytes: int,
        how: str,
        name: str,
        place: str,
    ) -> None:
        database, source_table, text = drawn
        text = spoilt(text, inner)
        own = source_table.name in database.numbered
        stem = f"x_Extract_{source_table.name.capitalize()}_001" if own else source_table.name
        path = folder / f"{stem}.{'zip' if zipped else 'txt'}"
        shutil.rmtree(folder)
        folder.mkdir()
        if zipped:
            with zipfile.ZipFile(path, "w", method) as archive:
                archive.writestr(f"{stem}.txt", text)
            path.write_bytes(spoilt(path.read_bytes(), outer))
        else:
            path.write_bytes(text)
        counts["cases"] += 1
        readable = placed(path, how, name, place)
        refusal: InputError | None = None
        try:
            read(readable, database, batch_bytes)
        except InputError as error:
            refusal = error
        if refusal is not None:
            counts["refused with a clear error"] += 1
            assert PATID not in str(refusal)
            assert refusal.fix
            left = sorted(other.name for other in folder.glob("rows/*"))
            assert not left, left

    end = time.monotonic() + 60 * given_arguments.minutes
    number = given_arguments.seed
    while time.monotonic() < end and counts["cases"] < given_arguments.cases:
        with_seed(number)(case)()
        number += 1
        print(", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())), flush=True)


if __name__ == "__main__":
    main()
