"""The facts of a run, from its tables and its models' files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from behrt.errors import InputError
from behrt.evaluation.models import CEILING, CEILING_OF_RECORDS
from behrt.evaluation.tidy import read_table
from behrt.files import read_json
from behrt.run import Run
from behrt.tasks import Task
from behrt.version import VERSION

PUBLISHED = Path(__file__).with_name("published.csv")
SOURCES = {
    "simulated": "Simulated patients, in the layout of a CPRD and HES delivery",
    "cprd": "A CPRD delivery with linked hospital records",
    "meds": "A MEDS dataset",
    "omop": "An OMOP CDM",
}
SPLITS = ("train", "tuning", "held_out")
LABELS = {1: "all labels", 2: "first incidence"}
"""What each of the two tables scores."""

TRIVIAL = ("prevalence", "history")
PAPERS, OWN = ("behrt", "deepr", "retain"), ("forecast", "ensemble")
"""Kinds of model: the paper's, if a model learns from one visit per patient, and this project's."""

HIDDEN = "too few to show"


@dataclass(frozen=True)
class Facts:
    """What the results page and the model card state about a run.

    Attributes:
        run: the run.
        tasks: in the order of the tables.
        task: the task of products that show one.
        version: of this package.
        flow: rows of tables/cohort_flow.csv (name, patients, excluded; null if not shown).
        population: value by (task, split, measure, statistic), of tables/population.csv.
        table1, table2: those tables.
        models: config.json of each model, by (task, model); ("mlm", "mlm") is the pretraining.
    """

    run: Run
    tasks: list[Task]
    task: Task
    version: str
    flow: list[dict[str, Any]]
    population: dict[tuple[str, str, str, str], float | None]
    table1: pl.DataFrame
    table2: pl.DataFrame
    models: dict[tuple[str, str], Mapping[str, Any]]

    @property
    def simulated(self) -> bool:
        """Whether the patients are simulated."""
        return self.run.simulated

    @property
    def source(self) -> str:
        """The source in words, with what a CPRD study does without."""
        source = SOURCES.get(self.run.data, self.run.data)
        _, without, loss = self.flow[0]["name"].partition(", without ")
        if "hospital records" in loss:
            source = source.removesuffix(" with linked hospital records")
        return f"{source}{without}{loss}"

    @property
    def windows(self) -> str:
        """The tasks in words: "at the next visit (T1), in the next 6 months (T2)"."""
        return ", ".join(f"{task.window} ({task.name})" for task in self.tasks)

    @property
    def rows(self) -> list[str]:
        """The rows of table 1, in order."""
        return self.table1["model"].unique(maintain_order=True).to_list()

    def count(self, task: str, split: str, measure: str = "patients") -> str:
        """Return a count of tables/population.csv in words."""
        return in_words(self.population.get((task, split, measure, "count")))

    @property
    def without_diagnosis(self) -> str:
        """The patients of the cohort who are in no split, in words; "" if there are none.

        They have no visit with a disease of the vocabulary. The number is only given where it
        follows from numbers that are all shown.
        """
        cohort = self.flow[-1]["patients"]
        used = [self.population.get(("histories", s, "patients", "count")) for s in SPLITS]
        if cohort is None or None in used or cohort == sum(count or 0 for count in used):
            return ""
        about = "about " if self.run.disclosure.rounding > 1 else ""
        return about + in_words(cohort - sum(count or 0 for count in used))

    def figure(self, task: str, split: str, measure: str, statistic: str, decimals: int = 1) -> str:
        """Return a statistic of tables/population.csv other than a count, in words."""
        value = self.population.get((task, split, measure, statistic))
        return HIDDEN if value is None else f"{value:.{decimals}f}"

    def score(self, table: int, task: str, model: str, metric: str) -> str:
        """Return a score with its interval, as the tables print it, or an en dash."""
        frame = (self.table1, self.table2)[table - 1]
        found = frame.filter(task=task, model=model, metric=metric)
        if found.is_empty() or found["value"][0] is None:
            return "–"
        value, low, high = found.select("value", "low", "high").row(0)
        return f"{value:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")

    def origin(self, model: str) -> str:
        """Return what a row is: the paper's, this project's, trivial, a ceiling, or another."""
        if model in (CEILING, CEILING_OF_RECORDS):
            return "ceiling"
        if model in TRIVIAL:
            return "trivial"
        config = next((c for (_, name), c in self.models.items() if name == model), {})
        kind = config.get("kind", "")
        if kind in OWN:
            return "this project's"
        papers = kind in PAPERS and config.get("cuts", 1) == 1
        return "the paper's" if papers else "another model"

    def conclusions(self) -> list[str]:
        """Return, for each task and table, which model has the highest APS, and by how much."""
        found = []
        for task in self.tasks:
            for number, labels in LABELS.items():
                rows = self._ranked(number, task.name)
                if rows:
                    found.append(f"{task.name}, {labels}: {self._conclusion(number, rows)}")
        return found

    def _ranked(self, table: int, task: str) -> list[dict[str, Any]]:
        """Return the rows of a task with an APS, except the ceilings, highest first."""
        frame = (self.table1, self.table2)[table - 1].filter(task=task, metric="APS")
        rows = frame.drop_nulls("value").to_dicts()
        rows = [row for row in rows if self.origin(row["model"]) != "ceiling"]
        return sorted(rows, key=lambda row: -row["value"])

    def _conclusion(self, table: int, rows: list[dict[str, Any]]) -> str:
        best, task = rows[0], rows[0]["task"]
        papers = [row for row in rows if self.origin(row["model"]) == "the paper's"]
        text = (
            f"{best['model']} ({self.origin(best['model'])}) has the highest APS, "
            f"{self.score(table, task, best['model'], 'APS')}."
        )
        if papers and papers[0]["model"] != best["model"]:
            score = self.score(table, task, papers[0]["model"], "APS")
            text += f" The best of the paper's is {papers[0]['model']}, {score}."
        for row in [best] if best in papers else [best, *papers[:1]]:
            if row.get("difference") is not None:
                reference = next(r["model"] for r in rows if r["difference"] is None)
                text += f" {row['model']} − {reference}: {100 * row['difference']:+.1f} points"
                if row["difference_low"] is not None:  # it is with too few patients
                    low, high = 100 * row["difference_low"], 100 * row["difference_high"]
                    text += f" [{low:+.1f}, {high:+.1f}]"
                text += "."
        return text

    def scored(self, table: int, task: str) -> str:
        """Return the number of patients with an APS of a task, in words."""
        frame = (self.table1, self.table2)[table - 1].filter(task=task, metric="APS")
        return in_words(next(iter(frame["patients"].drop_nulls()), None))

    def published(self, table: int, task: Task, model: str, metric: str) -> str:
        """Return the paper's score for the window of a task, or nothing where it has none."""
        score = _published().get((table, task.months, model, metric))
        return "" if score is None else f"{score:.3f}"


