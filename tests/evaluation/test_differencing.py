"""Nobody who adds and subtracts can recognise a small number: against trying all numbers."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from behrt.disclosure import Rules
from behrt.evaluation.differencing import Arithmetic, protect

THRESHOLD = 3
SMALL_COUNTS = st.integers(0, 7)
SUMS = [
    ("all", ["a", "b", "c"]),
    ("a", ["a used", "a unused"]),
    ("b", ["b used", "b unused"]),
    ("c", ["c used", "c unused"]),
    ("used", ["a used", "b used", "c used"]),
    ("all", ["used", "unused"]),
]
ATOMS = [f"{part} {what}" for part in "abc" for what in ("used", "unused")]
SHOWN = ["all", "used", "a", "b", "c", "a used", "b used", "c used"]


def totals(atoms: dict[str, Any]) -> dict[str, Any]:
    values = dict(atoms)
    for part in "abc":
        values[part] = atoms[f"{part} used"] + atoms[f"{part} unused"]
    for what in ("used", "unused"):
        values[what] = sum(atoms[f"{part} {what}"] for part in "abc")
    return values | {"all": values["used"] + values["unused"]}


@settings(max_examples=60, deadline=None)
@given(st.lists(SMALL_COUNTS, min_size=6, max_size=6), st.sampled_from([1, 3]))
def test_a_small_number_may_be_the_threshold_or_more(atoms: list[int], rounding: int) -> None:
    rules = Rules(THRESHOLD, rounding)
    values = totals(dict(zip(ATOMS, atoms, strict=True)))
    hidden = protect(values, SUMS, [[key] for key in SHOWN], [], rules)
    known = {
        key: rules.interval(int(rules.round(values[key]))) for key in SHOWN if key not in hidden
    }
    arithmetic = Arithmetic(SUMS)
    for key, value in values.items():
        if 0 < value < THRESHOLD:
            assert key not in known
            assert arithmetic.extreme(known, key, highest=True)[0] >= THRESHOLD


@pytest.mark.parametrize("atoms", [[5, 1, 4, 4, 6, 5], [7, 7, 7, 1, 2, 7], [6, 0, 5, 2, 6, 6]])
def test_every_set_of_numbers_is_tried(atoms: list[int]) -> None:
    """What the linear program promises holds for whole numbers, too."""
    rules = Rules(THRESHOLD)
    values = totals(dict(zip(ATOMS, atoms, strict=True)))
    shown = set(SHOWN) - protect(values, SUMS, [[key] for key in SHOWN], [], rules)
    assert shown, "to hide everything is no art"
    tried = totals(dict(zip(ATOMS, np.indices((10,) * len(ATOMS), dtype=np.int8), strict=True)))
    agree = np.logical_and.reduce([tried[key] == values[key] for key in shown])
    for key, value in values.items():
        if 0 < value < THRESHOLD:
            assert tried[key][agree].max() >= THRESHOLD


def test_extremes_by_hand() -> None:
    arithmetic = Arithmetic([("all", ["a", "b"])])
    assert arithmetic.extreme({"all": (10, 10), "a": (7, 7)}, "b", True) == (3, {"all", "a"})
    assert arithmetic.extreme({"all": (10, 10)}, "b", True)[0] == 10
    assert arithmetic.extreme({"a": (7, 7)}, "b", True)[0] == float("inf")
    assert arithmetic.extreme({"all": (10, 10), "a": (6, 8)}, "b", False)[0] == 2
    with pytest.raises(ValueError, match="contradict"):
        arithmetic.extreme({"all": (5, 5), "a": (7, 7)}, "b", True)


def test_what_is_printed_elsewhere_stays_and_another_number_goes() -> None:
    values = {"all": 100, "a": 60, "b": 38, "c": 2}
    sums = [("all", ["a", "b", "c"])]
    rows = [[key] for key in values]
    assert protect(values, sums, rows, [], Rules(5)) == {"b", "c"}
    assert protect(values, sums, rows, ["b"], Rules(5)) == {"a", "c"}
