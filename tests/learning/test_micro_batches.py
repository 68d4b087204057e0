"""Batches in parts: the same sum of gradients, and the largest part that fits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from behrt.errors import InputError
from behrt.learning.micro_batches import largest, parts_of


@given(st.integers(0, 50), st.integers(1, 50), st.integers(1, 60) | st.none())
def test_parts_are_a_partition_into_nearly_equal_sizes(
    start: int, rows: int, size: int | None
) -> None:
    parts = parts_of(slice(start, start + rows), size)
    assert [place for part in parts for place in range(part.start, part.stop)] == list(
        range(start, start + rows)
    )
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) <= (size or rows)
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 500), st.integers(1, 500))
def test_the_most_are_halved_until_they_fit(memory: int, most: int) -> None:
    tried = []

    def compute(rows: int) -> str:
        tried.append(rows)
        if rows > memory:
            raise torch.OutOfMemoryError
        return f"{rows} computed"

    found, computed = largest(compute, most)
    assert computed == f"{found} computed"
    assert found <= memory
    assert found == most or 2 * found >= memory
    assert tried[-1] == found


def test_a_patient_who_does_not_fit_is_refused() -> None:
    def compute(rows: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(InputError, match="one patient does not fit"):
        largest(compute, 8)
