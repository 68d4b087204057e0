"""Score a trained model of any run on all patients of this one."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.assessment import assess, examined
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.patients import score_patients
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tables import calibration as calibration_table
from behrt.tables import metrics as metrics_table
from behrt.use.folder import read_recalibration
from behrt.use.model import load_trained
from behrt.use.validation import predict_examples


def main(
    trained: Path,
    sequences: list[Path],
    vocabulary: Path,
    metrics: Path,
    calibration: Path,
    recall_at: list[int],
    bootstrap: Bootstrap,
    shared_words: bool,
    data: str,
    disclosure: Rules,
    threads: int,
) -> None:
    """Write two tables; `trained` is the trained.json of the model's folder."""
    model = load_trained(trained.parent, threads=threads)
    about = model.description
    words = read_vocabulary(vocabulary)
    patients, scores = predict_examples(model, sequences, words, bootstrap.seed, shared_words)
    assessment = assess(
        examined(patients, scores),
        score_patients(patients, scores),
        read_recalibration(trained.parent),
        [],
        recall_at,
        bootstrap,
        model.task.name,
    )
    facts = {
        "data": data,
        "trained_by": about.run,
        "trained_on": about.data,
        "words": "all" if words.version == about.vocabulary else "shared",
    }
    named = (pl.lit(model.task.name).alias("task"), pl.lit(about.model).alias("model"))
    averages, measures = (
        frame.select(*named, pl.all()) for frame in (assessment.averages, assessment.calibration)
    )
    for table, path in (
        (metrics_table.tabulate(averages, about.model, disclosure.threshold), metrics),
        (calibration_table.tabulate(measures, disclosure), calibration),
    ):
        write_table(with_facts(table, **facts), path, disclosure)
    logger.info("%s for %s: %s", about.model, model.task.name, assessment.summary())


if __name__ == "__main__":
    stage.run(main, snakemake)
