"""Where, how and on which device a training runs. Nothing here needs torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np

from behrt.errors import InputError
from behrt.settings.base import Section, read
from behrt.settings.training import Accelerator, Optimisation, Precision

__all__ = [
    "Compute",
    "Optimisation",
    "TrainingRun",
    "generator",
    "read_settings",
    "refuse_pretrained",
]

Given = TypeVar("Given", bound=Section)

PRECISIONS: tuple[str, ...] = get_args(Precision)
ACCELERATORS: tuple[str, ...] = get_args(Accelerator)


def refusal(name: str, value: object, wanted: str) -> InputError:
    """Return the error that refuses a setting."""
    return InputError(name, f"it is {value!r}", f"It must be {wanted}")


@dataclass(frozen=True)
class Compute:
    """How a model is trained and used: together with settings and data, this decides the bytes.

    Attributes:
        seed: decides initial weights, order of examples, masks and dropout.
        threads: CPU threads. The result may depend on their number.
        precision: "32-true", "bf16-mixed", or "auto": bf16 where the hardware is fast at it.
        accelerator: "cpu" or "gpu" (NVIDIA).
        devices: processes per node that train a model together, each with a GPU of its own.
        nodes: on which they run.
        at_once: patients of a batch that a process computes at a time, at most; None for as many as
            fit into the memory of the GPU.
        flex_attention: whether a GPU computes attention in blocks, in training.
        compile: whether the layers of a network are compiled, in training on a GPU.
    """

    seed: int
    threads: int = 1
    precision: str = "auto"
    accelerator: str = "cpu"
    devices: int = 1
    nodes: int = 1
    at_once: int | None = None
    flex_attention: bool = True
    compile: bool = False

    @property
    def processes(self) -> int:
        """The number of processes that train a model."""
        return self.devices * self.nodes

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise refusal("precision", self.precision, f"one of {', '.join(PRECISIONS)}")
        if self.accelerator not in ACCELERATORS:
            raise refusal("accelerator", self.accelerator, f"one of {', '.join(ACCELERATORS)}")
        for name in ("threads", "devices", "nodes"):
            if getattr(self, name) < 1:
                raise refusal(name, getattr(self, name), "at least 1")
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
        keep_checkpoint: whether checkpoint.pt stays when training has ended, for what the same job
            does next.
    """

    folder: Path
    compute: Compute
    checkpoint_seconds: float = 60.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    unpromising: Callable[[Sequence[float]], bool] | None = None
    keep_checkpoint: bool = False


def read_settings(kind: type[Given], given: Mapping[str, Any]) -> Given:
    """Return the settings of a mapping, as a configuration or config.json holds it.

    Raises:
        InputError: a key is unknown, missing, or has a value that is not allowed.
    """
    return read(kind, given, "settings")


def generator(run: TrainingRun, *stream: int) -> np.random.Generator:
    """Return a generator that depends only on the seed and the stream (epoch, step)."""
    return np.random.default_rng([run.compute.seed, *stream])


def refuse_pretrained(kind: str, pretrained: Path | None) -> None:
    """Refuse pretrained weights for a kind of model that cannot start from them.

    Raises:
        InputError: `pretrained` is given.
    """
    if pretrained is not None:
        raise InputError(kind, "it cannot start from pretrained weights", "Remove `pretrained`")
