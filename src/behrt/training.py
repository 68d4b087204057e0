"""Train one model: what pretraining, training for a task and the trials of a search share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from behrt.learning.load import load_examples
from behrt.learning.protocol import protocol_named
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute, TrainingRun, read_settings
from behrt.models import model_named
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task


@dataclass(frozen=True)
class TrainingData:
    """What a model is trained on.

    Attributes:
        sequences: the shards.
        vocabulary: the JSON file.
        task: what is predicted; None for pretraining.
        examples: the task's examples; not read for pretraining.
    """

    sequences: list[Path]
    vocabulary: Path
    task: Task | None = None
    examples: Path | None = None


def train(
    recipe: Recipe,
    data: TrainingData,
    protocol: str,
    folder: Path,
    compute: Compute,
    *,
    pretrained: Path | None = None,
    masking: Mapping[str, Any] | None = None,
    unpromising: Callable[[Sequence[float]], bool] | None = None,
) -> None:
    """Train a model and write its three files to `folder`.

    Args:
        recipe: what is trained, and how.
        data: what it is trained on. Without a task the model is pretrained.
        protocol: decides which patients it learns from, and on which the epoch is chosen.
        folder: receives config.json, model.safetensors and metrics.jsonl.
        compute: seed, threads, precision and accelerator.
        pretrained: weights that training for a task starts from.
        masking: `pretrain.masking` of the configuration, for pretraining.
        unpromising: whether to stop, given the scores of all epochs so far; None never stops.

    Raises:
        InputError: an unknown kind, protocol or setting, or no examples.
    """
    model = model_named(recipe.kind)
    splits = protocol_named(protocol)
    settings, optimisation = recipe.read(model.Settings)
    facts = {
        "kind": recipe.kind,
        **({"task": data.task.name} if data.task else {}),
        "protocol": protocol,
        "vocabulary": read_vocabulary(data.vocabulary).version,
    }
    run = TrainingRun(folder, compute, facts=facts, unpromising=unpromising)
    learned, choosing = (
        load_examples(
            data.sequences,
            data.examples if data.task else None,
            list(part),
            data.vocabulary,
            data.task is None or data.task.labelled,
        )
        for part in (splits.training if data.task else splits.pretraining, splits.choosing)
    )
    if data.task:
        model.fit(learned, choosing, settings, optimisation, pretrained, run)
    else:
        masked = read_settings(model.Masking, masking or {})
        special = splits.special_targets
        model.pretrain(learned, choosing, settings, masked, optimisation, run, special)
