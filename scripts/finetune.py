"""Train one model for one task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from behrt import stage
from behrt.learning.chosen import apply_chosen
from behrt.learning.load import load_examples
from behrt.learning.protocol import protocol_named
from behrt.learning.run import Compute, Optimisation, TrainingRun, read_settings
from behrt.logs import logger
from behrt.models import model_named
from behrt.sequences.vocabulary import read_vocabulary


def main(
    sequences: list[Path],
    task: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    metrics: Path,
    kind: str,
    settings: dict[str, Any],
    training: dict[str, Any] | None,
    protocol: str,
    compute: Compute,
    labelled: bool,
    task_name: str,
    pretrained: Path | None = None,
    tuned: Sequence[Path] = (),
) -> None:
    """Train; `weights`, `model_config` and `metrics` are the three files of one folder.

    `tuned` holds what searches have chosen, in place of what is configured.
    """
    settings, training = apply_chosen(tuned, weights.parent.name, settings, training)
    model = model_named(kind)
    splits = protocol_named(protocol)
    run = TrainingRun(
        folder=weights.parent,
        compute=compute,
        facts={
            "kind": kind,
            "task": task_name,
            "protocol": protocol,
            "vocabulary": read_vocabulary(vocabulary).version,
        },
    )
    model.fit(
        load_examples(sequences, task, list(splits.training), vocabulary, labelled),
        load_examples(sequences, task, list(splits.choosing), vocabulary, labelled),
        read_settings(model.Settings, settings),
        None if training is None else read_settings(Optimisation, training),
        pretrained,
        run,
    )
    logger.info("%s: trained for %s by the %s protocol", kind, task_name, protocol)


if __name__ == "__main__":
    stage.run(main, snakemake)
