"""Trained weights as they may leave: without what too few patients taught them.

A word that one patient in a million has gets its own row in the embedding and in the output, and
that row was learned from this patient alone; a bias even starts at the log-odds of so many labels.
So the rows of rare diseases are erased. What is left was learned from all patients together. That
it tells of none cannot be proved here: it is for the owner of the data to allow. (Ritchie et al.,
"Machine learning models in trusted research environments", 2023.)
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from behrt.errors import InputError
from behrt.learning.load import load_examples
from behrt.learning.protocol import protocol_named
from behrt.models import model_named


def patients_behind(
    sequences: list[Path], task: Path | None, vocabulary: Path, protocol: str
) -> tuple[np.ndarray, int]:
    """Return how many patients taught each disease, int64 (diseases), and how many chose the epoch.

    Of a classifier, the lesser of the training patients who had the disease in their history and
    of those who had it in their label; of pretraining (task None), those who had it at all.
    """
    splits = protocol_named(protocol)
    taught = list(splits.training if task else splits.pretraining)
    train = load_examples(sequences, task, taught, vocabulary)
    patients = np.bincount(train.known, minlength=train.n_diseases)
    if task is not None:
        patients = np.minimum(patients, np.bincount(train.labels, minlength=train.n_diseases))
    chose = load_examples(sequences, task, list(splits.choosing), vocabulary)
    return patients, len(chose)


def erase(
    weights: Mapping[str, torch.Tensor], kind: str, rare: np.ndarray
) -> dict[str, torch.Tensor]:
    """Return a model's weights without what rare diseases taught.

    Their embeddings and output weights become 0, their output biases the least that any other
    disease has: the model never tells them from one another, and ranks them last.

    Args:
        weights: tensors by name, each of `DISEASE_ROWS` of the kind among them if it has it.
        kind: the module of behrt.models.
        rare: bool (diseases).

    Raises:
        InputError: the kind does not say which rows are a disease's, or there are none.
    """
    rows = getattr(model_named(kind), "DISEASE_ROWS", None)
    if not rows or not set(rows) & set(weights):
        raise InputError(
            kind, "it does not say which weights are one disease's", "Release it without weights"
        )
    if rare.all():
        raise InputError(kind, "every disease is rare", "Train it on more patients")
    erased = {name: tensor.clone() for name, tensor in weights.items()}
    for name in set(rows) & set(weights):
        diseases = erased[name][rows[name] :]
        if len(diseases) != len(rare):
            raise InputError(name, f"it has {len(diseases)} rows for {len(rare)} diseases", "Train")
        chosen = torch.from_numpy(rare)
        diseases[chosen] = diseases[~chosen].min() if diseases.ndim == 1 else 0.0
    return erased
