"""The gate that every count of patients passes before it is printed.

A count from 1 to threshold - 1 is hidden (primary suppression), and so is every other count from
which it would follow by addition or subtraction (secondary suppression). Both are null, so that a
reader cannot distinguish them. Zero and counts of at least the threshold identify no patient; they
may also be rounded. (Hundepool et al., Statistical Disclosure Control, 2012, chapter 4.)

A module that makes a table hides what follows from the table's own structure (`hide_parts`,
`hide_steps`, `behrt.evaluation.differencing`, `behrt.evaluation.grouped_scores`). `write_table`
then hides small counts, rounds the others, computes every share from the counts as shown, and
writes the table.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from behrt.files import write_csv

Number = TypeVar("Number", int, np.ndarray, pl.Series, pl.Expr)

COUNTS = (
    "deaths",
    "disease_other",
    "eligible",
    "events",
    "excluded",
    "men",
    "negatives",
    "patients",
    "patients_other",
    "patients_own",
    "positives",
    "predicted_other",
    "predicted_own",
    "predictions",
    "ranked_other",
    "ranked_other_recorded",
    "ranked_own",
    "recorded_other",
    "recorded_own",
    "subjects",
    "undefined",
    "women",
)
"""Columns of tables, and keys of JSON, that count patients in every file."""

SUPPORTS = ("patients", "positives", "subjects")
"""Counts of the patients from whom the other numbers of the row are computed."""

NUMBERS = (
    "batch_size",
    "bin",
    "code",
    "diseases",
    "diseases_undefined",
    "embedding_size",
    "epoch",
    "epochs",
    "filters",
    "heads",
    "hidden",
    "hidden_size",
    "intermediate",
    "jobs",
    "layer",
    "layers",
    "left_out",
    "max_length",
    "maximum_visits",
    "maximum_words",
    "minimum_uses",
    "months",
    "neighbours",
    "parameters",
    "patience",
    "permutations",
    "practices",
    "rank",
    "resamples",
    "round",
    "seed",
    "sex_size",
    "step",
    "token",
    "trial",
)
"""Columns of whole numbers and of codes that neither count nor identify patients."""

SHARES = {
    "prevalence": ("positives", "patients"),
    "share_of_other": ("patients_other", "disease_other"),
    **{
        f"{what}_{side}_share": (f"{what}_{side}", f"patients_{side}")
        for what in ("predicted", "ranked")
        for side in ("own", "other")
    },
}
"""Columns that are shares of patients: the counts, in the same row, of the part and the whole."""

SHARES_OF_PAIRS = ("share",)
"""Shares of pairs of a patient and a disease: their module computes them with `Rules.share`."""

SHARE_DECIMALS = 4
_SHARE = re.compile(r"(?:^|_)(?:share|proportion|percentage|rate)(?:_low|_high)?$")
_LEVEL = 0.95

IDENTIFIERS = ("patid", "person_id", "pracid", "practice", "subject_id")
"""Columns that are not allowed in a table."""


@dataclass(frozen=True)
class Rules:
    """How numbers of patients are shown.

    Attributes:
        threshold: the smallest count to show; counts from 1 to threshold - 1 are hidden.
        rounding: shown counts are the nearest multiples of this.
    """

    threshold: int
    rounding: int = 1

    def round(self, counts: Number) -> Number:
        """Return counts as the nearest multiples of `rounding`, halves up.

        >>> [Rules(8, 5).round(count) for count in (12, 13, 100)]
        [10, 15, 100]
        """
        return (2 * counts + self.rounding) // (2 * self.rounding) * self.rounding

    def share(self, part: Number, whole: Number) -> Number:
        """Return the share of the counts as shown: that of exact counts would undo the rounding.

        >>> Rules(8, 5).share(13, 99)
        0.15
        """
        shown: Number = self.round(part) / self.round(whole)  # type: ignore[assignment]
        return shown

    @property
    def _bands(self) -> tuple[int, int]:
        """The start of the first band of counts, and the width of all."""
        lowest = int(self.round(self.threshold))
        # The lowest shown value stands for fewer counts: those below the threshold are hidden.
        behind = lowest + (self.rounding - 1) // 2 - self.threshold + 1
        width = max(self.threshold, self.threshold - behind + self.rounding, 1)
        return lowest, -(-width // self.rounding) * self.rounding

    def band(self, count: int) -> tuple[int, int]:
        """Return the lowest and the highest count of the band of a shown count.

        Bands start at the threshold, and each holds at least as many counts as the threshold. So
        the difference of a count in the band from an exact one is never certain to be small.

        >>> Rules(5).band(123)
        (120, 124)
        """
        lowest, width = self._bands
        low = lowest + (int(self.round(count)) - lowest) // width * width
        return low, low + width - self.rounding

    def coarse_share(self, part: int, whole: int) -> float | None:
        """Return the share of patients of the middle of a band, None where it is not shown.

        It is for pages that show shares without their counts: it has two significant digits, so
        that the count cannot be computed from it and compared with those of the tables.

        >>> Rules(5).coarse_share(123, 1000)
        0.12
        """
        if hide_parts(np.array([part, whole - part]), self.threshold).any():
            return None
        if part in (0, whole):
            return float(part > 0)
        return _two_digits(sum(self.band(part)) / 2 / int(self.round(whole)))

    def coarse_shares(self, whole: int) -> set[float]:
        """Return every value that `coarse_share` can have for parts of a whole as it is shown."""
        lowest, width = self._bands
        middles = np.arange(lowest, whole + width, width) + (width - self.rounding) / 2
        return {0.0, 1.0, *(_two_digits(middle / max(whole, 1)) for middle in middles.tolist())}

    def decimals(self, patients: int, most: int) -> int:
        """Return how many decimals a mean of whole numbers over `patients` may have.

        With more decimals, only some numbers of patients have such a mean, and several means would
        show which of the numbers behind a rounded one is the true one. (Brown and Heathers, "The
        GRIM test", Social Psychological and Personality Science 2017.)
        """
        if self.rounding == 1:
            return most
        lowest, _ = self.interval(self.round(patients))
        return min(most, len(str(max(lowest, 1))) - 1)

    def interval(self, shown: int) -> tuple[int, int]:
        """Return the lowest and the highest count that are shown as this one.

        >>> Rules(8, 5).interval(10)
        (8, 12)
        """
        low, high = shown - self.rounding // 2, shown + (self.rounding - 1) // 2
        if shown == 0:
            return 0, high if high >= self.threshold else 0
        return max(low, min(self.threshold, shown)), high


def _two_digits(share: float) -> float:
    return float(f"{min(share, 1.0):.2g}")


STYLES = {"cprd": Rules(5), "hes": Rules(8, 5)}
"""CPRD: no count below 5. HES (NHS England): 1 to 7 hidden, the others rounded to 5."""


def rules_of(style: str, threshold: int | None, rounding: int | None) -> Rules:
    """Return the rules of a style, with another threshold or rounding where one is given."""
    chosen = STYLES[style]
    return Rules(
        chosen.threshold if threshold is None else threshold,
        chosen.rounding if rounding is None else rounding,
    )


def is_small(counts: np.ndarray, threshold: int) -> np.ndarray:
    """Return bool: where a count of patients is too small to be shown.

    >>> is_small(np.array([0, 4, 5]), 5).tolist()
    [False, True, False]
    """
    return (counts > 0) & (counts < threshold)


def hide_parts(counts: np.ndarray, threshold: int) -> np.ndarray:
    """Return bool (n): which parts to hide of a total that is printed elsewhere.

    Small parts are hidden, then the smallest others until at least two are hidden, they add up to
    the threshold, and they are not all 1. Each hidden part can then have several values. A total
    that is small, or whose parts are all 1, must be hidden too: its parts cannot be protected.

    >>> hide_parts(np.array([3, 40, 12]), 5).tolist()
    [True, False, True]

    Args:
        counts: integers (n), not negative.
        threshold: the smallest count to show.
    """
    hidden = is_small(counts, threshold)
    if not hidden.any():
        return hidden
    for candidate in np.argsort(counts, kind="stable"):
        together = counts[hidden].sum()
        if hidden.sum() > 1 and together >= threshold and together > hidden.sum():
            break
        hidden[candidate] |= counts[candidate] > 0
    return hidden


def hide_steps(counts: np.ndarray, threshold: int) -> np.ndarray:
    """Return bool (n): which numbers of patients that remain after each step to hide.

    A small number is hidden, and so is one that differs little from the last one shown: the
    difference is the number of patients that the steps between exclude. If the last number is too
    near to an earlier one, that one is hidden instead, except the first, which is taken as known.

    >>> hide_steps(np.array([100, 97, 60]), 5).tolist()
    [False, True, False]

    Args:
        counts: integers (n), not negative, none higher than the one before it.
        threshold: the smallest count, or difference, to show.

    Raises:
        ValueError: a count is higher than the one before it.
    """
    if (np.diff(counts) > 0).any():
        raise ValueError("the number of patients must not rise from step to step")

    def near(before: int, after: int) -> bool:
        return 0 < before - after < threshold

    hidden = is_small(counts, threshold)
    shown: list[int] = []
    for step in np.flatnonzero(~hidden):
        if shown and near(int(counts[shown[-1]]), int(counts[step])):
            if step < len(counts) - 1:
                continue
            while len(shown) > 1 and near(int(counts[shown[-1]]), int(counts[step])):
                shown.pop()
            if near(int(counts[shown[-1]]), int(counts[step])):
                continue
        shown.append(int(step))
    hidden[:] = True
    hidden[shown] = False
    return hidden


def suppress(frame: pl.DataFrame, hidden: np.ndarray, columns: Sequence[str]) -> pl.DataFrame:
    """Return the frame with nulls in the rows that are hidden.

    Args:
        frame: any.
        hidden: bool (rows).
        columns: the counts, and what they could be computed from, such as a share.
    """
    shown = pl.lit(pl.Series(~hidden))
    return frame.with_columns(pl.when(shown).then(pl.col(name)).alias(name) for name in columns)


def is_number(column: str, columns: Sequence[str]) -> bool:
    """Return whether a column of a table holds whole numbers that do not count patients.

    A table of trials has the settings that were tried as columns, under any names.
    """
    return column in NUMBERS or (column not in COUNTS and "trial" in columns)


def is_count(frame: pl.DataFrame, column: str) -> pl.Expr:
    """Return bool (rows): where a column of a table counts patients.

    A table in long form (statistic, value) counts patients where the statistic is "count".
    """
    if column == "value" and "statistic" in frame.columns:
        return pl.col("statistic") == "count"
    return pl.lit(column in COUNTS)


def shares(part: np.ndarray, whole: np.ndarray) -> dict[str, np.ndarray]:
    """Return shares and the ends of their exact 95 % intervals, by the ending of their columns.

    The interval is that of Clopper and Pearson (Biometrika 1934).

    Args:
        part, whole: float64 (n), NaN where they are not shown. The share of no patients is NaN.
    """
    from scipy.special import betaincinv  # half of this module's import time, for this function

    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(whole > 0, part / whole, np.nan)
    tail = (1 - _LEVEL) / 2
    low = np.where(part == 0, 0.0, betaincinv(part, whole - part + 1, tail))
    high = np.where(part == whole, 1.0, betaincinv(part + 1, whole - part, 1 - tail))
    undefined = np.isnan(share)
    return {
        "": share,
        "_low": np.where(undefined, np.nan, low),
        "_high": np.where(undefined, np.nan, high),
    }


def with_shares(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table with every share of patients computed from its own counts."""
    for name, counts in SHARES.items():
        if name not in frame.columns:
            continue
        part, whole = (
            frame[count].cast(pl.Float64).fill_null(np.nan).to_numpy() for count in counts
        )
        frame = frame.with_columns(
            pl.Series(name + end, values).fill_nan(None).round(SHARE_DECIMALS)
            for end, values in shares(part, whole).items()
            if name + end in frame.columns
        )
    return frame


def disclose(frame: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return a table as it may be shown: small counts null, and all others rounded.

    In a row whose support (`SUPPORTS`) is small, every number that is not whole is null too. A
    share of patients (`SHARES`) is computed from the counts as shown, and replaces what its module
    gives: next to rounded counts, an exact share would reveal the exact count.

    >>> frame = pl.DataFrame({"patients": [40, 3], "aps": [0.5, 0.9]})
    >>> disclose(frame, Rules(5)).rows()
    [(40, 0.5), (None, None)]

    Args:
        frame: columns of counts are named as in `COUNTS`, other whole numbers as in `NUMBERS`.
            What follows from a hidden count by the table's own structure is already null.
        rules: which counts are small, and how the others are rounded.

    Raises:
        ValueError: a column identifies patients, holds dates or whole numbers of unknown meaning,
            or shares of unknown counts.
    """
    for name, kind in frame.schema.items():
        if name in IDENTIFIERS or kind.is_temporal():
            raise ValueError(f"column {name!r} must not be in a table: it identifies patients")
        if kind.is_integer() and name not in COUNTS and not is_number(name, frame.columns):
            raise ValueError(
                f"column {name!r} holds whole numbers: add its name to behrt.disclosure.COUNTS "
                "if they count patients, otherwise to NUMBERS"
            )
        share = name.removesuffix("_low").removesuffix("_high")
        known = share in (*SHARES, *SHARES_OF_PAIRS) or is_number(name, frame.columns)
        if _SHARE.search(name) and not known:
            raise ValueError(
                f"column {name!r} holds shares: add it to behrt.disclosure.SHARES with its two "
                "counts, so that it is computed from the counts as shown"
            )
    for name in frame.columns:
        if name not in (*COUNTS, "value") or not frame.schema[name].is_numeric():
            continue
        column, counted = pl.col(name), is_count(frame, name)
        small = (counted & (column > 0) & (column < rules.threshold)).fill_null(False)
        decimals = [other for other, kind in frame.schema.items() if kind.is_float()]
        hidden = {name, *decimals} if name in SUPPORTS else {name}
        frame = frame.with_columns(
            pl.when(~small).then(pl.col(other)).alias(other) for other in sorted(hidden)
        ).with_columns(
            pl.when(counted)
            .then(rules.round(column))
            .otherwise(column)
            .cast(frame.schema[name])
            .alias(name)
        )
    return with_shares(frame)


def write_table(frame: pl.DataFrame, path: Path, rules: Rules) -> pl.DataFrame:
    """Write a table as CSV, as `disclose` returns it, and return that. All tables pass here."""
    shown = disclose(frame, rules)
    write_csv(shown, path)
    return shown
