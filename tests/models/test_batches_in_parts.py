"""The contributions of the parts of a batch add up to the loss of the whole, for every objective.

So a batch may be computed part by part, and by several processes.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from behrt.learning.engine import Classification, Objective
from behrt.learning.examples import Examples
from behrt.learning.forecasting import Forecasting
from behrt.learning.histories import NO_CUT, Histories
from behrt.learning.masked_language import MaskedLanguage
from behrt.learning.micro_batches import parts_of
from behrt.learning.next_events import NEXT, NextEvents, next_events
from behrt.learning.next_visit import NextVisit
from behrt.learning.outcomes import OutcomeExamples
from behrt.models import behrt, deepr, delphi, forecast
from behrt.outcome_models import behrt as outcome_behrt
from behrt.settings.behrt import Masking, Settings
from behrt.settings.delphi import Settings as DelphiSettings
from behrt.settings.forecast import Settings as ForecastSettings

SIZES = {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 16, "max_length": 24}
N_DISEASES = 12

Given = tuple[Objective, nn.Module]


def masked(examples: Examples) -> Given:
    settings = Settings(**SIZES, readout="mask")
    objective = MaskedLanguage(
        examples, examples, behrt._collate(settings), 24, Masking(mask=0.3, random=0.1), seed=1
    )
    return objective, behrt.Behrt(settings, N_DISEASES)


def next_visit(examples: Examples) -> Given:
    settings = Settings(**SIZES, readout="mask")
    objective = NextVisit(examples, examples, behrt._collate(settings), max_length=24)
    return objective, behrt.Behrt(settings, N_DISEASES)


def classification(examples: Examples) -> Given:
    settings = Settings(**SIZES)
    objective = Classification(examples, examples, behrt._collate(settings))
    return objective, behrt.Behrt(settings, N_DISEASES)


def words_in_random_order(examples: Examples) -> Given:
    settings = deepr.Settings(embedding_size=4, filters=4, sex_size=2, minimum_uses=1)
    network = deepr.Deepr(settings, N_DISEASES, N_DISEASES)
    network.prepare(examples)
    nn.init.normal_(network.classifier.weight)
    collate = partial(deepr.collate, settings)
    return Classification(examples, examples, collate, draws=True), network


def histories_of(examples: Examples) -> Histories:
    """Return histories with two tasks, of which the second has a cut after some visits only."""
    last = np.repeat(examples.visit_offsets[1:], np.diff(examples.visit_offsets))
    visits = np.arange(len(last))
    some = np.where((visits % 3 == 0) | (visits + 1 == last), last, NO_CUT)
    follow_up_end = examples.visit_day[examples.visit_offsets[1:] - 1] + 99
    died = np.arange(len(examples)) % 3 == 0
    return Histories(examples, follow_up_end, {"all": last, "some": some}, died)


def forecasting(examples: Examples) -> Given:
    settings = ForecastSettings(**SIZES)
    objective = Forecasting(
        examples,
        examples,
        partial(forecast.cut_batch, settings),
        histories=histories_of(examples),
        tuning_of={},
        cuts=2,
        max_length=24,
    )
    return objective, forecast.Forecast(settings, N_DISEASES, ["all", "some"])


def next_events_and_deaths(examples: Examples) -> Given:
    settings = DelphiSettings(**SIZES)
    objective = NextEvents(
        examples,
        examples,
        partial(delphi.cut_batch, settings),
        histories=next_events(histories_of(examples)),
        tuning_of={},
        cuts=3,
        max_length=24,
    )
    assert NEXT in objective.histories.label_ends
    return objective, delphi.Delphi(settings, N_DISEASES, {"T": 6})


def outcome(examples: Examples) -> Given:
    settings = Settings(**SIZES, readout="mask")
    last = examples.visit_day[examples.visit_offsets[1:] - 1]
    rows = np.arange(len(examples))
    learned = OutcomeExamples(
        examples, last.astype("datetime64[D]"), rows % 2 == 0, 1 + rows % 4, rows.astype(str)
    )
    collate = outcome_behrt.collate_of(settings, learned)
    objective = outcome_behrt.Event(examples, examples, collate, learned, learned, collate)
    network = outcome_behrt.OutcomeNetwork(settings, N_DISEASES)
    nn.init.normal_(network.event.weight)
    return objective, network


OBJECTIVES = [
    masked,
    next_visit,
    classification,
    words_in_random_order,
    forecasting,
    next_events_and_deaths,
    outcome,
]


@pytest.mark.parametrize("made", OBJECTIVES, ids=lambda made: made.__name__)
def test_parts_add_up_to_the_whole(
    made: Callable[[Examples], Given],
    build_examples: Callable[..., Examples],
    draw_patients: Callable[[int, int], list[object]],
) -> None:
    torch.manual_seed(3)
    objective, model = made(build_examples(draw_patients(31, 4)))
    model.eval()
    rows = np.random.default_rng(2).permutation(31)[:23]

    def computed(size: int | None) -> tuple[float, list[torch.Tensor]]:
        model.zero_grad()
        total = 0.0
        for part in parts_of(slice(0, len(rows)), size):
            loss = objective.loss(model, objective.batch(rows, part, np.random.default_rng(5)))
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total, [
            weight.grad.clone() for weight in model.parameters() if weight.grad is not None
        ]

    loss, gradients = computed(None)
    assert any(gradient.abs().max() > 0 for gradient in gradients)
    for size in (12, 5, 1):
        found, of_parts = computed(size)
        assert found == pytest.approx(loss, rel=1e-4)
        for expected, gradient in zip(gradients, of_parts, strict=True):
            torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-5)
