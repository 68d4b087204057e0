"""Who is shown depends on id, seed and the size of the history, and on nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from behrt.errors import InputError
from behrt.interpretation.patients import choose
from behrt.learning.examples import Examples


def histories(sizes: list[list[int]]) -> Examples:
    """Return patients by the number of diagnoses in each of their visits."""
    n, visits = len(sizes), [size for patient in sizes for size in patient]
    none = np.zeros(n + 1, dtype=np.int64)
    return Examples(
        subject_id=1000 + np.arange(n),
        sex=np.ones(n, dtype=np.int8),
        follow_up_start=np.zeros(n, dtype=np.int32),
        visit_offsets=np.cumsum([0, *map(len, sizes)]),
        visit_day=np.zeros(len(visits), dtype=np.int32),
        visit_age=np.full(len(visits), 600, dtype=np.int16),
        code_offsets=np.cumsum([0, *visits]),
        codes=np.zeros(sum(visits), dtype=np.int16),
        label_offsets=none,
        labels=np.zeros(0, dtype=np.int16),
        known_offsets=none,
        known=np.zeros(0, dtype=np.int16),
        n_diseases=3,
    )


def test_only_histories_of_the_right_size_are_drawn() -> None:
    examples = histories([[1, 1], [2, 2, 2], [1] * 6, [4, 4], [3], [2, 3]])
    drawn = choose(examples, 7, 10, (4, 6), 3)
    assert sorted(drawn.tolist()) == [1, 5]
    assert choose(examples, 7, 1, (4, 6), 3).tolist() == drawn[:1].tolist()
    with pytest.raises(InputError, match="Use more patients"):
        choose(examples, 7, 2, (9, 12), 3)


def test_the_order_follows_ids_and_seed_alone() -> None:
    examples = histories([[2, 2]] * 50)
    drawn = choose(examples, 1, 8, (4, 4), 2)
    again = np.random.default_rng(0).permutation(50)
    shuffled = examples.select(again)
    same = choose(shuffled, 1, 8, (4, 4), 2)
    assert shuffled.subject_id[same].tolist() == examples.subject_id[drawn].tolist()
    changed = replace(examples, sex=np.full(50, 2, dtype=np.int8), labels=np.ones(4, np.int16))
    assert choose(changed, 1, 8, (4, 4), 2).tolist() == drawn.tolist()
    assert choose(examples, 2, 8, (4, 4), 2).tolist() != drawn.tolist()
