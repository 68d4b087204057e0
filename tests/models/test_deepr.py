"""Deepr: sentences by hand, and the convolution against torch's own on padded sentences."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.run import read_settings
from behrt.models.deepr import (
    FIRST_DISEASE,
    PAD,
    RAREWORD,
    Deepr,
    Settings,
    collate,
    gap_words,
    sentences,
)

Build = Callable[..., Examples]
UP_TO_1, UP_TO_3, UP_TO_6, UP_TO_12, BEYOND = range(2, 7)
SMALL = Settings(embedding_size=8, filters=4, sex_size=2, dropout=0.0, minimum_uses=1)


def split_words(
    settings: Settings, examples: Examples, generator: np.random.Generator | None = None
) -> list[list[int]]:
    words, offsets = sentences(settings, examples, np.arange(len(examples)), generator)
    return [words[a:b].tolist() for a, b in pairwise(offsets)]


def diseases(*codes: int) -> list[int]:
    return [FIRST_DISEASE + code for code in codes]


def test_gap_words_at_their_edges() -> None:
    # A month is 30.44 days, three 91.3, six 182.6, twelve 365.25.
    days = np.array([1, 30, 31, 91, 92, 182, 183, 365, 366, 9000])
    expected = [UP_TO_1] * 2 + [UP_TO_3] * 2 + [UP_TO_6] * 2 + [UP_TO_12] * 2 + [BEYOND] * 2
    assert gap_words(days).tolist() == expected


def test_a_history_is_one_sentence_with_gap_words(build_examples: Build) -> None:
    examples = build_examples(
        [
            (1, [(0, [3, 5]), (20, [1]), (420, [0, 2])], []),
            (1, [(7, [])], []),
            (1, [(7, [4])], []),
        ]
    )
    assert split_words(SMALL, examples) == [
        [*diseases(3, 5), UP_TO_1, *diseases(1), BEYOND, *diseases(0, 2)],
        [RAREWORD],  # a visit without a word that is read
        diseases(4),
    ]


def test_rows_may_be_taken_in_any_order(build_examples: Build) -> None:
    examples = build_examples([(1, [(0, [3]), (99, [1])], []), (1, [(7, [4])], [])])
    words, offsets = sentences(SMALL, examples, np.array([1, 0, 1]), None)
    assert words.tolist() == [*diseases(4, 3), UP_TO_6, *diseases(1, 4)]
    assert offsets.tolist() == [0, 1, 4, 5]


def test_a_long_sentence_is_cut_at_a_visits_edge(build_examples: Build) -> None:
    first, second, last = diseases(3, 5), diseases(1, 6), diseases(0, 2)
    examples = build_examples(
        [
            (1, [(7, [])], []),
            (1, [(0, [3, 5]), (20, [1, 6]), (420, [0, 2])], []),
            (1, [(7, [4])], []),
        ]
    )
    whole = [*first, UP_TO_1, *second, BEYOND, *last]
    for maximum, kept in (
        (100, whole),
        (8, whole),
        (7, [*second, BEYOND, *last]),
        (5, [*second, BEYOND, *last]),
        (4, last),
        (2, last),
        (1, last[:1]),  # the last visit is too long
    ):
        cut = split_words(Settings(maximum_words=maximum), examples)
        assert cut == [[RAREWORD], kept, diseases(4)], maximum


def test_no_order_within_visits_changes_what_a_cut_sentence_holds(build_examples: Build) -> None:
    examples = build_examples([(1, [(0, [0, 1, 2, 3]), (20, [4, 5, 6]), (90, [7])], [])])
    generator = np.random.default_rng(1)
    for maximum in range(1, 11):
        settings = Settings(maximum_words=maximum)
        fixed = sorted(split_words(settings, examples)[0])
        for _ in range(20):
            assert sorted(split_words(settings, examples, generator)[0]) == fixed


def test_training_draws_an_order_within_each_visit(build_examples: Build) -> None:
    examples = build_examples([(1, [(0, [0, 1, 2, 3]), (20, [4, 5, 6])], [])])
    generator = np.random.default_rng(1)
    drawn = [split_words(SMALL, examples, generator)[0] for _ in range(200)]
    for sentence in drawn:
        assert sorted(sentence[:4]) == diseases(0, 1, 2, 3)
        assert sentence[4] == UP_TO_1
        assert sorted(sentence[5:]) == diseases(4, 5, 6)
    assert len({tuple(sentence[:4]) for sentence in drawn}) == 24
    assert len({tuple(sentence[5:]) for sentence in drawn}) == 6


def test_diseases_under_the_least_uses_become_one_word(build_examples: Build) -> None:
    train = build_examples([(1, [(0, [0, 1]), (20, [0, 1, 2])], [7]), (1, [(0, [0])], [8])])
    model = Deepr(SMALL.model_copy(update={"minimum_uses": 2}), train.n_diseases, train.n_words)
    model.prepare(train)
    assert model.word[:FIRST_DISEASE].tolist() == list(range(FIRST_DISEASE))
    assert model.word[FIRST_DISEASE:].tolist() == diseases(0, 1) + [RAREWORD] * 10

    nn.init.normal_(model.classifier.weight)
    others = build_examples([(1, [(0, [0]), (9, [code])], []) for code in (1, 2, 3)])
    with torch.no_grad():
        logits = model(**collate(SMALL, others, np.arange(3), None))
    torch.testing.assert_close(logits[1], logits[2])
    assert not torch.allclose(logits[0], logits[1])


@pytest.mark.parametrize("widths", [(3,), (5,), (3, 4, 5), (1, 2), (8,)])
def test_equals_a_convolution_over_padded_sentences(
    build_examples: Build, draw_patients: Callable[..., list], widths: tuple[int, ...]
) -> None:
    examples = build_examples([*draw_patients(20, 1), (1, [(0, [2])], [1])])
    settings = Settings(embedding_size=8, filters=4, widths=widths, dropout=0.0)
    torch.manual_seed(1)
    model = Deepr(settings, examples.n_diseases, examples.n_words)
    words = split_words(settings, examples)
    pooled = []
    for convolution in model.convolutions:
        width = convolution.kernel_size[0]
        rows = []
        for sentence in words:
            embedded = model.embedding(torch.tensor(sentence)).T
            padded = F.pad(embedded, (width // 2, width - 1 - width // 2))
            rows.append(convolution(padded[None]).amax(dim=2).relu())
        pooled.append(torch.cat(rows))
    sex = model.sex(torch.from_numpy(examples.sex.astype(np.int64)))
    expected = model.classifier(torch.cat([*pooled, sex], dim=1))
    actual = model(**collate(settings, examples, np.arange(len(examples)), None))
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)

    if min(widths) < 3:
        return  # equal windows tie for the maximum, and rounding breaks the ties of the other
    parameters = [p for p in model.parameters() if p.requires_grad]
    for ours, theirs in zip(
        torch.autograd.grad(actual.square().sum(), parameters),
        torch.autograd.grad(expected.square().sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_padding_never_wins(build_examples: Build) -> None:
    """A window of padding alone would score the bias, 5; every window with a word scores less."""
    examples = build_examples([(1, [(0, [1])], []), (1, [(5 * i, [1, 2]) for i in range(9)], [])])
    settings = Settings(embedding_size=8, filters=4, widths=(3,), dropout=0.0)
    model = Deepr(settings, examples.n_diseases, examples.n_words)
    nn.init.ones_(model.embedding.weight[PAD + 1 :])
    nn.init.constant_(model.convolutions[0].weight, -1.0)
    nn.init.constant_(model.convolutions[0].bias, 5.0)
    nn.init.zeros_(model.sex.weight)
    nn.init.ones_(model.classifier.weight)
    nn.init.zeros_(model.classifier.bias)
    with torch.no_grad():
        logits = model(**collate(settings, examples, np.arange(2), None))
    assert torch.equal(logits, torch.zeros_like(logits))


def test_settings_are_strict() -> None:
    assert read_settings(Settings, {"widths": [3, 5]}).widths == (3, 5)
    for wrong in ({"widths": ()}, {"widths": (3, 3)}, {"widths": (0,)}, {"minimum_uses": -1}):
        with pytest.raises(InputError):
            read_settings(Settings, wrong)
