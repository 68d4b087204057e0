"""Choice of simulated patients to show, independent of the results."""

from collections.abc import Sequence

import numpy as np

from behrt import hashing
from behrt.errors import InputError
from behrt.learning.examples import Examples


def choose(
    examples: Examples, seed: int, count: int, diagnoses: Sequence[int], most_visits: int
) -> np.ndarray:
    """Return the rows (int64) of the first patients with a history of suitable length.

    The order is that of a hash of id and seed, so it does not depend on scores or outcomes.

    Args:
        examples: of simulated patients; no other history may be shown.
        seed: of the order.
        count: most patients.
        diagnoses: fewest and most diagnoses in all visits of a patient.
        most_visits: of a patient.

    Raises:
        InputError: there is no such patient.
    """
    visits = np.diff(examples.visit_offsets)
    found = np.diff(examples.code_offsets[examples.visit_offsets])
    fewest, most = diagnoses
    order = np.argsort(hashing.mix(examples.subject_id, seed, "explain"), kind="stable")
    suits = (found >= fewest) & (found <= most) & (visits <= most_visits)
    chosen: np.ndarray = order[suits[order]][:count]
    if not len(chosen):
        raise InputError(
            "examples",
            f"no held-out patient has {fewest} to {most} diagnoses in {most_visits} visits",
            "Use more patients",
        )
    return chosen
