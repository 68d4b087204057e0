"""Trained weights as they may be released: without what was learned from too few patients.

A disease that one patient in a million has gets its own row in the embedding and in the output, and
that row is learned from this patient only; a bias even starts at the log-odds of the label. The
same holds for an age in months that one patient reached. So rows that fewer patients than the
threshold used are erased. What remains was learned from all patients together. That it reveals
nothing about any of them cannot be proved here: the owner of the data has to allow a release of
weights. (Ritchie et al., "Machine learning models in trusted research environments", 2023.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import compress, pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch

from behrt.errors import InputError
from behrt.learning.artefacts import read_config
from behrt.learning.examples import Examples
from behrt.learning.protocol import protocol_named
from behrt.models import model_named
from behrt.sequences.vocabulary import Vocabulary
from behrt.training import TrainingData, training_examples

_PATIENTS_AT_ONCE = 65_536


def _no_others() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class ReaderCounts:
    """How many patients read each row of a tensor with a row per value.

    Attributes:
        patients: int64 (rows); no patient read the rows beyond.
        ordered: whether neighbouring rows are of similar values.
    """

    patients: np.ndarray
    ordered: bool


@dataclass(frozen=True)
class Support:
    """How many patients the rows of a model's weights were learned from.

    Attributes:
        diseases: int64 (diseases), as in `Training`.
        rows: by tensor, the readers of the row of each value.
        chose: patients who chose the epoch.
        others: int64 (other words), as in `Training`.
    """

    diseases: np.ndarray
    rows: Mapping[str, ReaderCounts]
    chose: int
    others: np.ndarray = field(default_factory=_no_others)

    def and_before(self, pretrained: "Support") -> "Support":
        """Return the support of a model that started from pretrained weights: the lesser numbers.

        The difference of a row before and after fine-tuning depends on the patients of either.
        """
        rows = {}
        for name, readers in self.rows.items():
            before = pretrained.rows.get(name, readers).patients
            shared = min(len(readers.patients), len(before))  # no patient read the rows beyond
            patients = np.minimum(readers.patients[:shared], before[:shared])
            rows[name] = ReaderCounts(patients, readers.ordered)
        return Support(
            np.minimum(self.diseases, pretrained.diseases),
            rows,
            self.chose,
            np.minimum(self.others, pretrained.others),
        )


@dataclass(frozen=True)
class Training:
    """What a model was trained on.

    Attributes:
        examples: of the training patients.
        diseases: int64 (diseases), the patients behind each disease. Of a classifier, those who
            had it in their history or those who had it in their label, whichever are fewer; of
            pretraining, those who had it at all.
        chose: patients who chose the epoch.
        others: int64 (other words), the patients with each word of another input in their history.
    """

    examples: Examples
    diseases: np.ndarray
    chose: int
    others: np.ndarray = field(default_factory=_no_others)


def training_of(
    data: TrainingData, protocol: str, cuts: int | Literal["all"], seed: int
) -> Training:
    """Return what the models of a task, or a pretrained one, were trained on.

    Args:
        data: of the task; without one, of a pretraining.
        protocol: which patients it is.
        cuts: the most examples of a patient.
        seed: of the run.
    """
    splits = protocol_named(protocol)
    train = training_examples(data, data.learners(splits), cuts, seed)
    patients = patients_with(train, train.known_offsets, train.known)
    if data.task:
        patients = np.minimum(patients, patients_with(train, train.label_offsets, train.labels))
    others = _patients_with_words(train)[train.n_diseases :]
    chose = len(training_examples(data, splits.choosing, 1, seed))
    return Training(train, patients, chose, others)


def _patients_with_words(examples: Examples) -> np.ndarray:
    """Return int64 (words): the different patients with each word in their history."""
    words, offsets = examples.recorded(np.arange(len(examples)))
    subjects = np.repeat(examples.subjects(), np.diff(offsets))
    pairs = np.unique(subjects * examples.n_words + words)
    return np.bincount(pairs % examples.n_words, minlength=examples.n_words)


def patients_with(examples: Examples, offsets: np.ndarray, diseases: np.ndarray) -> np.ndarray:
    """Return int64 (n_diseases): the different patients with each disease in a ragged array."""
    subjects = np.repeat(examples.subjects(), np.diff(offsets))
    pairs = np.unique(subjects * examples.n_diseases + diseases)
    return np.bincount(pairs % examples.n_diseases, minlength=examples.n_diseases)


def support_of(model: Path, training: Training) -> Support:
    """Count the patients behind the weights of a trained model, in a folder.

    Raises:
        InputError: the kind does not state which rows of its weights are of one disease or value.
    """
    readers = _readers(model, training.examples)
    return Support(training.diseases, readers, training.chose, training.others)


def _readers(model: Path, train: Examples) -> dict[str, ReaderCounts]:
    """Return how many training patients read each row of a value, by tensor."""
    config = read_config(model)
    kind = _releasable(config["kind"])
    settings = kind.Settings(**config["settings"])
    found: dict[str, ReaderCounts] = {}
    subjects = train.subjects()
    starts = np.searchsorted(subjects, np.arange(0, train.n_subjects, _PATIENTS_AT_ONCE))
    for start, end in pairwise([*starts, len(train)]):
        for name, read in kind.value_rows(settings, train, np.arange(start, end)).items():
            longest = 1 + int(read.rows.max(initial=-1))
            counted = replace(read, patients=subjects[read.patients]).readers(longest)
            if name in found:
                counted = _added(counted, found[name].patients)
            found[name] = ReaderCounts(counted, read.ordered)
    return found


def _added(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    total = np.zeros(max(len(one), len(other)), dtype=np.int64)
    total[: len(one)] += one
    total[: len(other)] += other
    return total


def _releasable(kind: str) -> ModuleType:
    """Return the module of a kind of model.

    Raises:
        InputError: it does not state which rows of its weights are of one disease or value.
    """
    try:
        module = model_named(kind)
    except ModuleNotFoundError:  # of a package that only training needs
        module = ModuleType(kind)
    if not getattr(module, "DISEASE_ROWS", None) or not hasattr(module, "value_rows"):
        raise InputError(
            kind,
            "it does not state which rows of its weights are of one disease or value",
            "Release it without weights",
        )
    return module


def erase(
    weights: Mapping[str, torch.Tensor], kind: str, support: Support, threshold: int
) -> dict[str, torch.Tensor]:
    """Return a model's weights without what was learned from fewer patients than the threshold.

    Embeddings and output weights of rare diseases (and words) become 0, their output biases the
    lowest of any other disease: the model does not distinguish them from one another, and ranks
    them last. Of a tensor whose rows are of similar values, as ages are, a row that too few
    patients read becomes
    a copy of the nearest that enough read; of another, it becomes 0.

    Args:
        weights: tensors by name.
        kind: the module of behrt.models.
        support: the patients behind the weights.
        threshold: the smallest number of patients that a row may be learned from.

    Raises:
        InputError: the kind does not state which rows are of one disease or value, every disease
            is rare, or too few patients chose the epoch.
    """
    module = _releasable(kind)
    least = max(threshold, 1)
    rare = support.diseases < least
    rare_words = np.concatenate([rare, support.others < least])
    if not set(module.DISEASE_ROWS) & set(weights):
        raise InputError(kind, "its weights have no rows of diseases", "Release it without weights")
    if support.chose < threshold:
        raise InputError(kind, "its epoch was chosen on too few patients", "Hold out more patients")
    if rare.all():
        raise InputError(kind, "every disease is rare", "Train it on more patients")
    erased = {name: tensor.clone() for name, tensor in weights.items()}
    for name in set(module.DISEASE_ROWS) & set(weights):
        diseases = erased[name][module.DISEASE_ROWS[name] :]
        if len(diseases) not in (len(rare), len(rare_words)):
            raise InputError(name, f"it has {len(diseases)} rows for {len(rare)} diseases", "Train")
        chosen = torch.from_numpy(rare if len(diseases) == len(rare) else rare_words)
        rest = diseases[~chosen].min() if diseases.ndim == 1 else 0.0
        diseases[chosen] = getattr(module, "RARE_VALUES", {}).get(name, rest)
    for name in set(support.rows) & set(weights):
        values = erased[name][: module.DISEASE_ROWS.get(name)]
        _erase_rows(values, support.rows[name], least)
    return erased


def erased_words(words: Vocabulary, support: Support, threshold: int) -> dict[str, Any]:
    """Return what a release states of the words that `erase` erases.

    Returns:
        diseases_erased, their names; and, if there are words of other inputs, other_words_erased,
        their number.
    """
    least = max(threshold, 1)
    erased: dict[str, Any] = {
        "diseases_erased": list(compress(words.phenotypes, support.diseases < least))
    }
    if words.concept_codes:
        erased["other_words_erased"] = int((support.others < least).sum())
    return erased


def _erase_rows(values: torch.Tensor, readers: ReaderCounts, least: int) -> None:
    """Overwrite the rows of a tensor (rows, …) that fewer patients than `least` read."""
    patients = np.zeros(len(values), dtype=np.int64)
    known = readers.patients[: len(values)]
    patients[: len(known)] = known
    enough = np.flatnonzero(patients >= least)
    if not readers.ordered or not len(enough):
        values[torch.from_numpy(patients < least)] = 0
        return
    rows = np.arange(len(values))
    after = np.searchsorted(enough, rows).clip(max=len(enough) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(enough[before] - rows) <= np.abs(enough[after] - rows)
    values[:] = values[torch.from_numpy(enough[np.where(nearer, before, after)])]
