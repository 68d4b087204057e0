"""Integrated gradients: the contribution of each disease of a history to a prediction."""

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor

from behrt.learning.masked_language import batch_of
from behrt.learning.words import Words
from behrt.models.behrt import Behrt
from behrt.sequences.vocabulary import FIRST_DISEASE, MASK

STEPS = 64
"""Points of the Gauss–Legendre rule along the path."""


def contributions(
    model: Behrt, words: Words, place: int, disease: int, exclusive: bool
) -> np.ndarray:
    """Return the contribution of each word of one patient to the log-odds of a disease.

    Integrated gradients (Sundararajan, Taly and Yan 2017) of the log-odds along the straight line
    between word embeddings, from a history whose diseases are all masked to this one; ages,
    segments and positions stay. The contributions sum to the difference in log-odds between the
    two, and are 0 where a word is the same in both.

    Args:
        model: on the CPU, in evaluation mode.
        words: of one patient (n words).
        place: the word at which the prediction is read out.
        disease: the phenotype's index.
        exclusive: whether the diseases share one probability (softmax), as for a masked word in
            pretraining; otherwise each has its own (sigmoid).

    Returns:
        float64 (n), natural logarithms of odds ratios.
    """
    batch = batch_of(words, np.array([place]))
    tokens = batch["tokens"]
    at = int(batch["read"][0])

    def log_odds(tokens: Tensor, ages: Tensor, visits: Tensor, patients: Tensor) -> Tensor:
        rows, length = tokens.shape
        read = at + length * torch.arange(rows)
        logits = model(tokens=tokens, ages=ages, visits=visits, patients=patients, read=read)
        chosen: Tensor = logits[:, disease]
        if not exclusive:
            return chosen
        others = torch.arange(logits.shape[1]) != disease
        apart: Tensor = chosen - logits[:, others].logsumexp(-1)
        return apart

    attributed = LayerIntegratedGradients(log_odds, model.encoder.words).attribute(
        tokens,
        baselines=torch.where(tokens >= FIRST_DISEASE, MASK, tokens),
        additional_forward_args=(batch["ages"], batch["visits"], batch["patients"]),
        n_steps=STEPS,
    )
    (length,) = np.diff(words.offsets)
    summed: np.ndarray = attributed.detach().double().sum(-1)[0, :length].numpy()
    return summed
