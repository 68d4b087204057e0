"""Marks and names of the models in every figure that compares them, and notes on its table."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from behrt.evaluation.models import CEILING, CEILING_OF_RECORDS, FLOOR
from behrt.figures.style import INK, QUIET, Mark, series_marks

TOO_FEW = "too few patients to show"
METRIC_TITLES = {
    "APS": "Average precision score (APS)",
    "AUROC": "Area under the ROC curve (AUROC)",
}
COURSE_TITLES = {
    "train_loss": "Training loss",
    "tuning_loss": "Tuning loss",
    "tuning_aps": "Tuning score:\naverage precision (APS)",
}
"""Names of what is recorded after each epoch of a training."""
_SPECIAL = {
    FLOOR: Mark(QUIET, "<", (0, (8, 3))),
    "history": Mark(QUIET, ">", (0, (2, 2))),
    CEILING: Mark(INK, "*", (0, (8, 2, 1, 2, 1, 2))),
    CEILING_OF_RECORDS: Mark(INK, "X", (0, (8, 2, 1, 2))),
}


def model_marks(models: Sequence[str]) -> dict[str, Mark]:
    """Return a mark for each model: grey for the trivial rows, ink for the ceilings."""
    drawn = series_marks([model for model in models if model not in _SPECIAL])
    return {model: _SPECIAL.get(model) or drawn[model] for model in models}


def model_handles(marks: Mapping[str, Mark], width: Callable[[str], float]) -> list[Line2D]:
    """Return a legend's handle of each model; `width` gives the width of its line in points."""
    return [
        Line2D(
            [],
            [],
            color=mark.colour,
            marker=mark.marker,
            ms=4,
            ls=mark.line,
            lw=width(model),
            label=model,
        )
        for model, mark in marks.items()
    ]


def markers_on(points: int, start: float, count: int = 3) -> list[int]:
    """Return the points of a curve that have a marker; different starts keep curves apart.

    Args:
        points: of the curve.
        start: from 0 to less than 1.
        count: markers on a curve.
    """
    return sorted({int((i + start) * points / count) for i in range(count) if points})


def broken(name: str, width: int) -> str:
    """Return the name of a model on lines of at most `width` characters.

    >>> broken("logistic_regression", 12)
    'logistic_\\nregression'
    """
    return textwrap.fill(name.replace("_", "_ "), width).replace("_ ", "_")


def tasks_of(table: pl.DataFrame) -> list[str]:
    """Return the tasks of a table, in its order."""
    return table["task"].unique(maintain_order=True).to_list()


def models_of(table: pl.DataFrame) -> list[str]:
    """Return the models of a table, in its order."""
    return table["model"].unique(maintain_order=True).to_list()


def facts(table: pl.DataFrame) -> str:
    """Return the protocol of a table, in words."""
    return f"{table['protocol'][0]} protocol" if len(table) else "nothing to show"


def held_out(patients: int | None) -> str:
    """Return a number of held-out patients in words; None stands for a hidden number.

    >>> held_out(1234), held_out(None)
    ('1,234 held-out patients', 'too few held-out patients to show')
    """
    return (
        TOO_FEW.replace("patients", "held-out patients")
        if patients is None
        else (f"{patients:,} held-out patients")
    )


def note_too_few(axes: Axes) -> None:
    """Write in the middle of axes why nothing is drawn there."""
    axes.text(0.5, 0.5, TOO_FEW, transform=axes.transAxes, ha="center", va="center", color=QUIET)
