"""Figure S1: every model's scores from task to task, on all labels and on first incidence."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from behrt.evaluation.models import CEILING
from behrt.figures.below import write_below
from behrt.figures.models import METRIC_TITLES, facts, model_marks, note_too_few
from behrt.figures.style import Mark, new_figure

_ROWS = ("All labels (Table 1)", "First incidence (Table 2)")
_SPREAD = 0.44
"""Width over which the models of a task are spread, so that intervals do not overlap."""


def draw(table1: pl.DataFrame, table2: pl.DataFrame) -> Figure:
    """Return four panels: APS and AUROC, on all labels (table 1) and on first incidence (table 2).

    A score or an interval that is null is left out.
    """
    models = table1["model"].unique(maintain_order=True).to_list()
    marks = model_marks(models)
    figure = new_figure(8, 6.2)
    grid = figure.subplots(2, 2, sharex=True, squeeze=False)
    figure.subplots_adjust(left=0.08, right=0.99, top=0.95, bottom=0.05, hspace=0.2, wspace=0.22)
    for row, table, title in zip(grid, (table1, table2), _ROWS, strict=True):
        for axes, metric in zip(row, ("APS", "AUROC"), strict=True):
            _panel(axes, table.filter(pl.col("metric") == metric), models, marks)
            axes.set_ylabel(METRIC_TITLES[metric])
        row[0].set_title(title)
    handles, _ = grid[0, 0].get_legend_handles_labels()
    note = f"{facts(table1)}; means over held-out patients with 95 % intervals"
    write_below(figure, handles, note, left=0.08)
    return figure


def _panel(axes: Axes, table: pl.DataFrame, models: list[str], marks: dict[str, Mark]) -> None:
    tasks = table["task"].unique(maintain_order=True).to_list()
    step = _SPREAD / max(len(models) - 1, 1)
    scores = ["value", "low", "high"]
    for i, model in enumerate(models):
        own = table.filter(pl.col("model") == model).cast(dict.fromkeys(scores, pl.Float64))
        shown = own.drop_nulls("value")
        across = [tasks.index(task) - _SPREAD / 2 + i * step for task in shown["task"]]
        value = shown["value"]
        low, high = (shown[name].fill_null(value) for name in ("low", "high"))
        mark = marks[model]
        axes.errorbar(
            across,
            value,
            yerr=[(value - low).to_list(), (high - value).to_list()],
            color=mark.colour,
            marker=mark.marker,
            markersize=6 if model == CEILING else 4,
            linewidth=0.8,
            elinewidth=1.2,
            linestyle=mark.line,
            label=model,
        )
    if table["value"].null_count() == len(table):
        note_too_few(axes)
    axes.set_xticks(range(len(tasks)), tasks)
    axes.set_xlim(-0.4, len(tasks) - 0.6)
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)
