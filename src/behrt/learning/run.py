"""Where, how and on which device a training runs. Nothing here needs torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from behrt.errors import InputError

Given = TypeVar("Given")

PRECISIONS = ("auto", "32-true", "bf16-mixed")
ACCELERATORS = ("cpu", "gpu")
SCHEDULES = ("constant", "linear")


def refusal(name: str, value: object, wanted: str) -> InputError:
    """Return the error that refuses a setting."""
    return InputError(name, f"it is {value!r}", f"It must be {wanted}")


def check_counts(settings: object, *names: str) -> None:
    """Refuse settings of these names that are not whole numbers of at least 1.

    Raises:
        InputError: naming the first.
    """
    for name in names:
        value = getattr(settings, name)
        if type(value) is not int or value < 1:
            raise InputError(name, f"{value!r} is not a count", "Give a whole number >= 1")


def check_share(settings: object, name: str) -> None:
    """Refuse a setting that is not a share from 0 to below 1.

    Raises:
        InputError: naming it.
    """
    value = getattr(settings, name)
    if not 0 <= value < 1:
        raise InputError(name, f"{value} is no share", f"Give 0 <= {name} < 1")


def check_positive(settings: object, name: str) -> None:
    """Refuse a setting that is not above 0.

    Raises:
        InputError: naming it.
    """
    value = getattr(settings, name)
    if not value > 0:
        raise InputError(name, f"{value} is not above 0", "Give one above 0")


@dataclass(frozen=True)
class Compute:
    """How a model is trained and used: together with settings and data, this decides the bytes.

    Attributes:
        seed: decides initial weights, order of examples, masks and dropout.
        threads: CPU threads. The result may depend on their number.
        precision: "32-true", "bf16-mixed", or "auto": bf16 where the hardware supports it.
        accelerator: "cpu" or "gpu" (one NVIDIA GPU).
    """

    seed: int
    threads: int = 1
    precision: str = "auto"
    accelerator: str = "cpu"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise refusal("precision", self.precision, f"one of {', '.join(PRECISIONS)}")
        if self.accelerator not in ACCELERATORS:
            raise refusal("accelerator", self.accelerator, f"one of {', '.join(ACCELERATORS)}")
        if self.threads < 1:
            raise refusal("threads", self.threads, "at least 1")
        if self.seed < 0:
            raise refusal("seed", self.seed, "at least 0")


@dataclass(frozen=True)
class TrainingRun:
    """Where and how one model is trained, or used to predict.

    Attributes:
        folder: holds config.json, model.safetensors and metrics.jsonl, and checkpoint.pt while
            training.
        compute: seed, threads, precision and accelerator.
        checkpoint_seconds: the least time between two checkpoints within an epoch.
        facts: further entries of config.json (vocabulary, protocol …); never times or places.
        unpromising: called after each epoch with the scores of all epochs so far (the metric that
            chooses the epoch); training stops if it returns true. None never stops it.
    """

    folder: Path
    compute: Compute
    checkpoint_seconds: float = 60.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    unpromising: Callable[[Sequence[float]], bool] | None = None


@dataclass(frozen=True)
class Optimisation:
    """How a model is optimised: AdamW (Loshchilov and Hutter 2019) with a warm-up.

    The paper's BertAdam is Adam with decoupled weight decay and without bias correction; AdamW
    has the correction, which differs in the first steps alone, where the warm-up rules. As in
    BERT, biases and normalisation weights do not decay.

    Attributes:
        epochs: passes over the training examples, at most.
        batch_size: patients a step.
        learning_rate: the highest rate.
        warm_up: share of all steps over which the rate rises from 0.
        weight_decay: decoupled, a step and unit of rate.
        patience: epochs without a better tuning score before training stops. A plateau of a
            few epochs is common early on: be patient.
        schedule: "linear" falls to 0 at the last step; "constant" stays (the released code).
        gradient_norm: gradients are scaled down to this Euclidean norm.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warm_up: float = 0.1
    weight_decay: float = 0.01
    patience: int = 5
    schedule: str = "linear"
    gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise refusal(name, getattr(self, name), "at least 1")
        for name in ("learning_rate", "gradient_norm"):
            if not getattr(self, name) > 0:
                raise refusal(name, getattr(self, name), "above 0")
        if self.schedule not in SCHEDULES:
            raise refusal("schedule", self.schedule, f"one of {', '.join(SCHEDULES)}")
        if not 0 <= self.warm_up < 1:
            raise refusal("warm_up", self.warm_up, "a share of the steps, below 1")
        if self.weight_decay < 0:
            raise refusal("weight_decay", self.weight_decay, "at least 0")

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step (0 … steps − 1)."""
        warm_up = self.warm_up * steps
        if step < warm_up:
            return self.learning_rate * (step + 1) / (warm_up + 1)
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (steps - step) / (steps - warm_up)


def read_settings(kind: type[Given], given: Mapping[str, Any]) -> Given:
    """Return a settings dataclass made of a mapping, as a configuration holds it.

    Raises:
        InputError: a key is unknown, missing, or has a value that the dataclass refuses.
    """
    known = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(set(given) - set(known)):
        raise InputError(
            "settings",
            f"there is no {', '.join(map(repr, unknown))}",
            f"Known are {', '.join(known) if known else 'none'}",
        )
    try:
        return kind(**given)
    except TypeError as error:
        raise InputError("settings", str(error), "Give every key that has no default") from None


def generator(run: TrainingRun, *stream: int) -> np.random.Generator:
    """Return a generator that depends on the seed and the stream (epoch, step) alone."""
    return np.random.default_rng([run.compute.seed, *stream])


def refuse_pretrained(kind: str, pretrained: Path | None) -> None:
    """Refuse weights to start from, for a kind of model that has no use for them.

    Raises:
        InputError: `pretrained` is given.
    """
    if pretrained is not None:
        raise InputError(kind, "it cannot start from MLM weights", "Leave `pretrained` out")
