"""The inputs of simple models: counts of diseases, age and sex."""

import numpy as np
from scipy.sparse import coo_array, csr_array, hstack

from behrt.errors import InputError
from behrt.learning.examples import Examples

AGE_BANDS = 22
BAND_MONTHS = 60


def counts(examples: Examples) -> csr_array:
    """Return float32 (n, n_diseases): the number of input visits of a patient with a disease."""
    codes = np.diff(examples.code_offsets[examples.visit_offsets])
    rows = np.repeat(np.arange(len(examples)), codes)
    ones = np.ones(len(rows), dtype=np.float32)
    shape = (len(examples), examples.n_diseases)
    return csr_array(coo_array((ones, (rows, examples.codes)), shape=shape))


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


def with_demographics(vectors: np.ndarray, examples: Examples) -> np.ndarray:
    """Return float32 (n, size + 25): vectors of patients (n, size) and demographics."""
    people = demographics(examples).toarray()
    return np.concatenate([vectors, people], axis=1, dtype=np.float32)
