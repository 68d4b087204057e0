"""Write the explorer: a page on which simulated patients are read with the model."""

from pathlib import Path

import numpy as np

from behrt import stage
from behrt.disclosure import Rules
from behrt.evaluation.recalibration import fit_recalibration
from behrt.figures.explorer import page
from behrt.files import atomic
from behrt.interpretation.integrated_gradients import STEPS
from behrt.interpretation.patients import choose
from behrt.interpretation.predictions import explain
from behrt.learning.artefacts import check_vocabulary
from behrt.learning.load import load_examples
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.models import behrt
from behrt.sequences.vocabulary import read_vocabulary


def main(
    sequences: list[Path],
    task: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    explorer: Path,
    run: str,
    model: str,
    window: str,
    protocol: str,
    seed: int,
    patients: int,
    diagnoses: list[int],
    most_visits: int,
    predictions: int,
    disclosure: dict[str, int],
) -> None:
    """Explain; `weights` and `model_config` are files of one folder."""
    names = read_vocabulary(vocabulary)
    check_vocabulary(weights.parent, names.version)
    rules = Rules(**disclosure)
    asked = TrainingRun(weights.parent, Compute(seed, precision="32-true"))
    tuning = load_examples(sequences, task, "tuning", vocabulary, labelled=False)
    labels = tuning.label_matrix(np.arange(len(tuning)))
    recalibration = fit_recalibration(behrt.predict(tuning, asked), labels)
    held_out = load_examples(sequences, task, "held_out", vocabulary, labelled=False)
    shown = held_out.select(choose(held_out, seed, patients, diagnoses, most_visits))
    network, settings = behrt.load(weights.parent)
    histories = explain(
        network, settings, shown, behrt.predict(shown, asked), recalibration, predictions
    )
    facts = {
        "run": run,
        "model": model,
        "readout": settings.readout,
        "task": task.stem,
        "window": window,
        "protocol": protocol,
        "seed": seed,
        "steps": STEPS,
        "diagnoses": diagnoses,
        "most_visits": most_visits,
        "tuning_patients": int(rules.round(len(tuning))),
        "slope": recalibration.slope,
        "spread": recalibration.spread,
    }
    with atomic(explorer) as temporary:
        averages = [rules.coarse_share(int(n), len(tuning)) for n in labels.sum(axis=0)]
        text = page(histories, names, averages, facts)
        temporary.write_text(text, encoding="utf-8")
    logger.info(
        "explorer: %d simulated patients; recalibrated, slope %.3f, spread of intercepts %.3f",
        len(shown),
        recalibration.slope,
        recalibration.spread,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
