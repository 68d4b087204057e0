"""Delphi: the next diseases and when they come, after Delphi-2M (Shmatko et al. 2025, Nature).

From the record so far, an encoder predicts the rate of each disease. The rates are those of
competing waiting times, until the next visit; the smallest waiting time decides what comes next.
The age of each diagnosis takes the place of its position. The tasks need no weights of their own:
the rate of a disease gives its risk in any window, 1 − exp(−expected events).

What is as in Delphi-2M: the loss, −log rate of what happens + total rate · waiting time; sines and
cosines of age through a linear layer; sex as a word at the start; causal attention, in which the
diagnoses of one day do not see each other; output weights that are the embeddings of the words.

What differs, since here a visit holds a set of diseases which may all recur, and there a person's
first diagnosis of each disease is one event:

* The rates are read at the end of each visit, whose word SEP sees all of its diseases, so that
  their order does not matter. Each disease of the next visit contributes its rate to the loss, and
  the waiting time counts once per visit. Delphi-2M counts it once per diagnosis of the day.
* A disease that has occurred keeps its rate, which is then that of its next record.
* A visit is itself an event with a rate, so the probability that a disease is in the next visit is
  the rate of the disease relative to that of visits. Delphi-2M adds "no event" at random, about
  every five years, to histories with gaps of decades. In one trial here, on a tenth of the
  patients, that made no difference beyond noise.
* The time from the last visit to the end of follow-up counts as waiting time without an event.
  Delphi-2M learns until the last event.
* Medications, procedures, tests and measurements can be inputs, but have no rate. A next visit
  without a diagnosis ends the waiting time only, and is no event.
* Death is an event like a visit, and ends the history. There is no lifestyle.
* A rate changes after a visit by a constant factor per year (a Gompertz law), since patients grow
  older, and those who were ill get better. The network predicts one such slope for visits and all
  diseases, and one for death. In Delphi-2M, a rate is constant until the next event.
* The time since the start of follow-up is read, as `forecast` does: what is on record for the first
  time soon after it began earlier.
* Layers are BEHRT's (normalisation after each sum), and the rates start at those of the population.

From top to bottom: the network, its inputs, training and prediction. The objective is in
`behrt.learning.next_events`. In the comments on shapes, R is the number of rows, L their length, H
`hidden`, D the number of diseases and m the number of visits after which the rates are read.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from behrt.errors import InputError
from behrt.learning import engine
from behrt.learning.attention import both, of_patient
from behrt.learning.encoder import (
    Encoder,
    Layer,
    full_precision_linear,
    initialise,
    token_types,
)
from behrt.learning.engine import TrainingRun
from behrt.learning.examples import Examples
from behrt.learning.forecasting import fewest, predict_cuts, write_model_of_task
from behrt.learning.histories import Histories
from behrt.learning.next_events import (
    NEXT,
    NextEvents,
    deaths_of,
    log_rates_of_all,
    next_events,
    slopes_of_all,
    waiting_days,
    years_weighed,
)
from behrt.learning.rate_recalibration import RateRecalibration, fit_rates
from behrt.learning.value_rows import ValueRows
from behrt.learning.visits import DAYS_A_YEAR
from behrt.learning.words import packed_rows, words_of, words_of_cuts
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, SEP
from behrt.settings.behrt import Sizes
from behrt.settings.delphi import Settings
from behrt.settings.training import Optimisation

DAYS_A_MONTH = DAYS_A_YEAR / 12

HIGHEST_PROBABILITY = 1 - 1e-4
"""The share of a disease in the rate of visits can exceed 1, as nothing ties the two."""

STEEPEST = 0.5
"""The largest change of a log rate per year."""

MOST_CUTS = 50_000
"""Visits after which rates are compared with what came, at most."""

DISEASE_ROWS = {"bias": 0, "words.weight": FIRST_DISEASE}
"""The tensors with one row per disease, and the first such row, which a release may erase."""

DISEASE_VECTORS = "words.weight"
"""The tensor whose last rows are the vectors of the words, for a trained folder."""

# --- The network ------------------------------------------------------------------------------


def age_waves(days: Tensor, hidden: int) -> Tensor:
    """Return float32 (…, hidden): sines and cosines of age, as Delphi-2M encodes it.

    They are those of positions (Vaswani et al. 2017) at the age in years.
    """
    rates = torch.exp(torch.arange(0, hidden, 2, device=days.device) * (-math.log(1e4) / hidden))
    angles = (days / DAYS_A_YEAR)[..., None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)


class Delphi(Encoder):
    """Words with ages to the log rates of a visit, of each disease and of death, per year."""

    def __init__(
        self,
        settings: Settings,
        n_diseases: int,
        months: Mapping[str, int | None],
        concepts: Mapping[str, int] | None = None,
    ) -> None:
        """Make a network; `months` are the windows of the tasks, None for the next visit."""
        sizes = Sizes(**settings.model_dump(), age=False, segment=False, position=False)
        super().__init__(sizes, n_diseases, concepts)
        self.n_diseases = n_diseases
        self.months = dict(months)
        self.hidden = settings.hidden
        self.age = nn.Linear(settings.hidden, settings.hidden, bias=False)
        self.sexes = nn.Embedding(3, settings.hidden)
        self.visit_bias = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(n_diseases))
        self.death = nn.Linear(settings.hidden, 1)
        self.slopes = nn.Linear(settings.hidden, 2)
        self.followed = nn.Linear(1, settings.hidden, bias=False)
        self.apply(initialise)
        self.start_copying()

    def start_copying(self) -> None:
        """Set the weights so that a disease on record raises its own rate from the first step.

        Attention starts with the mean of the words that a word sees, and output weights are the
        embeddings. From weights as small as BERT's, this takes many more patients to learn.
        """
        nn.init.normal_(self.words.weight)
        nn.init.normal_(self.sexes.weight)
        nn.init.zeros_(self.death.weight)
        nn.init.zeros_(self.slopes.weight)
        with torch.no_grad():
            self.words.weight[SEP] = 0  # its output is the rate of visits
            for layer in self.layers:
                assert isinstance(layer, Layer)
                nn.init.eye_(layer.query_key_value.weight[-self.hidden :])
                nn.init.eye_(layer.attention_output.weight)

    def vectors(
        self,
        tokens: Tensor,
        ages: Tensor,
        visits: Tensor,
        patients: Tensor,
        read: Tensor,
        days: Tensor,
        spans: Tensor,
        sexes: Tensor,
    ) -> Tensor:
        """Return (m, H), the vectors at the places `read`.

        Args:
            tokens, visits, patients: int32 (R, L), as `packed_rows` returns them.
            ages: not used; they are in months.
            read: int64 (m), places in the rows laid end to end.
            days: int32 (R, L), the age in days.
            spans: int32 (R, L), days since the start of follow-up, at least 0.
            sexes: int32 (R, L), as in `Examples`.
        """
        opening = tokens == CLS
        # No other embedding is on, but that of types if there are other words than diseases.
        hidden = self.embedded(tokens, ages, visits) + self.age(age_waves(days, self.hidden))
        hidden = hidden + self.followed((spans / DAYS_A_YEAR).log1p()[..., None])
        hidden = hidden + opening[..., None] * self.sexes(sexes)
        closing = tokens == SEP

        def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            own, other = visits[row, query], visits[row, key]
            whole = (other == own) & closing[row, query]
            return (other < own) | opening[row, key] | (query == key) | whole

        return self.read_out(hidden, both(of_patient(patients), sees), read)

    def forward(self, task: str | None = None, **words: Tensor) -> Tensor:  # type: ignore[override]
        """Return float32 (m, D + 4), log rates and slopes; or of a task, (m, D), logits.

        The log rates per year are of a visit, of each disease, and of death. The slopes, in
        ±`STEEPEST`, are those per year of the log rates of a visit and each disease, and of death.

        Args:
            task: the name of a task, whose probabilities are returned as logits.
            **words: the arguments of `vectors`.
        """
        embeddings = self.words.weight[: FIRST_DISEASE + self.n_diseases]
        found = full_precision_linear(
            self.vectors(**words) * self.hidden**-0.5,
            torch.cat(
                [
                    embeddings[[SEP]],
                    embeddings[FIRST_DISEASE:],
                    self.death.weight,
                    self.slopes.weight,
                ]
            ),
            torch.cat([self.visit_bias, self.bias, self.death.bias, self.slopes.bias]),
        )
        log_rates, slopes = found[:, :-2], STEEPEST * torch.tanh(found[:, -2:])
        if task is None:
            return torch.cat([log_rates, slopes], 1)
        return self.logits(log_rates[:, :-1], self.months[task], slopes[:, :1])

    @staticmethod
    def logits(log_rates: Tensor, months: int | None, slope: Tensor | float = 0.0) -> Tensor:
        """Return (m, D), logits of the probability of each disease in a window.

        Args:
            log_rates: (m, 1 + D), of a visit and of each disease, per year.
            months: the window, None for the next visit.
            slope: (m, 1), of the log rates, per year.
        """
        if months is None:
            probability = (log_rates[:, 1:] - log_rates[:, :1]).exp()
            return torch.logit(probability.clamp(max=HIGHEST_PROBABILITY))
        expected = log_rates[:, 1:].exp() * years_weighed(torch.as_tensor(slope), months / 12)
        return torch.expm1(expected.clamp(max=50.0)).log()  # the logit of 1 − exp(−expected)


# --- Its inputs -------------------------------------------------------------------------------


def cut_batch(
    settings: Settings,
    examples: Examples,
    rows: np.ndarray,
    visits: np.ndarray,
    patient: np.ndarray,
) -> dict[str, Tensor]:
    """Return the network's arguments for some cuts of the patients at `rows`.

    The arguments are those of `behrt.learning.forecasting.CutBatch`. The age at a visit is that at
    the patient's first visit, which is known in months, and the days since then.
    """
    words, visit, read = words_of_cuts(examples, rows, settings.max_length, visits, patient)
    of_word = np.repeat(rows, np.diff(words.offsets))
    first = examples.visit_offsets[of_word]
    born = examples.visit_day[first] - np.rint(examples.visit_age[first] * DAYS_A_MONTH)
    day = examples.visit_day[visit]
    batch = packed_rows(
        words,
        read,
        days=day - born,
        spans=np.maximum(day - examples.follow_up_start[of_word], 0),
        sexes=examples.sex[of_word],
    )
    return {name: torch.from_numpy(array) for name, array in batch.items()}


# --- Training and prediction ------------------------------------------------------------------


def fit_jointly(
    histories: Histories,
    tuning: Mapping[str, Examples],
    settings: Settings,
    optimisation: Optimisation | None,
    cuts: int | None,
    run: TrainingRun,
) -> None:
    """Train one network on whole histories; write the three files into `run.folder`.

    Args:
        histories: of the training patients, with their deaths.
        tuning: the examples of each task, whose mean score chooses the epoch.
        settings: of the network.
        optimisation: how to train; required.
        cuts: the most visits of a patient, in an epoch, after which it learns what comes next;
            None for all.
        run: where to train; its facts hold the months of each task.

    Raises:
        InputError: `optimisation` or the deaths are missing, or a task has no tuning examples.
    """
    if optimisation is None:
        raise InputError("training", "it is missing", "Kind delphi needs `training`")
    engine.begin(run)
    histories = next_events(histories)
    train = histories.examples
    model = Delphi(settings, train.n_diseases, run.facts["tasks"], train.concepts)
    with torch.no_grad():
        rates = torch.from_numpy(log_rates_of_all(histories))
        model.visit_bias.copy_(rates[:1])
        model.bias.copy_(rates[1:-1])
        model.death.bias.copy_(rates[-1:])
    objective = NextEvents(
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
    """Write the model of one task: the network that `fit_jointly` has trained, and the window.

    Args:
        trained: the network's weights, in a folder with its config.json.
        run: its facts name the task; its folder receives the three files, with the metrics of the
            task after each epoch.

    Raises:
        InputError: `trained` is missing, or the network was not trained for the task.
    """
    write_model_of_task(run, trained, lambda weights: weights)


def load(folder: Path) -> tuple[Delphi, Settings]:
    """Return the network of one task that `take_task` wrote into a folder, and its settings."""
    return engine.load(
        folder,
        Settings,
        lambda own, config: Delphi(
            own,
            config["n_diseases"],
            {config["task"]: config["months"]},
            config.get("concepts"),
        ),
    )


def predict(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return the probabilities, float32 (n, D), of the model in `run.folder`."""
    engine.begin(run)
    model, settings = load(run.folder)
    (task,) = model.months
    return predict_cuts(model, partial(cut_batch, settings), examples, task, run)


