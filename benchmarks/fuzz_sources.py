"""Feed the readers of MEDS and OMOP spoilt files, as fuzz_readers.py feeds those of CPRD.

    python benchmarks/fuzz_sources.py [--minutes 60] [--seed 0]

Each case is a table of OMOP, as CSV or Parquet, or a data file of MEDS. It must be read with every
row kept or refused, or raise an InputError that shows no patient.
"""

import argparse
import os
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
from behrt.sources.codes import Codes
from behrt.sources.records import Tally, write_records

SCHEMA = Path(__file__).parents[1] / "workflow" / "schemas" / "config.schema.yaml"
PERSON = "8112920001"
IDS = [PERSON, "0", "", "-1", "1.0", "9" * 20, "x"]
DATES = ["2000-01-02", "", "20000102", "2000-01-02T10:00", "9999-12-31", "0000-00-00", "31/12/2000"]
NUMBERS = ["8507", "8532", "0", "", "1.5", "1990", "7", "13"]
CODES = ["I10", "", "\\N", "é", '"a,b"', "I10" * 50]
EVENTS = ["ICD10CM//I10", "MEDS_BIRTH", "MEDS_DEATH", "", "x\0y", "é", None]


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[str], list[list[str]]]:
    """Draw a table of OMOP: its name, its columns, and rows of text."""
    name = draw(st.sampled_from(list(omop.TABLES)))
    layout = omop.TABLES[name]
    columns = [*layout.required, *layout.optional]
    columns += [omop.SOURCE_VALUE] if name == "condition_occurrence" else []
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        row = []
        for column in columns:
            values = NUMBERS
            values = IDS if column == "person_id" else values
            values = DATES if column.endswith("_date") else values
            values = CODES if column == omop.SOURCE_VALUE else values
            usual = draw(st.integers(0, 7)) > 0
            row.append(values[0] if usual else draw(st.sampled_from(values)))
        rows.append(row)
    return name, columns, rows


events = st.lists(
    st.tuples(
        st.sampled_from([int(PERSON), 0, -1, None]),
        st.sampled_from(["2000-01-02", "1500-01-01", None]),
        st.sampled_from(EVENTS),
    ),
    max_size=6,
)


def rows_in(path: Path) -> int:
    """Count the lines below the header, knowing nothing of how they are read."""
    return sum(1 for line in path.read_bytes().split(b"\n")[1:] if line.strip(b"\r"))


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
        told: InputError | None = None
        try:
            write_records(batches, records, 2, lambda: tally.check(1.0))
        except InputError as error:
            told = error
        if told is not None:
            counts["refused with a clear error"] += 1
            assert PERSON not in str(told)
            assert told.mend
            assert not records.exists()
        else:
            refused = sum(tally.refused.values())
            assert tally.rows_read == tally.rows_kept + refused
            if path.suffix == ".csv":
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
    @given(drawn=tables(), changes=edits, parquet=st.booleans())
    def of_omop(
        drawn: tuple[str, list[str], list[list[str]]], changes: list[Edit], parquet: bool
    ) -> None:
        name, columns, rows = drawn
        path = folder / f"{name}.{'parquet' if parquet else 'csv'}"
        if parquet:
            schema = dict.fromkeys(columns, pl.String)
            frame = pl.DataFrame(rows, schema=schema, orient="row")
            frame.write_parquet(path, compression="uncompressed")
        else:
            path.write_text("".join(f"{','.join(row)}\n" for row in [columns, *rows]))
        path.write_bytes(spoilt(path.read_bytes(), changes))
        tally = Tally(path.name)
        judge(path, omop.read_batches(path, name, omop.SOURCE_VALUE, tally), tally)

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
        for case in (of_omop, of_meds):
            with_seed(number)(case)()
        number += 1
        print(", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())), flush=True)


if __name__ == "__main__":
    main()
