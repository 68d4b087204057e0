"""Reliability plots of the outcomes: the observed share against the predicted risk."""

import math
from collections.abc import Mapping
from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from behrt.evaluation.decision import MODEL, RECALIBRATED
from behrt.evaluation.outcome_decision import ALL
from behrt.figures.below import write_below
from behrt.figures.calibration import SHOWN, draw_panel, line_width, write_measures
from behrt.figures.models import broken, facts, held_out, model_handles, model_marks, models_of
from behrt.figures.style import new_figure

_COLUMNS = 3
_RISKS = (MODEL, RECALIBRATED)
_MEASURES = {name: form for name, form in SHOWN.items() if name != "ICI"}


def draw(
    scores: pl.DataFrame, points: pl.DataFrame, reference: str, outcomes: Mapping[str, str]
) -> Figure:
    """Return two panels per outcome, one below the other: before and after recalibration.

    Lines are the smooth curves of all models; marks are groups with a tenth of the reference's
    expected events, with 95 % intervals; the text is about the reference.

    Args:
        scores: table *outcome_scores*.
        points: table *outcome_reliability*.
        reference: the model whose groups are drawn.
        outcomes: what each outcome is, by name, in the order of the panels.
    """
    marks = model_marks(models_of(points))
    columns = min(len(outcomes), _COLUMNS)
    rows = len(_RISKS) * math.ceil(len(outcomes) / _COLUMNS)
    width, height = 2.7 * columns + 0.5, 2.75 * rows + 0.25
    figure = new_figure(width, height)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.ravel():
        cast(Axes, axes).set_axis_off()
    own = scores.filter(subgroup=ALL, model=reference).rename({"metric": "measure"})
    for place, name in enumerate(outcomes):
        block, column = divmod(place, _COLUMNS)
        for below, risks in enumerate(_RISKS):
            axes = cast(Axes, grid[len(_RISKS) * block + below, column])
            axes.set_axis_on()
            draw_panel(axes, points.filter(outcome=name, risks=risks), marks, reference)
            measures = own.filter(outcome=name, risks=risks)
            write_measures(axes, measures, reference, _MEASURES)
            if below == 0:
                axes.set_title(broken(name, 30))
            else:
                axes.set_xlabel("Predicted risk")
                axes.tick_params(labelbottom=True)
            if column == 0:
                axes.set_ylabel(f"Observed share, {risks}")
    left = 0.75 / width
    figure.subplots_adjust(
        left=left, right=0.98, top=1 - 0.3 / height, bottom=0.45 / height, hspace=0.22, wspace=0.08
    )
    handles = model_handles(marks, lambda model: line_width(model == reference))
    write_below(figure, handles, support(scores, outcomes), left)
    return figure


def support(scores: pl.DataFrame, outcomes: Mapping[str, str]) -> str:
    """Return the number of patients of each outcome, and the protocol, in words."""
    counted = scores.filter(subgroup=ALL).unique("outcome", keep="first", maintain_order=True)
    patients = dict(counted.select("outcome", "patients").iter_rows())
    parts = [f"{name}: {held_out(patients[name])}" for name in outcomes]
    return "; ".join([*parts, facts(scores)]) + "."
