"""Hashes of subjects: an independent implementation, and an even spread."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.hashing import mix, shard_of, uniform

_WORD = 2**64


def splitmix64(state: int) -> int:
    """Return one output of splitmix64, in Python's integers."""
    value = (state + 0x9E3779B97F4A7C15) % _WORD
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % _WORD
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % _WORD
    return value ^ (value >> 31)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**31), st.sampled_from(["T2", "review"]))
def test_mix_is_splitmix64_twice(subject: int, seed: int, stream: str) -> None:
    salt = int.from_bytes(stream.encode(), "little")
    state = subject + seed * 0x9E3779B97F4A7C15 + salt * 0xBF58476D1CE4E5B9
    expected = splitmix64(splitmix64(state % _WORD))
    assert int(mix(np.array([subject]), seed, stream)[0]) == expected


def test_uniform_numbers_are_uniform_and_differ_by_seed_and_stream() -> None:
    ids = np.arange(20_000)
    drawn = [uniform(ids, seed, stream) for seed, stream in ((1, "a"), (2, "a"), (1, "b"))]
    for numbers in drawn:
        counts = np.histogram(numbers, bins=10, range=(0, 1))[0]
        assert counts.sum() == len(ids)
        assert np.abs(counts - 2_000).max() < 250
    assert np.abs(np.corrcoef(drawn) - np.eye(3)).max() < 0.03


@pytest.mark.parametrize("step", [1, 100_000])
def test_shards_are_of_similar_size(step: int) -> None:
    """Ids of CPRD GOLD end in the five digits of the practice."""
    ids = pl.DataFrame({"id": np.arange(1, 20_001) * step + 20_017})
    sizes = ids.select(shard_of(pl.col("id"), 8)).to_series().value_counts()
    assert sorted(sizes["id"]) == list(range(8))
    assert sizes["count"].is_between(2_250, 2_750).all()
