"""Forecast: nothing later is read, whatever the packing; one training for all tasks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from behrt.errors import InputError
from behrt.learning.artefacts import METRICS, WEIGHTS, read_config
from behrt.learning.examples import Examples
from behrt.learning.forecasting import Forecasting, fewest
from behrt.learning.histories import NO_CUT, Histories
from behrt.learning.on_record import on_record
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.learning.time_scales import between
from behrt.models import forecast
from behrt.models.forecast import AddedOdds, Effects, Forecast, Settings, cut_batch
from behrt.sequences.vocabulary import SEP

Build = Callable[..., Examples]
Patient = tuple[int, list[tuple[int, list[int]]], list[int]]
SMALL = Settings(
    hidden=16, layers=2, heads=2, intermediate=16, hidden_dropout=0.0, attention_dropout=0.0
)
PARTS = ("rotary", "time", "sex", "history", "effects")


def network(settings: Settings, tasks: tuple[str, ...] = ("T1", "T2")) -> Forecast:
    """Return a network with random weights in every part."""
    torch.manual_seed(3)
    model = Forecast(settings, 12, tasks)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.copy_(torch.randn(weights.shape) * (0.02 if "effects" in name else 0.2))
    return model.eval()


def every_cut(examples: Examples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of all patients, and all their visits as cuts."""
    counts = np.diff(examples.visit_offsets)
    patients = np.arange(len(examples))
    return patients, np.arange(counts.sum()), np.repeat(patients, counts)


def logits(model: Forecast, settings: Settings, examples: Examples) -> torch.Tensor:
    """Return (tasks, visits, 12): the logits of all tasks after every visit."""
    with torch.no_grad():
        found: torch.Tensor = model(**cut_batch(settings, examples, *every_cut(examples)))
    return found.view(len(model.heads), -1, 12)


