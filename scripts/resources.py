"""The comparison of what jobs requested with what they needed, after a run."""

from pathlib import Path
from typing import Any

import polars as pl

from behrt import benchmark_files, logs, stage
from behrt.advice import REQUESTS, advise, as_text, resources_for_profile
from behrt.errors import InputError
from behrt.files import write_csv
from behrt.logs import NOTICE, logger


def main(
    advice: Path,
    benchmarks: str,
    log_folder: str,
    flow: str,
    requests: list[dict[str, Any]],
    planned_patients: int | None,
) -> None:
    """Compare the benchmark files of a run with the requests of its rules.

    `log_folder` and `benchmarks` are the run's folders, and `flow` its table of patients after each
    step, the first of which is that of all patients.

    Raises:
        InputError: nothing has been measured, or the run has no patients to compare with.
    """
    jobs = benchmark_files.read(Path(benchmarks))
    if jobs.is_empty():
        raise InputError(benchmarks, "there are no benchmark files", "Run the workflow first")
    ran = [
        path
        for path in Path(log_folder).rglob("*.log")
        if path != Path(log_folder, "resources.log")
    ]
    measured = [
        Path(benchmarks, path.relative_to(log_folder)).with_suffix(".jsonl").is_file()
        for path in ran
    ]
    notes = [f"Measured: {jobs.height} jobs. Without a measure: {measured.count(False)} jobs."]
    growth = 1.0
    if planned_patients is not None:
        growth = planned_patients / _patients(Path(flow))
        notes.append(
            f"Asked and advised: for {planned_patients:,} patients, {growth:,.{int(growth < 10)}f} "
            "times those of this run, with as many parts and shards."
        )
    compared = pl.DataFrame(requests, schema=REQUESTS)
    advised = advise(jobs, compared, growth)
    write_csv(advised, advice)
    text = as_text(advised, notes)
    if more := resources_for_profile(advised):
        lines = [
            f"  {rule}: {{mem_mb: {needed['mem_mb']}, runtime: {needed['runtime']}}}"
            for rule, needed in more.items()
        ]
        text = "\n".join([text, "", "In a profile:", "set-resources:", *lines])
    logger.log(NOTICE, "%s", text)


def _patients(flow: Path) -> int:
    patients = pl.read_parquet(flow)["patients"][0] if flow.is_file() else None
    if not patients or not logs.is_told(patients):
        raise InputError(
            "config, planned_patients",
            "the number of patients of this run is not known, or too small to be shown",
            "Run the workflow up to the cohort first, or set planned_patients to null",
        )
    return int(patients)


if __name__ == "__main__":
    stage.run(main, snakemake)
