"""Train one model: what pretraining, training for tasks and the trials of a search share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from behrt.concepts import DIAGNOSES
from behrt.learning import parallel
from behrt.learning.examples import Examples
from behrt.learning.histories import load_cuts, load_histories
from behrt.learning.load import load_examples
from behrt.learning.protocol import Protocol, protocol_named
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute, TrainingRun, read_settings
from behrt.models import model_named
from behrt.sequences.vocabulary import Vocabulary, read_vocabulary
from behrt.settings.behrt import Pretraining
from behrt.tasks import Task


@dataclass(frozen=True)
class TrainingData:
    """What a model is trained on.

    Attributes:
        sequences: the shards.
        vocabulary: the JSON file.
        task: what is predicted; None for pretraining.
        pretraining: what is learned without a task, masked words (`mlm`) or each visit from those
            before it (`forecast`).
        examples: the task's examples; not read for pretraining.
        minimum_visits: the fewest visits of an input of the task.
        inputs: what is read; None for all inputs of the run.
    """

    sequences: list[Path]
    vocabulary: Path
    task: Task | None = None
    examples: Path | None = None
    minimum_visits: int = 1
    pretraining: Pretraining = "mlm"
    inputs: Sequence[str] | None = None

    def learners(self, protocol: Protocol) -> tuple[str, ...]:
        """Return the splits whose patients are learned from.

        A forecast learns what comes after a visit, so that it must not learn from the patients
        whose future is predicted, which MLM does in the paper. Under the paper's protocol, these
        held-out patients still choose the epoch of both pretrainings.
        """
        supervised = self.task or self.pretraining == "forecast"
        return protocol.training if supervised else protocol.pretraining


def training_examples(
    data: TrainingData, splits: Sequence[str], cuts: int | Literal["all"], seed: int
) -> Examples:
    """Return what a model learns from: histories, or a task's examples.

    Args:
        data: where they are stored. Without a task they are whole histories without labels.
        splits: of the patients.
        cuts: the most examples of a patient; 1 is the one that the task draws.
        seed: of the run, for the draw of several.

    Raises:
        InputError: as `load_examples`.
    """
    if data.task and cuts != 1:
        most = None if cuts == "all" else cuts
        return load_cuts(
            data.sequences,
            data.task,
            list(splits),
            data.vocabulary,
            data.minimum_visits,
            most,
            seed,
            data.inputs,
        )
    examples = data.examples if data.task else None
    labelled = data.task is None or data.task.labelled
    return load_examples(
        data.sequences, examples, list(splits), data.vocabulary, labelled, data.inputs
    )


def facts_of_words(words: Vocabulary, inputs: Sequence[str] | None) -> dict[str, Any]:
    """Return the entries of a model's config.json that state what it reads.

    They are the version of the vocabulary and, if it has words of other concepts than diagnoses,
    the number of each, and the inputs that the model reads.
    """
    version = {"vocabulary": words.version}
    if not words.concepts:
        return version
    read = [DIAGNOSES, *words.concepts] if inputs is None else list(inputs)
    return {**version, "concepts": words.concepts, "inputs": read}


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
    keep_checkpoint: bool = False,
) -> None:
    """Train a model and write its three files to `folder`.

    Args:
        recipe: what is trained, and how.
        data: what it is trained on. Without a task the model is pretrained.
        protocol: decides which patients it learns from, and on which the epoch is chosen.
        folder: receives config.json, model.safetensors and metrics.jsonl.
        compute: seed, threads, precision and accelerator.
        pretrained: weights that training for a task starts from, or of which the model of the task
            is a part.
        masking: `pretrain.masking` of the configuration, for MLM.
        unpromising: whether to stop, given the scores of all epochs so far; None never stops.
        keep_checkpoint: whether the caller discards the checkpoint of a network.

    Raises:
        InputError: an unknown kind, protocol or setting, or no examples.
    """
    model = model_named(recipe.kind)
    taken = data.task is not None and hasattr(model, "take_task")  # trained once for all tasks
    if not taken and parallel.trained_by_parts(compute):
        return
    splits = protocol_named(protocol)
    settings, optimisation = recipe.read(model.Settings)
    facts = {
        "kind": recipe.kind,
        **({"task": data.task.name, "cuts": recipe.cuts} if data.task else {}),
        "protocol": protocol,
        **facts_of_words(read_vocabulary(data.vocabulary), recipe.inputs),
    }
    run = TrainingRun(
        folder, compute, facts=facts, unpromising=unpromising, keep_checkpoint=keep_checkpoint
    )
    if taken:
        model.take_task(pretrained, run)
        return
    data = replace(data, inputs=recipe.inputs)
    learned = training_examples(data, data.learners(splits), recipe.cuts, compute.seed)
    choosing = training_examples(data, splits.choosing, 1, compute.seed)
    if data.task:
        model.fit(learned, choosing, settings, optimisation, pretrained, run)
    elif data.pretraining == "forecast":
        model.pretrain_to_forecast(learned, choosing, settings, optimisation, run)
    else:
        masked = read_settings(model.Masking, masking or {})
        special = splits.special_targets
        model.pretrain(learned, choosing, settings, masked, optimisation, run, special)
    parallel.leave()


def train_jointly(
    recipe: Recipe,
    sequences: list[Path],
    vocabulary: Path,
    tasks: list[Task],
    examples: list[Path],
    protocol: str,
    folder: Path,
    compute: Compute,
    events: Sequence[Path] = (),
) -> None:
    """Train a model once, for all tasks, after every visit; write its three files to `folder`.

    The examples of the tasks choose the epoch, as for every other model.

    Args:
        recipe: what is trained, and how.
        sequences: the shards.
        vocabulary: the JSON file.
        tasks: what is predicted.
        examples: of each task, in the same order.
        protocol: decides which patients it learns from, and on which the epoch is chosen.
        folder: receives config.json, model.safetensors and metrics.jsonl.
        compute: seed, threads, precision and accelerator.
        events: the MEDS events, for a kind that learns from deaths.

    Raises:
        InputError: an unknown kind, protocol or setting, or no examples.
    """
    if parallel.trained_by_parts(compute):
        return
    model = model_named(recipe.kind)
    splits = protocol_named(protocol)
    settings, optimisation = recipe.read(model.Settings)
    facts = {
        "kind": recipe.kind,
        "tasks": {task.name: task.months for task in tasks},
        "cuts": recipe.cuts,
        "protocol": protocol,
        **facts_of_words(read_vocabulary(vocabulary), recipe.inputs),
    }
    run = TrainingRun(folder, compute, facts=facts)
    histories = load_histories(
        sequences, tasks, list(splits.training), vocabulary, minimum_visits=1, events=events
    ).only(recipe.inputs)
    tuning = {
        task.name: load_examples(
            sequences, path, list(splits.choosing), vocabulary, task.labelled, recipe.inputs
        )
        for task, path in zip(tasks, examples, strict=True)
    }
    cuts = None if recipe.cuts == "all" else recipe.cuts
    model.fit_jointly(histories, tuning, settings, optimisation, cuts, run)
    parallel.leave()
