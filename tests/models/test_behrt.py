"""BEHRT: its words, its masks, its network against an independent BERT, its two read-outs."""

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytorch_pretrained_bert import BertConfig, BertModel
from torch.nn import functional as F

from behrt import logs
from behrt.errors import InputError
from behrt.evaluation.metrics import sample_average_precision
from behrt.learning import artefacts, encoder, engine
from behrt.learning.engine import TrainingRun, begin
from behrt.learning.examples import Examples
from behrt.learning.masked_language import batch_of
from behrt.learning.next_visit import NextVisit, with_masked_visits
from behrt.learning.run import Compute, read_settings
from behrt.learning.words import mask_words, words_of
from behrt.models import behrt
from behrt.models.behrt import Behrt
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, MASK, PAD, SEP
from behrt.settings.behrt import Masking, Settings
from behrt.settings.training import Optimisation

N_DISEASES = 40
SMALL = Settings(hidden=32, layers=2, heads=4, intermediate=48, max_length=44)


def small(**changes: Any) -> Settings:
    """Return `SMALL` with some changes."""
    return read_settings(Settings, {**SMALL.model_dump(), **changes})


History = list[tuple[int, list[int]]]
"""Visits: age in months, diseases."""


def build(histories: list[History], labels: list[list[int]] | None = None) -> Examples:
    labels = labels or [[] for _ in histories]
    visits = [visit for history in histories for visit in history]
    known = [sorted({code for _, codes in history for code in codes}) for history in histories]

    def offsets(lists: Any) -> np.ndarray:
        return np.cumsum([0, *(len(values) for values in lists)], dtype=np.int64)

    def flat(lists: Any) -> np.ndarray:
        return np.array([value for values in lists for value in values], dtype=np.int16)

    return Examples(
        subject_id=np.arange(len(histories), dtype=np.int64),
        sex=np.ones(len(histories), dtype=np.int8),
        follow_up_start=np.zeros(len(histories), dtype=np.int32),
        visit_offsets=offsets(histories),
        visit_day=np.array([age * 30 for age, _ in visits], dtype=np.int32),
        visit_age=np.array([age for age, _ in visits], dtype=np.int16),
        code_offsets=offsets([codes for _, codes in visits]),
        codes=flat([codes for _, codes in visits]),
        label_offsets=offsets(labels),
        labels=flat(labels),
        known_offsets=offsets(known),
        known=flat(known),
        n_diseases=N_DISEASES,
    )


def draw(patients: int, seed: int) -> Examples:
    """Patients with a planted rule: one of diseases 0–9 once, in any visit, is followed by
    disease 20–29, years later; that is the label, with a disease drawn from 10–19.
    """
    generator = np.random.default_rng(seed)
    histories: list[History] = []
    labels = []
    for _ in range(patients):
        ages = 300 + np.cumsum(generator.integers(1, 24, generator.integers(4, 9)))
        chosen = [generator.choice(np.arange(10, 40), generator.integers(1, 4)) for _ in ages]
        visits = [sorted({int(code) for code in codes}) for codes in chosen]
        trigger = int(generator.integers(10))
        at = generator.integers(len(ages))
        visits[at] = sorted({*visits[at], trigger})
        histories.append(list(zip(ages.tolist(), visits, strict=True)))
        labels.append(sorted({20 + trigger, int(generator.integers(10, 20))}))
    return build(histories, labels)


def every_row(examples: Examples) -> np.ndarray:
    return np.arange(len(examples), dtype=np.int64)


def logits_of(model: Behrt, examples: Examples, settings: Settings) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        return model(**behrt._collate(settings)(examples, every_row(examples), None))


def run_in(folder: Path, precision: str = "32-true") -> TrainingRun:
    return TrainingRun(folder, Compute(1, precision=precision))


# --- Words ------------------------------------------------------------------------------------


