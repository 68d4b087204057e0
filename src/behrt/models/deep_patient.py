"""Deep Patient: stacked denoising autoencoders with a linear head (Miotto et al. 2016).

Source: "Deep Patient: An Unsupervised Representation to Predict the Future of Patients from the
Electronic Health Records", Scientific Reports 6:26094. Autoencoders are trained one on top of the
other without labels; each is trained to restore an input of which some numbers were set to 0 (5 %
in the original). The last one's hidden layer is a patient's vector.

Deviations: inputs are counts of diseases (and of words of other inputs), cut at their 99th
percentile and scaled to 0 … 1 (the original also had notes); encoder and decoder share
their weights; Adam optimises them; logistic regressions replace the random forests; sex and age at
the last input visit are added to the vector.
"""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt import logs
from behrt.learning.artefacts import read_weights
from behrt.learning.device import begin
from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.features import counts, with_demographics
from behrt.learning.linear import Penalties, fit_head, head_scores
from behrt.learning.run import TrainingRun, generator
from behrt.settings.base import Count, Positive, Section, ShareBelowOne

PERCENTILE = 99


class Settings(Section):
    """The autoencoders, and the penalties of the linear head."""

    hidden: Count = 500
    """Numbers in each hidden layer."""

    layers: Count = 3
    """Autoencoders, one on top of the other."""

    noise: ShareBelowOne = 0.05
    """Share of an input's numbers set to 0."""

    epochs: Count = 10
    """Passes over the training patients for each autoencoder."""

    batch_size: Count = 128
    """Patients per step."""

    learning_rate: Positive = 1e-3
    """Learning rate of Adam."""

    penalties: Penalties = (1.0, 10.0, 100.0)
    """Ridge penalties of the linear head; the one with the best tuning score is used."""


def highest_counts(train: Examples) -> np.ndarray:
    """Return float32 (n_words): the 99th percentile of each count other than 0."""
    counted = counts(train).tocsc()
    highest = np.ones(train.n_words, dtype=np.float32)
    for word, (start, end) in enumerate(zip(counted.indptr[:-1], counted.indptr[1:], strict=True)):
        if end > start:
            highest[word] = np.percentile(counted.data[start:end], PERCENTILE)
    return highest


def inputs(highest: np.ndarray, examples: Examples) -> Tensor:
    """Return float32 (n, n_words): counts, 0 … 1."""
    return torch.from_numpy(np.minimum(counts(examples).toarray() / highest, 1))


def _encoded(weights: Weights, values: Tensor) -> Tensor:
    layer = 0
    while f"encoder.{layer}.weight" in weights:
        weight = torch.from_numpy(weights[f"encoder.{layer}.weight"])
        bias = torch.from_numpy(weights[f"encoder.{layer}.bias"])
        values = torch.sigmoid(F.linear(values, weight, bias))
        layer += 1
    return values


def patient_vectors(weights: Weights, examples: Examples) -> np.ndarray:
    """Return float32 (n, hidden): the last hidden layer, of inputs without noise."""
    values = inputs(weights["highest"], examples)
    encoded: np.ndarray = _encoded(weights, values).numpy()
    return encoded


def _train_layer(
    weights: Weights, layer: int, train: Examples, settings: Settings, run: TrainingRun
) -> None:
    """Learn one more autoencoder on what those below it make of the inputs; add its encoder."""
    highest = weights["highest"]
    size = train.n_words if layer == 0 else settings.hidden
    encoder = nn.Linear(size, settings.hidden)
    nn.init.xavier_uniform_(encoder.weight)
    nn.init.zeros_(encoder.bias)
    decoder_bias = nn.Parameter(torch.zeros(size))
    parameters = [encoder.weight, encoder.bias, decoder_bias]
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
    loss = torch.zeros(())
    epochs = range(settings.epochs)
    for epoch in logs.progress(epochs, label=f"autoencoder {layer + 1}", unit="epochs"):
        order = generator(run, layer, epoch).permutation(len(train))
        for start in range(0, len(order), settings.batch_size):
            rows = order[start : start + settings.batch_size]
            with torch.no_grad():
                clean = _encoded(weights, inputs(highest, train.select(rows)))
                noisy = clean * (torch.rand(clean.shape) >= settings.noise)
            hidden = torch.sigmoid(encoder(noisy))
            restored = F.linear(hidden, encoder.weight.T, decoder_bias)
            loss = F.binary_cross_entropy_with_logits(restored, clean)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
    logs.logger.info("autoencoder %d: last loss %.4g", layer + 1, loss.item())
    weights[f"encoder.{layer}.weight"] = encoder.weight.detach().numpy()
    weights[f"encoder.{layer}.bias"] = encoder.bias.detach().numpy()


def _features(weights: Weights, examples: Examples) -> np.ndarray:
    return with_demographics(patient_vectors(weights, examples), examples)


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Train the autoencoders from the lowest up, and fit the head."""
    weights: Weights = {"highest": highest_counts(train)}
    for layer in range(settings.layers):
        _train_layer(weights, layer, train, settings, run)
    head = fit_head(partial(_features, weights), train, tuning, settings.penalties)
    return {**weights, **head}


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    return head_scores(weights, partial(_features, weights), examples)


def embed(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, size), the vectors of the patients."""
    return patient_vectors(read_weights(run.folder), examples)


_kind = Estimated("deep_patient", Settings, estimate, score, begin)
fit, predict = _kind.fit, _kind.predict
