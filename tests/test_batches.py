"""Files that one job reads together."""

from itertools import chain, pairwise

import hypothesis.strategies as st
from hypothesis import given

from behrt.batches import MOST_BATCHES, batches, by_first

sizes = st.lists(st.integers(0, 10**9), max_size=300)


@given(sizes, st.integers(1, 10**9))
def test_batches_are_few_and_keep_the_order(files: list[int], least: int) -> None:
    found = batches(list(enumerate(files)), lambda file: file[1], least)
    assert list(chain.from_iterable(found)) == list(enumerate(files))
    assert all(found)
    assert len(found) <= MOST_BATCHES + 1
    # Two neighbours before the last are not both small, so batches have half the size on average.
    total = [sum(max(size, 1) for _, size in batch) for batch in found[:-1]]
    assert all(one + other >= least for one, other in pairwise(total))


@given(st.lists(st.integers(1, 1000), max_size=50), st.lists(st.integers(1, 1000), max_size=5))
def test_a_file_at_the_end_changes_the_last_batch_only(files: list[int], more: list[int]) -> None:
    least = 10**5  # fewer batches than the most
    before = batches(list(enumerate(files)), lambda file: file[1], least)
    after = batches(list(enumerate(files + more)), lambda file: file[1], least)
    assert after[: len(before) - 1] == before[:-1]


def test_tables_are_apart_and_a_batch_has_the_name_of_its_first_file() -> None:
    files = [("a", "001"), ("a", "002"), ("a", "003"), ("b", "001")]
    found = by_first(files, lambda f: f[0], lambda f: f[1], lambda _: 600_000, megabytes=1)
    assert found == {
        ("a", "001"): (("a", "001"), ("a", "002")),
        ("a", "003"): (("a", "003"),),
        ("b", "001"): (("b", "001"),),
    }
