"""Compare models disease by disease, on the same patients of one task."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.disease_differences import tabulate
from behrt.evaluation.patients import multi_hot, read_held_out
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary


def main(
    task: Path,
    scores: list[Path],
    vocabulary: Path,
    table: Path,
    references: list[str],
    minimum_prevalence: float,
    resamples: int,
    seed: int,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
    task_name: str,
) -> None:
    rules = Rules(**disclosure)
    words = read_vocabulary(vocabulary)
    n_diseases = len(words.phenotypes)
    patients, _ = read_held_out(task, scores[0], n_diseases)
    compared = tabulate(
        multi_hot(patients["label"], n_diseases),
        {path.stem: read_held_out(task, path, n_diseases)[1] for path in scores},
        references,
        words,
        minimum_prevalence,
        resamples,
        seed,
        task_name,
        rules,
    )
    write_table(with_facts(compared, data=data, protocol=protocol, task=task_name), table, rules)
    found = pl.col("p_benjamini_hochberg") < 0.05
    logger.info(
        "disease differences: %d of %d tests below a false discovery rate of 0.05",
        compared.filter(found).height,
        compared["p"].count(),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