def spoken(history: History, max_length: int, closing_mask: bool) -> list[tuple[int, int, int]]:
    """Return (token, age, visit) one word at a time: the slow way."""
    space = max_length - 1 - (2 if closing_mask else 0)
    kept: History = []
    for age, codes in reversed(history):
        if sum(len(other) + 1 for _, other in kept) + len(codes) + 1 > space:
            if not kept:
                kept = [(age, codes[: space - 1])]
            break
        kept.insert(0, (age, codes))
    ages = [min(age, 1320) for age, _ in kept]
    words = [(CLS, ages[0], 0)]
    for index, (_, codes) in enumerate(kept):
        words += [(FIRST_DISEASE + code, ages[index], index) for code in codes]
        words.append((SEP, ages[index], index))
    if closing_mask:
        words += [(MASK, ages[-1], len(kept)), (SEP, ages[-1], len(kept))]
    return words


visits = st.tuples(
    st.integers(0, 1500),
    st.lists(st.integers(0, N_DISEASES - 1), min_size=1, max_size=9, unique=True).map(sorted),
)
histories = st.lists(st.lists(visits, min_size=1, max_size=6), min_size=1, max_size=6)


@given(histories, st.integers(5, 30), st.booleans(), st.randoms())
def test_words_are_those_of_the_slow_way(
    drawn: list[History], max_length: int, closing_mask: bool, random: Any
) -> None:
    rows = random.choices(range(len(drawn)), k=4)
    words = words_of(build(drawn), np.array(rows, dtype=np.int64), max_length, closing_mask)
    columns = np.stack([words.tokens, words.ages, words.visits], axis=1).tolist()
    for place, row in enumerate(rows):
        found = columns[words.offsets[place] : words.offsets[place + 1]]
        expected = [list(word) for word in spoken(drawn[row], max_length, closing_mask)]
        assert found == expected
        assert len(found) <= max_length


def test_the_papers_layout_by_hand() -> None:
    words = words_of(build([[(600, [3, 7]), (612, [1])]]), np.array([0]), 100, False)
    d = FIRST_DISEASE
    assert words.tokens.tolist() == [CLS, d + 3, d + 7, SEP, d + 1, SEP]
    assert words.ages.tolist() == [600, 600, 600, 600, 612, 612]
    assert words.visits.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_patient_without_a_visit_is_refused() -> None:
    with pytest.raises(InputError, match="no visit"):
        words_of(build([[(600, [1])], []]), np.array([0, 1]), 100, False)


@given(histories, st.booleans())
def test_a_batch_holds_every_word_once_with_its_own(
    drawn: list[History], closing_mask: bool
) -> None:
    examples = build(drawn)
    words = words_of(examples, every_row(examples), 30, closing_mask)
    batch = batch_of(words, np.arange(words.offsets[-1]))
    places = batch["read"]
    for name, values in (
        ("tokens", words.tokens),
        ("ages", words.ages),
        ("visits", words.visits),
        ("patients", np.repeat(np.arange(len(drawn)), np.diff(words.offsets))),
    ):
        assert batch[name].flatten()[places].tolist() == values.tolist()
    empty = np.setdiff1d(np.arange(batch["tokens"].numel()), places.numpy())
    assert set(batch["tokens"].flatten()[empty].tolist()) <= {PAD}
    assert set(batch["patients"].flatten()[empty].tolist()) <= {-1}


# --- Masks ------------------------------------------------------------------------------------


def test_masking_keeps_to_its_shares_and_to_diseases() -> None:
    examples = draw(4000, 1)
    words = words_of(examples, every_row(examples), 100, False)
    masked, places, targets = mask_words(words, Masking(), N_DISEASES, np.random.default_rng(1))
    diseases = words.tokens >= FIRST_DISEASE
    assert diseases[places].all()
    assert np.array_equal(words.tokens[places], targets + FIRST_DISEASE)
    elsewhere = np.setdiff1d(np.arange(len(words.tokens)), places)
    assert np.array_equal(masked.tokens[elsewhere], words.tokens[elsewhere])
    for values in ("offsets", "ages", "visits"):
        assert np.array_equal(getattr(masked, values), getattr(words, values))
    became_mask = masked.tokens[places] == MASK
    assert (masked.tokens[places][~became_mask] >= FIRST_DISEASE).all()
    total = diseases.sum()
    assert total > 40_000
    assert became_mask.sum() / total == pytest.approx(0.12, abs=0.005)
    assert (~became_mask).sum() / total == pytest.approx(0.015, abs=0.002)
    replaced = masked.tokens[places][~became_mask] - FIRST_DISEASE
    assert np.bincount(replaced, minlength=N_DISEASES).all()


