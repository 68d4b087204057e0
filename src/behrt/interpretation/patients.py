"""Who is shown: simulated patients, drawn by a rule that looks at nothing of the results."""

from collections.abc import Sequence

import numpy as np

from behrt import hashing
from behrt.errors import InputError
from behrt.learning.examples import Examples


def choose(
    examples: Examples, seed: int, count: int, diagnoses: Sequence[int], most_visits: int
) -> np.ndarray:
    """Return the rows (int64) of the first patients whose history is neither bare nor crowded.

    The order is that of a hash of id and seed, so neither scores nor outcomes have a say.

    Args:
        examples: of simulated patients; nobody else's history may be shown.
        seed: another one draws others.
        count: how many at most.
        diagnoses: the fewest and the most in all their visits.
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
