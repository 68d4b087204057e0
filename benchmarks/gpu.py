"""Training on a GPU: tokens per second, share of the GPU's peak, and how much of the time it waits.

    python benchmarks/gpu.py [--rows FILE] [--minutes 8] [--peak TFLOPS]

It trains BEHRT at the paper's size, and the forecast at its own, on synthetic patients, with each
way to compute attention and with several numbers of patients per step, and predicts. Compilation
and the first steps are not measured. It ends within the minutes: cases that do not fit are left
out, and it prints which. Without a GPU it trains tiny networks on the CPU, which only shows that
the benchmark runs.

A token is a real one, never padding. Model FLOPs utilisation (MFU, Chowdhery et al. 2022) is the
work of the network at these tokens, 6 FLOPs per weight and token and the products of attention
within a patient, relative to the dense bf16 peak of the GPU. The idle share is the time in which no
kernel runs, from the profiler.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows import Row, add_rows_option, write_rows
from synthetic import N_DISEASES, synthetic
from torch import nn

from behrt.learning import engine
from behrt.learning.device import begin, device_of, precision_of
from behrt.learning.examples import Examples
from behrt.learning.forecasting import Forecasting
from behrt.learning.histories import Histories
from behrt.learning.masked_language import MaskedLanguage
from behrt.learning.prefetch import ahead_of, made_ahead
from behrt.learning.run import Compute, Optimisation, TrainingRun
from behrt.models import behrt, forecast
from behrt.settings.behrt import Masking, Settings, Sizes
from behrt.settings.forecast import Settings as ForecastSettings

PEAKS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "A100": 312.0,
    "A30": 165.0,
    "L40S": 362.0,
    "L40": 181.0,
    "L4": 121.0,
    "A10": 125.0,
    "A6000": 155.0,
    "RTX 4090": 165.0,
    "RTX 3090": 71.0,
}
"""Dense bf16 TFLOPS of NVIDIA's data sheets, by a part of the device's name (the first found)."""

TINY = {"hidden": 48, "layers": 1, "heads": 4, "intermediate": 64}


@dataclass(frozen=True)
class Case:
    """What is measured: a task, patients per step, and how the GPU computes."""

    task: str
    batch: int
    flex: bool = True
    compiled: bool = False

    def __str__(self) -> str:
        attention = "attention in blocks" if self.flex else "dense attention"
        return f"{self.task}, batch {self.batch}, {attention}{', compiled' * self.compiled}"


@dataclass(frozen=True)
class Measured:
    """What was found: tokens per second, idle share (None if unknown), patients at a time."""

    tokens: float
    idle: float | None
    at_once: int | None


ON_GPU = [
    Case("pretrain", 256, flex=False),
    Case("pretrain", 256),
    Case("pretrain", 1024, flex=False),
    Case("pretrain", 1024),
    Case("pretrain", 1024, compiled=True),
    Case("pretrain", 8192),
    Case("finetune", 1024, flex=False),
    Case("finetune", 1024),
    Case("finetune", 1024, compiled=True),
    Case("forecast", 1024, flex=False),
    Case("forecast", 1024),
    Case("forecast", 1024, compiled=True),
    Case("predict", engine.EVALUATION_BATCH, flex=False),
]
ON_CPU = [Case(task, 64, flex=False) for task in ("pretrain", "finetune", "forecast", "predict")]


def sizes_of(task: str, tiny: bool) -> Settings | ForecastSettings:
    """Return the network's settings: the paper's, or for a forecast those of the default run."""
    kind = ForecastSettings if task == "forecast" else Settings
    read_out = {"readout": "mask"} if task == "pretrain" else {}
    return kind(**(TINY if tiny else {}), **read_out, max_length=100)


def network_of(task: str, settings: Any) -> nn.Module:
    """Return the network with random weights."""
    if task == "forecast":
        return forecast.Forecast(settings, N_DISEASES, ["T"])
    return behrt.Behrt(settings, N_DISEASES)


def objective_of(task: str, settings: Any, examples: Examples) -> engine.Objective:
    """Return what is trained."""
    if task == "pretrain":
        collate = behrt._collate(settings)
        return MaskedLanguage(examples, examples, collate, 100, Masking(), seed=1)
    if task == "finetune":
        return engine.Classification(examples, examples, behrt._collate(settings))
    last = np.repeat(examples.visit_offsets[1:], np.diff(examples.visit_offsets))
    histories = Histories(examples, examples.follow_up_start, {"T": last})
    return Forecasting(
        examples,
        examples,
        partial(forecast.cut_batch, settings),
        histories=histories,
        tuning_of={},
        cuts=8,
        max_length=100,
    )


def flops_per_token(settings: Sizes, tokens: np.ndarray) -> float:
    """Return the work of training at one token: three times that of a prediction.

    Args:
        settings: of the network, whose layers are counted, not its embeddings and its head.
        tokens: int64 (n), of each patient, at most the maximum length.
    """
    size, inner = settings.hidden, settings.intermediate
    weights = settings.layers * (4 * size**2 + 2 * size * inner)
    seen = (tokens.astype(float) ** 2).sum() / tokens.sum()
    return 3 * (2 * weights + settings.layers * 4 * size * seen)


def product_tflops(device: str, dtype: torch.dtype) -> float:
    """Return the best rate of five products of two square matrices."""
    size = 8192 if device == "cuda" else 1024
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times = []
    for _ in range(6):
        wait(device)
        start = time.perf_counter()
        one @ other
        wait(device)
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times[1:]) / 1e12


def wait(device: str) -> None:
    """Wait until the GPU has done its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def busy_seconds(profile: Any) -> float:
    """Return the time in which at least one kernel ran, of what the profiler saw."""
    kernels = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profile.events()
        if event.device_type == torch.autograd.DeviceType.CUDA and "Mem" not in event.name
    )
    busy, until = 0.0, -np.inf
    for start, end in kernels:  # microseconds
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy / 1e6


