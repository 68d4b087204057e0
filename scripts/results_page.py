"""Write the results page, with the model card and the TRIPOD+AI checklist."""

from pathlib import Path

from behrt import stage
from behrt.files import atomic
from behrt.logs import logger
from behrt.page.facts import gather
from behrt.page.page import results_page
from behrt.run import Run
from behrt.tasks import Task


def main(
    cohort_flow: Path,
    population: Path,
    table1: Path,
    table2: Path,
    models: list[Path],
    figures: list[Path],
    tables: list[Path],
    page: Path,
    run: Run,
    tasks: list[Task],
    task: Task,
    captions: dict[str, str],
) -> None:
    """Write the page; `captions` are by kind and name, such as "figures/trends"."""
    facts = gather(cohort_flow, population, table1, table2, models, run, tasks, task)
    with atomic(page) as temporary:
        temporary.write_text(results_page(facts, figures, tables, captions), encoding="utf-8")
    logger.info("results page: %d figures and %d tables", len(figures), len(tables))


if __name__ == "__main__":
    stage.run(main, snakemake)
