"""BEHRT on one outcome: a pretrained encoder, its read-out, and one logit.

The read-outs are those of `behrt.models.behrt`. `cls` reads the first word through a pooling layer;
`mask` reads a masked visit at the age of the prediction through the transform of the pretrained
head. The weights of the logit start as the mean embedding of the outcome's diseases, as those of
the masked head are the embeddings of the diseases; for another event they start at 0, and the bias
at the log-odds of the event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt.errors import InputError
from behrt.learning import engine
from behrt.learning.dropout import dropout
from behrt.learning.encoder import Encoder, full_precision_linear, initialise
from behrt.learning.engine import Batch, Objective, TrainingRun
from behrt.learning.examples import Examples
from behrt.learning.masked_language import batch_of
from behrt.learning.outcomes import OutcomeExamples, weighted_log_loss
from behrt.learning.words import AGES, words_to_predict
from behrt.models.behrt import pretrained_weights
from behrt.sequences.vocabulary import FIRST_DISEASE
from behrt.settings.behrt import Settings
from behrt.settings.training import Optimisation

if TYPE_CHECKING:  # its import takes longer than many predictions
    from lightning_fabric import Fabric

__all__ = ["Settings", "fit", "predict"]


class OutcomeNetwork(nn.Module):
    """An encoder, a transform of what is read out, and one logit.

    In the comments on shapes, m is the number of predictions and H `hidden`.
    """

    def __init__(
        self, settings: Settings, n_diseases: int, concepts: Mapping[str, int] | None = None
    ) -> None:
        super().__init__()
        self.masked = settings.readout == "mask"
        self.hidden_dropout = settings.hidden_dropout
        self.encoder = Encoder(settings, n_diseases, concepts)
        self.transform = nn.Linear(settings.hidden, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden, eps=1e-12) if self.masked else None
        self.event = nn.Linear(settings.hidden, 1)
        self.apply(initialise)
        nn.init.zeros_(self.event.weight)

    def forward(self, **batch: Tensor) -> Tensor:
        """Return float32 logits (m); the arguments are those of `Encoder.forward`."""
        hidden = self.transform(self.encoder(**batch))  # (m, H)
        if self.norm is not None:
            hidden = self.norm(F.gelu(hidden))
        else:
            hidden = dropout(torch.tanh(hidden), self.hidden_dropout, self.training)
        return full_precision_linear(hidden, self.event.weight, self.event.bias).squeeze(-1)


def collate_of(settings: Settings, given: OutcomeExamples) -> engine.Collate:
    """Return what makes the network's arguments for some of the predictions `given`."""
    months = given.months_of_age  # of the masked visit

    def collate(
        examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
    ) -> dict[str, Tensor]:
        words, read = words_to_predict(examples, rows, settings)
        if settings.readout == "mask":  # MASK, and the SEP after it
            words.ages[read] = words.ages[read + 1] = np.minimum(months[rows], AGES - 1)
        return batch_of(words, read)

    return collate


@dataclass(frozen=True)
class Event(Objective):
    """One label: `model(**batch)` gives its logits (m).

    The loss is weighted binary cross-entropy; its value on the tuning patients chooses the epoch.

    Attributes:
        learned: the predictions of `train`.
        checked: those of `tuning`.
        collate_checked: makes a batch of them, as `collate` does of `learned`.
    """

    learned: OutcomeExamples
    checked: OutcomeExamples
    collate_checked: engine.Collate

    chooses = "tuning_loss"
    higher = False

    def data(self) -> dict[str, np.ndarray]:
        labels = {
            f"{name} {array}": getattr(part, array)
            for name, part in (("train", self.learned), ("tuning", self.checked))
            for array in ("label", "weight", "months_of_age")
        }
        return {**super().data(), **labels}

    def batch(self, rows: np.ndarray, part: slice, generator: np.random.Generator) -> Batch:
        read = rows[part]
        labels, weights = (
            torch.from_numpy(values[read]).float()
            for values in (self.learned.label, self.learned.weight)
        )
        return self.collate(self.train, read, generator), labels, weights, len(read) / len(rows)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        given, labels, weights, share = batch
        losses = F.binary_cross_entropy_with_logits(model(**given).float(), labels, weight=weights)
        mean: Tensor = losses / self.learned.weight.mean() * share
        return mean

    def evaluate(self, model: nn.Module, fabric: "Fabric") -> dict[str, float | None]:
        logits = engine.evaluated(
            model, fabric, self.collate_checked, self.tuning, (len(self.tuning),)
        )
        return {"tuning_loss": weighted_log_loss(_probabilities(logits), self.checked)}


def _probabilities(logits: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = torch.sigmoid(torch.from_numpy(logits)).numpy()
    return probabilities


def fit(
    train: OutcomeExamples,
    tuning: OutcomeExamples,
    settings: Settings,
    optimisation: Optimisation | None,
    pretrained: Path | None,
    diseases: list[int],
    run: TrainingRun,
) -> None:
    """Train; write the three files into `run.folder`.

    Args:
        train, tuning: predictions.
        settings: of the network.
        optimisation: how to train; required.
        pretrained: as in `behrt.models.behrt.fit`; None starts from random weights.
        diseases: phenotype indices of which any is the event; none for another event.
        run: where to train.

    Raises:
        InputError: `optimisation` is missing, or the pretrained network has another shape.
    """
    if optimisation is None:
        raise InputError("training", "it is missing", "Kind behrt needs `training`")
    engine.begin(run)
    network = OutcomeNetwork(settings, train.examples.n_diseases, train.examples.concepts)
    if pretrained is not None:
        _start_from(network, settings, pretrained, diseases)
    with torch.no_grad():
        network.event.bias.fill_(train.log_odds())
    collate, collate_checked = (collate_of(settings, part) for part in (train, tuning))
    objective = Event(train.examples, tuning.examples, collate, train, tuning, collate_checked)
    engine.fit(network, objective, optimisation, run, settings)


def _start_from(
    network: OutcomeNetwork, settings: Settings, pretrained: Path, diseases: list[int]
) -> None:
    """Copy the encoder and the transform, and the embeddings of the diseases into the logit."""
    own = network.state_dict()
    source = {name: name for name in own if name.startswith("encoder.")}
    source |= {name: f"head.{name}" for name in own if name.startswith(("transform.", "norm."))}
    wanted = {before: own[name] for name, before in source.items()}
    weights = pretrained_weights(pretrained, settings, wanted)
    loaded = {name: weights[before] for name, before in source.items()}
    if diseases:
        embeddings = weights["encoder.words.weight"][[FIRST_DISEASE + d for d in diseases]]
        scale = 1.0 if network.masked else weights["head.norm.weight"]
        loaded["event.weight"] = embeddings.mean(dim=0, keepdim=True) * scale
    network.load_state_dict({**own, **loaded})


def predict(given: OutcomeExamples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n), the probabilities of the event."""
    network, settings = engine.load(
        run.folder,
        Settings,
        lambda own, config: OutcomeNetwork(own, config["n_diseases"], config.get("concepts")),
    )
    logits = engine.outputs(network, collate_of(settings, given), given.examples, run)
    return _probabilities(logits)