def test_special_targets_hide_cls_and_sep_as_diseases_are() -> None:
    """As the released code does; their targets follow the diseases'."""
    examples = draw(4000, 1)
    words = words_of(examples, every_row(examples), 100, False)
    random = np.random.default_rng(1)
    masked, places, targets = mask_words(words, Masking(), N_DISEASES, random, True)
    for target, token in ((N_DISEASES, CLS), (N_DISEASES + 1, SEP)):
        assert (words.tokens[places[targets == target]] == token).all()
        share = (targets == target).sum() / (words.tokens == token).sum()
        assert share == pytest.approx(0.135, abs=0.02)
    diseases = targets < N_DISEASES
    assert np.array_equal(words.tokens[places[diseases]], targets[diseases] + FIRST_DISEASE)
    elsewhere = np.setdiff1d(np.arange(len(words.tokens)), places)
    assert np.array_equal(masked.tokens[elsewhere], words.tokens[elsewhere])


def test_masks_differ_between_epochs_and_not_between_runs() -> None:
    examples = draw(20, 1)
    words = words_of(examples, every_row(examples), 100, False)
    drawn = [
        mask_words(words, Masking(), N_DISEASES, np.random.default_rng([7, epoch, 1]))[1]
        for epoch in (0, 0, 1)
    ]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize("shares", [(-0.1, 0.2), (0.0, 0.0), (0.9, 0.2)])
def test_impossible_shares_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="mask"):
        read_settings(Masking, dict(zip(("mask", "random"), shares, strict=True)))


# --- The network ------------------------------------------------------------------------------


def test_near_ages_start_alike_and_far_ones_apart() -> None:
    ages = Behrt(Settings(hidden=48, heads=4, layers=1), n_diseases=5).encoder.ages
    assert ages is not None
    same = F.cosine_similarity(ages.weight[600], ages.weight[601], dim=0)
    far = F.cosine_similarity(ages.weight[600], ages.weight[1000], dim=0)
    assert same > 0.9
    assert far < same - 0.2
    assert ages.weight.requires_grad


