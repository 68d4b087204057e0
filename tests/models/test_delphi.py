"""Delphi: rates depend on the past only, their likelihood by hand, and the risks in windows."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from behrt.errors import InputError
from behrt.learning.artefacts import METRICS, WEIGHTS, read_config
from behrt.learning.examples import Examples
from behrt.learning.histories import Histories
from behrt.learning.next_events import (
    NextEvents,
    expected_events,
    negative_log_likelihood,
    next_events,
    waiting_days,
    years_weighed,
)
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.models import delphi
from behrt.models.delphi import Delphi, cut_batch
from behrt.settings.delphi import Settings

Build = Callable[..., Examples]
Patient = tuple[int, list[tuple[int, list[int]]], list[int]]
Draw = Callable[[int, int], list[Patient]]
SMALL = Settings(
    hidden=16, layers=2, heads=2, intermediate=16, hidden_dropout=0.0, attention_dropout=0.0
)
TASKS = {"T1": None, "T2": 6, "T3": 12}


def network(settings: Settings = SMALL) -> Delphi:
    """Return a network with random weights in every part."""
    torch.manual_seed(3)
    model = Delphi(settings, 12, TASKS)
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(torch.randn(weights.shape) * 0.3)
    return model.eval()


def log_rates(examples: Examples, settings: Settings = SMALL) -> torch.Tensor:
    """Return (visits, 16): the log rates and slopes after every visit."""
    counts, patients = np.diff(examples.visit_offsets), np.arange(len(examples))
    visits, patient = np.arange(counts.sum()), np.repeat(patients, counts)
    with torch.no_grad():
        found: torch.Tensor = network(settings)(
            **cut_batch(settings, examples, patients, visits, patient)
        )
    return found


def histories_of(examples: Examples, followed: int = 0, died: bool = False) -> Histories:
    """Return histories whose follow-up ends so many days after the last visit, or all by death."""
    end = examples.visit_day[examples.visit_offsets[1:] - 1] + followed
    return Histories(examples, end.astype(np.int32), {}, np.full(len(examples), died))


def test_what_comes_later_changes_nothing_before_it(
    build_examples: Build, draw_patients: Draw
) -> None:
    """To the bit: other diseases, as many of them, on other days."""
    patients = draw_patients(12, 1)
    changed = [
        (
            sex,
            [
                (day, codes) if place < 3 else (day + 999, [(code + 1) % 9 for code in codes])
                for place, (day, codes) in enumerate(history)
            ],
            labels,
        )
        for sex, history, labels in patients
    ]
    one, other = (build_examples(drawn) for drawn in (patients, changed))
    place = np.arange(one.visit_offsets[-1]) - np.repeat(
        one.visit_offsets[:-1], np.diff(one.visit_offsets)
    )
    before, after = log_rates(one), log_rates(other)
    assert torch.equal(before[place < 3], after[place < 3])
    assert not torch.isclose(before[place >= 3], after[place >= 3]).all()


def test_order_within_a_visit_does_not_matter(build_examples: Build) -> None:
    visits = [(10, [1, 4, 7]), (400, [2, 4]), (900, [0, 3, 5])]
    turned = [(day, codes[::-1]) for day, codes in visits]
    one, other = (build_examples([(1, history, [])]) for history in (visits, turned))
    torch.testing.assert_close(log_rates(one), log_rates(other), rtol=1e-4, atol=1e-5)


def test_diseases_of_one_visit_do_not_see_each_other(build_examples: Build) -> None:
    """The vector of a disease depends on earlier visits and sex, not on the rest of its visit."""
    model = network()

    def vector(sex: int, *visits: tuple[int, list[int]]) -> torch.Tensor:
        """Return the vector of the first disease of the last visit."""
        examples = build_examples([(sex, list(visits), [])])
        last, one = examples.visit_offsets[1:] - 1, np.array([0])
        batch = cut_batch(SMALL, examples, one, last, one)
        batch["read"] -= len(visits[-1][1])
        places: list[torch.Tensor] = []
        handle = model.layers[-1].register_forward_hook(lambda *hook: places.append(hook[2]))
        with torch.no_grad():
            model(**batch)
        handle.remove()
        return places[0]

    alone = vector(1, (10, [1, 2]), (90, [3, 4]))
    torch.testing.assert_close(alone, vector(1, (10, [1, 2]), (90, [3, 5])), rtol=1e-4, atol=1e-5)
    for other in (
        vector(1, (10, [1, 6]), (90, [3, 4])),
        vector(1, (30, [1, 2]), (90, [3, 4])),
        vector(2, (10, [1, 2]), (90, [3, 4])),
    ):
        assert not torch.isclose(alone, other).all()


def test_packed_patients_are_predicted_as_each_of_them(
    build_examples: Build, draw_patients: Draw
) -> None:
    patients = draw_patients(20, 2)
    each = [log_rates(build_examples([patient])) for patient in patients]
    together = log_rates(build_examples(patients))
    torch.testing.assert_close(together, torch.cat(each), rtol=1e-4, atol=1e-5)


def test_a_network_starts_by_raising_the_rates_of_diseases_on_record(
    build_examples: Build, draw_patients: Draw
) -> None:
    torch.manual_seed(1)
    settings = Settings(hidden=64, layers=2, heads=4)
    model, examples = Delphi(settings, 12, TASKS), build_examples(draw_patients(50, 1))
    rows, last = np.arange(50), examples.visit_offsets[1:] - 1
    with torch.no_grad():
        found = model.eval()(**cut_batch(settings, examples, rows, last, rows))[:, 1:-3].numpy()
    known = examples.known_matrix(rows)
    assert found[known].mean() > found[~known].mean() + 0.5


# --- The likelihood ---------------------------------------------------------------------------


@pytest.mark.parametrize("died", [False, True])
def test_the_loss_of_two_visits_by_hand(build_examples: Build, died: bool) -> None:
    """After visit 1, diseases 3 and 5 come after 73 days; after visit 2 follow-up or life ends."""
    examples = build_examples([(1, [(0, [1]), (73, [3, 5])], [])])
    histories = next_events(histories_of(examples, 365, died))
    objective = NextEvents(
        histories.examples,
        histories.examples,
        lambda *drawn: {},
        histories=histories,
        tuning_of={},
        cuts=None,
        max_length=99,
    )
    rates = torch.linspace(0.1, 1.4, 14)  # a visit, 12 diseases and death, per year
    loss = objective.loss(
        lambda: F.pad(rates.log(), (0, 2)).repeat(2, 1),  # type: ignore[arg-type]
        objective.batch(np.array([0]), slice(0, 1), np.random.default_rng(1)),
    )
    total, years = float(rates.sum()), np.array([73, 365]) / 365.25
    events = np.log([0.1, 0.1 + 4 * 0.1, 0.1 + 6 * 0.1]).sum() + died * np.log(1.4)
    assert float(loss) == pytest.approx((total * years.sum() - events) / 2, rel=1e-5)


def test_the_most_likely_rate_is_events_per_time_also_where_follow_up_ends() -> None:
    years, events = torch.tensor([0.5, 2.0, 1.5]), torch.tensor([[1.0], [1.0], [0.0]])
    rates = torch.linspace(0.1, 1, 91)
    likelihoods = [
        negative_log_likelihood(F.pad(rate.log().expand(3, 1), (0, 2)), events, years).sum()
        for rate in rates
    ]
    assert float(rates[int(np.argmin(likelihoods))]) == pytest.approx(2 / 4)


def test_rates_change_by_a_factor_per_year() -> None:
    """Expected events are those of an integral, and the event counts with its rate at its time."""
    found = torch.tensor([[np.log(0.4), np.log(0.3), np.log(0.1), -0.2, 0.3]], dtype=torch.float64)
    years, times = torch.tensor([3.0], dtype=torch.float64), np.linspace(0, 3, 20_001)
    expected = [
        np.trapezoid(rate * np.exp(slope * times), times)
        for rate, slope in ((0.4, -0.2), (0.3, -0.2), (0.1, 0.3))
    ]
    assert expected_events(found, years)[0].tolist() == pytest.approx(expected, rel=1e-6)
    events = torch.tensor([[1.0, 1.0, 0.0]])
    by_hand = sum(expected) - np.log(0.4) - np.log(0.3) + 2 * 0.2 * 3
    assert float(negative_log_likelihood(found, events, years)) == pytest.approx(by_hand, rel=1e-6)
    flat = years_weighed(torch.tensor([1e-5, 0.0, 1e-2]), 2.0)
    assert flat.tolist() == pytest.approx([2.00002, 2.0, np.expm1(0.02) / 0.01], rel=1e-5)


def test_nothing_beyond_the_end_of_follow_up_is_waited_for(build_examples: Build) -> None:
    examples = build_examples([(1, [(5, [1]), (40, [2])], []), (2, [(10, [3])], [])])
    histories = next_events(Histories(examples, np.array([100, 10], dtype=np.int32), {}))
    assert waiting_days(histories).tolist() == [35, 60, 0]
    visits = np.arange(3)
    ends = histories.label_ends["next"] - (visits + 1)
    assert ends.tolist() == [1, 0, 0]  # visits in the label


# --- Risks ------------------------------------------------------------------------------------


def test_the_risk_in_a_window_rises_with_its_length_and_is_that_of_an_exponential_time() -> None:
    found = torch.tensor([[0.2, -9.0, -0.5, 2.0, 9.0]])
    risks = [torch.sigmoid(Delphi.logits(found, months))[0].double() for months in (1, 6, 12, 120)]
    expected = [
        1 - np.exp(-np.exp(found[0, 1:3].double().numpy()) * months / 12) for months in (6, 12)
    ]
    for risk, by_hand in zip(risks[1:3], expected, strict=True):
        assert risk[:2].tolist() == pytest.approx(by_hand.tolist(), rel=1e-4)
    for shorter, longer in pairwise(risks):
        assert (shorter <= longer).all()
        assert (shorter[:2] < longer[:2]).all()


def test_the_probability_at_the_next_visit_is_the_share_of_its_rate() -> None:
    found = torch.tensor([[np.log(4.0), np.log(1.0), np.log(5.0)]])
    risks = torch.sigmoid(Delphi.logits(found, None))[0].tolist()
    assert risks == pytest.approx([0.25, delphi.HIGHEST_PROBABILITY], abs=1e-6)


# --- Training ---------------------------------------------------------------------------------

TRAINING = Optimisation(epochs=3, batch_size=16, learning_rate=0.01)


def run_in(folder: Path, **facts: object) -> TrainingRun:
    compute = Compute(1, precision="32-true")
    facts = {"kind": "delphi", "tasks": TASKS, **facts}
    return TrainingRun(folder, compute, checkpoint_seconds=0, facts=facts)


def train(build_examples: Build, draw_patients: Draw, run: TrainingRun) -> dict[str, Examples]:
    examples = build_examples(draw_patients(80, 7))
    diseases = np.bincount(examples.codes, minlength=12)
    assert diseases[9:].sum() == 0  # labels that never occur in histories
    labels = replace(examples, labels=examples.labels % 8)
    tuning = dict.fromkeys(TASKS, labels)
    delphi.fit_jointly(
        histories_of(build_examples(draw_patients(120, 6)), 99), tuning, SMALL, TRAINING, 8, run
    )
    return tuning


def test_one_training_gives_the_model_of_each_task(
    build_examples: Build, draw_patients: Draw, tmp_path: Path
) -> None:
    tuning = train(build_examples, draw_patients, run_in(tmp_path / "joint"))
    losses = [
        json.loads(line)["train_loss"]
        for line in (tmp_path / "joint" / METRICS).read_text().splitlines()
    ]
    assert losses[-1] < losses[0] - 0.1
    weights, risks = tmp_path / "joint" / WEIGHTS, {}
    for task, months in TASKS.items():
        run = run_in(tmp_path / task, task=task)
        delphi.take_task(weights, run)
        assert (tmp_path / task / WEIGHTS).read_bytes() == weights.read_bytes()
        assert read_config(tmp_path / task)["months"] == months
        risks[task] = delphi.predict(tuning[task], run)
        assert risks[task].dtype == np.float32
    assert (risks["T2"] < risks["T3"]).all()
    run = run_in(tmp_path / "T9", task="T9")
    with pytest.raises(InputError, match="not trained for T9"):
        delphi.take_task(weights, run)


def test_an_interrupted_training_ends_with_the_same_bytes(
    build_examples: Build, draw_patients: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(build_examples, draw_patients, run_in(tmp_path / "whole"))
    loss, calls = NextEvents.loss, 0

    def stop(*arguments: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 11:  # in the second epoch
            raise KeyboardInterrupt
        return loss(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(NextEvents, "loss", stop)
        with pytest.raises(KeyboardInterrupt):
            train(build_examples, draw_patients, run_in(tmp_path / "parts"))
    assert (tmp_path / "parts" / "checkpoint.pt").is_file()
    train(build_examples, draw_patients, run_in(tmp_path / "parts"))
    for path in sorted((tmp_path / "whole").iterdir()):
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes(), path.name
