"""Write the page of the run's time, memory and disk."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.tidy import read_table
from behrt.files import atomic
from behrt.logs import logger
from behrt.machine import this_machine
from behrt.page.performance import Stage, measure, performance_page


def main(
    files: list[Path],
    cohort_flow: Path,
    page: Path,
    run: str,
    stages: list[Stage],
    growth: dict[str, dict[str, float]],
) -> None:
    """Write the page; `files` are some that must exist, and `run` is the name of the run."""
    jobs, disk = measure(page.parent, stages)
    patients = read_table(cohort_flow)["patients"].to_list()[-1]
    text = performance_page(
        run,
        jobs,
        disk,
        stages,
        growth,
        None if patients is None else round(patients),
        this_machine(),
    )
    with atomic(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    logger.info("performance: %d jobs", jobs.height)


if __name__ == "__main__":
    stage.run(main, snakemake)