def test_positions_are_vaswanis() -> None:
    table = encoder.positions(50, 12)
    for place in (0, 1, 17, 49):
        for i in range(6):
            angle = place / 10_000 ** (2 * i / 12)
            assert table[place, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[place, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def independent_bert(model: Behrt, settings: Settings) -> BertModel:
    """Return pytorch_pretrained_bert's model with the same encoder and pooler weights."""
    bert = BertModel(
        BertConfig(
            FIRST_DISEASE + N_DISEASES,
            hidden_size=settings.hidden,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            intermediate_size=settings.intermediate,
        )
    )
    with torch.no_grad():
        for ours, theirs in zip(model.encoder.layers, bert.encoder.layer, strict=True):
            attention = theirs.attention
            parts = (attention.self.query, attention.self.key, attention.self.value)
            for part, weight, bias in zip(
                parts,
                ours.query_key_value.weight.chunk(3),
                ours.query_key_value.bias.chunk(3),
                strict=True,
            ):
                part.weight.copy_(weight)
                part.bias.copy_(bias)
            for part, own in (
                (attention.output.dense, ours.attention_output),
                (attention.output.LayerNorm, ours.attention_norm),
                (theirs.intermediate.dense, ours.inner),
                (theirs.output.dense, ours.outer),
                (theirs.output.LayerNorm, ours.norm),
            ):
                part.weight.copy_(own.weight)
                part.bias.copy_(own.bias)
    return bert.eval()


def shaken(settings: Settings) -> Behrt:
    """Return a model whose every weight, biases too, matters."""
    torch.manual_seed(3)
    model = Behrt(settings, N_DISEASES)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def test_packed_rows_equal_an_independent_bert_one_patient_at_a_time() -> None:
    model = shaken(SMALL)
    bert = independent_bert(model, SMALL)
    examples = draw(9, 4)
    words = words_of(examples, every_row(examples), 40, False)
    batch = batch_of(words, np.arange(words.offsets[-1]))
    assert batch["tokens"].shape[0] < len(examples)  # some share a row
    with torch.no_grad():
        packed = model.encoder(**batch)
        for row in range(len(examples)):
            own = slice(words.offsets[row], words.offsets[row + 1])
            tokens, ages, index = (
                torch.from_numpy(values[own]) for values in (words.tokens, words.ages, words.visits)
            )
            table = encoder.positions(40, 32) * 0.02 * math.sqrt(2)
            embedded = (
                model.encoder.words(tokens)
                + model.encoder.ages(ages)
                + model.encoder.segments(index % 2)
                + table[index]
            )
            embedded = F.layer_norm(
                embedded, (32,), model.encoder.norm.weight, model.encoder.norm.bias, 1e-12
            )
            nothing_hidden = torch.zeros(1, 1, 1, len(tokens))
            expected = bert.encoder(embedded[None], nothing_hidden)[-1][0]
            torch.testing.assert_close(packed[own], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("read", [[3], [17, 2, 9, 10], [12, 13], [], [*range(24)]])
def test_last_layer_computes_the_words_that_are_read_out_as_it_computes_all(
    read: list[int],
) -> None:
    torch.manual_seed(1)
    layer = shaken(SMALL).encoder.layers[-1]
    hidden, places = torch.randn(3, 8, 32), torch.tensor(read, dtype=torch.int64)
    bias = torch.zeros(3, 1, 8, 8).masked_fill(torch.rand(3, 1, 8, 8) < 0.4, -1e4)
    angles = torch.randn(3, 1, 8, 4)
    for rotation in (None, (angles.cos(), angles.sin())):
        expected = layer(hidden, bias, None, rotation).flatten(0, 1)[places]
        torch.testing.assert_close(layer(hidden, bias, places, rotation), expected)


def test_fused_attention_is_the_same_attention() -> None:
    torch.manual_seed(0)
    qkv, bias = torch.randn(2, 7, 48), torch.randn(2, 1, 7, 7)
    query, key, value = encoder.split_heads(qkv, 3, 4)
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    ours = encoder.attention(query, key, value, bias, 0.0, training=False)
    torch.testing.assert_close(ours, expected.transpose(1, 2).reshape(2, 7, 16))


@pytest.mark.parametrize("readout", ["cls", "mask"])
def test_the_order_of_diseases_in_a_visit_does_not_matter(readout: str) -> None:
    settings = small(readout=readout)
    model = shaken(settings)
    examples = draw(12, 5)
    codes = examples.codes.copy()
    generator = np.random.default_rng(0)
    for start, end in zip(examples.code_offsets[:-1], examples.code_offsets[1:], strict=True):
        codes[start:end] = generator.permutation(codes[start:end])
    shuffled = replace(examples, codes=codes)
    assert not np.array_equal(codes, examples.codes)
    first = logits_of(model, examples, settings)
    torch.testing.assert_close(logits_of(model, shuffled, settings), first, rtol=1e-4, atol=1e-5)
    # While moving a disease to another visit does matter.
    moved = replace(examples, codes=examples.codes[::-1].copy())
    assert (logits_of(model, moved, settings) - first).abs().max() > 0.01


@pytest.mark.parametrize("readout", ["cls", "mask"])
def test_a_patients_logits_do_not_depend_on_the_batch(readout: str) -> None:
    settings = small(readout=readout)
    model = shaken(settings)
    examples = draw(12, 6)
    together = logits_of(model, examples, settings)
    alone = torch.cat(
        [logits_of(model, examples.select(np.array([i])), settings) for i in range(12)]
    )
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["age", "segment", "position"])
def test_an_embedding_that_is_switched_off_has_no_say(name: str) -> None:
    history: History = [(600, [1]), (640, [2]), (660, [3])]
    other: dict[str, History] = {
        "age": [(500, [1]), (540, [2]), (660, [3])],
        "segment": history,
        "position": history,
    }
    for on in (True, False):
        settings = small(**{"age": False, "segment": False, "position": False, name: on})
        model = shaken(settings)
        first = logits_of(model, build([history]), settings)
        if name == "age":
            second = logits_of(model, build([other["age"]]), settings)
        else:  # the second visit's diseases change place with the third's
            second = logits_of(model, build([[(600, [1]), (640, [3]), (660, [2])]]), settings)
        assert (not torch.allclose(first, second, atol=1e-5)) == on


def test_bfloat16_stays_close() -> None:
    model = shaken(SMALL)
    examples = draw(12, 6)
    exact = logits_of(model, examples, SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        rough = logits_of(model, examples, SMALL)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.05 * exact.abs().mean()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heads", 5),
        ("hidden", 0),
        ("layers", 0),
        ("max_length", 4),
        ("hidden_dropout", 1.0),
        ("attention_dropout", -0.1),
        ("readout", "mean"),
    ],
)
def test_settings_that_contradict_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match="hidden" if name == "heads" else name):
        small(**{name: value})