def histories_of(examples: Examples, tasks: tuple[str, ...] = ("T1", "T2", "T3")) -> Histories:
    """Return histories whose labels are the next visit, the next two, and so on."""
    last = np.repeat(examples.visit_offsets[1:], np.diff(examples.visit_offsets))
    visits = np.arange(len(last))
    ends = {
        task: np.where(visits + ahead < last, visits + 1 + ahead, NO_CUT)
        for ahead, task in enumerate(tasks, start=1)
    }
    return Histories(examples, np.zeros(len(examples), dtype=np.int32), ends)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_what_comes_later_changes_nothing_before_it(
    build_examples: Build, draw_patients: Callable[[int, int], list[Patient]], layers: int
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
    settings = SMALL.model_copy(update={"layers": layers})
    model = network(settings)
    one, other = (build_examples(drawn) for drawn in (patients, changed))
    place = np.arange(one.visit_offsets[-1]) - np.repeat(
        one.visit_offsets[:-1], np.diff(one.visit_offsets)
    )
    before, after = logits(model, settings, one), logits(model, settings, other)
    assert torch.equal(before[:, place < 3], after[:, place < 3])
    assert not torch.isclose(before[:, place >= 3], after[:, place >= 3]).all()


def test_a_task_may_have_the_name_of_a_method(build_examples: Build) -> None:
    examples = build_examples([(1, [(10, [1, 4]), (400, [2])], [])])
    tasks = ("half", "keys", "T1")
    found = logits(network(SMALL, tasks), SMALL, examples)
    torch.testing.assert_close(found, logits(network(SMALL, ("a", "b", "c")), SMALL, examples))
    batch = cut_batch(SMALL, examples, *every_cut(examples))
    with torch.no_grad():
        own = network(SMALL, tasks)(**batch, task="half")
    torch.testing.assert_close(own, found[0])


def test_order_within_a_visit_does_not_matter(build_examples: Build) -> None:
    visits = [(10, [1, 4, 7]), (400, [2, 4]), (900, [0, 3, 5])]
    turned = [(day, codes[::-1]) for day, codes in visits]
    one, other = (build_examples([(1, history, [])]) for history in (visits, turned))
    model = network(SMALL)
    torch.testing.assert_close(
        logits(model, SMALL, one), logits(model, SMALL, other), rtol=1e-4, atol=1e-5
    )


def test_packed_patients_are_predicted_as_each_of_them(
    build_examples: Build, draw_patients: Callable[[int, int], list[Patient]]
) -> None:
    patients = draw_patients(20, 2)
    model = network(SMALL)
    together = logits(model, SMALL, build_examples(patients))
    each = [logits(model, SMALL, build_examples([patient])) for patient in patients]
    torch.testing.assert_close(together, torch.cat(each, 1), rtol=1e-4, atol=1e-5)


def test_a_cut_is_predicted_as_if_the_history_ended_there(
    build_examples: Build, draw_patients: Callable[[int, int], list[Patient]]
) -> None:
    whole = build_examples(draw_patients(10, 3))
    histories = histories_of(whole)
    cuts = histories.cuts("T1")
    ended = histories.cut_after(cuts, "T1")
    model, rows = network(SMALL), np.arange(len(ended))
    batch = cut_batch(SMALL, ended, rows, ended.visit_offsets[1:] - 1, rows)
    with torch.no_grad():
        alone = model(**batch, task="T2")
    torch.testing.assert_close(alone, logits(model, SMALL, whole)[1, cuts], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_left_out_and_changes_the_prediction(
    build_examples: Build, draw_patients: Callable[[int, int], list[Patient]], part: str
) -> None:
    examples = build_examples(draw_patients(5, 4))
    without = SMALL.model_copy(update={part: False})
    model, lesser = network(SMALL), network(without)
    lesser.load_state_dict(
        {name: model.state_dict()[name] for name in lesser.state_dict()}, strict=True
    )
    before, after = logits(model, SMALL, examples), logits(lesser, without, examples)
    assert not torch.isclose(before, after).all()


def test_what_is_on_record_by_hand(build_examples: Build) -> None:
    examples = build_examples([(1, [(5, [9])], []), (2, [(10, [3, 5]), (40, [5]), (100, [1])], [])])
    found = on_record(examples, np.array([0, 1, 1]), np.array([0, 2, 3])).arrays()
    assert {name: array.tolist() for name, array in found.items()} == {
        "cut": [0, 1, 1, 2, 2, 2],
        "word": [9, 3, 5, 1, 3, 5],
        "visits_with": [1, 1, 2, 1, 1, 2],
        "since_first": [0, 30, 30, 0, 90, 90],
        "since_last": [0, 30, 0, 0, 90, 60],
    }


def test_effects_add_odds_by_hand() -> None:
    """Of three diseases, 0 and 2 are on record, 6 and 24 months ago: knots 3 and 5."""
    effects = Effects(3, 3)
    for table in effects.parameters():
        table.requires_grad_(False).copy_(torch.randn(table.shape) / 50)
    lags = between(torch.tensor([6.0, 24.0]), forecast.MONTHS)
    added = effects(torch.tensor([0, 0]), torch.tensor([0, 2]), lags, 1)
    pairs = effects.pairs.weight.view(3, 3)
    for caused in range(3):
        changes = [
            pairs[disease, caused]
            + effects.recorded.weight[disease, knot]
            + effects.caused.weight[caused, knot]
            for disease, knot in ((0, 3), (2, 5))
        ]
        odds = sum(
            torch.exp(forecast.LEAST_EFFECT + forecast.EFFECT_STEPS * change) for change in changes
        )
        assert float(added[0, caused]) == pytest.approx(float(odds), rel=1e-4)


@pytest.mark.parametrize("at_once", [2, 256])
def test_gradients_of_added_odds_are_those_of_their_sum(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many records fit the cache; one cut has no record."""
    monkeypatch.setattr(forecast, "RECORDS_AT_ONCE", at_once)
    torch.manual_seed(0)
    cut, word = torch.tensor([0, 0, 2, 2, 2]), torch.tensor([1, 3, 0, 1, 3])
    pairs, of_record, caused = (
        torch.rand(size, dtype=torch.float64, requires_grad=True)
        for size in ((4, 3), (5, 2), (2, 3))
    )
    assert torch.autograd.gradcheck(
        lambda *given: AddedOdds.apply(cut, word, *given, 3), (pairs, of_record, caused)
    )
    odds = pairs[word] * (of_record @ caused)
    expected = torch.stack([odds[cut == one].sum(0) for one in range(3)])
    torch.testing.assert_close(AddedOdds.apply(cut, word, pairs, of_record, caused, 3), expected)


def test_the_first_prediction_is_the_share_of_labels(build_examples: Build) -> None:
    """Among all cuts, and for a disease on record among those that have it."""
    examples = build_examples(
        [
            (1, [(0, [0]), (9, [0])], []),
            (2, [(0, [1]), (9, [0])], []),
            (1, [(0, [1]), (9, [2])], []),
        ]
    )
    histories = histories_of(examples, ("T1",))
    train = histories.cut_after(histories.latest_cuts("T1"), "T1")
    model = Forecast(SMALL.model_copy(update={"effects": False}), 12, ["T1"])
    model.heads["T1"].start(train)  # type: ignore[operator]
    risks = torch.sigmoid(logits(model, SMALL, train))[0]
    assert risks[1].tolist()[0] == pytest.approx(2 / 3, abs=1e-4)
    assert risks[0].tolist()[0] == pytest.approx((1 + 2 / 3) / 2, abs=1e-4)


@pytest.fixture
def objective(
    build_examples: Build, draw_patients: Callable[[int, int], list[Patient]]
) -> Forecasting:
    histories = histories_of(build_examples(draw_patients(40, 5))).with_cuts()
    train = histories.examples
    return Forecasting(train, train, None, histories=histories, tuning_of={}, cuts=3, max_length=12)  # type: ignore[arg-type]


def test_drawn_cuts_are_few_count_and_fit(objective: Forecasting) -> None:
    train, rows = objective.train, np.arange(len(objective.train))
    visits, patient = objective.drawn(rows, np.random.default_rng(1))
    starts, ends = train.visit_offsets[rows][patient], train.visit_offsets[rows + 1][patient]
    assert ((visits >= starts) & (visits < ends - 1)).all()  # the last visit has no label
    assert set(patient) == set(rows)
    assert np.bincount(patient).max() == 3
    assert (np.diff(visits) > 0).all()
    other, _ = objective.drawn(rows, np.random.default_rng(2))
    assert not np.array_equal(visits, other)
    # Each is read at its own SEP, so all words from there to the patient's last cut fit.
    batch = cut_batch(SMALL.model_copy(update={"max_length": 12}), train, rows, visits, patient)
    tokens = batch["tokens"].flatten()[batch["read"]]
    days = batch["days"].flatten()[batch["read"]]
    assert set(tokens.tolist()) == {SEP}
    assert days.tolist() == train.visit_day[visits].tolist()


def test_batches_hold_every_patient_once_and_similar_lengths(objective: Forecasting) -> None:
    order = objective.order(8, np.random.default_rng(1))
    assert sorted(order) == list(range(len(objective.train)))
    sizes = np.diff(objective.train.code_offsets[objective.train.visit_offsets])[order]
    spread = [np.ptp(sizes[start : start + 8]) for start in range(0, len(order) - 8, 8)]
    assert np.mean(spread) < np.ptp(sizes) / 3


def test_labels_are_the_diseases_of_the_visits_up_to_the_end(objective: Forecasting) -> None:
    histories = objective.histories
    for task in ("T1", "T2"):
        cuts = histories.cuts(task)
        found = objective.labels(cuts, histories.label_ends[task][cuts]).numpy().astype(bool)
        expected = histories.cut_after(cuts, task).label_matrix(np.arange(len(cuts)))
        assert np.array_equal(found, expected)


# --- Training ---------------------------------------------------------------------------------

TRAINING = Optimisation(epochs=3, batch_size=16, learning_rate=0.01)
FACTS = {"kind": "forecast", "tasks": dict.fromkeys(["T1", "T2", "T3", "T4"])}


def train(build_examples: Build, draw_patients: Callable[..., list[Patient]], run: TrainingRun):
    tasks = ("T1", "T2", "T3", "T4")
    histories = histories_of(build_examples(draw_patients(120, 6)), tasks)
    chosen = histories_of(build_examples(draw_patients(60, 7)), tasks)
    tuning = {task: chosen.cut_after(chosen.latest_cuts(task), task) for task in tasks}
    forecast.fit_jointly(histories, tuning, SMALL, TRAINING, 8, run)
    return tuning


def run_in(folder: Path, **facts: object) -> TrainingRun:
    compute = Compute(1, precision="32-true")
    return TrainingRun(folder, compute, checkpoint_seconds=0, facts={**FACTS, **facts})


def test_one_training_gives_the_model_of_each_task(
    build_examples: Build, draw_patients: Callable[[int, int], list[Patient]], tmp_path: Path
) -> None:
    tuning = train(build_examples, draw_patients, run_in(tmp_path / "joint"))
    everything = read_config(tmp_path / "joint")
    for task in ("T1", "T4"):
        folder = tmp_path / task
        run = run_in(folder, task=task)
        forecast.take_task(tmp_path / "joint" / WEIGHTS, run)
        lines = (folder / METRICS).read_text().splitlines()
        assert len(lines) == 3
        assert read_config(folder)["epoch"] == everything["epoch"]
        scores = forecast.predict(tuning[task], run)
        assert scores.shape == (len(tuning[task]), 12)
        assert scores.dtype == np.float32
        model, _ = forecast.load(folder)
        assert {name.split(".")[1] for name in model.state_dict() if "heads" in name} == {"task"}
        labels = tuning[task].label_matrix(np.arange(len(scores)))
        assert scores[labels].mean() > 1.5 * scores[~labels].mean()
    run, weights = run_in(tmp_path / "T9", task="T9"), tmp_path / "joint" / WEIGHTS
    with pytest.raises(InputError, match="not trained for T9"):
        forecast.take_task(weights, run)


def test_an_interrupted_training_ends_with_the_same_bytes(
    build_examples: Build,
    draw_patients: Callable[[int, int], list[Patient]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train(build_examples, draw_patients, run_in(tmp_path / "whole"))
    loss, calls = Forecasting.loss, 0

    def stop(*arguments: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 11:  # in the second epoch
            raise KeyboardInterrupt
        return loss(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Forecasting, "loss", stop)
        with pytest.raises(KeyboardInterrupt):
            train(build_examples, draw_patients, run_in(tmp_path / "parts"))
    assert (tmp_path / "parts" / "checkpoint.pt").is_file()
    train(build_examples, draw_patients, run_in(tmp_path / "parts"))
    for path in sorted((tmp_path / "whole").iterdir()):
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes(), path.name


def test_a_task_without_a_cut_is_refused(
    build_examples: Build, draw_patients: Callable[[int, int], list[Patient]]
) -> None:
    histories = histories_of(build_examples(draw_patients(9, 8)), ("T1",))
    nothing = {"T1": np.full_like(histories.label_ends["T1"], NO_CUT)}
    with pytest.raises(InputError, match="nothing can be predicted"):
        Histories(histories.examples, histories.follow_up_end, nothing).with_cuts()


def test_the_task_with_the_fewest_tuning_patients_decides_whether_a_log_may_show_metrics(
    build_examples: Build, draw_patients: Callable[[int, int], list[Patient]], tmp_path: Path
) -> None:
    """With no such patient, training is refused, whatever the other tasks have."""
    examples = build_examples(draw_patients(20, 9))
    histories = histories_of(examples, ("T1", "T2"))
    tuning = {"T1": examples, "T2": examples.select(np.arange(3)), "T3": examples}
    assert fewest(tuning) is tuning["T2"]
    tuning = {"T1": examples, "T2": examples.select(np.arange(0))}
    with pytest.raises(InputError, match="tuning examples: there are none"):
        forecast.fit_jointly(histories, tuning, SMALL, TRAINING, None, run_in(tmp_path))
