"""Decision curves of the outcomes: the net benefit of treatment by recalibrated risks."""

import math
from collections.abc import Mapping
from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from behrt.evaluation.decision import MODEL, RECALIBRATED
from behrt.evaluation.models import CEILING
from behrt.figures.below import write_below
from behrt.figures.decision import decision_handles, draw_panel
from behrt.figures.models import broken, model_marks, models_of
from behrt.figures.outcome_calibration import support
from behrt.figures.style import new_figure

_COLUMNS = 3


def draw(
    table: pl.DataFrame, scores: pl.DataFrame, reference: str, outcomes: Mapping[str, str]
) -> Figure:
    """Return one panel per outcome. The risks of the oracle are not recalibrated.

    Args:
        table: table *outcome_decision*.
        scores: table *outcome_scores*, for the numbers of patients.
        reference: the model that is emphasised, with its 95 % interval.
        outcomes: what each outcome is, by name, in the order of the panels.
    """
    its_own = (pl.col("model") == CEILING) & (pl.col("strategy") == MODEL)
    strategy = pl.when(its_own).then(pl.lit(RECALIBRATED)).otherwise("strategy")
    table = table.with_columns(strategy=strategy)
    marks = model_marks(models_of(table))
    columns = min(len(outcomes), _COLUMNS)
    rows = math.ceil(len(outcomes) / _COLUMNS)
    width, height = 2.7 * columns + 0.5, 2.35 * rows + 0.3
    figure = new_figure(width, height)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.ravel():
        cast(Axes, axes).set_axis_off()
    for place, name in enumerate(outcomes):
        axes = cast(Axes, grid.ravel()[place])
        axes.set_axis_on()
        draw_panel(axes, table.filter(outcome=name), marks, reference)
        axes.set_title(broken(name, 30))
        axes.set_xlabel("Threshold probability")
        if place % _COLUMNS == 0:
            axes.set_ylabel("Net benefit per 100 predictions")
    left = 0.65 / width
    figure.subplots_adjust(
        left=left, right=0.98, top=1 - 0.3 / height, bottom=0.45 / height, hspace=0.5, wspace=0.24
    )
    write_below(figure, decision_handles(marks, reference), support(scores, outcomes), left)
    return figure
