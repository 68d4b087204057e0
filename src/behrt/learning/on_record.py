"""The words on record of a patient at a cut: how often, and how long ago.

Nothing here needs torch.
"""

from dataclasses import dataclass, fields

import numpy as np

from behrt.learning.examples import Examples
from behrt.ragged import ragged_ranges


@dataclass(frozen=True)
class OnRecord:
    """The words of the history of each cut, one entry per cut and word, sorted by both.

    Attributes:
        cut: int64 (entries), which cut.
        word: int64 (entries), its index in the vocabulary; those of diseases are the lowest.
        visits_with: int64 (entries), the visits with the word, at least 1.
        since_first, since_last: int64 (entries), days from the first and the last of them to the
            last visit before the cut, at least 0.
    """

    cut: np.ndarray
    word: np.ndarray
    visits_with: np.ndarray
    since_first: np.ndarray
    since_last: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every array by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def on_record(examples: Examples, starts: np.ndarray, visits: np.ndarray) -> OnRecord:
    """Return what is on record at each cut.

    Args:
        examples: the patients.
        starts: int64 (cuts), the first visit of the cut's patient, by its number in `examples`.
        visits: int64 (cuts), the last visit before the cut.
    """
    first = examples.code_offsets[starts]
    entries, offsets = ragged_ranges(first, examples.code_offsets[visits + 1] - first)
    visit = np.searchsorted(examples.code_offsets, entries, side="right") - 1
    cut = np.repeat(np.arange(len(visits)), np.diff(offsets))
    key = cut * examples.n_words + examples.codes[entries]
    order = np.argsort(key, kind="stable")  # within a key, the visits stay in order of time
    key, day = key[order], examples.visit_day[visit[order]].astype(np.int64)
    begins = np.flatnonzero(np.diff(key, prepend=-1))
    ends = np.append(begins[1:], len(key))
    cut, word = np.divmod(key[begins], examples.n_words)
    now = examples.visit_day[visits].astype(np.int64)[cut]
    return OnRecord(
        cut=cut,
        word=word,
        visits_with=ends - begins,
        since_first=now - day[begins],
        since_last=now - day[ends - 1],
    )
