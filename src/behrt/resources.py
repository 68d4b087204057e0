"""The memory and the time that a job requests: functions of what it reads of patients.

A rule states what its job needs without patients, and what it needs for each megabyte of patients'
rows among its inputs. An attempt after a failure requests as much again. The numbers of the rules
are about twice what was measured on simulated runs of 3,000 to 100,000 people; `snakemake
resources` compares them with the measures of any run.
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from behrt.run_folders import PATIENT_DATA

Request = Callable[..., int]
"""A function of wildcards, input and attempt, as Snakemake calls it."""

Amount = float | Callable[[Any], float]

LONGEST = 2 * 24 * 60
"""Minutes: no job requests more. A training that is stopped resumes from its checkpoint."""

MINUTES_PER_EPOCH = 2
"""Of a training, for each MiB of patients' rows: 10 times what the default pretraining takes."""

PROGRAM_MB = 1500
"""MB of a training without patients and without a network, for PyTorch."""

_MIB = 2**20
_FLOAT = 4
_DEFAULT_WEIGHTS = 2 * 144 * (4 * 144 + 2 * 288)
_PATIENT_DATA = frozenset(PATIENT_DATA)


def input_mb(run: str, paths: Iterable[str]) -> float | None:
    """Return the size of the files with rows of patients, in MiB; None if one does not exist yet.

    Files that are larger only because there are more patients count: those in the folders of
    `PATIENT_DATA`, and data that come from elsewhere. Folders, and what a run computes from all
    patients (weights, tables, code lists), do not.

    Args:
        run: the folder of the run.
        paths: of all inputs of a job.
    """
    total = 0
    for path in paths:
        inside = path.removeprefix(f"{run}/")
        if inside != path and not _PATIENT_DATA & set(inside.split("/")):
            continue
        try:
            found = os.stat(path)  # noqa: PTH116 - for every input of every job
        except OSError:
            return None
        total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total / _MIB


def memory(run: str, base: Amount, per_mb: Amount = 0.0, *, jobs: int = 1) -> Request:
    """Return the request for memory of a rule, in MB.

    While an input does not exist, as in a dry run, the request is that without patients. Snakemake
    repeats it when the job is about to start.

    Args:
        run: the folder of the run.
        base: MB of a job without patients, for the program, its libraries and, in a training, a
            batch; or a function of the wildcards.
        per_mb: MB for each MiB of patients' rows that the job reads (`input_mb`); or a function of
            the wildcards.
        jobs: the number of jobs of the rule, if each reads its share of the same files.
    """

    def megabytes(wildcards: Any, input: Any, attempt: int) -> int:
        return round(attempt * _amount(base, per_mb, jobs, run, wildcards, input))

    return megabytes


def minutes(run: str, base: Amount, per_mb: Amount = 0.0, *, jobs: int = 1) -> Request:
    """Return the request for time of a rule, in minutes, at most `LONGEST`.

    The arguments are those of `memory`, in minutes.
    """

    def time(wildcards: Any, input: Any, attempt: int) -> int:
        asked = attempt * _amount(base, per_mb, jobs, run, wildcards, input)
        return min(round(asked), LONGEST)

    return time


def _amount(
    base: Amount, per_mb: Amount, jobs: int, run: str, wildcards: Any, paths: Iterable[str]
) -> float:
    each = _of(per_mb, wildcards)
    read = (input_mb(run, paths) or 0.0) if each else 0.0
    return _of(base, wildcards) + each / jobs * read


def _of(amount: Amount, wildcards: Any) -> float:
    return amount(wildcards) if callable(amount) else amount


Trained = Callable[[Any], tuple[Mapping[str, Any], Mapping[str, Any] | None]]
"""Returns the settings of a model and how it is optimised, by the wildcards of a job."""


def training_memory(run: str, trained: Trained, per_mb: float) -> Request:
    """Return the request for memory of a rule that trains: `memory`, from `training_mb`."""
    return memory(run, lambda wildcards: training_mb(*trained(wildcards)), per_mb)


def training_time(run: str, trained: Trained) -> Request:
    """Return the request for time of a rule that trains: `minutes`, from `training_minutes`."""
    return minutes(run, 60, lambda wildcards: training_minutes(*trained(wildcards)))


def training_mb(settings: Mapping[str, Any], training: Mapping[str, Any] | None) -> float:
    """Return the MB that a training needs without patients: the program, and a batch.

    Each layer of a Transformer keeps, until the backward pass, about 30 numbers for each hidden one
    of a word, 8 for each intermediate one, and 4 for each attention weight. Batches of other models
    are small.

    >>> shape = {"hidden": 144, "layers": 2, "heads": 6, "intermediate": 288, "max_length": 100}
    >>> round(training_mb(shape, {"batch_size": 64})) - PROGRAM_MB
    441

    Args:
        settings: of the model.
        training: how it is optimised; None if it has no optimiser.
    """
    if training is None or not {"hidden", "layers", "heads"} <= settings.keys():
        return PROGRAM_MB
    length = settings.get("max_length", 100)
    per_word: int = (
        30 * settings["hidden"]
        + 8 * settings.get("intermediate", 0)
        + 4 * settings["heads"] * length
    )
    numbers: int = training["batch_size"] * length * settings["layers"] * per_word
    return PROGRAM_MB + numbers * _FLOAT / _MIB


def training_minutes(settings: Mapping[str, Any], training: Mapping[str, Any] | None) -> float:
    """Return the minutes that a training requests for each MiB of patients' rows.

    They grow with the epochs and with the weights of a Transformer's layers. The default
    pretraining takes about 7 minutes for 4 MiB (100,000 people) on one core, a tenth of this.
    Smaller networks request as much, since their embeddings take time, too.

    >>> shape = {"hidden": 144, "layers": 2, "intermediate": 288}
    >>> training_minutes(shape, {"epochs": 10})
    20.0
    >>> training_minutes({**shape, "layers": 6}, {"epochs": 100})
    600.0

    Args:
        settings: of the model.
        training: how it is optimised; None if it has no optimiser, which counts as 10 epochs.
    """
    epochs = training["epochs"] if training else 10
    times_default = max(1.0, layer_weights(settings) / _DEFAULT_WEIGHTS)
    return float(MINUTES_PER_EPOCH * epochs) * times_default


def layer_weights(settings: Mapping[str, Any]) -> int:
    """Return the weights of a Transformer's layers: its multiplications per word; 0 without any.

    They are `layers * (4 * hidden**2 + 2 * hidden * intermediate)` (Vaswani et al. 2017: the four
    projections of attention, and the two of the feed-forward part).
    """
    hidden, intermediate = settings.get("hidden", 0), settings.get("intermediate", 0)
    weights: int = settings.get("layers", 0) * hidden * (4 * hidden + 2 * intermediate)
    return weights