# --- Forecasts of visits ----------------------------------------------------------------------


def forecasts(model: Behrt, histories: list[History]) -> torch.Tensor:
    """Return the logits of each visit but the first, patient after patient."""
    examples = build(histories)
    words = words_of(examples, every_row(examples), 44, False)
    words, read, _ = with_masked_visits(words, N_DISEASES)
    with torch.no_grad():
        return model.eval()(causal=True, **batch_of(words, read))


@given(histories, st.integers(5, 30))
def test_each_visit_but_the_first_is_masked_before_it_is_read(
    drawn: list[History], max_length: int
) -> None:
    words = words_of(build(drawn), np.arange(len(drawn)), max_length, False)
    more, read, labels = with_masked_visits(words, N_DISEASES)
    columns = np.stack([more.tokens, more.ages, more.visits], axis=1).tolist()
    diseases = []
    for row, history in enumerate(drawn):
        plain = spoken(history, max_length, False)
        expected = [list(word) for word in plain if word[2] == 0]
        for visit in range(1, plain[-1][2] + 1):
            own = [list(word) for word in plain if word[2] == visit]
            expected += [[MASK, expected[-1][1], visit], *own]
            diseases.append([token - FIRST_DISEASE for token, *_ in own[:-1]])
        assert columns[more.offsets[row] : more.offsets[row + 1]] == expected
    assert np.array_equal(read, np.flatnonzero(more.tokens == MASK))
    assert [np.flatnonzero(label).tolist() for label in labels] == diseases


def test_what_comes_later_changes_no_forecast_before_it() -> None:
    """To the bit: other diseases, as many of them, at other ages."""
    torch.manual_seed(0)
    model = Behrt(small(readout="mask"), N_DISEASES)
    before: list[History] = [
        [(600, [3]), (601, [5, 7]), (640, [3, 9]), (700, [1])],
        [(500, [2]), (510, [4])],
    ]
    for kept in range(1, 4):
        after = [(age + 9, [code + 20 for code in codes]) for age, codes in before[0][kept:]]
        changed = [before[0][:kept] + after, before[1]]
        same = (forecasts(model, before) == forecasts(model, changed)).all(1).tolist()
        assert same == [True] * kept + [False] * (3 - kept) + [True]


def test_a_forecast_is_that_of_the_history_cut_off_before_it() -> None:
    torch.manual_seed(0)
    model = Behrt(small(readout="mask"), N_DISEASES)
    history: History = [(600, [3]), (601, [5, 7]), (640, [3, 9]), (700, [1])]
    together = forecasts(model, [history, history[:2]])
    for visit in range(1, 4):
        alone = forecasts(model, [history[: visit + 1]])[-1]
        torch.testing.assert_close(together[visit - 1], alone, rtol=0, atol=1e-6)
    torch.testing.assert_close(together[3], together[0], rtol=0, atol=1e-6)


