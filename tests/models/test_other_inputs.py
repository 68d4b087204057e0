"""Every kind of model with words of other inputs, all of them and some of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from behrt.learning.encoder import token_types
from behrt.learning.examples import Examples
from behrt.learning.histories import NO_CUT, Histories
from behrt.learning.masked_language import MaskedLanguage
from behrt.learning.run import Compute, Optimisation, TrainingRun, read_settings
from behrt.models import behrt, forecast, model_named
from behrt.sequences.vocabulary import FIRST_DISEASE, MASK
from behrt.settings.behrt import Masking

Build = Callable[..., Examples]
Patient = tuple[int, list[tuple[int, list[int]]], list[int]]
N, CONCEPTS = 12, {"medications": 3, "tests": 2}
DIAGNOSES = ["diagnoses"]
SIZES = {"hidden": 8, "layers": 1, "heads": 2, "intermediate": 8}
ONE = Optimisation(epochs=1, batch_size=16, learning_rate=0.01)
KINDS: dict[str, tuple[dict[str, Any], Optimisation | None]] = {
    "behrt": ({**SIZES, "readout": "cls"}, ONE),
    "deepr": ({"embedding_size": 4, "filters": 4, "minimum_uses": 1}, ONE),
    "retain": ({"embedding_size": 4, "hidden_size": 4}, ONE),
    "doctor_ai": ({"embedding_size": 4, "hidden_size": 4}, ONE),
    "deepcare": ({"embedding_size": 4, "hidden_size": 4, "inner_size": 4}, ONE),
    "lightgbm": ({"trees": 3, "minimum_patients": 5, "minimum_labels": 5, "times": True}, None),
    "logistic_regression": ({"penalties": [1], "times": True}, None),
    "bag_of_words": ({"penalties": [1]}, None),
    "skip_gram": ({"size": 4, "penalties": [1], "epochs": 1}, None),
    "boltzmann_machine": ({"hidden": 4, "penalties": [1], "epochs": 1}, None),
    "deep_patient": ({"hidden": 4, "layers": 1, "epochs": 1, "penalties": [1]}, None),
}


def drawn(patients: int, seed: int) -> list[Patient]:
    """Return patients of whom only a test (word 15) shows disease 9; a fifth of the visits is of
    other words only.
    """
    random = np.random.default_rng(seed)
    found: list[Patient] = []
    for _ in range(patients):
        has_it = bool(random.random() < 0.5)
        days = np.cumsum(random.integers(1, 200, random.integers(3, 8)))
        visits = []
        for place, day in enumerate(days.tolist()):
            codes = {int(random.integers(N, N + 3))} if random.random() < 0.4 else set()
            if place == 0 or random.random() > 0.2:
                codes.add(int(random.integers(8)))
            if has_it and place == 1:
                codes.add(15)
            visits.append((day, sorted(codes or {16})))
        found.append((1, visits, [9 if has_it else 10]))
    return found


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return drawn(100, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_reads_words_of_other_inputs(
    kind: str, build_examples: Build, patients: list[Patient], tmp_path: Path
) -> None:
    """Or some of them, also of patients who end with an empty visit, or have no other."""
    settings, optimisation = KINDS[kind]
    model = model_named(kind)
    facts = {"kind": kind, "task": "T2", "concepts": CONCEPTS}
    run = TrainingRun(tmp_path, Compute(3, precision="32-true"), facts=facts)
    only_tests: Patient = (1, [(10, [15]), (20, [15, 16])], [9])
    train = build_examples([only_tests, *patients], N, CONCEPTS)
    found = []
    for inputs in (DIAGNOSES, None):
        given = train.only(inputs)
        model.fit(given, given, read_settings(model.Settings, settings), optimisation, None, run)
        found.append(model.predict(given, run))
    # What the last model predicts without the words that it has learned to read.
    found.append(model.predict(train.only(DIAGNOSES), run))
    for scores in found:
        assert scores.shape == (len(train), N)
        assert np.isfinite(scores).all()
    assert not np.array_equal(found[1], found[2])


def test_pretraining_predicts_every_word_and_a_classifier_starts_from_it(
    build_examples: Build, patients: list[Patient], tmp_path: Path
) -> None:
    train = build_examples(patients, N, CONCEPTS)
    settings = read_settings(behrt.Settings, {**SIZES, "readout": "mask"})
    facts = {"kind": "behrt", "concepts": CONCEPTS}
    folder = tmp_path / "mlm"
    run = TrainingRun(folder, Compute(3, precision="32-true"), facts=facts)
    behrt.pretrain(train, train, settings, Masking(), ONE, run)
    pretrained, _ = behrt.load(folder)
    assert len(pretrained.output_bias) == N + 5
    assert pretrained.encoder.types is not None
    for readout in ("mask", "cls"):
        of_task = TrainingRun(
            tmp_path / readout, Compute(3, precision="32-true"), facts={**facts, "task": "T2"}
        )
        own = settings.model_copy(update={"readout": readout})
        behrt.fit(train, train, own, ONE, folder / "model.safetensors", of_task)
        assert behrt.predict(train, of_task).shape == (len(train), N)
        config = json.loads((of_task.folder / "config.json").read_text(encoding="utf-8"))
        assert (config["n_diseases"], config["concepts"]) == (N, CONCEPTS)


@pytest.mark.parametrize(("inputs", "last"), [(DIAGNOSES, N), (["diagnoses", "tests"], N + 5)])
def test_pretraining_replaces_words_by_words_that_are_read(
    build_examples: Build, patients: list[Patient], inputs: list[str], last: int
) -> None:
    given = build_examples(patients, N, CONCEPTS).only(inputs, keep_last=False)
    masking = Masking(mask=0, random=1)
    objective = MaskedLanguage(given, given, lambda *_: {}, 100, masking, seed=3)
    everyone = slice(0, len(given))
    batch, *_ = objective.batch(np.arange(len(given)), everyone, np.random.default_rng(3))
    drawn = np.unique(batch["tokens"]) - FIRST_DISEASE
    assert drawn[drawn >= 0].tolist() == [*range(N), *range(N + 3, last)]


def test_the_type_of_a_word_is_added_to_its_embedding(build_examples: Build) -> None:
    settings = read_settings(behrt.Settings, SIZES)
    model = behrt.Behrt(settings, N, concepts=CONCEPTS).eval()
    assert model.encoder.types is not None
    plain = behrt.Behrt(settings, N + 5).eval()
    assert plain.encoder.types is None
    weights = {name: value for name, value in model.state_dict().items() if "types" not in name}
    with torch.no_grad():
        types = model.encoder.types.weight[torch.from_numpy(token_types(N, CONCEPTS))]
        weights["encoder.words.weight"] = weights["encoder.words.weight"] + types
    own = {name: value for name, value in weights.items() if name.startswith("encoder.")}
    plain.load_state_dict({**plain.state_dict(), **own})
    examples = build_examples([(1, [(10, [1, 13]), (400, [16])], [])], N, CONCEPTS)
    batch = behrt.batch_of(*behrt.words_to_predict(examples, np.arange(1), settings))
    with torch.no_grad():
        torch.testing.assert_close(model.encoder(**batch), plain.encoder(**batch))


# --- A model that is trained once, after every visit ------------------------------------------

SMALL = read_settings(forecast.Settings, {**SIZES, "hidden_dropout": 0.0})


def histories_of(examples: Examples) -> Histories:
    last = np.repeat(examples.visit_offsets[1:], np.diff(examples.visit_offsets))
    visits = np.arange(len(last))
    ends = np.where(visits + 1 < last, visits + 2, NO_CUT)
    return Histories(examples, np.zeros(len(examples), dtype=np.int32), {"T1": ends})


@pytest.mark.parametrize("inputs", [None, DIAGNOSES, ["diagnoses", "tests"]])
def test_a_cut_of_some_inputs_is_predicted_as_if_the_history_ended_there(
    build_examples: Build, patients: list[Patient], inputs: list[str] | None
) -> None:
    """Also after a visit without a word, and whatever comes later."""
    torch.manual_seed(3)
    model = forecast.Forecast(SMALL, N, ["T1"], CONCEPTS).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.copy_(torch.randn(weights.shape) * (0.02 if "effects" in name else 0.2))
    histories = histories_of(build_examples(patients[:40], N, CONCEPTS))
    cuts = histories.cuts("T1")
    ended = histories.cut_after(cuts, "T1").only(inputs)
    rows = np.arange(len(ended))
    batch = forecast.cut_batch(SMALL, ended, rows, ended.visit_offsets[1:] - 1, rows)
    whole = histories.only(inputs).examples
    subjects = np.searchsorted(whole.visit_offsets[:-1], cuts, side="right") - 1
    together = forecast.cut_batch(SMALL, whole, np.arange(len(whole)), cuts, subjects)
    assert (inputs is None) == (MASK not in together["tokens"])
    with torch.no_grad():
        alone, read_together = model(**batch), model(**together)
    torch.testing.assert_close(alone, read_together, rtol=1e-4, atol=1e-5)


def test_what_is_not_read_changes_nothing(build_examples: Build, patients: list[Patient]) -> None:
    tests = ["diagnoses", "tests"]
    one = build_examples(patients, N, CONCEPTS)
    without = [
        (sex, [(day, [c for c in codes if not N <= c < N + 3]) for day, codes in visits], labels)
        for sex, visits, labels in patients
    ]
    kept = [
        (sex, [visit for visit in visits[:-1] if visit[1]] + visits[-1:], labels)
        for sex, visits, labels in without
    ]
    found, expected = one.only(tests), build_examples(kept, N, CONCEPTS)
    for name, array in expected.arrays().items():
        assert np.array_equal(getattr(found, name), array), name


@pytest.mark.parametrize("inputs", [None, DIAGNOSES])
def test_it_is_trained_on_some_inputs(
    build_examples: Build, patients: list[Patient], inputs: list[str] | None, tmp_path: Path
) -> None:
    histories = histories_of(build_examples(patients, N, CONCEPTS))
    chosen = histories.cut_after(histories.latest_cuts("T1"), "T1").only(inputs)
    facts = {"kind": "forecast", "tasks": {"T1": None}, "concepts": CONCEPTS}
    run = TrainingRun(tmp_path / "all", Compute(3, precision="32-true"), facts=facts)
    forecast.fit_jointly(histories.only(inputs), {"T1": chosen}, SMALL, ONE, 3, run)
    of_task = replace(run, folder=tmp_path / "T1", facts={**facts, "task": "T1"})
    forecast.take_task(tmp_path / "all" / "model.safetensors", of_task)
    scores = forecast.predict(chosen, of_task)
    assert scores.shape == (len(chosen), N)
    assert np.isfinite(scores).all()
    loaded, _ = forecast.load(of_task.folder)
    assert len(loaded.encoder.words.weight) == FIRST_DISEASE + N + 5
