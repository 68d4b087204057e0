"""Synthetic patients for benchmarks of training."""

import numpy as np

from behrt.learning.examples import Examples

N_DISEASES = 301


def synthetic(patients: int) -> Examples:
    """Return patients of 17 words in the middle and 30 on average, up to the maximum length."""
    generator = np.random.default_rng(1)
    visits = np.clip(generator.lognormal(1.9, 0.8, patients).astype(np.int64), 4, 60)
    visit_offsets = np.concatenate([[0], visits.cumsum()])
    sizes = np.minimum(generator.geometric(1 / 1.3, visit_offsets[-1]), 6)
    labels = np.arange(patients + 1, dtype=np.int64)
    share = 1 / np.arange(1, N_DISEASES + 1)
    share /= share.sum()
    codes = generator.choice(N_DISEASES, sizes.sum(), p=share).astype(np.int16)
    return Examples(
        subject_id=labels[:-1],
        sex=np.zeros(patients, dtype=np.int8),
        follow_up_start=np.zeros(patients, dtype=np.int32),
        visit_offsets=visit_offsets,
        visit_day=np.zeros(visit_offsets[-1], dtype=np.int32),
        visit_age=generator.integers(0, 1200, visit_offsets[-1]).astype(np.int16),
        code_offsets=np.concatenate([[0], sizes.cumsum()]),
        codes=codes,
        label_offsets=labels,
        labels=generator.choice(N_DISEASES, patients, p=share).astype(np.int16),
        known_offsets=labels * 0,
        known=codes[:0],
        n_diseases=N_DISEASES,
    )
