"""Write the explorer: a page of simulated patients, with the model's attention and predictions."""

from pathlib import Path

import numpy as np

from behrt import stage
from behrt.evaluation.recalibration import fit_recalibration
from behrt.figures.explorer import YEARS, future_data, page
from behrt.files import atomic
from behrt.interpretation.integrated_gradients import STEPS
from behrt.interpretation.patients import choose
from behrt.interpretation.predictions import explain
from behrt.learning.artefacts import check_vocabulary, inputs_of
from behrt.learning.load import load_examples
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.models import behrt
from behrt.run import Run
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task
from behrt.use.model import load_trained


def main(
    sequences: list[Path],
    task_examples: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    explorer: Path,
    run: Run,
    task: Task,
    model: str,
    patients: int,
    diagnoses: list[int],
    most_visits: int,
    predictions: int,
    trained: Path | None = None,
    futures: int = 0,
) -> None:
    """Write the page; `weights` and `model_config` are files of one folder.

    Futures, so many of each patient, are sampled from the model in the folder `trained`.
    """
    names = read_vocabulary(vocabulary)
    check_vocabulary(weights.parent, names.version)
    asked = TrainingRun(weights.parent, Compute(run.seed, precision="32-true"))
    inputs = inputs_of(weights.parent)
    tuning = load_examples(sequences, task_examples, "tuning", vocabulary, False, inputs)
    labels = tuning.label_matrix(np.arange(len(tuning)))
    recalibration = fit_recalibration(behrt.predict(tuning, asked), labels)
    held_out = load_examples(sequences, task_examples, "held_out", vocabulary, False, inputs)
    shown = held_out.select(choose(held_out, run.seed, patients, diagnoses, most_visits))
    network, settings = behrt.load(weights.parent)
    histories = explain(
        network, settings, shown, behrt.predict(shown, asked), recalibration, predictions
    )
    facts = {
        "run": run.name,
        "model": model,
        "readout": settings.readout,
        "task": task.name,
        "window": task.window,
        "protocol": run.protocol,
        "seed": run.seed,
        "steps": STEPS,
        "diagnoses": diagnoses,
        "most_visits": most_visits,
        "tuning_patients": int(run.disclosure.round(len(tuning))),
        "slope": recalibration.slope,
        "spread": recalibration.spread,
    }
    sampled = None
    if trained is not None:
        foreseeing = load_trained(trained)
        last = shown.visit_offsets[1:] - 1
        start, months = (days[last].astype(np.int64) for days in (shown.visit_day, shown.visit_age))
        found = foreseeing.futures_of(shown, start, YEARS, futures, np.random.default_rng(run.seed))
        known = shown.known_matrix(np.arange(len(shown)))
        sampled = future_data(found, start, known, months, predictions)
        facts |= {"foreseeing": foreseeing.description.model, "futures": futures}
    with atomic(explorer) as temporary:
        averages = [run.disclosure.coarse_share(int(n), len(tuning)) for n in labels.sum(axis=0)]
        text = page(histories, names, averages, facts, sampled)
        temporary.write_text(text, encoding="utf-8")
    logger.info(
        "explorer: %d simulated patients; recalibrated, slope %.3f, spread of intercepts %.3f",
        len(shown),
        recalibration.slope,
        recalibration.spread,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
