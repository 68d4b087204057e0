"""The layout of visits by step, against torch's own packing."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence

from behrt.learning.visits import places, steps


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_steps_are_those_of_a_packed_sequence(lengths: list[int]) -> None:
    counts = torch.tensor(lengths)
    values = torch.arange(int(counts.sum()))
    histories = list(values.split(lengths))
    order = steps(counts)
    # torch's sort need not be stable: give it the histories sorted already.
    longest_first = [histories[i] for i in torch.argsort(counts, descending=True, stable=True)]
    for place, parts in (
        (order.ahead, longest_first),
        (order.back, [h.flip(0) for h in longest_first]),
    ):
        packed = pack_sequence(parts)
        assert values[torch.argsort(place)].tolist() == packed.data.tolist()
        assert order.active.tolist() == packed.batch_sizes.tolist()
    history, place = places(counts)
    expected = [(row, index) for row, n in enumerate(lengths) for index in range(n)]
    assert list(zip(history.tolist(), place.tolist(), strict=True)) == expected
