"""BEHRT (Li et al. 2020): BERT on diagnoses with age, visit segment and visit position.

From top to bottom: the network, pretraining, fine-tuning and prediction. The encoder, which other
models have too, is in `behrt.learning.encoder`, the words that it reads in `behrt.learning.words`,
the objectives of pretraining in `behrt.learning.masked_language` (the paper's) and
`behrt.learning.next_visit` (forecasting), the settings in `behrt.settings.behrt`. In the comments
on shapes, H is `hidden`, D the number of diseases, or in pretraining of all words, and m the number
of words that are read out.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt import logs
from behrt.errors import InputError
from behrt.learning import artefacts, engine
from behrt.learning.dropout import dropout
from behrt.learning.encoder import Encoder, full_precision_linear, initialise, token_types
from behrt.learning.engine import TrainingRun
from behrt.learning.examples import Examples
from behrt.learning.masked_language import MaskedLanguage, batch_of
from behrt.learning.next_visit import NextVisit
from behrt.learning.value_rows import ValueRows
from behrt.learning.words import SPECIAL_TARGETS, patients_cut, words_to_predict
from behrt.logs import logger
from behrt.sequences.vocabulary import FIRST_DISEASE
from behrt.settings.behrt import Masking, Settings
from behrt.settings.training import Optimisation

SHAPE = ("hidden", "layers", "heads", "intermediate", "age", "segment", "position")
"""Settings in which a model and its pretrained weights must agree."""

DISEASE_ROWS = {
    "encoder.words.weight": FIRST_DISEASE,
    "head.bias": 0,
    "head.classifier.bias": 0,
    "head.classifier.weight": 0,
}
"""The tensors with one row per disease, and the first such row, which a release may erase."""

DISEASE_VECTORS = "encoder.words.weight"
"""The tensor whose last rows are the vectors of the words, for a trained folder."""

BIAS = "head.bias"
"""The tensor with one number per word in pretraining, and per disease in a classifier."""

# --- The network ------------------------------------------------------------------------------


class MaskedHead(nn.Module):
    """BERT's head for masked words: a transform, the word embeddings as decoder, and a bias.

    The first `n_targets` words of the vocabulary have a logit; special tokens have one, after
    those, only with `special_targets`.
    """

    def __init__(self, settings: Settings, n_targets: int, special_targets: bool = False) -> None:
        super().__init__()
        self.n_targets = n_targets
        self.transform = nn.Linear(settings.hidden, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(n_targets))
        self.special_bias = (
            nn.Parameter(torch.zeros(len(SPECIAL_TARGETS))) if special_targets else None
        )

    def forward(self, hidden: Tensor, words: nn.Embedding) -> Tensor:
        """Return float32 logits (m, D) of the hidden vectors (m, H)."""
        hidden = self.norm(F.gelu(self.transform(hidden)))  # (m, H)
        weight: Tensor = words.weight[FIRST_DISEASE : FIRST_DISEASE + self.n_targets]  # (D, H)
        bias: Tensor = self.bias
        if self.special_bias is not None:
            weight = torch.cat([weight, words.weight[list(SPECIAL_TARGETS)]])
            bias = torch.cat([bias, self.special_bias])
        return full_precision_linear(hidden, weight, bias)


class PooledHead(nn.Module):
    """The paper's classifier: BERT's pooling layer (dense, tanh), dropout, linear."""

    def __init__(self, settings: Settings, n_diseases: int) -> None:
        super().__init__()
        self.hidden_dropout = settings.hidden_dropout
        self.pooler = nn.Linear(settings.hidden, settings.hidden)
        self.classifier = nn.Linear(settings.hidden, n_diseases)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return float32 logits (m, D) of the hidden vectors (m, H)."""
        pooled = dropout(torch.tanh(self.pooler(hidden)), self.hidden_dropout, self.training)
        return full_precision_linear(pooled, self.classifier.weight, self.classifier.bias)


