"""What follows from printed numbers of patients by addition and subtraction.

A reader of several tables may subtract one number from another (a differencing attack). Here the
numbers and their sums are one linear program. Its extremes are what a reader can work out about a
number that is not printed. (Fischetti and Salazar, Management Science 2001, "the attacker's
subproblems"; Hundepool et al., Statistical Disclosure Control, 2012, section 4.3.)
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, hstack

from behrt.disclosure import Rules

Key = TypeVar("Key", bound=Hashable)
Interval = tuple[float, float]

_ZERO = 1e-7
_UNBOUNDED = 3
_CONTRADICTION = "the numbers contradict one another"


class Arithmetic:
    """Numbers of patients, none negative, of which some are the sums of others.

    Args:
        sums: a whole and its parts, each; a part may be a whole elsewhere.
    """

    def __init__(self, sums: Sequence[tuple[Hashable, Sequence[Hashable]]]) -> None:
        keys = dict.fromkeys(key for whole, parts in sums for key in (whole, *parts))
        self.place = {key: i for i, key in enumerate(keys)}
        cells = [
            (row, self.place[key], sign)
            for row, (whole, parts) in enumerate(sums)
            for key, sign in ((whole, 1.0), *((part, -1.0) for part in parts))
        ]
        rows, columns, signs = np.array(cells or np.empty((0, 3))).T
        shape = (len(sums), len(self.place))
        self.equations = coo_array((signs, (rows.astype(int), columns.astype(int))), shape).tocsr()

    def _limits(self, known: Mapping[Key, Interval]) -> np.ndarray:
        """Return float64 (numbers, 2): the lowest and the highest value of each number."""
        limits = np.array([[0.0, np.inf]] * len(self.place))
        for key, interval in known.items():
            if key in self.place:
                limits[self.place[key]] = interval
        return limits

    def extreme(
        self, known: Mapping[Key, Interval], key: Hashable, highest: bool
    ) -> tuple[float, set[Key]]:
        """Return the highest, or the lowest, value of a number, and which known numbers set it.

        Args:
            known: the interval of each number that is printed.
            key: the number.
            highest: whether to return the highest value.

        Raises:
            ValueError: no numbers at all fit what is known.
        """
        cost = np.zeros(len(self.place))
        cost[self.place[key]] = -1.0 if highest else 1.0
        zeros = np.zeros(self.equations.shape[0])
        found = linprog(  # type: ignore[call-overload]
            cost, A_eq=self.equations, b_eq=zeros, bounds=self._limits(known), method="highs"
        )
        if found.status == _UNBOUNDED:
            return np.inf, set()
        if not found.success:
            raise ValueError(_CONTRADICTION)
        weight = np.abs(found.lower.marginals) + np.abs(found.upper.marginals)
        pins = {k for k in known if k in self.place and weight[self.place[k]] > _ZERO}
        return abs(float(found.fun)), pins

    def reach(
        self, known: Mapping[Key, Interval], keys: Sequence[Key], value: float, above: bool
    ) -> set[Key]:
        """Return numbers that can be at least, or at most, a value: not all of them, in general.

        They are those of one solution that has as many of them there as it can, which is much
        faster than an `extreme` for each. So the numbers for which it is impossible are among the
        rest; where none is returned, each of these needs its own.

        Args:
            known: the interval of each number that is printed.
            keys: the numbers.
            value: not negative.
            above: whether they are to be at least the value, and not at most.

        Raises:
            ValueError: no numbers at all fit what is known.
        """
        n, m = len(self.place), len(keys)
        places = np.array([self.place[key] for key in keys], dtype=int)
        # Of each number, m more variables hold what counts towards the value: min(number, value),
        # or how far the number is above the value.
        signs = (-1.0, 1.0) if above else (1.0, -1.0)
        cells = np.concatenate([np.full(m, signs[0]), np.full(m, signs[1])])
        rows = np.tile(np.arange(m), 2)
        columns = np.concatenate([places, n + np.arange(m)])
        bounds = np.array([[0.0, value if above else np.inf]] * m).reshape(m, 2)
        found = linprog(  # type: ignore[call-overload]
            np.concatenate([np.zeros(n), np.full(m, -1.0 if above else 1.0)]),
            A_ub=coo_array((cells, (rows, columns)), shape=(m, n + m)).tocsr(),
            b_ub=np.full(m, 0.0 if above else value),
            A_eq=hstack([self.equations, csr_array((self.equations.shape[0], m))]).tocsr(),
            b_eq=np.zeros(self.equations.shape[0]),
            bounds=np.concatenate([self._limits(known), bounds]),
            method="highs",
        )
        if not found.success:
            raise ValueError(_CONTRADICTION)
        values = found.x[places]
        there = values >= value - _ZERO if above else values <= value + _ZERO
        return {key for key, reached in zip(keys, there, strict=True) if reached}


def protect(
    values: Mapping[Key, int],
    sums: Sequence[tuple[Key, Sequence[Key]]],
    rows: Sequence[Collection[Key]],
    printed: Collection[Key],
    rules: Rules,
) -> set[Key]:
    """Return which numbers to hide so that none from 1 to threshold - 1 can be recognised.

    A small number is safe if a reader cannot exclude that it is the threshold or more. Until
    each is safe, the smallest of the numbers that keep one below the threshold is hidden too.

    Args:
        values: every number of patients that could be worked out, shown or not: differences too.
        sums: a whole and its parts, each.
        rows: numbers that are shown or hidden together, in order of preference where a number is
            in several. A number that is in none of them, nor in `printed`, is never shown.
        printed: numbers that are shown elsewhere, and so cannot be hidden.
        rules: what is small, and how shown numbers are rounded.
    """
    small = {key for key, value in values.items() if 0 < value < rules.threshold}
    row_of = {key: row for row in reversed(rows) for key in row}
    hidden: set[Key] = set()
    for key in small & set(row_of):
        hidden |= set(row_of[key])
    arithmetic = Arithmetic(sums)

    def known() -> dict[Key, Interval]:
        shown = (set(row_of) - hidden) | set(printed)
        return {key: rules.interval(int(rules.round(values[key]))) for key in shown}

    unsafe = sorted((key for key in small if key in arithmetic.place), key=str)
    while unsafe:
        key = unsafe.pop()
        highest, pins = arithmetic.extreme(known(), key, highest=True)
        choice = [k for k in pins if k in row_of and k not in printed and k not in hidden]
        choice = [k for k in choice if values[k] > 0]
        if highest > rules.threshold - 0.5 or not choice:
            continue
        hidden |= set(row_of[min(choice, key=lambda k: (values[k], str(k)))])
        unsafe.append(key)
    return hidden
