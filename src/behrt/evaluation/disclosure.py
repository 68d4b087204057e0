"""The one gate that every count of patients passes before it is printed.

A count from 1 to threshold - 1 is hidden (primary suppression), and so is every other count from
which it would follow by addition or subtraction (secondary suppression). Both look the same, a
null, so that a reader cannot tell which is which. Zero and counts of at least the threshold
identify nobody. (Hundepool et al., Statistical Disclosure Control, 2012, chapter 4.)
"""

from collections.abc import Sequence

import numpy as np
import polars as pl


def is_small(counts: np.ndarray, threshold: int) -> np.ndarray:
    """Return bool: where a count of patients is too small to be shown."""
    return (counts > 0) & (counts < threshold)


def hide_parts(counts: np.ndarray, threshold: int) -> np.ndarray:
    """Return bool (n): which parts of a total that is printed elsewhere to hide.

    Small parts are hidden, then the smallest others until at least two are, they add up to the
    threshold, and they are not all 1. What is left hidden can then take several values each.
    A total that is itself small must be hidden too: its parts cannot be protected.

    Args:
        counts: integers (n), not negative.
        threshold: the smallest count to show.
    """
    hidden = is_small(counts, threshold)
    if not hidden.any():
        return hidden
    for candidate in np.argsort(counts, kind="stable"):
        together = counts[hidden].sum()
        if hidden.sum() > 1 and together >= threshold and together > hidden.sum():
            break
        hidden[candidate] |= counts[candidate] > 0
    return hidden


def hide_steps(counts: np.ndarray, threshold: int) -> np.ndarray:
    """Return bool (n): which numbers of patients, left after each step, to hide.

    A small number is hidden, and so is one that differs little from the last one shown: the
    difference would be the patients whom the steps between exclude. If the last number is too
    near to one before it, that one is hidden instead, unless it is the first: the first is taken
    as known.

    Args:
        counts: integers (n), not negative, none higher than the one before it.
        threshold: the smallest count, or difference, to show.

    Raises:
        ValueError: a count is higher than the one before it.
    """
    if (np.diff(counts) > 0).any():
        raise ValueError("patients must not become more from step to step")

    def near(before: int, after: int) -> bool:
        return 0 < before - after < threshold

    hidden = is_small(counts, threshold)
    shown: list[int] = []
    for step in np.flatnonzero(~hidden):
        if shown and near(int(counts[shown[-1]]), int(counts[step])):
            if step < len(counts) - 1:
                continue
            while len(shown) > 1 and near(int(counts[shown[-1]]), int(counts[step])):
                shown.pop()
            if near(int(counts[shown[-1]]), int(counts[step])):
                continue
        shown.append(int(step))
    hidden[:] = True
    hidden[shown] = False
    return hidden


def suppress(frame: pl.DataFrame, hidden: np.ndarray, columns: Sequence[str]) -> pl.DataFrame:
    """Return the frame with nulls in the rows that are hidden.

    Args:
        frame: any.
        hidden: bool (rows).
        columns: the counts, and whatever they could be computed from, such as a share.
    """
    shown = pl.lit(pl.Series(~hidden))
    return frame.with_columns(pl.when(shown).then(pl.col(name)).alias(name) for name in columns)
