"""Rows per second of the extract stage, compared with DuckDB on the same text (read, type, sort).

    python benchmarks/extract.py [--rows 5000000] [--threads 1]

Both read one generated Clinical part as loose text, type patid, eventdate and medcode, and write
Parquet. DuckDB's plain read neither sorts nor counts refused rows; its sorted read orders rows as
extract does. Each runs in a process of its own, whose peak memory is printed too. Zipped, extract
alone can read the part.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

MEMBER = "benchmark_Extract_Clinical_001.txt"


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
    with zipfile.ZipFile(folder / "part.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / MEMBER, MEMBER)


def extract(folder: Path, threads: int, *, zipped: bool = False) -> None:
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    from behrt.cprd.databases import GOLD
    from behrt.cprd.extraction import extract_part

    extract_part(
        folder / ("part.zip" if zipped else MEMBER),
        MEMBER if zipped else None,
        GOLD.source_tables["clinical"],
        folder / "extract.parquet",
        shards=32,
        maximum_refused=0.0,
    )


def extract_zipped(folder: Path, threads: int) -> None:
    extract(folder, threads, zipped=True)


def read_with_duckdb(folder: Path, threads: int, order: str = "") -> None:
    import duckdb

    duckdb.connect(config={"threads": threads}).execute(
        f"""
        copy (
            select patid::bigint as patid, strptime(eventdate, '%d/%m/%Y')::date as eventdate,
                medcode::bigint as medcode, (hash(patid) % 32)::usmallint as shard
            from read_csv('{folder / MEMBER}', delim='\t', header=true, all_varchar=true, quote='')
            {order}
        ) to '{folder / "duckdb.parquet"}' (format parquet, compression zstd)
        """
    )


def read_and_sort_with_duckdb(folder: Path, threads: int) -> None:
    read_with_duckdb(folder, threads, "order by shard, patid, eventdate, medcode")


def measure(function: Callable[[Path, int], None], folder: Path, threads: int) -> None:
    """Run in this fresh process; print seconds and peak memory in MB."""
    start = time.perf_counter()
    function(folder, threads)
    seconds = time.perf_counter() - start
    scale = 1e6 if sys.platform == "darwin" else 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    (folder / "measured").write_text(f"{seconds} {peak}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generating = spawn.Process(target=generate, args=(folder, given.rows))
        generating.start()
        generating.join()
        megabytes = (folder / MEMBER).stat().st_size / 1e6
        print(f"{given.rows:,} rows, {megabytes:,.0f} MB of text, {given.threads} thread(s)")
        plain = None
        for label, function in (
            ("DuckDB, plain", read_with_duckdb),
            ("DuckDB, sorted", read_and_sort_with_duckdb),
            ("extract", extract),
            ("extract, zipped", extract_zipped),
        ):
            process = spawn.Process(target=measure, args=(function, folder, given.threads))
            process.start()
            process.join()
            if process.exitcode:
                sys.exit(f"{label} failed")
            seconds, peak = map(float, (folder / "measured").read_text().split())
            rate = given.rows / seconds
            plain = plain or rate
            print(
                f"{label:16} {rate / 1e6:5.2f} M rows/s  ×{rate / plain:4.2f}  "
                f"{seconds:6.1f} s  {peak:6,.0f} MB"
            )


if __name__ == "__main__":
    main()
