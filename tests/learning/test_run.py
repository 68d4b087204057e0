"""Settings of a training: refusals, learning rates, precision."""

from pathlib import Path
from typing import Any

import pytest

from behrt.errors import InputError
from behrt.learning.device import begin, precision_of
from behrt.learning.run import Compute, Optimisation, TrainingRun, read_settings


def test_the_rate_rises_then_falls_to_zero() -> None:
    optimisation = Optimisation(epochs=1, batch_size=1, learning_rate=2.0, warm_up=0.25)
    rates = [optimisation.rate(step, 20) for step in range(20)]
    assert rates[:5] == sorted(rates[:5])
    assert max(rates) == rates[5] == 2.0
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.2
    assert 0 < rates[0] < 0.5


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    given = {"epochs": 1, "batch_size": 1, "learning_rate": 3.0, "schedule": "constant"}
    optimisation = read_settings(Optimisation, {**given, "warm_up": 0.5})
    assert {optimisation.rate(step, 10) for step in range(5, 10)} == {3.0}
    without = read_settings(Optimisation, {**given, "warm_up": 0.0})
    assert without.rate(0, 10) == 3.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("patience", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("warm_up", 1.0),
        ("weight_decay", -0.1),
        ("schedule", "cosine"),
        ("gradient_norm", 0.0),
        ("momentum", 0.9),
    ],
)
def test_bad_optimisation_is_refused_by_name(name: str, value: Any) -> None:
    given = {"epochs": 1, "batch_size": 1, "learning_rate": 1.0, name: value}
    with pytest.raises(InputError, match=name):
        read_settings(Optimisation, given)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(InputError, match="epochs"):
        read_settings(Optimisation, {"batch_size": 1, "learning_rate": 1.0})


@pytest.mark.parametrize(
    ("name", "value"), [("precision", "16"), ("accelerator", "tpu"), ("threads", 0), ("seed", -1)]
)
def test_bad_runs_are_refused_by_name(name: str, value: Any) -> None:
    given: dict[str, Any] = {"seed": 1, name: value}
    with pytest.raises(InputError, match=name):
        Compute(**given)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(
        InputError, match=r"config, accelerator: it is gpu, but torch finds no CUDA"
    ):
        begin(TrainingRun(Path(), Compute(1, accelerator="gpu")))


def test_auto_precision_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    run = TrainingRun(Path(), Compute(1))
    for abilities, expected in (
        (["amx_bf16", "avx512_bf16"], "bf16-mixed"),
        (["avx512_bf16", "sse4a"], "bf16-mixed"),
        (["avx512_bf16"], "32-true"),  # Intel without AMX multiplies it slowly
        (["sse4a"], "32-true"),
    ):
        has = dict.fromkeys(abilities, True)
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda has=has: has)
        assert precision_of(run) == expected
    assert precision_of(TrainingRun(Path(), Compute(1, precision="bf16-mixed"))) == "bf16-mixed"
