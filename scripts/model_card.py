"""Write the model card."""

from pathlib import Path
from typing import Any

from behrt import stage
from behrt.files import atomic
from behrt.logs import logger
from behrt.page.facts import gather
from behrt.page.page import model_card


def main(
    cohort_flow: Path,
    population: Path,
    table1: Path,
    table2: Path,
    models: list[Path],
    card: Path,
    told: dict[str, Any],
) -> None:
    """`told` is what the configuration says of the run, as `gather` takes it."""
    facts = gather(cohort_flow, population, table1, table2, models, **told)
    with atomic(card) as temporary:
        temporary.write_text(model_card(facts), encoding="utf-8")
    logger.info("model card: %d models trained", len(models))


if __name__ == "__main__":
    stage.run(main, snakemake)
