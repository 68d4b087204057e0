"""Assess every model on one task: averages, recalibration, calibration and decision curves."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.evaluation.assessment import FRAMES, assess, read_examined
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.patients import read_patient_metrics
from behrt.evaluation.recalibration import fit_recalibration, write_recalibrations
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.sequences.frames import HELD_OUT, TUNING
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task


def main(
    examples: Path,
    scores: list[Path],
    metrics: list[Path],
    vocabulary: Path,
    recalibration: Path,
    averages: Path,
    calibration: Path,
    reliability: Path,
    net_benefit: Path,
    burden: Path,
    recall_at: list[int],
    diseases: int,
    bootstrap: Bootstrap,
    task: Task,
) -> None:
    """Assess; `scores` and `metrics` are <model>.parquet each, in the same order."""
    n_diseases = len(read_vocabulary(vocabulary).phenotypes)
    recalibrations = {}
    found: dict[str, list[pl.DataFrame]] = {name: [] for name in FRAMES}
    for of_model, by_patient in zip(scores, metrics, strict=True):
        model = of_model.stem
        tuning = read_examined(examples, of_model, n_diseases, TUNING, task.labelled)
        recalibrations[model] = fit_recalibration(tuning.scores, tuning.labels)
        assessment = assess(
            read_examined(examples, of_model, n_diseases, HELD_OUT, task.labelled),
            read_patient_metrics(by_patient),
            recalibrations[model],
            tuning.commonest(diseases),
            recall_at,
            bootstrap,
            task.name,
        )
        for name, frame in assessment.frames().items():
            found[name].append(frame.select(pl.lit(model).alias("model"), pl.all()))
        logger.info("%s, %s: %s", task.name, model, assessment.summary())
    write_recalibrations(recalibrations, recalibration)
    for name, path in zip(
        FRAMES, (averages, calibration, reliability, net_benefit, burden), strict=True
    ):
        write_parquet(pl.concat(found[name]), path)


if __name__ == "__main__":
    stage.run(main, snakemake)
