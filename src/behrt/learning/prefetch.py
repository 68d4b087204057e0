"""Make batches in the background, while the device computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from torch import Tensor

Item = TypeVar("Item")
Made = TypeVar("Made")

AHEAD = {"cpu": 0}
"""Batches that wait, by type of device. On a CPU, a further thread would only slow down the others.
"""

AHEAD_OF_ACCELERATOR = 4


def ahead_of(device: str) -> int:
    """Return how many batches are made ahead for a type of device, such as "cuda"."""
    return AHEAD.get(device, AHEAD_OF_ACCELERATOR)


def made_ahead(make: Callable[[Item], Made], items: Iterable[Item], ahead: int) -> Iterator[Made]:
    """Yield `make(item)` for each item, in order.

    >>> list(made_ahead(lambda number: number + 1, [1, 2, 3], ahead=2))
    [2, 3, 4]

    Args:
        make: called in one further thread, one item after the other. It must not draw from a
            generator that others use at the same time. Its errors are raised here.
        items: what it is called with.
        ahead: results that wait, at most; with 0 there is no further thread.
    """
    if ahead == 0:
        yield from map(make, items)
        return
    left = iter(items)
    with ThreadPoolExecutor(1, "batches") as thread:
        waiting: deque[Future[Made]] = deque()
        try:
            waiting.extend(thread.submit(make, item) for item in islice(left, ahead))
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(thread.submit(make, item) for item in islice(left, 1))
                yield made
        finally:
            for future in waiting:
                future.cancel()


def pinned(batch: Made, device: str) -> Made:
    """Return a batch in memory from which a GPU copies while it computes; on a CPU, as it is.

    Args:
        batch: tensors in dictionaries, lists and tuples.
        device: its type.
    """
    if device != "cuda":
        return batch
    from lightning_utilities.core.apply_func import apply_to_collection

    moved: Made = apply_to_collection(batch, Tensor, Tensor.pin_memory)
    return moved
