"""What follows from printed numbers of patients by addition and subtraction.

Whoever reads several tables may subtract one number from another (a differencing attack). Here the
numbers and their sums are one linear program, whose extremes are what a reader can work out about
a number that is not printed. (Fischetti and Salazar, Management Science 2001, "the attacker's
subproblems"; Hundepool et al., Statistical Disclosure Control, 2012, section 4.3.)
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from behrt.disclosure import Rules

Key = TypeVar("Key", bound=Hashable)
Interval = tuple[float, float]

_ZERO = 1e-7
_UNBOUNDED = 3


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

    def extreme(
        self, known: Mapping[Key, Interval], key: Hashable, highest: bool
    ) -> tuple[float, set[Key]]:
        """Return the highest, or the lowest, that a number can be, and which known ones see to it.

        Args:
            known: the interval of each number that is printed.
            key: the number that is asked for.

        Raises:
            ValueError: no numbers at all fit what is known.
        """
        limits = np.array([[0.0, np.inf]] * len(self.place))
        for other, interval in known.items():
            if other in self.place:
                limits[self.place[other]] = interval
        cost = np.zeros(len(self.place))
        cost[self.place[key]] = -1.0 if highest else 1.0
        zeros = np.zeros(self.equations.shape[0])
        found = linprog(  # type: ignore[call-overload]
            cost, A_eq=self.equations, b_eq=zeros, bounds=limits, method="highs"
        )
        if found.status == _UNBOUNDED:
            return np.inf, set()
        if not found.success:
            raise ValueError("the numbers contradict one another")
        weight = np.abs(found.lower.marginals) + np.abs(found.upper.marginals)
        pins = {k for k in known if k in self.place and weight[self.place[k]] > _ZERO}
        return abs(float(found.fun)), pins


def protect(
    values: Mapping[Key, int],
    sums: Sequence[tuple[Key, Sequence[Key]]],
    rows: Sequence[Collection[Key]],
    printed: Collection[Key],
    rules: Rules,
) -> set[Key]:
    """Return which numbers to hide so that none from 1 to threshold - 1 can be recognised.

    A small number is safe if, for all that a reader knows, it may be the threshold or more. Until
    each is, the smallest of the numbers that keep it below is hidden too.

    Args:
        values: every number of patients that could be worked out, shown or not: differences too.
        sums: a whole and its parts, each.
        rows: numbers that are shown or hidden together, in order of preference where a number is
            in several. What is in none, and not in `printed`, is never shown.
        printed: numbers that are told elsewhere, and so cannot be hidden.
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