def rates(examples: Examples, run: TrainingRun) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates per year after the last visit of each patient, and their slopes.

    The rates are of a visit, of each disease and of death, float32 (n, D + 2); the slopes of the
    log rates, per year, are of a visit and each disease, and of death, float32 (n, 2).
    """
    model, settings = load(run.folder)
    found = engine.outputs(model, partial(_last_cuts, settings), examples, run)
    return np.exp(found[:, :-2]), found[:, -2:]


def recalibrate(histories: Histories, run: TrainingRun) -> RateRecalibration:
    """Return the recalibration of the rates on patients whom the network has not learned from.

    Args:
        histories: of the patients, with their deaths. Of many visits, a part is read.
        run: its folder holds the model.
    """
    followed = next_events(histories)
    cuts = followed.cuts(NEXT)
    cuts = cuts[:: max(1, -(-len(cuts) // MOST_CUTS))]
    examples = followed.cut_after(cuts, NEXT)
    found, slopes = rates(examples, run)
    years = torch.from_numpy(waiting_days(followed)[cuts] / DAYS_A_YEAR)[:, None]
    weighed = years_weighed(torch.from_numpy(slopes).double(), years)
    labels = examples.label_matrix(np.arange(len(examples)))
    events = np.column_stack([labels.any(axis=1), labels, deaths_of(followed)[cuts]])
    return fit_rates(found, slopes_of_all(weighed, found.shape[1]).numpy(), events, examples)


def _last_cuts(
    settings: Settings, examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
) -> dict[str, Tensor]:
    """Return the network's arguments for the cut after the last visit of each patient."""
    last = examples.visit_offsets[rows + 1] - 1
    return cut_batch(settings, examples, rows, last, np.arange(len(rows)))


class _Vectors(nn.Module):
    """A network that returns what its output layer reads."""

    def __init__(self, network: Delphi) -> None:
        super().__init__()
        self.network = network

    def forward(self, **words: Tensor) -> Tensor:
        """Return (m, H)."""
        return self.network.vectors(**words)


def embed(examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, H), the vectors after the last visit of each patient."""
    model, settings = load(run.folder)
    return engine.outputs(_Vectors(model), partial(_last_cuts, settings), examples, run)


def value_rows(settings: Settings, examples: Examples, rows: np.ndarray) -> dict[str, ValueRows]:
    """Return which sexes and types of words the patients at `rows` read."""
    read = {"sexes.weight": ValueRows(rows, examples.sex[rows].astype(np.int64))}
    if examples.concepts:
        words = words_of(examples, rows, settings.max_length, False)
        types = token_types(examples.n_diseases, examples.concepts)[words.tokens]
        read["types.weight"] = ValueRows(np.repeat(rows, np.diff(words.offsets)), types)
    return read
