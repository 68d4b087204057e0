"""Tabulate what every model predicts of the diseases of one sex, to that sex and to the other."""

from pathlib import Path

from behrt import stage
from behrt.caliber.sex_specific import read_sex_specific
from behrt.disclosure import Rules, write_table
from behrt.evaluation.sex_specific import tabulate
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary


def main(
    sequences: list[Path],
    task: Path,
    scores: list[Path],
    vocabulary: Path,
    table: Path,
    models: list[str],
    score: float,
    ranks: int,
    resamples: int,
    seed: int,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
    diseases: Path | None = None,
) -> None:
    """Tabulate; `scores` are of `models`, in their order; `diseases` is the user's own table."""
    rules = Rules(**disclosure)
    words = read_vocabulary(vocabulary)
    chosen = read_sex_specific(words.phenotypes, diseases)
    rows = tabulate(
        task,
        scores,
        sequences,
        len(words.phenotypes),
        chosen,
        models,
        score,
        ranks,
        resamples,
        seed,
        rules,
    )
    write_table(with_facts(rows, data=data, protocol=protocol, task=task.stem), table, rules)
    logger.info(
        "sex: %d diseases of one sex, %d of them recorded for the other too, %d models",
        len(chosen),
        rows.filter(rows["recorded_other"].fill_null(1) > 0)["disease"].n_unique(),
        len(models),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