def test_forecasting_is_learned_and_resumes_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chains = build([[(600, [visit]) for visit in range(6)]] * 160)

    def train(folder: Path) -> dict[str, bytes]:
        run = replace(run_in(folder), checkpoint_seconds=0)
        training = Optimisation(epochs=3, batch_size=32, learning_rate=1e-2, optimiser="muon")
        behrt.pretrain_to_forecast(chains, chains, SMALL, training, run)
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    whole = train(tmp_path / "whole")
    metrics = [json.loads(line) for line in whole["metrics.jsonl"].splitlines()]
    assert metrics[-1]["tuning_loss"] < 0.9 * metrics[0]["tuning_loss"]
    loss, calls = NextVisit.loss, iter(range(13))

    def interrupted(*given: Any) -> torch.Tensor:
        if next(calls) == 12:  # in the second epoch
            raise KeyboardInterrupt
        return loss(*given)

    with monkeypatch.context() as patch:
        patch.setattr(NextVisit, "loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts")
    assert train(tmp_path / "parts") == whole


# --- Training ---------------------------------------------------------------------------------

FAST = Optimisation(epochs=6, batch_size=32, learning_rate=3e-3)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlm")
    behrt.pretrain(draw(600, 10), draw(100, 11), SMALL, Masking(), FAST, run_in(folder))
    return folder / "model.safetensors"


def test_both_pretrainings_have_the_same_weights(pretrained: Path, tmp_path: Path) -> None:
    once = Optimisation(epochs=1, batch_size=32, learning_rate=3e-3)
    behrt.pretrain_to_forecast(draw(60, 10), draw(20, 11), SMALL, once, run_in(tmp_path))
    one, other = engine.read_weights(pretrained.parent), engine.read_weights(tmp_path)
    assert {name: one[name].shape for name in one} == {name: other[name].shape for name in other}
    weights = tmp_path / "model.safetensors"
    for readout in ("mask", "cls"):
        behrt.fit(draw(60, 1), draw(9, 2), small(readout=readout), once, weights, run_in(tmp_path))


