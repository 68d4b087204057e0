"""What too few patients used is erased from weights of every kind of model, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from behrt.errors import InputError
from behrt.files import write_json
from behrt.learning import encoder
from behrt.learning.examples import Examples
from behrt.learning.words import AGES
from behrt.models import behrt, deepr, delphi, forecast, model_named, retain
from behrt.release.weights import (
    ReaderCounts,
    Support,
    Training,
    erase,
    erased_words,
    patients_with,
    support_of,
)
from behrt.sequences.vocabulary import Vocabulary
from behrt.settings.behrt import Settings

N = 7
THRESHOLD = 5
DISEASES = np.array([9, 4, 5, 80, 0, 7, 6])
RARE = DISEASES < THRESHOLD
SIZES = {"hidden": 8, "layers": 1, "heads": 2, "intermediate": 8}
SMALL = Settings(**SIZES)
MASKED = SMALL.model_copy(update={"readout": "mask"})
NETWORKS: dict[str, tuple[str, Any, Callable[[Any, int], nn.Module]]] = {
    "cls": ("behrt", SMALL, behrt.Behrt),
    "mask": ("behrt", MASKED, behrt.Behrt),
    "deepr": (
        "deepr",
        deepr.Settings(embedding_size=4, filters=3, minimum_uses=1),
        lambda settings, n: deepr.Deepr(settings, n, n),
    ),
    "retain": (
        "retain",
        retain.Settings(embedding_size=4, hidden_size=3),
        lambda settings, n: retain.Retain(settings, n, n),
    ),
    "delphi": (
        "delphi",
        delphi.Settings(**SIZES),
        lambda settings, n: delphi.Delphi(settings, n, {"T2": 6}),
    ),
    "forecast": (
        "forecast",
        forecast.Settings(**SIZES),
        lambda settings, n: forecast.Forecast(settings, n, [forecast.TASK]),
    ),
}


def histories(patients: int) -> Examples:
    """Return random patients with 1 to 6 visits of one disease each."""
    random = np.random.default_rng(patients)
    offsets = np.concatenate([[0], np.cumsum(random.integers(1, 7, patients))])
    visits, none = int(offsets[-1]), np.zeros(0, dtype=np.int16)
    age = random.integers(0, AGES + 20, visits).astype(np.int16)
    return Examples(
        subject_id=np.arange(patients),
        sex=random.integers(0, 3, patients).astype(np.int8),
        follow_up_start=np.zeros(patients, dtype=np.int32),
        visit_offsets=offsets,
        visit_day=(np.arange(visits) * random.integers(1, 300)).astype(np.int32),
        visit_age=age,
        code_offsets=np.arange(visits + 1),
        codes=random.integers(0, N, visits).astype(np.int16),
        label_offsets=np.zeros(patients + 1, dtype=np.int64),
        labels=none,
        known_offsets=np.zeros(patients + 1, dtype=np.int64),
        known=none,
        n_diseases=N,
    )


def batch_of(kind: str, settings: Any, examples: Examples, patient: int) -> dict[str, Any]:
    """Return the network's inputs for one patient."""
    module, row = model_named(kind), np.array([patient])
    if kind == "behrt":
        return dict(module._collate(settings)(examples, row, None))
    if kind in ("delphi", "forecast"):
        last = examples.visit_offsets[row + 1] - 1
        batch = dict(module.cut_batch(settings, examples, row, last, np.array([0])))
        return {**batch, "task": "T2"} if kind == "delphi" else batch
    return dict(module.collate(settings, examples, row, None))


