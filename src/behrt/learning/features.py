"""The inputs of simple models: counts of words, times since their records, age and sex."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array, hstack

from behrt.errors import InputError
from behrt.learning.examples import Examples
from behrt.learning.on_record import on_record

AGE_BANDS = 22
BAND_MONTHS = 60
DAYS_PER_MONTH = 365.25 / 12


def counts(examples: Examples) -> csr_array:
    """Return float32 (n, n_words): the number of input visits with each word."""
    codes = np.diff(examples.code_offsets[examples.visit_offsets])
    rows = np.repeat(np.arange(len(examples)), codes)
    ones = np.ones(len(rows), dtype=np.float32)
    shape = (len(examples), examples.n_words)
    return csr_array(coo_array((ones, (rows, examples.codes)), shape=shape))


def examples_with(examples: Examples) -> np.ndarray:
    """Return int64 (n_words): the number of examples with each word."""
    words, _ = examples.recorded(np.arange(len(examples)))
    return np.bincount(words, minlength=examples.n_words)


def ages(examples: Examples) -> np.ndarray:
    """Return int64 (n): the age at the last input visit, in months.

    Raises:
        InputError: a patient has no visit.
    """
    if not np.diff(examples.visit_offsets).all():
        raise InputError("examples", "a patient has no visit", "Draw the tasks again")
    months: np.ndarray = examples.visit_age[examples.visit_offsets[1:] - 1].astype(np.int64)
    return months


def demographics(examples: Examples) -> csr_array:
    """Return float32 (n, 25): one column per sex (unknown, male, female) and per 5 years."""
    patients = np.arange(len(examples))
    ones = np.ones(len(examples), dtype=np.float32)
    band = np.minimum(ages(examples) // BAND_MONTHS, AGE_BANDS - 1)
    sex = csr_array((ones, (patients, examples.sex)), shape=(len(examples), 3))
    age = csr_array((ones, (patients, band)), shape=(len(examples), AGE_BANDS))
    return csr_array(hstack([sex, age]))


@dataclass(frozen=True)
class RecordTimes:
    """When each word on record was first and last recorded, one entry per row and word.

    Times are months of 30.4375 days before the last input visit, 0 at that visit.

    Attributes:
        row: int64 (entries), ascending.
        word: int64 (entries), ascending within a row.
        last, first: float64 (entries), months since the last and since the first record.
        shape: the number of rows, and of words.
    """

    row: np.ndarray
    word: np.ndarray
    last: np.ndarray
    first: np.ndarray
    shape: tuple[int, int]

    def matrix(self, values: np.ndarray) -> csr_array:
        """Return float32 `shape`: the values of the entries, 0 for a word not on record."""
        held = np.asarray(values, dtype=np.float32)
        return csr_array(coo_array((held, (self.row, self.word)), shape=self.shape))


def record_times(examples: Examples) -> RecordTimes:
    """Return when each word was first and last recorded in the input visits."""
    found = on_record(examples, examples.visit_offsets[:-1], examples.visit_offsets[1:] - 1)
    last, first = (days / DAYS_PER_MONTH for days in (found.since_last, found.since_first))
    shape = (len(examples), examples.n_words)
    return RecordTimes(found.cut, found.word, last, first, shape)


def observed(examples: Examples) -> np.ndarray:
    """Return float32 (n, 2): months since the start of follow-up, and the number of visits.

    Both are those at the last input visit. A month has 30.4375 days.
    """
    last_day = examples.visit_day[examples.visit_offsets[1:] - 1]
    months = (last_day - examples.follow_up_start) / DAYS_PER_MONTH
    visits = np.diff(examples.visit_offsets)
    return np.stack([months, visits], axis=1).astype(np.float32)


def with_demographics(vectors: np.ndarray, examples: Examples) -> np.ndarray:
    """Return float32 (n, size + 25): vectors of patients (n, size) and demographics."""
    people = demographics(examples).toarray()
    return np.concatenate([vectors, people], axis=1, dtype=np.float32)
