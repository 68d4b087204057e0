"""Set up torch for a run: threads, seed, precision and device."""

import os
from typing import Literal

import torch

from behrt.errors import InputError
from behrt.learning.run import TrainingRun


def require_gpu() -> None:
    """Refuse to train on a GPU where there is none.

    Raises:
        InputError: torch finds no CUDA device.
    """
    if not torch.cuda.is_available():
        raise InputError(
            "config, accelerator",
            "it is gpu, but torch finds no CUDA device on this machine",
            "Set it to cpu, or run where there is a GPU and torch is built for it",
        )


def begin(run: TrainingRun) -> None:
    """Set threads, seed and determinism. Call it before a model's weights are drawn.

    Raises:
        InputError: the run is to use a GPU, and torch finds none.
    """
    if device_of(run) == "cuda":
        require_gpu()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Batches of many different sizes would otherwise leave gaps in the memory of a GPU.
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    torch.set_num_threads(run.compute.threads)
    # As `use_deterministic_algorithms(True, warn_only=True)`, which also imports the compiler.
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(run.compute.seed)


def _multiplies_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities()
    # With AVX-512 only, Intel's processors multiply bfloat16 at half the rate of float32, AMD's
    # (which have SSE4a) at twice that rate.
    return bool(
        abilities.get("amx_bf16") or (abilities.get("avx512_bf16") and abilities.get("sse4a"))
    )


def precision_of(run: TrainingRun) -> Literal["32-true", "bf16-mixed"]:
    """Return the precision of a run's computation; "auto" depends on this machine."""
    if run.compute.precision == "auto":
        return "bf16-mixed" if _multiplies_bfloat16(device_of(run)) else "32-true"
    return "bf16-mixed" if run.compute.precision == "bf16-mixed" else "32-true"


def device_of(run: TrainingRun) -> str:
    """Return torch's name of the device: "cpu" or "cuda"."""
    return "cuda" if run.compute.accelerator == "gpu" else "cpu"
