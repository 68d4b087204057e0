"""Score one model's predictions for every held-out patient of one task."""

from pathlib import Path

from behrt import logs, stage
from behrt.evaluation.patients import read_held_out, score_patients
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task


def main(examples: Path, scores: Path, vocabulary: Path, metrics: Path, task: Task) -> None:
    n_diseases = len(read_vocabulary(vocabulary).phenotypes)
    scored = score_patients(*read_held_out(examples, scores, n_diseases, task.labelled))
    write_parquet(scored, metrics)
    means = [logs.mean(series.to_numpy()) for series in scored.drop("subject_id")]
    logger.info(
        "%s, %s: APS|AUROC %s on all labels, %s on first incidence",
        task.name,
        scores.stem,
        "|".join(means[:2]),
        "|".join(means[2:]),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
