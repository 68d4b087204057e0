"""Which rows of a model's tensors each patient's examples read: ages, segments, sexes, gaps.

A row that few patients read is learned from these patients. A release erases it, as it erases the
rows of diseases that few patients had (`behrt.release.weights`). So every kind of model whose
weights may be released has a function `value_rows` in addition to its `DISEASE_ROWS`.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ValueRows:
    """Rows of one tensor, and the patients who read them.

    Attributes:
        patients: int64 (n), rows of the examples, or numbers of patients.
        rows: int64 (n), the row that each of them reads; pairs may repeat.
        ordered: whether neighbouring rows are of similar values, as ages are.
    """

    patients: np.ndarray
    rows: np.ndarray
    ordered: bool = False

    def readers(self, n_rows: int) -> np.ndarray:
        """Return int64 (n_rows): how many different patients read each row.

        >>> ValueRows(np.array([0, 0, 1]), np.array([2, 2, 0])).readers(4)
        array([1, 0, 1, 0])
        """
        pairs = np.unique(np.asarray(self.patients, dtype=np.int64) * n_rows + self.rows)
        return np.bincount(pairs % n_rows, minlength=n_rows)