def weights_of(name: str, n_diseases: int = N) -> dict[str, torch.Tensor]:
    _, settings, network = NETWORKS[name]
    torch.manual_seed(1)
    state = network(settings, n_diseases).state_dict()
    return {
        key: torch.randn(value.shape) if value.is_floating_point() else value
        for key, value in state.items()
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_every_row_of_a_rare_disease_and_no_other_changes(name: str) -> None:
    kind, weights = NETWORKS[name][0], weights_of(name)
    erased = erase(weights, kind, Support(DISEASES, {}, 100), THRESHOLD)
    rows = model_named(kind).DISEASE_ROWS
    sized = {key for key, value in weights.items() if len(value) in (N, N + 5, N + 7)}
    assert sized == set(rows) & set(weights), "a tensor with a row per disease is missing"
    for key, before in weights.items():
        if key not in rows:
            assert torch.equal(erased[key], before)
            continue
        first = rows[key]
        assert torch.equal(erased[key][:first], before[:first])
        assert torch.equal(erased[key][first:][~RARE], before[first:][~RARE])
        gone = erased[key][first:][RARE]
        wanted = before[first:][~RARE].min() if before.ndim == 1 else torch.tensor(0.0)
        wanted = torch.tensor(deepr.RAREWORD) if key == "word" else wanted
        assert torch.equal(gone, wanted.expand(gone.shape))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_with_a_row_per_value_is_declared(name: str) -> None:
    """Any embedding: of diseases, ages, segments, sexes, gaps."""
    kind, settings, network = NETWORKS[name]
    examples = histories(20)
    module = model_named(kind)
    read = module.value_rows(settings, examples, np.arange(20))
    embeddings = {
        f"{path}.weight"
        for path, part in network(settings, examples.n_diseases).named_modules()
        if isinstance(part, nn.Embedding | nn.EmbeddingBag)
    }
    assert embeddings <= set(module.DISEASE_ROWS) | set(read)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_readers_of_a_row_are_those_with_a_gradient_in_it(name: str) -> None:
    """What a patient changes of such a tensor, by backpropagation instead of by counting."""
    kind, settings, network = NETWORKS[name]
    examples = histories(12)
    module = model_named(kind)
    torch.manual_seed(2)
    model = network(settings, examples.n_diseases)
    if name == "deepr":
        model.prepare(examples)  # type: ignore[operator]
        nn.init.normal_(model.classifier.weight)  # type: ignore[union-attr, arg-type]
    model.eval()
    read = module.value_rows(settings, examples, np.arange(12))
    first = module.DISEASE_ROWS
    for patient in range(12):
        model.zero_grad()
        (
            model(**batch_of(kind, settings, examples, patient)) * torch.randn(examples.n_diseases)
        ).sum().backward()
        for tensor, readers in read.items():
            gradient = model.get_parameter(tensor).grad
            assert gradient is not None
            touched = gradient[: first.get(tensor)].flatten(1).any(dim=1).nonzero().flatten()
            counted = np.unique(readers.rows[readers.patients == patient])
            # Of words, only those that win in some filter have a gradient.
            if tensor.endswith("pairs.weight"):  # of pairs, only those with both diseases count
                assert set(counted.tolist()) <= set(touched.tolist())
                continue
            assert set(touched.tolist()) <= set(counted.tolist())
            if name != "deepr" or tensor == "sex.weight":
                assert touched.tolist() == counted.tolist()


def test_a_patient_with_several_cuts_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("behrt.release.weights._PATIENTS_AT_ONCE", 7)
    write_json({"kind": "behrt", "settings": SMALL.model_dump()}, tmp_path / "config.json")
    once = histories(30)
    several = once.select(np.repeat(np.arange(30), np.arange(30) % 4 + 1))
    supports = [support_of(tmp_path, Training(part, DISEASES, 9)) for part in (once, several)]
    for name, readers in supports[0].rows.items():
        assert readers.patients.tolist() == supports[1].rows[name].patients.tolist()
    codes = once.code_offsets[once.visit_offsets], several.code_offsets[several.visit_offsets]
    counted = [
        patients_with(part, offsets, part.codes)
        for part, offsets in zip((once, several), codes, strict=True)
    ]
    assert counted[0].tolist() == counted[1].tolist()
    assert counted[0].max() <= 30


def ages_of(readers: np.ndarray, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the public start of an age table, and what it is after training.

    A row without readers is its start times one factor; each reader moves a row in a direction of
    its own.
    """
    start = encoder.embedded_positions(len(readers), 16)
    patients = torch.randn((400, 16), generator=torch.Generator().manual_seed(seed))
    moved = torch.stack([patients[:count].sum(dim=0) for count in readers.tolist()])
    return start, 0.97 * start + 0.01 * moved


def aligned(table: torch.Tensor, start: torch.Tensor) -> np.ndarray:
    """Return bool (rows): which rows still have the direction of their start (the attack)."""
    return (torch.cosine_similarity(table, start, dim=1) > 1 - 1e-6).numpy()


def test_ages_that_few_patients_reached_do_not_show_in_weights() -> None:
    readers = np.array([0, 3, 9, 40, 41, 4, 60, 7, 1, 2, 0, 0, 4, 0])
    support = Support(np.full(N, 50), {"encoder.ages.weight": ReaderCounts(readers, True)}, 100)
    weights = weights_of("cls")
    start, trained = ages_of(readers, seed=3)
    assert aligned(trained, start).tolist() == (readers == 0).tolist(), "the attack works"
    weights["encoder.ages.weight"] = trained
    released = erase(weights, "behrt", support, THRESHOLD)["encoder.ages.weight"]
    nearest = [2, 2, 2, 3, 4, 4, 6, 7, 7, 7, 7, 7, 7, 7]
    assert torch.equal(released, trained[nearest])
    # With other patients behind the same rare ages, or with nobody there, it is the same.
    _, other = ages_of(np.where(readers < THRESHOLD, (readers + 2) % THRESHOLD, readers), seed=3)
    weights["encoder.ages.weight"] = other
    assert torch.equal(erase(weights, "behrt", support, THRESHOLD)["encoder.ages.weight"], released)


def test_rows_without_order_become_zero_and_those_beyond_the_values_stay() -> None:
    weights = weights_of("deepr")
    gaps = ReaderCounts(np.array([0, 9, 4, 9, 9, 9]), False)  # the last gap is longer than any
    rows = {"embedding.weight": gaps, "sex.weight": ReaderCounts(np.array([3, 50, 40]), False)}
    erased = erase(weights, "deepr", Support(np.full(N, 50), rows, 100), THRESHOLD)
    kept = [i for i in range(7 + N) if i not in (0, 2, 6)]
    assert torch.equal(erased["embedding.weight"][kept], weights["embedding.weight"][kept])
    assert not erased["embedding.weight"][[0, 2, 6]].any()
    assert not erased["sex.weight"][0].any()
    assert torch.equal(erased["sex.weight"][1:], weights["sex.weight"][1:])


def test_fine_tuning_counts_as_few_patients_as_either_training() -> None:
    before = Support(np.array([9, 2]), {"a": ReaderCounts(np.array([8, 3, 8, 1]), True)}, 50)
    after = Support(np.array([6, 7]), {"a": ReaderCounts(np.array([2, 9, 9]), True)}, 20)
    both = after.and_before(before)
    assert both.diseases.tolist() == [6, 2]
    assert both.rows["a"].patients.tolist() == [2, 3, 8]
    assert both.chose == 20


def test_erased_words_of_other_inputs_are_counted() -> None:
    support = Support(np.array([9, 2]), {}, 50, np.array([4, 5, 0]))
    diseases = Vocabulary(("Gout", "Stroke"), ("x", "x"))
    assert erased_words(diseases, support, 5) == {"diseases_erased": ["Stroke"]}
    others = replace(diseases, concept_codes=("TEST//a", "TEST//b", "TEST//c"))
    found = erased_words(others, support, 5)
    assert found == {"diseases_erased": ["Stroke"], "other_words_erased": 2}


def test_models_that_cannot_be_released_are_refused() -> None:
    enough = Support(np.full(N, 50), {}, 100)
    with pytest.raises(InputError, match="does not state which"):
        erase({"prevalence": torch.zeros(N)}, "prevalence", enough, THRESHOLD)
    with pytest.raises(InputError, match="every disease is rare"):
        erase(weights_of("cls"), "behrt", Support(np.full(N, 4), {}, 100), THRESHOLD)
    with pytest.raises(InputError, match="chosen on too few"):
        erase(weights_of("cls"), "behrt", Support(np.full(N, 50), {}, 4), THRESHOLD)
