"""What Snakemake measured of each job of a run: the files of `benchmark:`.

A rule writes `benchmarks/<variant><rule>/<job>.jsonl`, or `benchmarks/<variant><rule>.jsonl` if it
has one job. Snakemake documents the columns under "Benchmark Rules".
"""

import json
from pathlib import Path
from typing import Any

import polars as pl

from behrt.errors import InputError
from behrt.variants import VARIANT_FOLDERS

SCHEMA = pl.Schema(
    {
        "variant": pl.String,
        "rule": pl.String,
        "job": pl.String,
        "path": pl.String,
        "end": pl.Float64,
        "seconds": pl.Float64,
        "cpu_seconds": pl.Float64,
        "max_rss_mb": pl.Float64,
        "read_mb": pl.Float64,
        "written_mb": pl.Float64,
    }
)
"""The columns of `read`.

* variant: the folder of the variant of the run (`behrt.variants`); empty for the run itself.
* rule: the name of the rule.
* job: the wildcards of the job, as in the path of its file, such as `T2/behrt`; empty for a rule
  with one job.
* path: of the file, below `benchmarks/`; end: when it was written, in seconds since 1970.
* seconds, cpu_seconds: wall time, and user and system time. The latter is sampled, every half a
  second and after 15 seconds every 30 seconds: what a job takes after the last sample is not in it.
* max_rss_mb: the largest resident memory of the job and its children, sampled; MiB.
* read_mb, written_mb: from and to disks, without what the system had in memory; MiB.
"""

_MEASURES = {
    "s": "seconds",
    "cpu_time": "cpu_seconds",
    "max_rss": "max_rss_mb",
    "io_in": "read_mb",
    "io_out": "written_mb",
}


def name_of(path: Path) -> tuple[str, str, str]:
    """Return variant, rule and job of a benchmark file, by its path below `benchmarks/`.

    >>> name_of(Path("cohort.jsonl"))
    ('', 'cohort', '')
    >>> name_of(Path("ablation/age/finetune/T2/behrt.jsonl"))
    ('ablation/age/', 'finetune', 'T2/behrt')
    """
    parts = path.with_suffix("").parts
    start = 2 if parts[0] in VARIANT_FOLDERS else 0
    variant = "".join(f"{part}/" for part in parts[:start])
    return variant, parts[start], "/".join(parts[start + 1 :])


def read(folder: Path) -> pl.DataFrame:
    """Return the measures of all jobs of a run, sorted by path, with the columns of `SCHEMA`.

    A measure is null where the job ended before it was taken.

    Args:
        folder: `benchmarks/` of the run. It may be missing: then there are no rows.

    Raises:
        InputError: a file is not one that Snakemake wrote.
    """
    rows = []
    for path in sorted(folder.rglob("*.jsonl")):
        name = path.relative_to(folder)
        variant, rule, job = name_of(name)
        names = {"variant": variant, "rule": rule, "job": job, "path": name.as_posix()}
        rows.append({**names, "end": path.stat().st_mtime, **_measures(path, name.as_posix())})
    return pl.DataFrame(rows, schema=SCHEMA)


def _measures(path: Path, name: str) -> dict[str, float | None]:
    try:
        measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        return {
            ours: None if measured[theirs] == "NA" else float(measured[theirs])
            for theirs, ours in _MEASURES.items()
        }
    except (ValueError, IndexError, KeyError, TypeError):
        raise InputError(
            f"benchmarks/{name}", "it is not a benchmark file of Snakemake", "Delete it"
        ) from None
