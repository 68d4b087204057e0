"""Choose the hyper-parameters that the trials of one round try."""

from pathlib import Path
from typing import Any

from behrt import stage
from behrt.files import write_json
from behrt.learning.chosen import MLM, read_trials
from behrt.learning.recipe import Recipe
from behrt.learning.search import suggest
from behrt.logs import logger
from behrt.models import model_named


def main(
    earlier: list[Path],
    suggested: Path,
    searched: str,
    recipe: Recipe,
    space: dict[str, Any],
    trials: int,
    seed: int,
) -> None:
    model = model_named(recipe.kind)

    def accepts(settings: dict[str, Any], training: dict[str, Any]) -> None:
        recipe.changed(settings, training).read(model.Settings)

    done = read_trials(earlier)
    drawn = suggest(space, done, trials, searched != MLM, seed, accepts)
    write_json({"trials": drawn}, suggested)
    logger.info("%s: %d trials after %d", searched, len(drawn), len(done))


if __name__ == "__main__":
    stage.run(main, snakemake)
