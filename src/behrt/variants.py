"""Variants of a run: the same stages with one thing changed, each in a folder of its own.

The files of a variant have the names that the run's own have, below the folder of the variant:
`results/<run>/ablation/age/models/mlm/` instead of `results/<run>/models/mlm/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from behrt.ablation import ALL_EMBEDDINGS, COMBINATIONS, ablated, combinations_of_inputs
from behrt.concepts import DIAGNOSES
from behrt.learning.protocol import COMPARED

VARIANT_FOLDERS = ("ablation", "ablation_inputs", "protocols")
"""The folders that hold the folders of variants."""


@dataclass(frozen=True)
class Variant:
    """How BEHRT is trained in a variant of the run.

    Attributes:
        folder: below results/<run>/, with a slash at its end; "" for the run itself.
        protocol: who may be learned from (`behrt.learning.protocol`).
        embeddings: the embeddings that are on (`behrt.ablation`); None for those of the settings.
        read: the inputs that are read; None for those of the model.
    """

    folder: str
    protocol: str
    embeddings: str | None = None
    read: tuple[str, ...] | None = None

    def settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return a BEHRT's settings as the variant changes them."""
        return dict(settings) if self.embeddings is None else ablated(settings, self.embeddings)

    def inputs(self, inputs: Sequence[str]) -> list[str]:
        """Return the inputs of a model as the variant changes them."""
        return list(inputs if self.read is None else self.read)


def ablation_folder(embeddings: str) -> str:
    """Return the folder of a combination of embeddings; that of all three is the run itself."""
    return "" if embeddings == ALL_EMBEDDINGS else f"ablation/{embeddings}/"


def inputs_folder(combination: str, inputs: Sequence[str]) -> str:
    """Return the folder of a combination of inputs; that of all `inputs` is the run itself."""
    *_, own = combinations_of_inputs(inputs)
    return "" if combination == own else f"ablation_inputs/{combination}/"


def protocol_folder(protocol: str, own: str) -> str:
    """Return the folder of a protocol; the run's `own` protocol is the run itself."""
    return "" if protocol == own else f"protocols/{protocol}/"


def variants_of(protocol: str, inputs: Sequence[str] = (DIAGNOSES,)) -> dict[str, Variant]:
    """Return the run itself, then its variants, by folder.

    >>> list(variants_of("strict"))[:3]
    ['', 'ablation/disease/', 'ablation/position/']

    Args:
        protocol: that of the run.
        inputs: those of the run.
    """
    ablation = [
        Variant(ablation_folder(embeddings), protocol, embeddings)
        for embeddings in COMBINATIONS
        if embeddings != ALL_EMBEDDINGS
    ]
    protocols = [Variant(protocol_folder(name, protocol), name) for name in COMPARED]
    of_inputs = [
        Variant(inputs_folder(name, inputs), protocol, read=read)
        for name, read in combinations_of_inputs(inputs).items()
        if inputs_folder(name, inputs)
    ]
    variants = [Variant("", protocol), *ablation, *protocols, *of_inputs]
    return {variant.folder: variant for variant in variants}