class Behrt(nn.Module):
    """An encoder with one head: masked (`mask`) or pooled (`cls`).

    Args:
        settings: sizes and switches.
        n_diseases: the number of diseases, which a classifier predicts.
        special_targets: of pretraining, whose head is masked.
        concepts: the number of words of each other concept.
        every_word: whether all words are predicted, as in pretraining.
    """

    def __init__(
        self,
        settings: Settings,
        n_diseases: int,
        special_targets: bool = False,
        concepts: Mapping[str, int] | None = None,
        every_word: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(settings, n_diseases, concepts)
        if settings.readout == "mask":
            targets = n_diseases + sum((concepts or {}).values()) * every_word
            self.head: MaskedHead | PooledHead = MaskedHead(settings, targets, special_targets)
        else:
            self.head = PooledHead(settings, n_diseases)
        self.apply(initialise)

    @property
    def output_bias(self) -> nn.Parameter:
        """The bias of the logits (D)."""
        if isinstance(self.head, MaskedHead):
            return self.head.bias
        return self.head.classifier.bias

    def forward(self, causal: bool = False, **batch: Tensor) -> Tensor:
        """Return float32 logits (m, D); the arguments are those of `Encoder.forward`."""
        hidden = self.encoder(**batch, causal=causal)  # (m, H)
        if isinstance(self.head, MaskedHead):
            logits: Tensor = self.head(hidden, self.encoder.words)
        else:
            logits = self.head(hidden)
        return logits


# --- Pretraining ------------------------------------------------------------------------------


def pretrain(
    train: Examples,
    tuning: Examples,
    settings: Settings,
    masking: Masking,
    optimisation: Optimisation,
    run: TrainingRun,
    special_targets: bool = False,
) -> None:
    """Train the encoder and the masked head; write the three files into `run.folder`.

    The loss is cross-entropy over all words at the masked words; its value on the tuning patients
    chooses the epoch. The bias of the head starts at the log of each word's share of all words of
    visits, so that the weights only have to learn differences from it. `settings.readout` is not
    used. `special_targets` masks CLS and SEP too, as the paper's released code does, but not the
    paper.
    """
    _warn_of_cut_visits(train, settings, closing_mask=False)
    settings = settings.model_copy(update={"readout": "mask"})
    engine.begin(run)
    model = Behrt(settings, train.n_diseases, special_targets, train.concepts, every_word=True)
    counts = train.word_counts() + 0.5
    _set(model.output_bias, np.log(counts / counts.sum()))
    if isinstance(model.head, MaskedHead) and model.head.special_bias is not None:
        # One CLS per patient, one SEP per visit.
        special = np.array([len(train), train.visit_offsets[-1]])
        _set(model.head.special_bias, np.log(special / counts.sum()))
    objective = MaskedLanguage(
        train,
        tuning,
        _collate(settings),
        max_length=settings.max_length,
        masking=masking,
        seed=run.compute.seed,
        special_targets=special_targets,
    )
    facts = {**masking.model_dump(), **({"special_targets": True} if special_targets else {})}
    run = replace(run, facts={**run.facts, "masking": facts})
    engine.fit(model, objective, optimisation, run, settings)


def pretrain_to_forecast(
    train: Examples,
    tuning: Examples,
    settings: Settings,
    optimisation: Optimisation,
    run: TrainingRun,
) -> None:
    """Train the encoder and the masked head to predict each visit from those before it.

    Each visit but the first is predicted by a MASK in its place, which sees the visits before it
    only; `pretrain` sees whole histories. The result has the same weights as that of `pretrain`.
    The value of the loss on the tuning patients chooses the epoch. The bias of the head starts at
    the log-odds of each word in a visit. `settings.readout` is not used.
    """
    _warn_of_cut_visits(train, settings, closing_mask=False)
    settings = settings.model_copy(update={"readout": "mask"})
    engine.begin(run)
    model = Behrt(settings, train.n_diseases, concepts=train.concepts, every_word=True)
    visits = len(train.visit_day)
    share = (train.word_counts() + 0.5) / (visits + 1)
    _set(model.output_bias, np.log(share / (1 - share)))
    objective = NextVisit(train, tuning, _collate(settings), max_length=settings.max_length)
    engine.fit(model, objective, optimisation, run, settings)


# --- Fine-tuning and prediction ---------------------------------------------------------------


def fit(
    train: Examples,
    tuning: Examples,
    settings: Settings,
    optimisation: Optimisation | None,
    pretrained: Path | None,
    run: TrainingRun,
) -> None:
    """Train a classifier of all diseases; write the three files into `run.folder`.

    Args:
        train, tuning: labelled examples.
        settings: of the network.
        optimisation: how to train; required.
        pretrained: the weights that `pretrain` or `pretrain_to_forecast` wrote, in a folder with
            their config.json; None starts from random weights.
        run: where to train.

    Raises:
        InputError: `optimisation` is missing, or the pretrained network has another shape.
    """
    if optimisation is None:
        raise InputError("training", "it is missing", "Kind behrt needs `training`")
    _warn_of_cut_visits(train, settings, closing_mask=settings.readout == "mask")
    engine.begin(run)
    model = Behrt(settings, train.n_diseases, concepts=train.concepts)
    if pretrained is not None:
        _load_pretrained(model, settings, pretrained)
    _set(model.output_bias, train.prior_log_odds())
    engine.fit_classifier(model, _collate(settings), train, tuning, optimisation, run, settings)


def load(folder: Path) -> tuple[Behrt, Settings]:
    """Return the network that `pretrain` or `fit` wrote into a folder, and its settings."""

    def network(own: Settings, config: Mapping[str, Any]) -> Behrt:
        pretrained = "task" not in config
        concepts = config.get("concepts")
        return Behrt(own, config["n_diseases"], concepts=concepts, every_word=pretrained)

    return engine.load(folder, Settings, network)


def predict(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return the probabilities, float32 (n, D), of the model in `run.folder`."""
    model, settings = load(run.folder)
    return engine.predict(model, _collate(settings), examples, run)


def embed(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, H), the hidden vectors of the patients where the model is read out."""
    model, settings = load(run.folder)
    return engine.outputs(model.encoder, _collate(settings), examples, run)


def value_rows(settings: Settings, examples: Examples, rows: np.ndarray) -> dict[str, ValueRows]:
    """Return which ages and segments the patients at `rows` read, by tensor."""
    words, _ = words_to_predict(examples, rows, settings)
    patients = np.repeat(rows, np.diff(words.offsets))
    read = {}
    if settings.age:
        read["encoder.ages.weight"] = ValueRows(patients, words.ages, ordered=True)
    if settings.segment:
        read["encoder.segments.weight"] = ValueRows(patients, words.visits % 2)
    if examples.concepts:
        types = token_types(examples.n_diseases, examples.concepts)
        read["encoder.types.weight"] = ValueRows(patients, types[words.tokens])
    return read


def _collate(settings: Settings) -> engine.Collate:
    def collate(
        examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
    ) -> dict[str, Tensor]:
        return batch_of(*words_to_predict(examples, rows, settings))

    return collate


def pretrained_weights(
    pretrained: Path, settings: Settings, wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the weights of a pretrained network, by name.

    Args:
        pretrained: model.safetensors, in a folder with its config.json.
        settings: of the network that starts from them.
        wanted: tensors of the shapes that some of them must have, by their names.

    Raises:
        InputError: the pretrained network has another shape, or another vocabulary.
    """
    config = artefacts.read_config(pretrained.parent)
    for name in SHAPE:
        before, now = config["settings"][name], getattr(settings, name)
        if before != now:
            raise InputError(
                f"settings, {name}",
                f"it is {now!r}, but the pretrained model has {before!r}",
                "Give both the same, or set pretrained to false",
            )
    weights = engine.read_weights(pretrained.parent)
    if any(
        name not in weights or weights[name].shape != tensor.shape
        for name, tensor in wanted.items()
    ):
        raise InputError(
            pretrained, "its weights do not fit this vocabulary", "Pretrain again on this data"
        )
    return weights


def _load_pretrained(model: Behrt, settings: Settings, pretrained: Path) -> None:
    """Copy the encoder of a pretrained model, and its masked head into the head.

    A pooled head has no counterpart in pretraining, but the same shapes: its pooling layer starts
    as the transform, and each disease's row of the classifier as the disease's embedding, so that
    they only have to learn differences. The paper does not state how its classifier starts.
    """
    own = model.state_dict()
    wanted = {name for name in own if name.startswith("encoder.") or settings.readout == "mask"}
    alike = {name: own[name] for name in wanted - {BIAS}}
    weights = pretrained_weights(pretrained, settings, alike)
    loaded = {name: weights[name] for name in alike}
    if BIAS in wanted:
        loaded[BIAS] = weights[BIAS][: len(own[BIAS])]  # of all words; the diseases come first
    if settings.readout == "cls":
        n_diseases = len(model.output_bias)
        diseases = weights["encoder.words.weight"][FIRST_DISEASE : FIRST_DISEASE + n_diseases]
        loaded["head.pooler.weight"] = weights["head.transform.weight"]
        loaded["head.pooler.bias"] = weights["head.transform.bias"]
        loaded["head.classifier.weight"] = diseases * weights["head.norm.weight"]
    model.load_state_dict({**own, **loaded})


def _set(parameter: nn.Parameter, values: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))


def _warn_of_cut_visits(examples: Examples, settings: Settings, closing_mask: bool) -> None:
    if cut := patients_cut(examples, settings, closing_mask):
        logger.warning(
            "%s patients have more words in their latest visit than fit max_length %d: the "
            "last in the order of the vocabulary are left out",
            logs.count(cut),
            settings.max_length,
        )
