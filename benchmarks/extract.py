"""The extract stage and DuckDB on the same text: processor time, memory, rows per second.

    python benchmarks/extract.py [--clinical-rows 2000000 20000000] [--repeats 3] [--threads 1]
                                 [--rows FILE]

Both read one generated Clinical part, convert patid, eventdate and medcode, sort the rows by shard
and by these columns, and write Parquet (zstd). DuckDB is given the types, the format of dates and
that there are no quotes, which is its fastest way; it keeps no count of refused rows. From a zip,
which it cannot read, its time includes unpacking by Python's zipfile. The case "unsorted" compares
DuckDB without its sort to the extract stage, which always sorts.

Each runs in a process of its own; its processor time, user and system, is that of the whole
process, with imports. Runs alternate, and medians count. The rows that both write are compared.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rows import Row, add_rows_option, write_rows

MEMBER = "benchmark_Extract_Clinical_001.txt"
ZIP = "part.zip"
SHARDS = 32


def generate(folder: Path, rows: int) -> None:
    """Write a Clinical part, loose and zipped."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(0)
    with (folder / MEMBER).open("wb") as file:
        for start in range(0, rows, 1_000_000):
            height = min(1_000_000, rows - start)
            day = pl.date(1985, 1, 1) + pl.duration(days=pl.col("day"))
            date = day.dt.strftime("%d/%m/%Y")
            frame = pl.DataFrame(
                {
                    "patid": draw.integers(10_000, 40_000, height) * 100_000 + 20_001,
                    "day": draw.integers(0, 11_000, height),
                    "consid": draw.integers(1, 10_000_000, height),
                    "medcode": draw.integers(1, 100_000, height),
                    "staffid": draw.integers(1, 9_000, height) * 100_000 + 20_001,
                    "adid": draw.integers(0, 1_000_000, height),
                }
            ).select(
                "patid",
                date.alias("eventdate"),
                date.alias("sysdate"),
                pl.lit(1).alias("constype"),
                "consid",
                "medcode",
                "staffid",
                pl.lit(0).alias("episode"),
                pl.lit(1).alias("enttype"),
                "adid",
            )
            frame.write_csv(file, separator="\t", line_terminator="\r\n", include_header=start == 0)
    with zipfile.ZipFile(folder / ZIP, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(folder / MEMBER, MEMBER)


def extract(folder: Path, source: str) -> None:
    from behrt.cprd.databases import GOLD
    from behrt.cprd.extraction import extract_part

    extract_part(
        folder / source,
        MEMBER if source == ZIP else None,
        GOLD.source_tables["clinical"].without(GOLD.unread("clinical", None)),
        folder / "extract.parquet",
        shards=SHARDS,
        maximum_refused=0.0,
    )


def extract_loose(folder: Path) -> None:
    extract(folder, MEMBER)


def extract_zipped(folder: Path) -> None:
    extract(folder, ZIP)


def read_with_duckdb(folder: Path, text: Path, order: str = "") -> None:
    import duckdb

    with text.open() as file:
        names = file.readline().split()
    types = {"patid": "BIGINT", "eventdate": "DATE", "medcode": "BIGINT"}
    columns = {name: types.get(name, "VARCHAR") for name in names}
    threads = int(os.environ["POLARS_MAX_THREADS"])
    duckdb.connect(config={"threads": threads}).execute(
        f"""
        copy (
            select patid, eventdate, medcode, (hash(patid) % {SHARDS})::usmallint as shard
            from read_csv('{text}', delim='\t', header=true, auto_detect=false, quote='',
                escape='', dateformat='%d/%m/%Y', columns={columns})
            {order}
        ) to '{folder / "duckdb.parquet"}' (format parquet, compression zstd)
        """
    )


def duckdb_unsorted(folder: Path) -> None:
    read_with_duckdb(folder, folder / MEMBER)


def duckdb_loose(folder: Path) -> None:
    read_with_duckdb(folder, folder / MEMBER, "order by shard, patid, eventdate, medcode")


def duckdb_zipped(folder: Path) -> None:
    text = folder / "unpacked" / MEMBER
    text.parent.mkdir(exist_ok=True)
    with (
        zipfile.ZipFile(folder / ZIP) as archive,
        archive.open(MEMBER) as packed,
        text.open("wb") as unpacked,
    ):
        shutil.copyfileobj(packed, unpacked, 2**20)
    read_with_duckdb(folder, text, "order by shard, patid, eventdate, medcode")
    text.unlink()


CASES = {
    "loose": (extract_loose, duckdb_loose),
    "zipped": (extract_zipped, duckdb_zipped),
    "unsorted": (extract_loose, duckdb_unsorted),
}


@dataclass(frozen=True)
class Cost:
    """What a process used.

    Attributes:
        seconds: of a processor, user and system.
        megabytes: the most memory that it had at a time.
    """

    seconds: float
    megabytes: float


def work(function: Callable[[Path], None], folder: Path) -> None:
    """Run in this fresh process, and write what it has used."""
    function(folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    scale = 1e6 if sys.platform == "darwin" else 1e3
    cost = f"{used.ru_utime + used.ru_stime} {used.ru_maxrss / scale}"
    (folder / "cost").write_text(cost, encoding="utf-8")


def cost_of(function: Callable[[Path], None], folder: Path) -> Cost:
    process = multiprocessing.get_context("spawn").Process(target=work, args=(function, folder))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{function.__name__} failed")
    return Cost(*map(float, (folder / "cost").read_text(encoding="utf-8").split()))


def check_rows(folder: Path) -> None:
    """Exit if the two wrote different rows."""
    import polars as pl

    columns = pl.col("patid", "eventdate", "medcode").to_physical()
    mixed = pl.struct(columns).hash().sum()
    ours, theirs = (
        pl.scan_parquet(folder / f"{name}.parquet").select(pl.len(), columns.sum(), mixed=mixed)
        for name in ("extract", "duckdb")
    )
    if not ours.collect().equals(theirs.collect()):
        sys.exit("extract and DuckDB wrote different rows")


def compare(folder: Path, rows: int, repeats: int, threads: int) -> list[Row]:
    """Run all cases on a part with so many rows; print and return the measures."""
    generating = multiprocessing.get_context("spawn").Process(target=generate, args=(folder, rows))
    generating.start()
    generating.join()
    costs: dict[str, list[tuple[Cost, Cost]]] = {case: [] for case in CASES}
    for _ in range(repeats):
        for case, (ours, theirs) in CASES.items():
            costs[case].append((cost_of(ours, folder), cost_of(theirs, folder)))
            check_rows(folder)
    measures = []
    for case, runs in costs.items():
        name = f"{rows / 1e6:g} M rows, {case}, {threads} thread{'s' if threads > 1 else ''}"
        seconds = [statistics.median(run[side].seconds for run in runs) for side in (0, 1)]
        memory = [statistics.median(run[side].megabytes for run in runs) for side in (0, 1)]
        rates = [rows / second for second in seconds]
        peer = "DuckDB, unzipped first" if case == "zipped" else "DuckDB"
        measures += [
            Row(name, "extract", "CPU s", *seconds, peer),
            Row(name, "extract", "rows/CPU s", *rates, peer),
            Row(name, "peak memory", "MB", *memory, peer),
        ]
        print(
            f"{name:32} extract {seconds[0]:6.2f} CPU s, {rates[0] / 1e6:4.2f} M rows/CPU s, "
            f"{memory[0]:4.0f} MB   {peer} {seconds[1]:6.2f} CPU s, "
            f"{rates[1] / 1e6:4.2f} M rows/CPU s, {memory[1]:5,.0f} MB",
            flush=True,
        )
    return measures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clinical-rows", type=int, nargs="+", default=[2_000_000, 20_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    add_rows_option(parser)
    given = parser.parse_args()
    os.environ["POLARS_MAX_THREADS"] = str(given.threads)
    measures = []
    for rows in given.clinical_rows:
        with tempfile.TemporaryDirectory() as name:
            measures += compare(Path(name), rows, given.repeats, given.threads)
    write_rows(given.rows, measures)


if __name__ == "__main__":
    main()
