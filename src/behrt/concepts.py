"""The kinds of inputs that a model can read: diagnoses and, in addition, other concepts.

A MEDS code states its kind by its prefix. Codes of diagnoses have the prefixes of
`behrt.sequences.vocabulary`.
"""

from collections.abc import Sequence

DIAGNOSES = "diagnoses"

PREFIXES = {
    "medications": "MEDICATION//",
    "procedures": "PROCEDURE//",
    "tests": "TEST//",
    "measurements": "MEASUREMENT//",
}
"""The prefix of the MEDS codes of each concept. The order is that of the words of a vocabulary."""

INPUTS = (DIAGNOSES, *PREFIXES)
"""What the `inputs` of a run or of a model may name."""


def concept_of(code: str) -> str | None:
    """Return the concept of a MEDS code, None for other codes, those of diagnoses included.

    >>> concept_of("MEDICATION//BNF//0601"), concept_of("CALIBER//Gout")
    ('medications', None)
    """
    for concept, prefix in PREFIXES.items():
        if code.startswith(prefix):
            return concept
    return None


def concepts_in(inputs: Sequence[str]) -> list[str]:
    """Return the concepts beyond diagnoses that `inputs` names, in the order of `PREFIXES`.

    >>> concepts_in(["tests", "diagnoses", "medications"])
    ['medications', 'tests']
    """
    return [concept for concept in PREFIXES if concept in inputs]


def in_order(inputs: Sequence[str]) -> list[str]:
    """Return `inputs` in the order of `INPUTS`, which no result depends on.

    >>> in_order(["tests", "diagnoses"])
    ['diagnoses', 'tests']
    """
    return [kind for kind in INPUTS if kind in inputs]
