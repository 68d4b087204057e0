"""Write the results page of outcomes."""

from pathlib import Path

from behrt import stage
from behrt.files import atomic
from behrt.logs import logger
from behrt.page.outcomes import outcomes_page
from behrt.run import Run


def main(
    figures: list[Path],
    tables: list[Path],
    page: Path,
    run: Run,
    outcomes: dict[str, str],
    captions: dict[str, str],
) -> None:
    """Write the page; `captions` are by kind and name, such as "tables/outcome_scores"."""
    with atomic(page) as temporary:
        text = outcomes_page(run, outcomes, figures, tables, captions)
        temporary.write_text(text, encoding="utf-8")
    logger.info("outcomes page: %d outcomes and %d tables", len(outcomes), len(tables))


if __name__ == "__main__":
    stage.run(main, snakemake)