def test_pretraining_learns_and_reports(pretrained: Path) -> None:
    lines = (pretrained.parent / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    metrics = [json.loads(line) for line in lines]
    assert metrics[-1]["tuning_loss"] < metrics[0]["tuning_loss"]
    assert set(metrics[0]) == {
        "epoch",
        "train_loss",
        "tuning_loss",
        "tuning_accuracy",
        "tuning_precision",
        "learning_rate",
    }
    config = artefacts.read_config(pretrained.parent)
    assert config["masking"] == {"mask": 0.12, "random": 0.015}


def test_special_targets_make_pretraining_look_better(pretrained: Path, tmp_path: Path) -> None:
    """CLS opens every patient, so it is known without a look."""
    train, tuning = draw(600, 10), draw(100, 11)
    behrt.pretrain(train, tuning, SMALL, Masking(), FAST, run_in(tmp_path), special_targets=True)

    def accuracy(folder: Path) -> float:
        last = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
        return float(json.loads(last)["tuning_accuracy"])

    assert accuracy(tmp_path) > accuracy(pretrained.parent) + 0.1
    assert artefacts.read_config(tmp_path)["masking"]["special_targets"] is True
    own = engine.read_weights(tmp_path)
    assert own["head.special_bias"].shape == (2,)
    assert set(own) - {"head.special_bias"} == set(engine.read_weights(pretrained.parent))
    for readout in ("mask", "cls"):
        settings = small(readout=readout)
        folder = tmp_path / readout
        weights = tmp_path / "model.safetensors"
        behrt.fit(train, tuning, settings, FAST, weights, run_in(folder))
        assert behrt.predict(tuning, run_in(folder)).shape == (len(tuning), N_DISEASES)


def test_positions_are_not_among_the_weights(pretrained: Path) -> None:
    shapes = {name: weight.shape for name, weight in engine.read_weights(pretrained.parent).items()}
    assert not [name for name in shapes if "position" in name]
    assert SMALL.max_length not in {size for shape in shapes.values() for size in shape}


@pytest.mark.parametrize("readout", ["cls", "mask"])
def test_a_delayed_rule_is_learned_beyond_prevalence(
    readout: str, pretrained: Path, tmp_path: Path
) -> None:
    train, tuning, asked = draw(1200, 20), draw(100, 21), draw(150, 22)
    # Another length than the pretrained model's.
    settings = small(readout=readout, max_length=60)
    behrt.fit(train, tuning, settings, FAST, pretrained, run_in(tmp_path))
    scores = behrt.predict(asked, run_in(tmp_path))
    assert scores.shape == (150, N_DISEASES)
    labels = asked.label_matrix(every_row(asked))
    prevalence = np.tile(train.label_prevalence(), (150, 1))
    learned = sample_average_precision(scores, labels).mean()
    assert learned > sample_average_precision(prevalence, labels).mean() + 0.2


@pytest.mark.parametrize("readout", ["cls", "mask"])
def test_the_first_scores_are_the_prevalences(readout: str, tmp_path: Path) -> None:
    train = draw(300, 30)
    settings = small(readout=readout)
    behrt.fit(
        train,
        draw(50, 31),
        settings,
        Optimisation(epochs=1, batch_size=300, learning_rate=1e-9),
        None,
        run_in(tmp_path),
    )
    scores = behrt.predict(train, run_in(tmp_path))
    expected = np.clip(train.label_prevalence(), 0.5 / 300, 1)
    np.testing.assert_allclose(scores.mean(axis=0), expected, rtol=0.25)


def test_both_read_outs_start_from_the_pretrained_head(pretrained: Path, tmp_path: Path) -> None:
    before = engine.read_weights(pretrained.parent)
    for readout, shared in (("mask", len(before) - 1), ("cls", len(before) - 5)):
        settings = small(readout=readout)
        folder = tmp_path / readout
        behrt.fit(
            draw(60, 1),
            draw(30, 2),
            settings,
            Optimisation(epochs=1, batch_size=60, learning_rate=1e-12),
            pretrained,
            run_in(folder),
        )
        after = engine.read_weights(folder)
        kept = [
            name
            for name in before
            if name in after and torch.allclose(before[name], after[name], atol=1e-9)
        ]
        assert len(kept) == shared
        if readout == "cls":
            diseases = before["encoder.words.weight"][FIRST_DISEASE:] * before["head.norm.weight"]
            for name, expected in (
                ("pooler.weight", before["head.transform.weight"]),
                ("pooler.bias", before["head.transform.bias"]),
                ("classifier.weight", diseases),
            ):
                torch.testing.assert_close(after[f"head.{name}"], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("change", [{"layers": 1}, {"age": False}, {"heads": 2}])
def test_another_shape_than_the_pretrained_is_refused_by_name(
    change: dict[str, Any], pretrained: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        behrt.fit(draw(9, 1), draw(9, 2), small(**change), FAST, pretrained, run_in(tmp_path))


def test_training_settings_are_required(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="training"):
        behrt.fit(draw(9, 1), draw(9, 2), SMALL, None, None, run_in(tmp_path))


def test_a_latest_visit_that_is_too_long_is_told_without_small_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = small(max_length=6)
    logs.start(None, threshold=10)
    logging.getLogger("behrt").propagate = True  # to caplog
    for patients, message in ((3, "fewer than 10 patients"), (12, "12 patients")):
        examples = build([[(600, list(range(8)))]] * patients, [[1]] * patients)
        with caplog.at_level(logging.WARNING, logger="behrt"):
            behrt.fit(
                examples,
                examples,
                settings,
                Optimisation(epochs=1, batch_size=9, learning_rate=1e-3),
                None,
                run_in(tmp_path),
            )
        assert message in caplog.text
    logs.start(None)


def test_the_same_seed_gives_the_same_bytes_in_bfloat16(tmp_path: Path) -> None:
    written = []
    for name in "ab":
        run = run_in(tmp_path / name, precision="bf16-mixed")
        behrt.pretrain(
            draw(60, 1),
            draw(20, 2),
            SMALL,
            Masking(),
            Optimisation(epochs=2, batch_size=20, learning_rate=1e-3),
            run,
        )
        written.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert written[0] == written[1]


@hypothesis_settings(max_examples=20)
@given(histories)
def test_any_history_is_scored(drawn: list[History]) -> None:
    settings = small(readout="mask", max_length=12)
    begin(run_in(Path()))
    model = Behrt(settings, N_DISEASES)
    assert torch.isfinite(logits_of(model, build(drawn), settings)).all()
