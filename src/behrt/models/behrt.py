"""BEHRT (Li et al. 2020): BERT that reads diagnoses with age, visit segment and visit position.

From top to bottom: settings, the words of a patient, the network, pretraining, fine-tuning,
prediction.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from behrt import logs
from behrt.errors import InputError
from behrt.learning import artefacts, engine
from behrt.learning.dropout import dropout
from behrt.learning.engine import Objective, TrainingRun
from behrt.learning.examples import Examples, ragged_ranges, ragged_take
from behrt.learning.packing import pack
from behrt.learning.value_rows import ValueRows
from behrt.logs import logger
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, MASK, PAD, SEP
from behrt.settings.behrt import Masking, Settings
from behrt.settings.training import Optimisation

AGES = 110 * 12 + 1
"""Rows of the age table: months up to 110 years; whoever is older is read as 110."""

DISEASE_ROWS = {
    "encoder.words.weight": FIRST_DISEASE,
    "head.bias": 0,
    "head.classifier.bias": 0,
    "head.classifier.weight": 0,
}
"""The tensors with a row a disease, and the first such row: what a release may have to erase."""

INITIAL_SPREAD = 0.02
"""Standard deviation of the initial weights, as in BERT."""

SPECIAL_TARGETS = (CLS, SEP)
"""The special tokens that the released code hides and asks for, in the order of their logits."""


# --- The words of a patient -------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """The sequences of some patients, end to end; patient i has words offsets[i]:offsets[i + 1].

    Attributes:
        offsets: int64 (patients + 1).
        tokens: int64 (words), as in the vocabulary.
        ages: int64 (words), months, 0 … AGES − 1.
        visits: int64 (words), the index of the word's visit among those that fit.
    """

    offsets: np.ndarray
    tokens: np.ndarray
    ages: np.ndarray
    visits: np.ndarray


def words_of(examples: Examples, rows: np.ndarray, max_length: int, closing_mask: bool) -> Words:
    """Return CLS v1 SEP v2 SEP … vn SEP for each patient at `rows`.

    CLS has the first visit's age and index, SEP those of the visit that it closes. A history
    longer than `max_length` keeps the latest whole visits that fit; a latest visit that is longer
    by itself keeps its first diseases in sorted order.

    Args:
        examples: where the patients are.
        rows: int64 (patients), indices of patients.
        max_length: words a patient, at most.
        closing_mask: append MASK SEP as visit n + 1, at the age of visit n.

    Raises:
        InputError: a patient has no visit.
    """
    visits, visit_offsets = ragged_take(examples.visit_offsets, rows)
    counts = np.diff(visit_offsets)
    if not counts.all():
        raise InputError("examples", "a patient has no visit", "Draw the tasks again")
    space = max_length - 1 - 2 * closing_mask
    sizes = examples.code_offsets[visits + 1] - examples.code_offsets[visits] + 1
    ends = np.cumsum(sizes)
    words_to_the_end = np.repeat(ends[visit_offsets[1:] - 1], counts) - ends + sizes
    kept = words_to_the_end <= space
    kept[visit_offsets[1:] - 1] = True

    patient = np.repeat(np.arange(len(rows)), counts)[kept]
    visits, sizes = visits[kept], np.minimum(sizes[kept], space)
    counts = np.bincount(patient, minlength=len(rows))
    first = np.cumsum(counts) - counts
    index = np.arange(len(visits)) - first[patient]
    lengths = 1 + 2 * closing_mask + np.bincount(patient, sizes, len(rows)).astype(np.int64)
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])

    before = np.cumsum(sizes) - sizes
    starts = offsets[patient] + 1 + before - before[first][patient]
    places, _ = ragged_ranges(starts, sizes)
    age_of_visit = np.minimum(examples.visit_age[visits].astype(np.int64), AGES - 1)
    tokens = np.empty(offsets[-1], dtype=np.int64)
    ages, index_of_word = np.empty_like(tokens), np.empty_like(tokens)
    ages[places], index_of_word[places] = np.repeat(age_of_visit, sizes), np.repeat(index, sizes)
    tokens[starts + sizes - 1] = SEP
    code_places, _ = ragged_ranges(starts, sizes - 1)
    codes, _ = ragged_ranges(examples.code_offsets[visits], sizes - 1)
    tokens[code_places] = examples.codes[codes].astype(np.int64) + FIRST_DISEASE
    opening = offsets[:-1]
    tokens[opening], ages[opening], index_of_word[opening] = CLS, age_of_visit[first], 0
    if closing_mask:
        for place, token in ((offsets[1:] - 2, MASK), (offsets[1:] - 1, SEP)):
            tokens[place] = token
            ages[place], index_of_word[place] = age_of_visit[first + counts - 1], counts
    return Words(offsets, tokens, ages, index_of_word)


def batch_of(words: Words, read: np.ndarray) -> dict[str, Tensor]:
    """Pack sequences into rows and return a network's arguments.

    Args:
        words: the sequences.
        read: int64 (m), the words that are read out.

    Returns:
        tokens, ages, visits, patients: int32 (rows, length); where nothing is, the token is PAD
        and the patient −1. read: int64 (m), the places of the words in the rows laid end to end.
    """
    lengths = np.diff(words.offsets)
    row_length = -(-int(lengths.max()) // 8) * 8
    starts = pack(lengths, row_length)
    places, _ = ragged_ranges(starts, lengths)
    rows = int(places.max()) // row_length + 1
    patients = np.repeat(np.arange(len(lengths)), lengths)

    def laid_out(values: np.ndarray, empty: int) -> Tensor:
        flat = np.full(rows * row_length, empty, dtype=np.int32)
        flat[places] = values
        return torch.from_numpy(flat.reshape(rows, row_length))

    return {
        "tokens": laid_out(words.tokens, PAD),
        "ages": laid_out(words.ages, 0),
        "visits": laid_out(words.visits, 0),
        "patients": laid_out(patients, -1),
        "read": torch.from_numpy(places[read]),
    }


def mask_words(
    words: Words,
    masking: Masking,
    n_diseases: int,
    generator: np.random.Generator,
    special_targets: bool = False,
) -> tuple[Words, np.ndarray, np.ndarray]:
    """Hide some diseases: paper, Methods, "Pre-training BEHRT using masked language model".

    With `special_targets` CLS and SEP are hidden as diseases are, as the released code does.

    Returns:
        The words with some diseases replaced (nothing moves; CLS and SEP stay); the places of
        these words (int64); the diseases that stood there (int64, phenotype indices; those of CLS
        and SEP follow the diseases', as `SPECIAL_TARGETS` says).
    """
    special = np.isin(words.tokens, SPECIAL_TARGETS) & special_targets
    diseases = np.flatnonzero((words.tokens >= FIRST_DISEASE) | special)
    draw = generator.random(len(diseases))
    hidden = diseases[draw < masking.mask + masking.random]
    replaced = diseases[(draw >= masking.mask) & (draw < masking.mask + masking.random)]
    targets = words.tokens[hidden] - FIRST_DISEASE
    for place, token in enumerate(SPECIAL_TARGETS):
        targets[words.tokens[hidden] == token] = n_diseases + place
    tokens = words.tokens.copy()
    tokens[hidden] = MASK
    tokens[replaced] = FIRST_DISEASE + generator.integers(n_diseases, size=len(replaced))
    return Words(words.offsets, tokens, words.ages, words.visits), hidden, targets


# --- The network ------------------------------------------------------------------------------


def positions(count: int, hidden: int) -> Tensor:
    """Return float32 (count, hidden): the fixed sines and cosines of Vaswani et al. 2017."""
    rates = torch.exp(torch.arange(0, hidden, 2) * (-math.log(10_000.0) / hidden))
    angles = torch.arange(count)[:, None] * rates
    table: Tensor = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return table


def embedded_positions(count: int, hidden: int) -> Tensor:
    """Return `positions` at the size that learned embeddings start with.

    The sines have a root mean square of 1/√2 and would drown them otherwise (Vaswani et al. weigh
    both alike by multiplying the learned ones).
    """
    return positions(count, hidden) * (INITIAL_SPREAD * math.sqrt(2))


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values, (rows, heads, length, size) each.

    Args:
        qkv: (rows, length, 3 * heads * size).
        heads: how many.
    """
    rows, length, width = qkv.shape
    parts = qkv.view(rows, length, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    query, key, value = parts.unbind(0)
    return query, key, value


def attention_weights(query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
    """Return (rows, heads, length, length): how much each word (row) looks at each (column).

    The weights of a word sum to 1 (Vaswani et al. 2017, section 3.2.1); `bias` is added to the
    scores.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias
    weights: Tensor = scores.softmax(-1)
    return weights


def attention(qkv: Tensor, bias: Tensor, heads: int, rate: float, training: bool) -> Tensor:
    """Return scaled dot-product attention of packed rows.

    Args:
        qkv: (rows, length, 3 * hidden): queries, keys, values, each by head.
        bias: (rows, 1, length, length), added to the scores: 0, or very low where a word
            must not look.
        heads: how many.
        rate: dropout of the attention weights.
        training: whether to drop.

    Returns:
        (rows, length, hidden).
    """
    query, key, value = split_heads(qkv, heads)
    if qkv.device.type == "cuda":
        context = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=rate if training else 0.0
        )
    else:  # faster than the fused kernels at these head sizes
        context = dropout(attention_weights(query, key, bias), rate, training) @ value
    joined: Tensor = context.transpose(1, 2).flatten(2)
    return joined


class Layer(nn.Module):
    """One layer of BERT's encoder, normalised after each sum."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.hidden_dropout = settings.hidden_dropout
        self.attention_dropout = settings.attention_dropout
        self.query_key_value = nn.Linear(settings.hidden, 3 * settings.hidden)
        self.attention_output = nn.Linear(settings.hidden, settings.hidden)
        self.attention_norm = nn.LayerNorm(settings.hidden, eps=1e-12)
        self.inner = nn.Linear(settings.hidden, settings.intermediate)
        self.outer = nn.Linear(settings.intermediate, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden, eps=1e-12)

    def forward(self, hidden: Tensor, bias: Tensor, read: Tensor | None) -> Tensor:
        """Return the layer's output (rows, length, hidden), or (m, hidden) at `read` alone."""
        context = attention(
            self.query_key_value(hidden), bias, self.heads, self.attention_dropout, self.training
        )
        if read is not None:
            context, hidden = context.flatten(0, 1)[read], hidden.flatten(0, 1)[read]
        attended = dropout(self.attention_output(context), self.hidden_dropout, self.training)
        hidden = self.attention_norm(hidden + attended)
        output = self.outer(F.gelu(self.inner(hidden)))
        output = dropout(output, self.hidden_dropout, self.training)
        normed: Tensor = self.norm(hidden + output)
        return normed


class Encoder(nn.Module):
    """Embeddings and layers: from packed words to the hidden vectors of some of them."""

    positions: Tensor | None

    def __init__(self, settings: Settings, n_diseases: int) -> None:
        super().__init__()
        self.hidden_dropout = settings.hidden_dropout
        self.words = nn.Embedding(FIRST_DISEASE + n_diseases, settings.hidden)
        self.ages = nn.Embedding(AGES, settings.hidden) if settings.age else None
        self.segments = nn.Embedding(2, settings.hidden) if settings.segment else None
        # Not part of the state: it depends on no data, and lengths may differ between models.
        table = embedded_positions(settings.max_length, settings.hidden)
        self.register_buffer("positions", table if settings.position else None, persistent=False)
        self.norm = nn.LayerNorm(settings.hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))

    def forward(
        self, tokens: Tensor, ages: Tensor, visits: Tensor, patients: Tensor, read: Tensor
    ) -> Tensor:
        """Return (m, hidden) at the places `read`; arguments are those of `batch_of`."""
        hidden = self.words(tokens)
        if self.ages is not None:
            hidden = hidden + self.ages(ages)
        if self.segments is not None:
            hidden = hidden + self.segments(visits % 2)
        if self.positions is not None:
            hidden = hidden + F.embedding(visits, self.positions)
        hidden = dropout(self.norm(hidden), self.hidden_dropout, self.training)
        device = hidden.device.type
        if torch.is_autocast_enabled(device):
            hidden = hidden.to(torch.get_autocast_dtype(device))
        apart = patients[:, None, :, None] != patients[:, None, None, :]
        bias = torch.zeros(apart.shape, dtype=hidden.dtype, device=hidden.device)
        bias.masked_fill_(apart, -1e4)
        *first, last = self.layers
        for layer in first:
            hidden = layer(hidden, bias, None)
        output: Tensor = last(hidden, bias, read)  # the last layer only where it is read out
        return output


class MaskedHead(nn.Module):
    """BERT's masked-word head: transform, then the disease embeddings as decoder, and a bias.

    Special tokens have a logit only with `special_targets`, after those of the diseases.
    """

    def __init__(self, settings: Settings, n_diseases: int, special_targets: bool = False) -> None:
        super().__init__()
        self.transform = nn.Linear(settings.hidden, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(n_diseases))
        self.special_bias = (
            nn.Parameter(torch.zeros(len(SPECIAL_TARGETS))) if special_targets else None
        )

    def forward(self, hidden: Tensor, words: nn.Embedding) -> Tensor:
        """Return float32 (m, n_diseases) logits of the hidden vectors (m, hidden)."""
        hidden = self.norm(F.gelu(self.transform(hidden)))
        weight: Tensor = words.weight[FIRST_DISEASE:]
        bias: Tensor = self.bias
        if self.special_bias is not None:
            weight = torch.cat([weight, words.weight[list(SPECIAL_TARGETS)]])
            bias = torch.cat([bias, self.special_bias])
        return _full_precision_linear(hidden, weight, bias)


class PooledHead(nn.Module):
    """The paper's classifier: BERT's pooling layer (dense, tanh), dropout, linear."""

    def __init__(self, settings: Settings, n_diseases: int) -> None:
        super().__init__()
        self.hidden_dropout = settings.hidden_dropout
        self.pooler = nn.Linear(settings.hidden, settings.hidden)
        self.classifier = nn.Linear(settings.hidden, n_diseases)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return float32 (m, n_diseases) logits of the hidden vectors (m, hidden)."""
        pooled = dropout(torch.tanh(self.pooler(hidden)), self.hidden_dropout, self.training)
        return _full_precision_linear(pooled, self.classifier.weight, self.classifier.bias)


def _full_precision_linear(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Multiply in float32: bfloat16 logits would tie diseases that are to be ranked."""
    with torch.autocast(values.device.type, enabled=False):
        logits: Tensor = F.linear(values.float(), weight.float(), bias.float())
        return logits


class Behrt(nn.Module):
    """An encoder with one head: masked ("mask") or pooled ("cls").

    `special_targets` is for pretraining, whose head is masked.
    """

    def __init__(self, settings: Settings, n_diseases: int, special_targets: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder(settings, n_diseases)
        if settings.readout == "mask":
            self.head: MaskedHead | PooledHead = MaskedHead(settings, n_diseases, special_targets)
        else:
            self.head = PooledHead(settings, n_diseases)
        self.apply(_initialise)

    @property
    def output_bias(self) -> nn.Parameter:
        """The bias of the logits, one a disease."""
        if isinstance(self.head, MaskedHead):
            return self.head.bias
        return self.head.classifier.bias

    def forward(self, **batch: Tensor) -> Tensor:
        """Return float32 (m, n_diseases) logits at the words that `batch_of` was told to read."""
        hidden = self.encoder(**batch)
        if isinstance(self.head, MaskedHead):
            logits: Tensor = self.head(hidden, self.encoder.words)
        else:
            logits = self.head(hidden)
        return logits


def _initialise(module: nn.Module) -> None:
    """Draw weights as BERT does: normal around 0, biases 0. Ages start as the waves of positions.

    With one random row a month of life, two visits a month apart would look unrelated until both
    rows had been trained, which takes more patients than most data have. Waves make near ages
    alike from the start, and let attention see the time between visits; the rows are learned on.
    """
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_SPREAD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, Encoder) and module.ages is not None:
        with torch.no_grad():
            module.ages.weight.copy_(embedded_positions(*module.ages.weight.shape))


# --- Pretraining ------------------------------------------------------------------------------


@dataclass(frozen=True)
class MaskedLanguage(Objective):
    """Masked-word prediction on whole histories; words are hidden anew in every epoch."""

    max_length: int
    masking: Masking
    seed: int
    special_targets: bool = False

    chooses = "tuning_loss"
    higher = False

    def _batch(
        self, examples: Examples, rows: np.ndarray, generator: np.random.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        words = words_of(examples, rows, self.max_length, closing_mask=False)
        words, places, targets = mask_words(
            words, self.masking, examples.n_diseases, generator, self.special_targets
        )
        return batch_of(words, places), torch.from_numpy(targets)

    def loss(
        self, model: nn.Module, fabric: Fabric, rows: np.ndarray, generator: np.random.Generator
    ) -> Tensor:
        batch, targets = fabric.to_device(self._batch(self.train, rows, generator))
        logits = model(**batch)
        return F.cross_entropy(logits, targets, reduction="sum") / max(len(targets), 1)

    def evaluate(self, model: nn.Module, fabric: Fabric) -> dict[str, float | None]:
        """Judge the same hidden words of the tuning patients in every epoch.

        Accuracy counts the likeliest disease. Precision is micro-averaged over diseases at a
        threshold of 0.5 (paper, Methods), and undefined (None) if no disease reaches it.
        """
        model.eval()
        loss = words = right = confident = confident_and_right = 0.0
        with torch.no_grad():
            for start in range(0, len(self.tuning), engine.EVALUATION_BATCH):
                rows = np.arange(start, min(start + engine.EVALUATION_BATCH, len(self.tuning)))
                generator = np.random.default_rng([self.seed, start])
                batch, targets = fabric.to_device(self._batch(self.tuning, rows, generator))
                logits = model(**batch)
                loss += float(F.cross_entropy(logits, targets, reduction="sum"))
                probability, disease = logits.softmax(-1).max(-1)
                words += len(targets)
                right += float((disease == targets).sum())
                confident += float((probability > 0.5).sum())
                confident_and_right += float(((probability > 0.5) & (disease == targets)).sum())
        return {
            "tuning_loss": loss / max(words, 1),
            "tuning_accuracy": right / max(words, 1),
            "tuning_precision": confident_and_right / confident if confident else None,
        }


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

    The loss is cross-entropy over diseases at the hidden words alone; the epoch is chosen by its
    value on the tuning patients. The head's bias starts at the log of each disease's share of all
    diagnoses, so that the weights need only learn what differs from it. `settings.readout` plays
    no part. `special_targets` hides CLS and SEP too, which the paper does not do, but its released
    code does.
    """
    _report_cut(train, settings, closing_mask=False)
    settings = settings.model_copy(update={"readout": "mask"})
    engine.begin(run)
    model = Behrt(settings, train.n_diseases, special_targets)
    counts = np.bincount(train.codes, minlength=train.n_diseases) + 0.5
    _set(model.output_bias, np.log(counts / counts.sum()))
    if isinstance(model.head, MaskedHead) and model.head.special_bias is not None:
        special = np.array([len(train), train.visit_offsets[-1]])  # a CLS a patient, a SEP a visit
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
    hiding = {**masking.model_dump(), **({"special_targets": True} if special_targets else {})}
    run = replace(run, facts={**run.facts, "masking": hiding})
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
        settings: the network's.
        optimisation: how to train; required.
        pretrained: the weights that `pretrain` wrote, beside their config.json; None starts
            from random weights.
        run: where.

    Raises:
        InputError: `optimisation` is missing, or the pretrained network has another shape.
    """
    if optimisation is None:
        raise InputError("training", "it is missing", "Say how to train a model of kind behrt")
    _report_cut(train, settings, closing_mask=settings.readout == "mask")
    engine.begin(run)
    model = Behrt(settings, train.n_diseases)
    if pretrained is not None:
        _load_pretrained(model, settings, pretrained)
    _set(model.output_bias, train.prior_log_odds())
    engine.fit_classifier(model, _collate(settings), train, tuning, optimisation, run, settings)


def load(folder: Path) -> tuple[Behrt, Settings]:
    """Return the network that `pretrain` or `fit` left in a folder, and its settings."""
    config = artefacts.read_config(folder)
    settings = Settings(**config["settings"])
    model = Behrt(settings, config["n_diseases"])
    model.load_state_dict(engine.read_weights(folder))
    return model.eval(), settings


def predict(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, n_diseases) probabilities from the model in `run.folder`."""
    model, settings = load(run.folder)
    return engine.predict(model, _collate(settings), examples, run)


def words_to_predict(
    examples: Examples, rows: np.ndarray, settings: Settings
) -> tuple[Words, np.ndarray]:
    """Return what a classifier is given for the patients at `rows`, and the words it reads out.

    Returns:
        The words; int64 (patients), the place of CLS or of the closing MASK among them.
    """
    masked = settings.readout == "mask"
    words = words_of(examples, rows, settings.max_length, masked)
    return words, words.offsets[1:] - 2 if masked else words.offsets[:-1]


def value_rows(settings: Settings, examples: Examples, rows: np.ndarray) -> dict[str, ValueRows]:
    """Return which ages and segments the patients at `rows` read, by tensor."""
    words, _ = words_to_predict(examples, rows, settings)
    patients = np.repeat(rows, np.diff(words.offsets))
    read = {}
    if settings.age:
        read["encoder.ages.weight"] = ValueRows(patients, words.ages, ordered=True)
    if settings.segment:
        read["encoder.segments.weight"] = ValueRows(patients, words.visits % 2)
    return read


def _collate(settings: Settings) -> engine.Collate:
    def collate(
        examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
    ) -> dict[str, Tensor]:
        return batch_of(*words_to_predict(examples, rows, settings))

    return collate


def _load_pretrained(model: Behrt, settings: Settings, pretrained: Path) -> None:
    """Copy the encoder from a pretrained model, and its masked head into the head.

    A pooled head has no place of its own for it, but the same shapes: its pooling layer starts as
    the transform, and each disease's row of the classifier as the disease's embedding, so that it
    need only learn what differs. The paper does not say how its classifier starts.
    """
    config = artefacts.read_config(pretrained.parent)
    for name in ("hidden", "layers", "heads", "intermediate", "age", "segment", "position"):
        before, now = config["settings"][name], getattr(settings, name)
        if before != now:
            raise InputError(
                f"settings, {name}",
                f"it is {now!r}, but the pretrained model has {before!r}",
                "Give both the same, or set pretrained to false",
            )
    weights = engine.read_weights(pretrained.parent)
    own = model.state_dict()
    wanted = {name for name in own if name.startswith("encoder.") or settings.readout == "mask"}
    if any(name not in weights or weights[name].shape != own[name].shape for name in wanted):
        raise InputError(
            pretrained, "its weights do not fit this vocabulary", "Pretrain again on this data"
        )
    loaded = {name: weights[name] for name in wanted}
    if settings.readout == "cls":
        diseases = weights["encoder.words.weight"][FIRST_DISEASE:]
        loaded["head.pooler.weight"] = weights["head.transform.weight"]
        loaded["head.pooler.bias"] = weights["head.transform.bias"]
        loaded["head.classifier.weight"] = diseases * weights["head.norm.weight"]
    model.load_state_dict({**own, **loaded})


def _set(parameter: nn.Parameter, values: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))


def _report_cut(examples: Examples, settings: Settings, closing_mask: bool) -> None:
    """Log how many patients' latest visit is too long by itself, a small number unspecified."""
    diseases = np.diff(examples.code_offsets)[examples.visit_offsets[1:] - 1]
    cut = int((diseases > settings.max_length - 2 - 2 * closing_mask).sum())
    if cut:
        logger.warning(
            "%s patients have more diseases in their latest visit than fit max_length %d: the "
            "last in order of the vocabulary are left out",
            logs.count(cut),
            settings.max_length,
        )
