"""Training examples as flat integer arrays: visits of subjects, and words of visits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from behrt.concepts import DIAGNOSES, INPUTS, PREFIXES
from behrt.errors import InputError
from behrt.ragged import ragged_take

_CHUNK = 2**20


@dataclass(frozen=True)
class Examples:
    """The visits of each input, and the diseases to predict: one row per subject, or several.

    Words are indices of the vocabulary without special tokens: those below `n_diseases` are the
    diseases, which are also the labels; the others are of other concepts. Ragged levels are offsets
    into flat arrays: row i has visits `visit_offsets[i]` to `visit_offsets[i + 1]`, visit v has
    words `codes[code_offsets[v]:code_offsets[v + 1]]`, sorted and unique.

    Attributes:
        subject_id: int64 (n); the rows of a subject who has several are together.
        sex: int8 (n); 0 unknown, 1 male, 2 female.
        follow_up_start: int32 (n), days since 1970-01-01.
        visit_offsets: int64 (n + 1).
        visit_day: int32 (visits), days since 1970-01-01, ascending within a subject.
        visit_age: int16 (visits), months since January of the birth year.
        code_offsets: int64 (visits + 1).
        codes: int16 (words in visits).
        label_offsets, labels: int64 (n + 1) and int16; the diseases to predict (empty for MLM).
        known_offsets, known: int64 (n + 1) and int16; every disease in the subject's history up
            to the last input visit, also those that a model's maximum length excludes.
        n_diseases: the number of phenotypes.
        concepts: the number of words of each other concept, by its name (`behrt.concepts`).
    """

    subject_id: np.ndarray
    sex: np.ndarray
    follow_up_start: np.ndarray
    visit_offsets: np.ndarray
    visit_day: np.ndarray
    visit_age: np.ndarray
    code_offsets: np.ndarray
    codes: np.ndarray
    label_offsets: np.ndarray
    labels: np.ndarray
    known_offsets: np.ndarray
    known: np.ndarray
    n_diseases: int
    concepts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.subject_id)

    @property
    def n_subjects(self) -> int:
        """The number of different subjects, which is what counts for disclosure."""
        return len(np.unique(self.subject_id))

    @property
    def n_words(self) -> int:
        """The number of words of the vocabulary, diseases and others."""
        return self.n_diseases + sum(self.concepts.values())

    def subjects(self) -> np.ndarray:
        """Return int64 (n): the number of each row's subject, from 0 on."""
        numbers: np.ndarray = np.unique(self.subject_id, return_inverse=True)[1]
        return numbers

    def select(self, rows: np.ndarray) -> "Examples":
        """Return the examples at `rows` (int64 indices), in that order."""
        visits, visit_offsets = ragged_take(self.visit_offsets, rows)
        positions, code_offsets = ragged_take(self.code_offsets, visits)
        labels, label_offsets = ragged_take(self.label_offsets, rows)
        known, known_offsets = ragged_take(self.known_offsets, rows)
        return Examples(
            subject_id=self.subject_id[rows],
            sex=self.sex[rows],
            follow_up_start=self.follow_up_start[rows],
            visit_offsets=visit_offsets,
            visit_day=self.visit_day[visits],
            visit_age=self.visit_age[visits],
            code_offsets=code_offsets,
            codes=self.codes[positions],
            label_offsets=label_offsets,
            labels=self.labels[labels],
            known_offsets=known_offsets,
            known=self.known[known],
            n_diseases=self.n_diseases,
            concepts=self.concepts,
        )

    def only(self, inputs: Sequence[str] | None, keep_last: bool = True) -> "Examples":
        """Return the examples with the words of some inputs only; None for all.

        A visit that is left without a word is left out, except the last of a row, at which the
        prediction is made.

        Args:
            inputs: names of `behrt.concepts.INPUTS`.
            keep_last: whether the last visit is kept if it is left without a word. Otherwise rows
                that are left without a visit are left out, too.
        """
        if inputs is None or set(self.concepts) <= set(inputs):
            return self
        filled = self.without_words(inputs)
        kept = np.diff(filled.code_offsets) > 0
        if keep_last:
            kept[self.visit_offsets[1:] - 1] = True
        rows = np.repeat(np.arange(len(self)), np.diff(self.visit_offsets))
        visits = np.bincount(rows[kept], minlength=len(self))
        left = replace(
            filled,
            visit_offsets=np.concatenate([[0], visits.cumsum()]),
            visit_day=self.visit_day[kept],
            visit_age=self.visit_age[kept],
            code_offsets=np.concatenate([[0], np.diff(filled.code_offsets)[kept].cumsum()]),
        )
        return left if keep_last else left.select(np.flatnonzero(visits))

    def without_words(self, inputs: Sequence[str] | None) -> "Examples":
        """Return the examples with the words of some inputs only, and every visit."""
        if inputs is None or set(self.concepts) <= set(inputs):
            return self
        read = np.isin(word_types(self.n_diseases, self.concepts), [_TYPE[name] for name in inputs])
        kept = read[self.codes]
        before = np.concatenate([[0], kept.cumsum()])
        return replace(self, code_offsets=before[self.code_offsets], codes=self.codes[kept])

    def _multi_hot(self, offsets: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        positions, new_offsets = ragged_take(offsets, rows)
        dense = np.zeros((len(rows), self.n_diseases), dtype=bool)
        dense[np.repeat(np.arange(len(rows)), np.diff(new_offsets)), values[positions]] = True
        return dense

    def label_matrix(self, rows: np.ndarray) -> np.ndarray:
        """Return bool (len(rows), n_diseases): the diseases to predict."""
        return self._multi_hot(self.label_offsets, self.labels, rows)

    def known_matrix(self, rows: np.ndarray) -> np.ndarray:
        """Return bool (len(rows), n_diseases): the diseases already in the history."""
        return self._multi_hot(self.known_offsets, self.known, rows)

    def word_counts(self) -> np.ndarray:
        """Return int64 (n_words): how often each word occurs in visits."""
        counts = np.zeros(self.n_words, dtype=np.int64)
        for start in range(0, len(self.codes), _CHUNK):  # `bincount` copies what it counts
            counts += np.bincount(self.codes[start : start + _CHUNK], minlength=self.n_words)
        return counts

    def label_prevalence(self) -> np.ndarray:
        """Return float64 (n_diseases): the share of examples with each disease as a label."""
        counts = np.bincount(self.labels, minlength=self.n_diseases)
        return counts / max(len(self), 1)

    def prior_log_odds(self) -> np.ndarray:
        """Return float32 (n_diseases): the log-odds of each disease as a label.

        The biases of every classifier start with these values. Starting from 0 they would first
        have to fall by about six for all patients, and training can stop at that ranking by
        prevalence. The prevalence is clipped to half an example from 0 and 1.
        """
        edge = 0.5 / max(len(self), 1)
        prevalence = np.clip(self.label_prevalence(), edge, 1 - edge)
        return np.asarray(np.log(prevalence / (1 - prevalence)), dtype=np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every array by name, for hashing and tests."""
        numbers = ("n_diseases", "concepts")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in numbers}

    def recorded(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distinct words of the visits of rows, sorted; int64, and their offsets."""
        if not self.concepts:
            positions, offsets = ragged_take(self.known_offsets, rows)
            return self.known[positions].astype(np.int64), offsets
        positions, offsets = ragged_take(self.code_offsets[self.visit_offsets], rows)
        row = np.repeat(np.arange(len(rows)), np.diff(offsets))
        pairs = np.unique(row * self.n_words + self.codes[positions])
        counts = np.bincount(pairs // self.n_words, minlength=len(rows))
        return pairs % self.n_words, np.concatenate([[0], counts.cumsum()])


_TYPE = {name: place for place, name in enumerate(INPUTS)}


def word_types(n_diseases: int, concepts: Mapping[str, int]) -> np.ndarray:
    """Return int64 (words): the kind of input of each word, its place in `behrt.concepts.INPUTS`.

    >>> word_types(2, {"tests": 1, "medications": 2}).tolist()
    [0, 0, 1, 1, 3]

    Args:
        n_diseases: words that are diagnoses.
        concepts: the number of words of each other concept.
    """
    numbers = {DIAGNOSES: n_diseases, **{name: concepts.get(name, 0) for name in PREFIXES}}
    return np.repeat([_TYPE[name] for name in numbers], list(numbers.values()))


def concatenated(parts: Sequence[Examples]) -> Examples:
    """Return the examples of several parts, at least one, one after the other."""
    arrays: dict[str, np.ndarray] = {}
    for name in parts[0].arrays():
        each = [part.arrays()[name] for part in parts]
        if name.endswith("_offsets"):
            before = np.cumsum([0, *(offsets[-1] for offsets in each)])
            ends = [offsets[1:] + start for offsets, start in zip(each, before, strict=False)]
            each = [np.zeros(1, dtype=np.int64), *ends]
        arrays[name] = np.concatenate(each)
    return Examples(**arrays, n_diseases=parts[0].n_diseases, concepts=parts[0].concepts)


def require_examples(train: Examples, tuning: Examples) -> None:
    """Refuse a training without training or tuning examples.

    Raises:
        InputError: there are none.
    """
    for name, part in (("training", train), ("tuning", tuning)):
        if not len(part):
            raise InputError(
                f"{name} examples",
                "there are none",
                "Use more patients, or check the split's shares and the task's rules",
            )
