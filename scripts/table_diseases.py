"""Score one model on each disease of one task."""

from pathlib import Path

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.disease_table import tabulate
from behrt.evaluation.patients import multi_hot, read_held_out
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary


def main(
    task: Path,
    scores: Path,
    beside: list[Path],
    vocabulary: Path,
    table: Path,
    minimum_prevalence: float,
    resamples: int,
    seed: int,
    protocol: str,
    data: str,
    disclosure: dict[str, int],
    model: str,
    task_name: str,
) -> None:
    rules = Rules(**disclosure)
    words = read_vocabulary(vocabulary)
    patients, predicted = read_held_out(task, scores, len(words.phenotypes))
    diseases = tabulate(
        multi_hot(patients["label"], len(words.phenotypes)),
        predicted,
        words,
        minimum_prevalence,
        resamples,
        seed,
        task_name,
        rules,
        {path.stem: read_held_out(task, path, len(words.phenotypes))[1] for path in beside},
    )
    facts = {"data": data, "protocol": protocol, "task": task_name, "model": model}
    write_table(with_facts(diseases, **facts), table, rules)
    logger.info(
        "diseases: %d at or above a prevalence of %g, %d of them without an APS, %d without an "
        "AUROC",
        len(diseases),
        minimum_prevalence,
        diseases["aps"].null_count(),
        diseases["auroc"].null_count(),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
