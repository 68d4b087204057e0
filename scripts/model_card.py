"""Write the model card."""

from pathlib import Path

from behrt import stage
from behrt.files import atomic
from behrt.logs import logger
from behrt.page.facts import gather
from behrt.page.page import model_card
from behrt.run import Run
from behrt.tasks import Task


def main(
    cohort_flow: Path,
    population: Path,
    table1: Path,
    table2: Path,
    models: list[Path],
    card: Path,
    run: Run,
    tasks: list[Task],
    task: Task,
) -> None:
    facts = gather(cohort_flow, population, table1, table2, models, run, tasks, task)
    with atomic(card) as temporary:
        temporary.write_text(model_card(facts), encoding="utf-8")
    logger.info("model card: %d models trained", len(models))


if __name__ == "__main__":
    stage.run(main, snakemake)
