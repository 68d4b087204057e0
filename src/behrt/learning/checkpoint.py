"""A checkpoint from which an interrupted training resumes, with the same bytes as a result."""

import hashlib
import inspect
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from behrt.files import atomic
from behrt.learning.artefacts import CHECKPOINT
from behrt.learning.device import device_of, precision_of
from behrt.learning.run import Optimisation, TrainingRun
from behrt.logs import logger
from behrt.provenance import code_hash

if TYPE_CHECKING:
    from hashlib import _Hash as Hash


def fingerprint(
    model: nn.Module,
    settings: Any,
    data: Mapping[str, np.ndarray],
    optimisation: Optimisation,
    run: TrainingRun,
) -> str:
    """Return a hash of all that decides a training: settings, initial weights, data and code."""
    decisive = {
        "settings": dict(settings) if isinstance(settings, Mapping) else settings.model_dump(),
        "optimisation": optimisation.model_dump(),
        "facts": dict(run.facts),
        "seed": run.compute.seed,
        "threads": run.compute.threads,
        "precision": precision_of(run),
        "accelerator": device_of(run),
        "torch": torch.__version__,
        "code": code_hash(Path(inspect.getfile(type(model))), "behrt.learning.engine"),
    }
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return hash_arrays(data, digest)


def hash_arrays(arrays: Mapping[str, np.ndarray], digest: "Hash | None" = None) -> str:
    """Return a hash of arrays and their names, in their order, and of what was hashed before.

    Arrays are not copied, since those of many patients may be larger than the memory.
    """
    digest = hashlib.sha256() if digest is None else digest
    for name, array in arrays.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state (tensors, numbers, strings, and lists and dicts of these) atomically."""
    packed = io.BytesIO()  # torch itself would not report a full disk
    torch.save(dict(state), packed)
    with atomic(folder / CHECKPOINT) as temporary:
        temporary.write_bytes(packed.getbuffer())


def load(folder: Path, expected: str) -> dict[str, Any] | None:
    """Return the saved state, or None if there is none or it belongs to another training."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        logger.warning("%s cannot be read: training starts from the beginning", path.name)
        return None
    if state.get("fingerprint") != expected:
        logger.warning(
            "%s belongs to other settings, data or code: training starts from the beginning",
            path.name,
        )
        return None
    return state
