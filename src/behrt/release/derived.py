"""Small numbers of patients that follow from several published tables together.

Each table hides what follows from itself, and from what is known to be in others. This check
covers all of them: it reads the published tables, without the hidden numbers, and derives what a
reader can derive (see `behrt.evaluation.differencing`). How the numbers of all tables but the first
two add up is data, `relations.toml`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from behrt.disclosure import Rules
from behrt.evaluation.differencing import Arithmetic, Interval
from behrt.evaluation.population import FLOW, Key, flow_steps, nested, sums_of
from behrt.release.relations import Sums, numbers_in, tables_related

_LEAST = 0.5

Known = dict[Key, Interval]
Read = tuple[list[tuple[Key, Interval]], Sums]


def _shown(rules: Rules, count: float) -> Interval:
    return rules.interval(round(count))


def _flow(table: pl.DataFrame, rules: Rules) -> Read:
    steps = flow_steps(table.height)
    known = {
        step: _shown(rules, count)
        for step, count in zip(steps, table["patients"], strict=True)
        if count is not None
    }
    return list(known.items()), [(a, [b, (FLOW, a[1], "excluded")]) for a, b in pairwise(steps)]


def _population(table: pl.DataFrame, rules: Rules, windowed: Sequence[str]) -> Read:
    numbers = {
        (row["task"], row["split"], row["measure"].removesuffix(" patients")): row["value"]
        for row in table.filter(pl.col("statistic").is_in(["count", "share"])).iter_rows(named=True)
        if row["value"] is not None
    }
    known: Known = {
        key: _shown(rules, number) for key, number in numbers.items() if key[2] != "women"
    }
    for (*place, name), share in numbers.items():
        patients = numbers.get((place[0], place[1], "patients"))
        if name == "women" and patients:
            # Four decimals; a rounded number of women is a multiple of the rounding.
            low, high = ((share + error) * patients for error in (-5e-5, 5e-5))
            unit = rules.rounding
            consistent = [unit * n for n in range(-int(-low // unit), int(high // unit) + 1)]
            if consistent:
                limits = [rules.interval(n) for n in (consistent[0], consistent[-1])]
                known[place[0], place[1], "women"] = (limits[0][0], limits[1][1])
    places = list(dict.fromkeys(table.select("task", "split").rows()))

    def encloses(outer: Key, inner: Key) -> bool:
        both = {outer[0], inner[0]} <= set(windowed)
        if both and windowed.index(outer[0]) > windowed.index(inner[0]):
            return False
        return outer not in known or inner not in known or known[outer][1] >= known[inner][0]

    return list(known.items()), sums_of(places, nested(places, windowed, encloses), 0)


_READ_APART = ("cohort_flow", "population")
"""Tables whose numbers are not named by a row's columns."""


def covered(name: str) -> bool:
    """Return whether it is known how the numbers of a table add up to those of others."""
    patterns = [*_READ_APART, *tables_related()]
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _related(name: str, table: pl.DataFrame, rules: Rules) -> Read:
    numbers, sums = numbers_in(name, table)
    return [(key, _shown(rules, count)) for key, count in numbers], sums


def _apart(sums: Sums, known: Known) -> Iterator[Sums]:
    """Yield sums that have no number in common but those that are known exactly."""
    exact = {key for key, (low, high) in known.items() if low == high}
    keys = {key: place for place, key in enumerate({key: None for s in sums for key in _of(s)})}
    cells = [(row, keys[key]) for row, s in enumerate(sums) for key in _of(s) if key not in exact]
    rows, columns = np.array(cells or np.empty((0, 2), dtype=int)).T
    graph = coo_array(
        (np.ones(len(rows)), (rows, len(sums) + columns)), shape=(len(sums) + len(keys),) * 2
    )
    _, labels = connected_components(graph, directed=False)
    parts: dict[int, Sums] = {}
    for row, s in enumerate(sums):
        parts.setdefault(int(labels[row]), []).append(s)
    yield from parts.values()


def _of(whole_and_parts: tuple[Key, list[Key]]) -> tuple[Key, ...]:
    whole, parts = whole_and_parts
    return (whole, *parts)


def _read(name: str, table: pl.DataFrame, rules: Rules, windowed: Sequence[str]) -> Read:
    if name == "cohort_flow":
        return _flow(table, rules)
    if name == "population":
        return _population(table, rules, windowed)
    return _related(name, table, rules)


def derived(
    tables: Mapping[str, pl.DataFrame], rules: Rules, windowed: Sequence[str] = ()
) -> list[str]:
    """Return the numbers of patients that are certain, for a reader, to be from 1 to threshold - 1.

    Args:
        tables: published tables by name; those that are not `covered` are left out.
        rules: those by which the tables were published.
        windowed: names of the tasks with a window of months, the shortest first. Patients who are
            eligible for a longer one are eligible for a shorter one.

    Raises:
        ValueError: the tables contradict one another.
    """
    return derived_from(read_numbers(tables, rules, windowed).values(), rules.threshold)


def read_numbers(
    tables: Mapping[str, pl.DataFrame], rules: Rules, windowed: Sequence[str] = ()
) -> dict[str, Read]:
    """Return the numbers in each table and how they add up, for `derived_from`."""
    return {name: _read(name, table, rules, windowed) for name, table in tables.items()}


def derived_from(read: Iterable[Read], threshold: int) -> list[str]:
    """Return what `derived` returns, for tables that `read_numbers` has read.

    Raises:
        ValueError: the tables contradict one another.
    """
    known: Known = {}
    sums: dict[tuple[Key, tuple[Key, ...]], None] = {}
    for more, equations in read:
        for key, interval in more:
            before = known.get(key, interval)
            known[key] = max(interval[0], before[0]), min(interval[1], before[1])
        sums |= {(whole, tuple(parts)): None for whole, parts in equations}
    unknown = (0.0, np.inf)
    for whole, parts in sums:
        lowest, highest = np.sum([known.get(part, unknown) for part in parts], axis=0)
        low, high = known.get(whole, unknown)
        if low > highest or high < lowest:
            raise ValueError("the numbers contradict one another")
    if any(low > high for low, high in known.values()):
        raise ValueError("the numbers contradict one another")
    everything = [(whole, list(parts)) for whole, parts in sums]
    left = _uncertain(everything, known, threshold)
    found: dict[str, None] = {}
    for together in _apart(everything, known) if left else ():
        keys = [key for key in dict.fromkeys(k for s in together for k in _of(s)) if key in left]
        if keys:
            small = _small(Arithmetic(together), keys, known, threshold)
            found |= dict.fromkeys(" ".join(key) for key in small)
    return list(found)


def _uncertain(sums: Sums, known: Known, threshold: int) -> set[Key]:
    """Return the numbers that no joint solution shows to be 0, or the threshold or more."""
    arithmetic = Arithmetic(sums)
    keys = dict.fromkeys(key for s in sums for key in _of(s))
    left = [key for key in keys if known.get(key, (0, 0))[0] < threshold]
    for value, above in ((threshold - _LEAST, True), (_LEAST, False)):
        while left and (safe := arithmetic.reach(known, left, value, above)):
            left = [key for key in left if key not in safe]
    return set(left)


def _small(
    arithmetic: Arithmetic, keys: Sequence[Key], known: Known, threshold: int
) -> Iterator[Key]:
    """Yield which of some numbers are certain to be from 1 to threshold - 1."""
    for key in keys:
        highest, _ = arithmetic.extreme(known, key, highest=True)
        if _LEAST < highest < threshold - _LEAST:
            lowest, _ = arithmetic.extreme(known, key, highest=False)
            if lowest > _LEAST:
                yield key