def batches(examples: int, size: int) -> Iterator[np.ndarray]:
    """Yield batches of patients without end, all of the same size."""
    for epoch in count():
        order = np.random.default_rng(epoch).permutation(examples)
        whole = len(order) // size * size
        yield from order[:whole].reshape(-1, size)


def measure(
    case: Case, examples: Examples, run: TrainingRun, tiny: bool, seconds: float
) -> Measured:
    """Train or predict for some seconds, after a warm-up."""
    compute = replace(run.compute, flex_attention=case.flex, compile=case.compiled)
    run = replace(run, compute=compute)
    device, settings = device_of(run), sizes_of(case.task, tiny)
    begin(run)
    network = network_of(case.task, settings)
    tokens = np.minimum(engine._tokens(examples), 100)
    at_once = None
    if case.task == "predict":

        def steps() -> Iterator[int]:
            while True:
                with engine.prepared(network, run) as moved_to:
                    for rows, _ in engine.batched_outputs(
                        network, moved_to, behrt._collate(settings), examples, case.batch
                    ):
                        yield int(tokens[rows].sum())

    else:
        optimisation = Optimisation(epochs=1000, batch_size=case.batch, learning_rate=1e-4)
        objective = objective_of(case.task, settings, examples)
        training = engine._Training(network, objective, optimisation, run, settings)
        training.find_at_once()
        training.wrapped.train()
        at_once = training.progress.at_once

        def made(numbered: tuple[int, np.ndarray]) -> tuple[np.ndarray, Any]:
            step, rows = numbered
            return rows, training.parts(rows, step)

        def steps() -> Iterator[int]:
            numbered = enumerate(batches(len(examples), case.batch))
            for rows, parts in made_ahead(made, numbered, ahead_of(device)):
                training.step(rows, parts)
                yield int(tokens[rows].sum())

    each = steps()
    for _ in islice(each, 2 if tiny else 12):  # compiles, and finds the memory
        pass
    wait(device)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        done += next(each)
    wait(device)
    speed = done / (time.perf_counter() - started)
    idle = None
    if device == "cuda":
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            started = time.perf_counter()
            for _ in islice(each, 20):
                pass
            wait(device)
            took = time.perf_counter() - started
        idle = max(0.0, 1 - busy_seconds(seen) / took)
    each.close()
    return Measured(speed, idle, at_once)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="in all (default: 8)")
    parser.add_argument("--seconds", type=float, help="of each case (default: 10; CPU: 2)")
    parser.add_argument("--peak", type=float, help="of the GPU, in dense bf16 TFLOPS")
    parser.add_argument("--patients", type=int, help="synthetic ones (default: 65536; CPU: 512)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default: 1)")
    add_rows_option(parser)
    given = parser.parse_args()
    began = time.perf_counter()
    gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if gpu else "CPU"
    if not gpu:
        print(
            "No GPU was found. Tiny networks are trained on the CPU: this only shows that the "
            "benchmark runs, and says nothing about a GPU."
        )
    compute = Compute(1, given.threads, accelerator="gpu" if gpu else "cpu")
    examples = synthetic(given.patients or (65_536 if gpu else 512))
    tokens = np.minimum(engine._tokens(examples), 100)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), compute)
        begin(run)
        precision = precision_of(run)
        dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
        product = product_tflops(device_of(run), dtype)
        peak = given.peak or next((PEAKS[part] for part in PEAKS if part in name), product)
        print(f"{name}, torch {torch.__version__}, {precision}")
        print(f"peak {peak:.4g} TFLOPS; a product of two matrices reaches {product:.4g}")
        for case in ON_GPU if gpu else ON_CPU:
            if time.perf_counter() - began > given.minutes * 60 - 60 * gpu:
                print(f"  {case}: left out, since {given.minutes:g} minutes are nearly over")
                continue
            try:
                found = measure(case, examples, run, not gpu, given.seconds or (10 if gpu else 2))
            except Exception as error:
                if not gpu:
                    raise
                print(f"  {case}: FAILED ({type(error).__name__}: {error})")
                continue
            work = flops_per_token(sizes_of(case.task, not gpu), tokens)
            share = found.tokens * work / (3 if case.task == "predict" else 1) / (peak * 1e12)
            idle = "unknown" if found.idle is None else f"{found.idle:.1%}"
            print(
                f"  {case}: {found.tokens:,.0f} tokens/s, MFU {share:.1%}, idle {idle}"
                + (f", {found.at_once} patients at a time" if found.at_once else "")
            )
            label = f"{name}: {case}"
            rows.append(
                Row(
                    label,
                    "training" if case.task != "predict" else "prediction",
                    "tokens/s",
                    found.tokens,
                )
            )
            rows.append(Row(label, "MFU", "%", 100 * share))
            if found.idle is not None:
                rows.append(Row(label, "idle share of the GPU", "%", 100 * found.idle))
    write_rows(given.rows, rows)


if __name__ == "__main__":
    main()
