"""Forecast: a BEHRT that learns from every visit, once for all tasks. This project's own.

BEHRT (Li et al. 2020) learns from one visit per patient and task. Here a word attends to the words
of its own and of earlier visits only, so that each visit's last word, SEP, has read the history up
to it and nothing later, and predicts the labels of all tasks after it. The encoder is BEHRT's, with
sex and continuous time in addition (`rotary`, `time`, `sex`), and is trained from random weights.
Two parts do without attention: `history` (a disease on record changes its own prediction) and
`effects` (a disease on record adds to the odds of every other, which is a noisy-OR). The simulated
process has risks of this form, so on simulated patients `effects` fits by construction; what it
gains there is no evidence for real patients.

From top to bottom: the network, its inputs, training and prediction. In the comments on shapes, R
is the number of rows, L their length, H `hidden`, A `heads`, D the number of diseases, m the number
of cuts (visits after which is predicted), E the number of diseases on record at them, and K the
number of knots in time.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt.errors import InputError
from behrt.learning import engine
from behrt.learning.attention import both, in_forecast, of_patient, until_visit
from behrt.learning.encoder import Encoder, initialise, token_types
from behrt.learning.engine import TrainingRun
from behrt.learning.examples import Examples
from behrt.learning.forecasting import Forecasting, fewest, predict_cuts, write_model_of_task
from behrt.learning.histories import Histories
from behrt.learning.on_record import on_record
from behrt.learning.time_scales import between, rotation_of
from behrt.learning.value_rows import ValueRows
from behrt.learning.visits import DAYS_A_YEAR
from behrt.learning.words import packed_rows, words_of, words_of_cuts
from behrt.ragged import ragged_take
from behrt.sequences.vocabulary import FIRST_DISEASE
from behrt.settings.forecast import Settings
from behrt.settings.training import Optimisation

MONTHS = (0, 1, 3, 6, 12, 24, 60, 150)
"""Knots of the time since a record, in months."""

VISITS = (1, 2, 3, 5, 10)
"""Knots of the number of visits with a disease."""

LEAST_EFFECT = -4.0
"""The log of the odds that a disease adds at first to another, relative to its prevalence."""

EFFECT_STEPS, HISTORY_STEPS = 60.0, 16.0
"""How many times as fast the tables of effects and of histories learn as other weights. A step of
AdamW is as large as the learning rate, and the entry of a rare pair of diseases gets few steps."""

LEAST_ODDS = 1e-9
"""Added to the odds from diseases on record, which are 0 for a patient without any."""

RECORDS_AT_ONCE = 256
"""Diseases on record whose effects are computed at a time, so that they fit the cache of a CPU."""

TASK = "task"
"""The name of the head in the model of one task."""

DISEASE_ROWS = {
    "effects.first.caused.weight": 0,
    "effects.first.recorded.weight": 0,
    "effects.last.caused.weight": 0,
    "effects.last.recorded.weight": 0,
    "encoder.words.weight": FIRST_DISEASE,
    f"heads.{TASK}.again.weight": 0,
    f"heads.{TASK}.classifier.bias": 0,
    f"heads.{TASK}.classifier.weight": 0,
    f"heads.{TASK}.scale": 0,
    f"heads.{TASK}.times.weight": 0,
}
"""The tensors with one row per disease, and the first such row, which a release may erase. Those
with one row per pair of diseases are in `value_rows`."""

DISEASE_VECTORS = "encoder.words.weight"
"""The tensor whose last rows are the vectors of the words, for a trained folder."""

READ_BY_ENCODER = (
    *("tokens", "ages", "visits", "patients", "read"),
    *("days", "gaps", "spans", "sexes"),
)
"""The arguments of the encoder; the others of a batch are what is on record."""

# --- The network ------------------------------------------------------------------------------


class TimedEncoder(Encoder):
    """BEHRT's encoder with sex and time, in which a word reads its own and earlier visits only."""

    def __init__(
        self, settings: Settings, n_diseases: int, concepts: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(settings, n_diseases, concepts)
        self.periods = settings.hidden // settings.heads // 2 if settings.rotary else 0
        self.sexes = nn.Embedding(3, settings.hidden) if settings.sex else None
        self.times = nn.Linear(2, settings.hidden, bias=False) if settings.time else None

    def forward(  # type: ignore[override]
        self,
        tokens: Tensor,
        ages: Tensor,
        visits: Tensor,
        patients: Tensor,
        read: Tensor,
        days: Tensor,
        gaps: Tensor,
        spans: Tensor,
        sexes: Tensor,
    ) -> Tensor:
        """Return (m, H) at the places `read`.

        Args:
            tokens, ages, visits, patients: int32 (R, L), as `packed_rows` returns them.
            read: int64 (m), places in the rows laid end to end.
            days: int32 (R, L), the day of the word's visit.
            gaps: int32 (R, L), days since the previous visit, 0 at the first.
            spans: int32 (R, L), days since the start of follow-up, at least 0.
            sexes: int32 (R, L), as in `Examples`.
        """
        hidden = self.embedded(tokens, ages, visits)
        if self.sexes is not None:
            hidden = hidden + self.sexes(sexes)
        if self.times is not None:
            times = torch.stack([gaps / 30.0, spans / DAYS_A_YEAR], -1).log1p()  # (R, L, 2)
            hidden = hidden + self.times(times)
        # If there are other inputs, a visit without a word that is read is one MASK.
        past = until_visit(visits) if self.types is None else in_forecast(tokens, visits)
        rotation = rotation_of(days, self.periods) if self.periods else None
        return self.read_out(hidden, both(of_patient(patients), past), read, rotation)


class Effects(nn.Module):
    """What each word on record, a disease or another, adds to the odds of every disease.

    The added odds have one strength per pair. How they change with the time since a record depends
    on either part of the pair, not on the pair, which would take more patients to learn.
    """

    def __init__(self, n_diseases: int, n_words: int) -> None:
        super().__init__()
        self.n_diseases = n_diseases
        # Row w * n_diseases + e is the effect of word w on disease e.
        self.pairs = nn.Embedding(n_words * n_diseases, 1)
        self.recorded = nn.Embedding(n_words, len(MONTHS))
        self.caused = nn.Embedding(n_diseases, len(MONTHS))

    def forward(self, cut: Tensor, word: Tensor, lags: Tensor, cuts: int) -> Tensor:
        """Return float32 (m, D), the sum of the added odds.

        Args:
            cut, word: int64 (E), the words on record at each cut, in order of the cuts.
            lags: float32 (E, K), the time since a record of them, as `between` returns it.
            cuts: m.
        """
        pairs = (LEAST_EFFECT + EFFECT_STEPS * self.pairs.weight.view(-1, self.n_diseases)).exp()
        recorded = (EFFECT_STEPS * self.recorded.weight).exp()  # (words, K)
        caused = (EFFECT_STEPS * self.caused.weight).exp()  # (D, K)
        of_record = lags * F.embedding(word, recorded)  # (E, K)
        added: Tensor = AddedOdds.apply(  # type: ignore[no-untyped-call]
            cut, word, pairs, of_record, caused.t(), cuts
        )
        return added


class AddedOdds(torch.autograd.Function):
    """The sum over records of the odds of their pairs, each times a product of two small tables.

    The sum is over (E, D) numbers, too many for the cache of a CPU. So it is computed for some
    records at a time, and computed again for the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        cut: Tensor,
        word: Tensor,
        pairs: Tensor,
        of_record: Tensor,
        caused: Tensor,
        cuts: int,
    ) -> Tensor:
        """Return float32 (m, D).

        Args:
            ctx: keeps what `backward` needs.
            cut, word: int64 (E).
            pairs: float32 (words, D).
            of_record: float32 (E, K).
            caused: float32 (K, D).
            cuts: m.
        """
        ctx.save_for_backward(cut, word, pairs, of_record, caused)
        added = pairs.new_zeros(cuts, pairs.shape[1])
        for part in records_at_once(len(cut), pairs):
            odds = (of_record[part] @ caused).mul_(pairs.index_select(0, word[part]))
            added.index_add_(0, cut[part], odds)
        return added

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor, Tensor, Tensor, None]:
        """Return the gradients of pairs, of_record and caused."""
        cut, word, pairs, of_record, caused = ctx.saved_tensors
        of_pairs, of_caused = torch.zeros_like(pairs), torch.zeros_like(caused)
        of_records = torch.empty_like(of_record)
        back = caused.t().contiguous()
        for part in records_at_once(len(cut), pairs):
            own = gradient.index_select(0, cut[part])
            times = of_record[part] @ caused
            of_pairs.index_add_(0, word[part], times.mul_(own))
            own.mul_(pairs.index_select(0, word[part]))
            torch.mm(own, back, out=of_records[part])
            of_caused.addmm_(of_record[part].t(), own)
        return None, None, of_pairs, of_records, of_caused, None


def records_at_once(records: int, pairs: Tensor) -> Iterator[slice]:
    """Yield the records in parts that fit the cache of a CPU; all at once for a GPU."""
    size = max(records, 1) if pairs.is_cuda else RECORDS_AT_ONCE
    for start in range(0, records, size):
        yield slice(start, start + size)


class Head(nn.Module):
    """The weights of one task: a base, to which effects add odds; and diseases on record."""

    def __init__(self, settings: Settings, n_diseases: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(settings.hidden, n_diseases)
        self.scale = nn.Parameter(torch.zeros(n_diseases)) if settings.effects else None
        self.again = self.times = None
        if settings.history:
            self.again = nn.Embedding(n_diseases, settings.hidden)
            self.times = nn.Embedding(n_diseases, 2 * len(MONTHS) + len(VISITS))

    def start(self, train: Examples) -> None:
        """Set the weights so that the head predicts shares of labels.

        They are those among all, and of a disease on record those among patients who have it.
        """
        rows, prior = np.arange(len(train)), train.prior_log_odds()
        known, labels = train.known_matrix(rows), train.label_matrix(rows)
        prevalence = 1 / (1 + np.exp(-prior))
        again = ((known & labels).sum(0) + prevalence) / (known.sum(0) + 1)
        with torch.no_grad():
            self.classifier.weight.zero_()
            self.classifier.bias.copy_(torch.from_numpy(prior))
            if self.scale is not None:
                self.scale.copy_(torch.from_numpy(prior))
            if self.again is not None and self.times is not None:
                self.again.weight.zero_()
                self.times.weight.zero_()
                change = torch.from_numpy(np.log(again / (1 - again)) - prior)
                self.times.weight[:, : len(MONTHS)] = change[:, None] / HISTORY_STEPS


def logits_of(
    heads: Sequence[Head],
    hidden: Tensor,
    added: Tensor | None,
    cut: Tensor,
    disease: Tensor,
    times: Tensor,
) -> Tensor:
    """Return float32 logits (tasks, m, D) of some heads, of which all or none have each part.

    Args:
        heads: one of each task.
        hidden: (m, H).
        added: (m, D), the added odds, or None.
        cut, disease: int64 (E), the diseases on record at each cut.
        times: float32 (E, 2 K + …), when and how often they were recorded.
    """
    hidden = hidden.float().expand(len(heads), -1, -1)
    weight = torch.stack([head.classifier.weight for head in heads])
    bias = torch.stack([head.classifier.bias for head in heads])
    logits = torch.baddbmm(bias[:, None], hidden, weight.transpose(1, 2))
    scales: list[Tensor] = [head.scale for head in heads if head.scale is not None]
    if scales and added is not None:  # the base and the effects are added up as odds
        logits = (logits.exp() + added * torch.stack(scales)[:, None].exp()).log()
    histories = [
        (head.again, head.times)
        for head in heads
        if head.again is not None and head.times is not None
    ]
    if histories:
        # One product for all diseases is faster than a sum for each disease on record.
        again = torch.stack([again.weight for again, _ in histories])
        recorded = logits.new_zeros(logits.shape[1:])
        recorded[cut, disease] = 1
        logits = torch.addcmul(logits, torch.bmm(hidden, again.transpose(1, 2)), recorded)
        of_times = torch.cat([times.weight for _, times in histories], 1)
        read = F.embedding(disease, of_times).view(-1, len(heads), times.shape[1])
        change = HISTORY_STEPS * (read * times[:, None]).sum(-1)  # (E, tasks)
        place = cut * logits.shape[2] + disease
        logits = logits.flatten(1).index_add(1, place, change.t()).view_as(logits)
    return logits


class Heads(nn.ModuleDict):
    """The head of each task by its name, which may be that of a method of modules, such as `half`.

    `ModuleDict` refuses such names, because it also has modules as attributes.
    """

    def add_module(self, name: str, module: nn.Module | None) -> None:
        """Add a head."""
        assert module is not None
        self._modules[name] = module


class Forecast(nn.Module):
    """An encoder, effects, and one head per task."""

    def __init__(
        self,
        settings: Settings,
        n_diseases: int,
        tasks: Sequence[str],
        concepts: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.n_diseases = n_diseases
        self.encoder = TimedEncoder(settings, n_diseases, concepts)
        # By the time since the first record of a word, and by that since the last.
        n_words = n_diseases + sum((concepts or {}).values())
        effects = {name: Effects(n_diseases, n_words) for name in ("first", "last")}
        self.effects = nn.ModuleDict(effects) if settings.effects else None
        self.heads = Heads({task: Head(settings, n_diseases) for task in tasks})
        self.apply(initialise)
        if self.effects is not None:
            for table in self.effects.parameters():
                nn.init.zeros_(table)

    def forward(
        self,
        cut: Tensor,
        word: Tensor,
        visits_with: Tensor,
        since_first: Tensor,
        since_last: Tensor,
        task: str | None = None,
        **words: Tensor,
    ) -> Tensor:
        """Return float32 logits, (tasks * m, D), those of a task together, or (m, D) of one task.

        Args:
            cut, word, visits_with, since_first, since_last: int64 (E), as in `OnRecord`.
            task: the name of a task; None for all.
            **words: the arguments of `TimedEncoder.forward`.
        """
        read = (cut, word, visits_with, since_first, since_last)
        return self.logits(self.encoder(**words), *read, task)

    def logits(
        self,
        hidden: Tensor,
        cut: Tensor,
        word: Tensor,
        visits_with: Tensor,
        since_first: Tensor,
        since_last: Tensor,
        task: str | None = None,
    ) -> Tensor:
        """Return what `forward` does, from the encoder's vectors, `hidden` (m, H)."""
        heads = [
            cast(Head, head) for name, head in self.heads.items() if task is None or name == task
        ]
        with torch.autocast(hidden.device.type, enabled=False):
            first, last = (
                between(days * 12 / DAYS_A_YEAR, MONTHS) for days in (since_first, since_last)
            )
            times = torch.cat([last, first, between(visits_with.float(), VISITS)], 1)
            added = None
            if self.effects is not None:
                odds = [
                    self.effects[name](cut, word, lags, len(hidden))
                    for name, lags in (("first", first), ("last", last))
                ]
                added = odds[0] + odds[1] + LEAST_ODDS
            if self.encoder.types is not None:  # the history of a disease is its own records
                diseases = word < self.n_diseases
                cut, word, times = cut[diseases], word[diseases], times[diseases]
            return logits_of(heads, hidden, added, cut, word, times).flatten(0, 1)


# --- Its inputs -------------------------------------------------------------------------------


def cut_batch(
    settings: Settings,
    examples: Examples,
    rows: np.ndarray,
    visits: np.ndarray,
    patient: np.ndarray,
) -> dict[str, Tensor]:
    """Return the network's arguments for some cuts of the patients at `rows`.

    The arguments are those of `behrt.learning.forecasting.CutBatch`. The words of all cuts of a
    patient must fit `max_length`. What is on record is taken from the whole history. A visit
    without a word is not a visit: see `words_of_cuts`.
    """
    words, visit, read = words_of_cuts(examples, rows, settings.max_length, visits, patient)
    of_word = np.repeat(np.arange(len(rows)), np.diff(words.offsets))
    starts = examples.visit_offsets[rows]
    day = examples.visit_day[visit]
    before = examples.visit_day[_previous_visits(examples, rows, visit, of_word)]
    batch = packed_rows(
        words,
        read,
        days=day,
        gaps=day - before,
        spans=np.maximum(day - examples.follow_up_start[rows][of_word], 0),
        sexes=examples.sex[rows][of_word],
    )
    batch |= on_record(examples, starts[patient], visits).arrays()
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def _previous_visits(
    examples: Examples, rows: np.ndarray, visits: np.ndarray, of_visit: np.ndarray
) -> np.ndarray:
    """Return int64 (n): the last visit with a word before each, or the visit itself without one.

    Args:
        examples: the patients.
        rows: int64 (patients), indices of patients.
        visits: int64 (n), visits by their number in `examples`.
        of_visit: int64 (n), each visit's patient, its place in `rows`.
    """
    starts = examples.visit_offsets[rows][of_visit]
    if not examples.concepts:
        directly: np.ndarray = np.maximum(visits - 1, starts)
        return directly
    of_rows, offsets = ragged_take(examples.visit_offsets, rows)
    filled = examples.code_offsets[of_rows + 1] > examples.code_offsets[of_rows]
    latest = np.maximum.accumulate(np.where(filled, np.arange(len(filled)), -1))
    place = offsets[of_visit] + visits - starts
    before = np.append(-1, latest)[place]  # of the visits before, in order of `rows`
    latest_filled: np.ndarray = np.where(before >= offsets[of_visit], of_rows[before], visits)
    return latest_filled


# --- Training and prediction ------------------------------------------------------------------


def fit_jointly(
    histories: Histories,
    tuning: Mapping[str, Examples],
    settings: Settings,
    optimisation: Optimisation | None,
    cuts: int | None,
    run: TrainingRun,
) -> None:
    """Train one network for all tasks; write the three files into `run.folder`.

    Args:
        histories: of the training patients, with the cuts of each task.
        tuning: the examples that choose the epoch, by name of the task.
        settings: of the network.
        optimisation: how to train; required.
        cuts: the most visits of a patient, in an epoch, after which it learns to predict; None for
            all.
        run: where to train.

    Raises:
        InputError: `optimisation` is missing, or a task has no cut or no tuning examples.
    """
    if optimisation is None:
        raise InputError("training", "it is missing", "Kind forecast needs `training`")
    histories = histories.with_cuts()
    engine.begin(run)
    train = histories.examples
    model = Forecast(settings, train.n_diseases, list(tuning), train.concepts)
    for task, head in model.heads.items():
        assert isinstance(head, Head)
        head.start(histories.cut_after(histories.latest_cuts(task), task))
    objective = Forecasting(
        train,
        fewest(tuning),
        partial(cut_batch, settings),
        histories=histories,
        tuning_of=tuning,
        cuts=cuts,
        max_length=settings.max_length,
    )
    engine.fit(model, objective, optimisation, run, settings)


def take_task(trained: Path | None, run: TrainingRun) -> None:
    """Write the model of one task, a part of the network that `fit_jointly` has trained.

    Args:
        trained: the network's weights, in a folder with its config.json.
        run: its facts name the task; its folder receives the three files, with the metrics of the
            task after each epoch.

    Raises:
        InputError: `trained` is missing, or the network was not trained for the task.
    """
    write_model_of_task(run, trained, lambda weights: part_of(weights, run.facts["task"]))


def part_of(weights: Mapping[str, np.ndarray], task: str) -> dict[str, np.ndarray]:
    """Return the weights of one task, of a network that `fit_jointly` has trained for several."""
    head, own = f"heads.{task}.", f"heads.{TASK}."
    return {
        name.replace(head, own): array
        for name, array in weights.items()
        if name.startswith(head) or not name.startswith("heads.")
    }


def load(folder: Path) -> tuple[Forecast, Settings]:
    """Return the network of one task that `take_task` wrote into a folder, and its settings."""
    return engine.load(
        folder,
        Settings,
        lambda own, config: Forecast(own, config["n_diseases"], [TASK], config.get("concepts")),
    )


def predict(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return the probabilities, float32 (n, D), of the model in `run.folder`."""
    engine.begin(run)
    model, settings = load(run.folder)
    return predict_cuts(model, partial(cut_batch, settings), examples, TASK, run)


def embed(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, H), the hidden vectors after the last visit of each patient."""
    model, settings = load(run.folder)

    def collate(
        examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
    ) -> dict[str, Tensor]:
        last = examples.visit_offsets[rows + 1] - 1
        batch = cut_batch(settings, examples, rows, last, np.arange(len(rows)))
        return {name: batch[name] for name in READ_BY_ENCODER}

    return engine.outputs(model.encoder, collate, examples, run)


def value_rows(settings: Settings, examples: Examples, rows: np.ndarray) -> dict[str, ValueRows]:
    """Return which ages, segments, sexes and pairs of words the patients at `rows` read.

    A pair is a word on record and a disease of the label.
    """
    words = words_of(examples, rows, settings.max_length, False)
    patients = np.repeat(rows, np.diff(words.offsets))
    read = {}
    if settings.age:
        read["encoder.ages.weight"] = ValueRows(patients, words.ages, ordered=True)
    if settings.segment:
        read["encoder.segments.weight"] = ValueRows(patients, words.visits % 2)
    if settings.sex:
        read["encoder.sexes.weight"] = ValueRows(rows, examples.sex[rows].astype(np.int64))
    if examples.concepts:
        types = token_types(examples.n_diseases, examples.concepts)
        read["encoder.types.weight"] = ValueRows(patients, types[words.tokens])
    if settings.effects:
        recorded, offsets = examples.recorded(rows)
        patient = np.repeat(rows, np.diff(offsets))  # of each word on record
        caused, offsets = ragged_take(examples.label_offsets, patient)
        word = np.repeat(recorded, np.diff(offsets))
        pair = word * examples.n_diseases + examples.labels[caused]
        with_both = ValueRows(np.repeat(patient, np.diff(offsets)), pair)
        read |= {f"effects.{name}.pairs.weight": with_both for name in ("first", "last")}
    return read
