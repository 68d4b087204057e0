"""Attention in blocks, which a GPU computes, equals that with a dense bias."""

import logging

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.attention import flex_attention

from behrt.errors import InputError
from behrt.learning import attention
from behrt.learning.attention import Sight, bias_of, block_mask, both, dense, in_blocks, keeps
from behrt.learning.encoder import Encoder, accelerate
from behrt.learning.run import Compute
from behrt.models.delphi import Delphi
from behrt.models.forecast import TimedEncoder
from behrt.sequences.vocabulary import CLS, MASK, PAD, SEP
from behrt.settings.behrt import Sizes
from behrt.settings.delphi import Settings as DelphiSettings
from behrt.settings.forecast import Settings as ForecastSettings

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")

CPU = torch.device("cpu")
SIZES = {"hidden": 16, "layers": 2, "heads": 2, "intermediate": 16, "max_length": 20}


def batch() -> dict[str, Tensor]:
    """Return two rows: two patients and padding; one patient. A visit is masked in each."""
    tokens = [
        [CLS, 5, SEP, 7, 8, SEP, CLS, MASK, SEP, PAD],
        [CLS, 6, 9, SEP, 4, SEP, MASK, SEP, PAD, PAD],
    ]
    visits = [[0, 0, 0, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 2, 2, 0, 0]]
    patients = [[0] * 6 + [1] * 3 + [-1], [2] * 8 + [-1] * 2]
    numbers = {"tokens": tokens, "visits": visits, "patients": patients}
    laid_out = {name: torch.tensor(rows, dtype=torch.int32) for name, rows in numbers.items()}
    return {**laid_out, "ages": laid_out["visits"] + 600, "read": torch.tensor([0, 5, 7, 13, 17])}


def timed() -> dict[str, Tensor]:
    given = batch()
    days = dict.fromkeys(("days", "gaps", "spans"), given["visits"] * 90)
    return {**given, **days, "sexes": given["visits"] * 0 + 1}


def encoders() -> list[tuple[str, Encoder, dict[str, Tensor], dict[str, bool]]]:
    without_gaps = {name: values for name, values in timed().items() if name != "gaps"}
    return [
        ("whole histories", Encoder(Sizes(**SIZES), 12), batch(), {}),
        ("forecasting", Encoder(Sizes(**SIZES), 12), batch(), {"causal": True}),
        ("forecast", TimedEncoder(ForecastSettings(**SIZES), 12), timed(), {}),
        (
            "forecast of several inputs",
            TimedEncoder(ForecastSettings(**SIZES), 8, {"tests": 4}),
            timed(),
            {},
        ),
        ("delphi", Delphi(DelphiSettings(**SIZES), 12, {"T": 6}), without_gaps, {}),
    ]


@pytest.mark.parametrize("which", range(5), ids=[name for name, *_ in encoders()])
def test_the_vectors_are_those_of_a_dense_bias(which: int) -> None:
    torch.manual_seed(0)
    _, encoder, given, more = encoders()[which]
    encoder.eval()
    with torch.no_grad():
        expected = encoder(**given, **more)
        encoder.in_blocks = True
        torch.testing.assert_close(encoder(**given, **more), expected, rtol=1e-4, atol=1e-5)


def same_patient_and_earlier() -> Sight:
    given = batch()
    return both(
        attention.of_patient(given["patients"]),
        attention.in_forecast(given["tokens"], given["visits"]),
    )


def kept_of(seeds: Tensor, length: int, rate: float) -> Tensor:
    """Return bool (R, A, L, L), which weights dropout keeps."""
    place = torch.arange(length, dtype=torch.int32)
    return keeps(seeds[..., None, None], place[:, None], place, round(rate * 2**16))


@pytest.mark.parametrize("rate", [0.0, 0.125, 0.75])
def test_the_gradients_too_are_those_of_a_dense_bias_of_which_some_weights_are_dropped(
    rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # torch has a backward pass for a CPU, but refuses to use it.
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *_: None)
    seeds = torch.tensor([[3, 2**31 - 2], [7 * 10**8, 0]], dtype=torch.int32)
    sees = same_patient_and_earlier()
    torch.manual_seed(1)
    given = [torch.randn(2, 2, 10, 16, requires_grad=True) for _ in range(3)]
    with monkeypatch.context() as drawn:
        drawn.setattr(torch, "randint", lambda *_, **__: seeds)
        found = in_blocks(*given, block_mask(sees, 10, CPU, twice=rate > 0), rate)
    change = torch.randn_like(found)
    gradients = torch.autograd.grad(found, given, change)

    query, key, value = given
    weights = attention.attention_weights(
        query, key, bias_of(dense(sees, 2, 10, CPU), torch.float32)
    )
    expected = weights * kept_of(seeds, 10, rate) / (1 - rate) @ value
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for gradient, dense_one in zip(
        gradients, torch.autograd.grad(expected, given, change), strict=True
    ):
        torch.testing.assert_close(gradient, dense_one, rtol=1e-4, atol=1e-5)


def test_weights_are_kept_at_random() -> None:
    """The share is right over each axis, and neighbours in any of them do not depend on another."""
    rate, shape = 0.3, (8, 4, 48, 48)
    torch.manual_seed(5)
    kept, other = (
        kept_of(torch.randint(2**31 - 1, shape[:2], dtype=torch.int32), 48, rate).double().numpy()
        for _ in range(2)
    )
    spread = np.sqrt(rate * (1 - rate) / kept.size)
    assert abs(kept.mean() - (1 - rate)) < 4 * spread
    for axis in range(4):
        others = tuple(place for place in range(4) if place != axis)
        of_each = kept.mean(axis=others)
        assert np.abs(of_each - (1 - rate)).max() < 5 * spread * np.sqrt(shape[axis])
        assert abs(np.corrcoef(kept.ravel(), np.roll(kept, 1, axis).ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(kept.ravel(), other.ravel())[0, 1]) < 0.01


def test_a_gpu_computes_in_blocks_where_there_is_a_compiler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = Encoder(Sizes(**SIZES), 12)
    monkeypatch.setattr("behrt.learning.encoder.can_compile", lambda: False)
    with caplog.at_level(logging.INFO, logger="behrt"):
        accelerate(encoder, Compute(1))
    assert not encoder.in_blocks
    assert "no C compiler" in caplog.text
    with pytest.raises(InputError, match=r"gpu.compile: it is true, but this machine has no C"):
        accelerate(encoder, Compute(1, compile=True))
    monkeypatch.setattr("behrt.learning.encoder.can_compile", lambda: True)
    accelerate(encoder, Compute(1, flex_attention=False))
    assert not encoder.in_blocks
    accelerate(encoder, Compute(1))
    assert encoder.in_blocks


def test_no_word_sees_another_patient_or_a_later_visit() -> None:
    seen = dense(same_patient_and_earlier(), 2, 10, CPU)[:, 0].numpy()
    first = seen[0]
    assert first[:6, :6].tolist() == [
        [True] * 3 + [False] * 3 if place < 3 else [True] * 6 for place in range(6)
    ]
    assert not first[:6, 6:].any()
    # MASK (7) sees only itself of its own visit, which is the patient's first; none sees MASK.
    assert first[6:9, 6:9].tolist() == [
        [True, False, True],
        [False, True, False],
        [True, False, True],
    ]
