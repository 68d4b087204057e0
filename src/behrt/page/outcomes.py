"""The results page of outcomes: one file of HTML that needs no other file and no network."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from behrt.evaluation.decision import MODEL
from behrt.evaluation.outcome_decision import ALL
from behrt.evaluation.outcomes import METRICS
from behrt.evaluation.tidy import read_table
from behrt.page.page import environment, figures_of, table_of
from behrt.run import Run

_HIDDEN = "–"


@dataclass(frozen=True)
class ShownOutcome:
    """An outcome: its name, what it is, its support, and the scores of each model as text."""

    name: str
    title: str
    support: str
    rows: list[tuple[str, list[tuple[str, str]]]]


def _shown(name: str, title: str, scores: pl.DataFrame) -> ShownOutcome:
    own = scores.filter(outcome=name, subgroup=ALL, risks=MODEL)
    patients, positives = own.select("patients", "positives").row(0)
    support = "There are too few patients to show scores."
    if patients is not None:
        support = f"n = {patients:,.0f} held-out patients, {positives:,.0f} with the event."
    rows = []
    for model in own["model"].unique(maintain_order=True):
        of_model = {row["metric"]: row for row in own.filter(model=model).iter_rows(named=True)}
        rows.append((model, [_score(of_model[metric]) for metric in METRICS]))
    return ShownOutcome(name, title, support, rows)


def _score(row: Mapping[str, float | None]) -> tuple[str, str]:
    value, low, high = row["value"], row["low"], row["high"]
    if value is None:
        return _HIDDEN, ""
    return f"{value:.3f}", "" if low is None else f"[{low:.3f}, {high:.3f}]"


def outcomes_page(
    run: Run,
    outcomes: Mapping[str, str],
    figures: Sequence[Path],
    tables: Sequence[Path],
    captions: Mapping[str, str],
) -> str:
    """Return the page: each outcome and its scores, figures, TRIPOD+AI items, all tables.

    Args:
        run: the run.
        outcomes: what each outcome is, by name.
        figures: PNG files, in any order.
        tables: CSV files, in the order of the page, outcome_scores among them.
        captions: by kind and name, such as "tables/outcome_scores".

    Raises:
        InputError: a figure that is not in the catalogue, or without a caption.
    """
    scores = read_table(next(path for path in tables if path.stem == "outcome_scores"))
    with Path(__file__).with_name("tripod_outcomes.csv").open(encoding="utf-8", newline="") as file:
        checklist = [tuple(row.values()) for row in csv.DictReader(file)]
    return (
        environment()
        .get_template("outcomes.html.jinja")
        .render(
            run=run,
            outcomes=[_shown(name, title, scores) for name, title in outcomes.items()],
            metrics=METRICS,
            figures=figures_of(figures, None, captions),
            checklist=checklist,
            tables=[table_of(path, captions) for path in tables],
        )
    )
