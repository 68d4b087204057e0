"""Numbers of patients in logs."""

from collections.abc import Iterator

import numpy as np
import pytest

from behrt import logs


@pytest.fixture(autouse=True)
def default() -> Iterator[None]:
    yield
    logs.start(None)


def test_small_numbers_are_not_shown() -> None:
    logs.start(None, threshold=8, rounding=5)
    assert [logs.count(n) for n in (0, 1, 7, 8, 123)] == [
        *("0", "fewer than 8", "fewer than 8", "10", "125")
    ]
    assert logs.share(40, 100) == "40.0%"
    assert logs.share(7, 100) == "hardly any"
    assert logs.share(93, 100) == "almost all"
    assert logs.share(2, 4) == "a share"
    assert logs.mean(np.array([0.5] * 7 + [np.nan])) == "–"
    assert logs.mean(np.array([0.5] * 8 + [np.nan])) == "0.500"
