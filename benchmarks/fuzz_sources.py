"""Feed the readers of MEDS and OMOP damaged files, as fuzz_readers.py feeds those of CPRD.

    python benchmarks/fuzz_sources.py [--minutes 60] [--seed 0]

Each case is a table of OMOP, as CSV (gzipped or not, with any delimiter) or Parquet, a data file of
MEDS, names in a folder, or codes. A file must be read with every row kept or refused, or raise an
InputError that shows no patient. A file that bears the name of a table must be read or named. A
code must not get a system that it does not fit, nor one of several that it fits.
"""

import argparse
import gzip
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import yaml
from fuzz_readers import Edit, edits, spoilt
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from behrt.errors import InputError
from behrt.sources import meds, omop
from behrt.sources.codes import SEVERAL, SYSTEMS, Codes, Prefix, recognise
from behrt.sources.records import Tally, write_records

SCHEMA = Path(__file__).parents[1] / "workflow" / "schemas" / "config.schema.yaml"
PERSON = "8112920001"
IDS = [PERSON, "0", "", "-1", f"-{PERSON}", "1.0", "1.5", "1E+9", "9" * 20, "x"]
DATES = [
    "2000-01-02",
    "",
    "20000102",
    "2000-01-02T10:00",
    "2000/01/02",
    "20000102.0",
    "9999-12-31",
    "0000-00-00",
    "31/12/2000",
    "02-Jan-00",
    "NaT",
]
NUMBERS = ["8507", "8532", "8507.0", "0", "", "1.5", "1990", "7", "13", "F"]
CODES = ["I10", "", "\\N", "é", '"a,b"', "I10" * 50, "E8490", "4019", "G20..00", "I10.90 A"]
LIKE_A_CODE = r"[A-Z]?[0-9]{2,5}[.]?[0-9A-Z]{0,2}[-+*]?( [A-Z][a-z]{3})?"
EVENTS = ["ICD10CM//I10", "MEDS_BIRTH", "MEDS_DEATH", "", "x\0y", "é", None]
NAMES = [
    "{}.csv",
    "{}.csv.gz",
    "{}.tsv",
    "{}.parquet",
    "{}_1.csv",
    "{}.csv.zip",
    "{} (1).csv",
    "{}",
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[str], list[list[str]]]:
    """Draw a table of OMOP: its name, its columns, and rows of text."""
    name = draw(st.sampled_from(list(omop.TABLES)))
    layout = omop.TABLES[name]
    columns = [*layout.required, *layout.optional]
    columns += [omop.SOURCE_VALUE] if name == "condition_occurrence" else []
    if draw(st.booleans()):
        columns = [column.replace("_date", "_datetime") for column in columns]
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        row = []
        for column in columns:
            values = NUMBERS
            values = IDS if column == "person_id" else values
            values = DATES if column.endswith(("_date", "_datetime")) else values
            values = CODES if column == omop.SOURCE_VALUE else values
            usual = draw(st.integers(0, 7)) > 0
            row.append(values[0] if usual else draw(st.sampled_from(values)))
        rows.append(row)
    return name, columns, rows


events = st.lists(
    st.tuples(
        st.sampled_from([int(PERSON), 0, -int(PERSON), None]),
        st.sampled_from(["2000-01-02", "1500-01-01", None]),
        st.sampled_from(EVENTS),
    ),
    max_size=6,
)


