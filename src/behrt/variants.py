"""Variants of a run: the same stages with one thing changed, each in a folder of its own.

The files of a variant have the names that the run's own have, below the folder of the variant:
`results/<run>/ablation/age/models/mlm/` instead of `results/<run>/models/mlm/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from behrt.ablation import ALL_EMBEDDINGS, COMBINATIONS, ablated
from behrt.learning.protocol import COMPARED


@dataclass(frozen=True)
class Variant:
    """How BEHRT is trained in a variant of the run.

    Attributes:
        folder: below results/<run>/, with a slash at its end; "" for the run itself.
        protocol: who may be learned from (`behrt.learning.protocol`).
        embeddings: the embeddings that are on (`behrt.ablation`); None for those of the settings.
    """

    folder: str
    protocol: str
    embeddings: str | None = None

    def settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return a BEHRT's settings as the variant changes them."""
        return dict(settings) if self.embeddings is None else ablated(settings, self.embeddings)


def ablation_folder(embeddings: str) -> str:
    """Return the folder of a combination of embeddings; that of all three is the run itself."""
    return "" if embeddings == ALL_EMBEDDINGS else f"ablation/{embeddings}/"


def protocol_folder(protocol: str, own: str) -> str:
    """Return the folder of a protocol; the run's `own` protocol is the run itself."""
    return "" if protocol == own else f"protocols/{protocol}/"


def variants_of(protocol: str) -> dict[str, Variant]:
    """Return the run itself, then its variants, by folder.

    >>> list(variants_of("strict"))[:3]
    ['', 'ablation/disease/', 'ablation/position/']

    Args:
        protocol: that of the run.
    """
    ablation = [
        Variant(ablation_folder(embeddings), protocol, embeddings)
        for embeddings in COMBINATIONS
        if embeddings != ALL_EMBEDDINGS
    ]
    protocols = [Variant(protocol_folder(name, protocol), name) for name in COMPARED]
    variants = [Variant("", protocol), *ablation, *protocols]
    return {variant.folder: variant for variant in variants}
