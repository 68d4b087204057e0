"""The combinations that ablations compare: of embeddings (paper, Table S8), and of inputs."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from behrt.concepts import DIAGNOSES, concepts_in

EMBEDDINGS = ("age", "segment", "position")
"""The embeddings that BEHRT adds to that of the disease, which is always on."""

NONE = "disease"
"""The name of the combination in which all of them are off."""


def name_of(switches: Mapping[str, bool]) -> str:
    """Return the name of a combination: the embeddings that are on, or `NONE`."""
    return "_".join(name for name in EMBEDDINGS if switches[name]) or NONE


def switches_of(name: str) -> dict[str, bool]:
    """Return which embeddings are on in a combination, by its name."""
    return {embedding: embedding in name.split("_") for embedding in EMBEDDINGS}


COMBINATIONS = tuple(
    name_of(dict(zip(EMBEDDINGS, switches, strict=True)))
    for switches in itertools.product((False, True), repeat=len(EMBEDDINGS))
)
"""All eight combinations, from the disease only to all three embeddings."""

ALL_EMBEDDINGS = COMBINATIONS[-1]
"""The combination of the run itself."""


def ablated(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a BEHRT's settings with the embeddings of one combination."""
    return {**settings, **switches_of(name)}


def combinations_of_inputs(inputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the combinations of inputs that are compared, by name: the last is the run itself.

    They are diagnoses only, diagnoses with each other input, and all.

    >>> list(combinations_of_inputs(["diagnoses", "medications", "tests"]))
    ['diagnoses', 'diagnoses_medications', 'diagnoses_tests', 'diagnoses_medications_tests']

    Args:
        inputs: of the run.
    """
    concepts = concepts_in(inputs)
    compared = [(), *((concept,) for concept in concepts), tuple(concepts)]
    return {"_".join((DIAGNOSES, *more)): (DIAGNOSES, *more) for more in compared}