def rows_in(path: Path) -> int:
    """Count the lines below the header, whatever reads them."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    return sum(1 for line in content.split(b"\n")[1:] if line.strip(b"\r"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given_arguments = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    described = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["properties"]["meds"]
    structure = meds.Structure.read(
        {
            key: value["default"]
            for key, value in described["properties"]["structure"]["properties"].items()
        }
    )
    codes = Codes.read(described["properties"]["systems"]["default"], None, lists=False)
    counts: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp())

    def judge(path: Path, batches: Iterator[pl.DataFrame], tally: Tally) -> None:
        counts["cases"] += 1
        records = folder / "records"
        refusal: InputError | None = None
        try:
            write_records(batches, records, 2)
        except InputError as error:
            refusal = error
        if refusal is not None:
            counts["refused with a clear error"] += 1
            assert PERSON not in str(refusal)
            assert refusal.fix
            assert not records.exists()
        else:
            refused = sum(tally.refused.values())
            assert tally.rows_read == tally.rows_kept + refused
            if path.suffix in (".csv", ".gz"):
                assert tally.rows_read == rows_in(path)
            counts["read whole" if not refused else "read, rows refused"] += 1
        for old in folder.iterdir():
            old.unlink()

    common = {
        "max_examples": 100,
        "deadline": None,
        "database": None,
        "phases": (Phase.generate, Phase.shrink),
        "suppress_health_check": list(HealthCheck),
    }

    @settings(**common)
    @given(
        drawn=tables(),
        changes=edits,
        ending=st.sampled_from(["csv", "csv", "csv.gz", "parquet"]),
        delimiter=st.sampled_from(",;|\t"),
        blank=st.sampled_from([(), ("NaT",)]),
        before=st.booleans(),
    )
    def of_omop(
        drawn: tuple[str, list[str], list[list[str]]],
        changes: list[Edit],
        ending: str,
        delimiter: str,
        blank: tuple[str, ...],
        before: bool,
    ) -> None:
        name, columns, rows = drawn
        path = folder / f"{name}.{ending}"
        if ending == "parquet":
            schema = dict.fromkeys(columns, pl.String)
            frame = pl.DataFrame(rows, schema=schema, orient="row")
            frame.write_parquet(path, compression="uncompressed")
        else:
            content = "".join(f"{delimiter.join(row)}\n" for row in [columns, *rows]).encode()
            if ending == "csv.gz":  # damaged before or after it was packed
                content = gzip.compress(spoilt(content, changes) if before else content)
            path.write_bytes(content)
        if not (ending == "csv.gz" and before):
            path.write_bytes(spoilt(path.read_bytes(), changes))
        tally = Tally(path.name)
        judge(path, omop.read_batches(path, name, omop.SOURCE_VALUE, tally, blank), tally)

    @settings(**common)
    @given(
        table=st.sampled_from(list(omop.TABLES)),
        names=st.lists(st.sampled_from(NAMES), max_size=3, unique=True),
        kinds=st.lists(st.sampled_from(["file", "link", "folder"]), min_size=3, max_size=3),
    )
    def of_names(table: str, names: list[str], kinds: list[str]) -> None:
        counts["cases"] += 1
        for name, kind in zip(names, kinds, strict=False):
            path = folder / name.format(table)
            if kind == "file":
                path.write_text("")
            elif kind == "link":
                path.symlink_to(folder / "nowhere")
            else:
                path.mkdir()
                (path / "0.csv").write_text("")
        try:
            found = omop.find_table(folder, table)
        except InputError:
            counts["refused with a clear error"] += 1
        else:
            assert len(found) == len(names) <= 1
            counts["read whole"] += 1
        for old in folder.iterdir():
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()

    @settings(**common)
    @given(
        drawn=st.lists(st.sampled_from(CODES) | st.from_regex(LIKE_A_CODE, fullmatch=True)),
        ambiguous=st.sampled_from([None, "icd10", "icd9cm"]),
    )
    def of_codes(drawn: list[str], ambiguous: str | None) -> None:
        counts["cases"] += 1
        frame = pl.DataFrame({"code": sorted(set(drawn))}, schema={"code": pl.String})
        bare = [Prefix("", "icd10"), Prefix("", "icd9cm")]
        found = recognise(frame, bare, ambiguous)
        assert found["code"].equals(frame["code"])
        assert found.equals(recognise(frame, bare[::-1], ambiguous))
        for code, system, form in found.iter_rows():
            fits = {
                name: one
                for name in ("icd10", "icd9cm")
                if (one := pl.select(SYSTEMS[name](pl.lit(code))).item()) is not None
            }
            assert (form is None) == (system in (None, SEVERAL))
            assert system in (None, SEVERAL) or fits[system] == form
            assert system is None or fits
            if len(fits) == 2 and ambiguous:
                assert system == ambiguous
        counts["read whole"] += 1

    @settings(**common)
    @given(rows=events, changes=edits)
    def of_meds(rows: list[tuple[int | None, str | None, str | None]], changes: list[Edit]) -> None:
        path = folder / "data.parquet"
        schema = {"subject_id": pl.Int64, "time": pl.String, "code": pl.String}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        frame.with_columns(pl.col("time").str.to_datetime("%Y-%m-%d")).write_parquet(
            path, compression="uncompressed"
        )
        path.write_bytes(spoilt(path.read_bytes(), changes))
        tally = Tally(path.name)
        judge(path, meds.read_batches(path, codes, structure, tally), tally)

    end = time.monotonic() + 60 * given_arguments.minutes
    number = given_arguments.seed
    while time.monotonic() < end:
        for case in (of_omop, of_meds, of_names, of_codes):
            with_seed(number)(case)()
        number += 1
        print(", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())), flush=True)


if __name__ == "__main__":
    main()