@cache
def _published() -> dict[tuple[int, int | None, str, str], float]:
    columns = ("table", "months", "model", "metric", "value")
    rows = pl.read_csv(PUBLISHED).select(columns).iter_rows()
    return {(table, months, model, metric): value for table, months, model, metric, value in rows}


def in_words(count: float | None) -> str:
    """Return a count with separators of thousands, or that it is not shown."""
    return HIDDEN if count is None else f"{int(count):,}"


def gather(
    cohort_flow: Path,
    population: Path,
    table1: Path,
    table2: Path,
    models: Sequence[Path],
    run: Run,
    tasks: list[Task],
    task: Task,
) -> Facts:
    """Read the facts of a run.

    Args:
        cohort_flow, population, table1, table2: the tables of these names.
        models: config.json of the pretraining (…/mlm/config.json) and of each task and model
            (…/<task>/<model>/config.json).
        run, tasks, task: as in `Facts`.

    Raises:
        InputError: a table is of another source than the run.
    """
    paths = {"flow": cohort_flow, "population": population, "table1": table1, "table2": table2}
    tables = {name: read_table(path) for name, path in paths.items()}
    for name, table in tables.items():
        if table["data"].unique().to_list() != [run.data]:
            raise InputError(
                paths[name].name, f"it is not of {run.data} data", "Make the run's tables again"
            )
    columns = ("task", "split", "measure", "statistic", "value")
    return Facts(
        run=run,
        tasks=tasks,
        task=task,
        version=VERSION,
        flow=tables["flow"].select("name", "patients", "excluded").to_dicts(),
        population={
            (name, split, measure, statistic): value
            for name, split, measure, statistic, value in tables["population"]
            .select(columns)
            .iter_rows()
        },
        table1=tables["table1"],
        table2=tables["table2"],
        models={_name_of(path): read_json(path) for path in models},
    )


def _name_of(path: Path) -> tuple[str, str]:
    task, model = path.parent.parent.name, path.parent.name
    return ("mlm", "mlm") if model == "mlm" else (task, model)
