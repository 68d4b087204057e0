"""Teach an encoder the language of histories, by hiding diseases."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from behrt import stage
from behrt.learning.chosen import MLM, apply_chosen
from behrt.learning.load import load_examples
from behrt.learning.protocol import protocol_named
from behrt.learning.run import Compute, Optimisation, TrainingRun, read_settings
from behrt.models.behrt import pretrain as pretrain_behrt
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.behrt import Masking, Settings


def main(
    sequences: list[Path],
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    metrics: Path,
    settings: dict[str, Any],
    training: dict[str, Any],
    masking: dict[str, Any],
    protocol: str,
    compute: Compute,
    tuned: Sequence[Path] = (),
) -> None:
    """Pretrain; `weights`, `model_config` and `metrics` are the three files of one folder.

    `tuned` holds what searches have chosen, in place of what is configured.
    """
    settings, tuned_training = apply_chosen(tuned, MLM, settings, training)
    splits = protocol_named(protocol)
    run = TrainingRun(
        folder=weights.parent,
        compute=compute,
        facts={
            "kind": "behrt",
            "protocol": protocol,
            "vocabulary": read_vocabulary(vocabulary).version,
        },
    )
    pretrain_behrt(
        load_examples(sequences, None, list(splits.pretraining), vocabulary),
        load_examples(sequences, None, list(splits.choosing), vocabulary),
        read_settings(Settings, settings),
        read_settings(Masking, masking),
        read_settings(Optimisation, tuned_training or training),
        run,
        splits.special_targets,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
