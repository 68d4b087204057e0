"""Figures of a run with fewer held-out patients than a table may show."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from matplotlib.figure import Figure

from behrt.evaluation.tidy import read_table
from behrt.figures import (
    calibration,
    decision,
    disease_differences,
    diseases,
    subgroups,
    trends,
)
from behrt.figures.models import TOO_FEW, held_out
from behrt.tasks import Task

from .test_comparisons import MODELS, differences, models_table
from .test_drawings import VOCABULARY, curves, groups, reliability, scores, words

TASKS = [Task("T1"), Task("T2", 60)]
NUMBERS = (pl.Int64, pl.Int32, pl.Float64)
Hidden = Callable[[pl.DataFrame], pl.DataFrame]

FIGURES: dict[str, Callable[[Hidden], Figure]] = {
    "diseases": lambda hidden: diseases.draw_diseases(hidden(scores(3)), VOCABULARY.chapters),
    "disease_differences": lambda hidden: disease_differences.draw(hidden(differences(3)), "behrt"),
    "decision": lambda hidden: decision.draw(hidden(curves()), "behrt", TASKS, TASKS[1]),
    "calibration": lambda hidden: calibration.draw(*map(hidden, reliability()), "behrt", TASKS),
    "trends": lambda hidden: trends.draw(*[hidden(models_table(MODELS))] * 2),
    "subgroups": lambda hidden: subgroups.draw(hidden(groups()), "behrt", TASKS),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "some", [False, True], ids=["no number", "only numbers of patients hidden"]
)
def test_a_figure_of_hidden_numbers_is_drawn_and_says_so(
    name: str, some: bool, tmp_path: Path
) -> None:
    def hidden(table: pl.DataFrame) -> pl.DataFrame:
        counts = [column for column in ("patients", "positives") if column in table.columns]
        numbers = counts if some else [c for c, kind in table.schema.items() if kind in NUMBERS]
        kept = [column for column in ("threshold", "predicted") if not some and column in numbers]
        nothing = [pl.lit(None).alias(column) for column in numbers if column not in kept]
        table.with_columns(nothing).write_csv(tmp_path / "table.csv")
        return read_table(tmp_path / "table.csv")

    text = words(FIGURES[name](hidden), tmp_path)
    if not some:
        assert TOO_FEW in text


def test_a_hidden_number_of_patients_in_words() -> None:
    assert held_out(None) == "too few held-out patients to show"
