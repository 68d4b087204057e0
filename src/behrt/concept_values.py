"""What a value becomes in a word: low, normal or high for a test, a band for a measurement."""

from collections.abc import Sequence
from itertools import pairwise

import polars as pl

DONE, LOW, NORMAL, HIGH = "DONE", "LOW", "NORMAL", "HIGH"
LEVELS = (DONE, LOW, NORMAL, HIGH)
"""What is known of a test: that it was done, or how its value lies to the range of reference."""

SMOKING_STATUSES = ("CURRENT", "EX", "NEVER")
"""What is known of smoking."""

LIMITS = {"BMI": (10.0, 100.0), "BLOOD_PRESSURE": (50.0, 300.0)}
"""The lowest and the highest plausible value of a measurement, in its unit; systolic pressure."""

IN_UNIT = {"BMI": "kg/m2", "BLOOD_PRESSURE": "mmHg"}
"""The unit of the values of each measurement."""


def level(value: pl.Expr, low: pl.Expr, high: pl.Expr) -> pl.Expr:
    """Return one of LEVELS: LOW below `low`, HIGH above `high`, else NORMAL.

    One bound is enough. DONE stands for a test without a value or a bound, or with a lower bound
    above the upper one.

    >>> rows = pl.DataFrame(
    ...     [(4.0, 4.0, 6.0), (6.1, 4.0, 6.0), (3.9, 4.0, None), (5.0, None, None)],
    ...     schema=["value", "low", "high"],
    ...     orient="row",
    ... )
    >>> rows.select(level(pl.col("value"), pl.col("low"), pl.col("high"))).to_series().to_list()
    ['NORMAL', 'HIGH', 'LOW', 'DONE']
    """
    unknown = value.is_null() | value.is_nan() | (low.is_null() & high.is_null()) | (low > high)
    return (
        pl.when(unknown.fill_null(False))
        .then(pl.lit(DONE))
        .when(value < low)
        .then(pl.lit(LOW))
        .when(value > high)
        .then(pl.lit(HIGH))
        .otherwise(pl.lit(NORMAL))
        .alias("level")
    )


def band(value: pl.Expr, edges: Sequence[float]) -> pl.Expr:
    """Return the name of the band that holds a value; a band holds its lower edge.

    >>> values = pl.DataFrame({"bmi": [18.4, 18.5, 39.9, 40.0, None]})
    >>> values.select(band(pl.col("bmi"), (18.5, 25, 40))).to_series().to_list()
    ['BELOW_18.5', '18.5-25', '25-40', 'FROM_40', None]

    Args:
        value: numbers; null stays null.
        edges: the lower edges of all bands but the first, ascending.
    """
    inner = [f"{low:g}-{high:g}" for low, high in pairwise(edges)]
    name = pl.lit(f"FROM_{edges[-1]:g}")
    for edge, below in reversed([*zip(edges, [f"BELOW_{edges[0]:g}", *inner], strict=True)]):
        name = pl.when(value < edge).then(pl.lit(below)).otherwise(name)
    return pl.when(value.is_not_nan()).then(name)


def same_unit(unit: pl.Expr) -> pl.Expr:
    """Return a unit in the form in which two spellings are compared: no case, spaces or µ.

    >>> pl.DataFrame({"unit": ["MG / dL", "µmol/L"]}).select(same_unit(pl.col("unit"))).rows()
    [('mg/dl',), ('umol/l',)]
    """
    return unit.str.to_lowercase().str.replace_all(r"\s", "").str.replace_all("[µμ]", "u")
