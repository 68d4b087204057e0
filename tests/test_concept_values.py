"""Values as levels and bands, against plain Python."""

import itertools
import math

import polars as pl

from behrt.concept_values import band, level


def expected_level(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or math.isnan(value) or (low is None and high is None):
        return "DONE"
    if low is not None and high is not None and low > high:
        return "DONE"
    if low is not None and value < low:
        return "LOW"
    return "HIGH" if high is not None and value > high else "NORMAL"


def expected_band(value: float | None, edges: tuple[float, ...]) -> str | None:
    if value is None or math.isnan(value):
        return None
    if value < edges[0]:
        return f"BELOW_{edges[0]:g}"
    for low, high in itertools.pairwise(edges):
        if low <= value < high:
            return f"{low:g}-{high:g}"
    return f"FROM_{edges[-1]:g}"


VALUES = (None, math.nan, -1.0, 18.4, 18.5, 18.6, 24.999, 25.0, 40.0, 1e9)


def test_levels_at_and_beside_both_bounds() -> None:
    bounds = (None, 18.5, 25.0)
    rows = list(itertools.product(VALUES, bounds, bounds))
    frame = pl.DataFrame(rows, schema=dict.fromkeys("vlh", pl.Float64), orient="row")
    found = frame.select(level(pl.col("v"), pl.col("l"), pl.col("h"))).to_series().to_list()
    assert found == [expected_level(*row) for row in rows]


def test_a_band_holds_its_lower_edge() -> None:
    frame = pl.DataFrame({"value": VALUES}, schema={"value": pl.Float64})
    for edges in ((18.5, 25.0, 40.0), (25.0,)):
        found = frame.select(band(pl.col("value"), edges)).to_series().to_list()
        assert found == [expected_band(value, edges) for value in VALUES]
