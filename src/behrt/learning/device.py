"""What torch is told before it computes: threads, seed, precision and device."""

import os
from typing import Literal

import torch

from behrt.learning.run import TrainingRun


def begin(run: TrainingRun) -> None:
    """Set threads, seed and determinism. Call it before a model's weights are drawn."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(run.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(run.seed)


def _multiplies_bfloat16(accelerator: str) -> bool:
    if accelerator == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def precision_of(run: TrainingRun) -> Literal["32-true", "bf16-mixed"]:
    """Return the precision that a run computes in, "auto" resolved on this machine."""
    if run.precision == "auto":
        return "bf16-mixed" if _multiplies_bfloat16(accelerator_of(run)) else "32-true"
    return "bf16-mixed" if run.precision == "bf16-mixed" else "32-true"


def accelerator_of(run: TrainingRun) -> str:
    """Return "cpu" or "cuda", "auto" resolved on this machine."""
    if run.accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return run.accelerator
