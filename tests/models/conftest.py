"""Small examples for the models' tests."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from behrt.learning.examples import Examples

Patient = tuple[int, list[tuple[int, list[int]]], list[int]]
"""Sex, visits (day, diseases), labels."""

N_DISEASES = 12


def _offsets(lists: Sequence[Sequence[object]]) -> np.ndarray:
    return np.cumsum([0, *(len(values) for values in lists)])


def _flat(lists: Sequence[Sequence[int]], dtype: type) -> np.ndarray:
    return np.array([value for values in lists for value in values], dtype=dtype)


def build(
    patients: Sequence[Patient],
    n_diseases: int = N_DISEASES,
    concepts: Mapping[str, int] | None = None,
) -> Examples:
    visits = [visit for _, history, _ in patients for visit in history]
    known = [
        sorted({c for _, codes in history for c in codes if c < n_diseases})
        for _, history, _ in patients
    ]
    labels = [sorted(labels) for _, _, labels in patients]
    return Examples(
        subject_id=np.arange(len(patients)),
        sex=np.array([sex for sex, _, _ in patients], dtype=np.int8),
        follow_up_start=np.zeros(len(patients), dtype=np.int32),
        visit_offsets=_offsets([history for _, history, _ in patients]),
        visit_day=np.array([day for day, _ in visits], dtype=np.int32),
        visit_age=np.array([600 + day // 30 for day, _ in visits], dtype=np.int16),
        code_offsets=_offsets([codes for _, codes in visits]),
        codes=_flat([codes for _, codes in visits], np.int16),
        label_offsets=_offsets(labels),
        labels=_flat(labels, np.int16),
        known_offsets=_offsets(known),
        known=_flat(known, np.int16),
        n_diseases=n_diseases,
        concepts=concepts or {},
    )


def draw(patients: int, seed: int) -> list[Patient]:
    """Return random patients: labelled 9 if disease 0 was recorded, else 10 or 11 by sex."""
    generator = np.random.default_rng(seed)
    drawn: list[Patient] = []
    for _ in range(patients):
        days = np.cumsum(generator.integers(1, 400, generator.integers(1, 9)))
        history = [
            (
                int(day),
                sorted(generator.choice(8, generator.integers(1, 4), replace=False).tolist()),
            )
            for day in days
        ]
        if generator.random() < 0.5:
            history = [(day, [c for c in codes if c != 0] or [1]) for day, codes in history]
        sex = int(generator.integers(1, 3))
        has_it = any(0 in codes for _, codes in history)
        drawn.append((sex, history, [9] if has_it else [9 + sex]))
    return drawn


@pytest.fixture
def build_examples() -> Callable[..., Examples]:
    return build


@pytest.fixture
def draw_patients() -> Callable[[int, int], list[Patient]]:
    return draw
