"""What the figures of this run show, from tables to the words and marks in the SVG."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from behrt.figures import calibration, cohort_flow, decision, diseases, embedding_map, subgroups
from behrt.sequences.vocabulary import Vocabulary
from behrt.tasks import Task

N = 40
VOCABULARY = Vocabulary(
    tuple(f"Disease {i:02d}" for i in range(N)), tuple(f"Chapter {i % 5}" for i in range(N))
)


def words(figure: Figure, folder: Path) -> str:
    """Return the texts of a figure; matplotlib leaves each as a comment beside its outlines."""
    figure.savefig(folder / "figure.svg")
    return "\n".join(re.findall(r"<!-- (.*?) -->", (folder / "figure.svg").read_text(), re.S))


def flow(*patients: int | None) -> pl.DataFrame:
    frame = pl.DataFrame({"name": [f"Step {i}" for i in range(len(patients))]})
    return frame.with_columns(patients=pl.Series(patients, dtype=pl.Int64)).with_columns(
        excluded=pl.col("patients").shift() - pl.col("patients")
    )


def test_the_flow_shows_every_step_and_exclusion(tmp_path: Path) -> None:
    text = words(cohort_flow.draw(flow(40000, 30000, 12345)), tmp_path)
    for expected in ("Step 0", "40,000 patients", "Excluded: 10,000 (25.0%)", "12,345 patients"):
        assert expected in text
    assert "not shown" not in text.lower()


def test_the_flow_says_what_it_does_not_show(tmp_path: Path) -> None:
    text = words(cohort_flow.draw(flow(40000, None, 12345)), tmp_path)
    assert "number not shown" in text
    assert text.count("Excluded: not shown") == 2
    assert "too small to be shown" in text


def scores(n: int) -> pl.DataFrame:
    random = np.random.default_rng(n)
    return pl.DataFrame(
        {
            "protocol": ["strict"] * n,
            "task": ["T2"] * n,
            "model": ["behrt"] * n,
            "disease": VOCABULARY.phenotypes[:n],
            "chapter": VOCABULARY.chapters[:n],
            "patients": [4321] * n,
            "prevalence": random.uniform(0.01, 0.2, n),
            "aps": random.uniform(0.1, 0.6, n),
            "auroc": random.uniform(0.6, 0.95, n),
        },
        schema_overrides={"disease": pl.String, "prevalence": pl.Float64, "aps": pl.Float64},
    )


def test_diseases_name_the_best_and_the_worst(tmp_path: Path) -> None:
    table = scores(N).with_columns(
        aps=pl.int_range(N) / 100 + 0.1, auroc=pl.int_range(N) / 100 + 0.5
    )
    figure = diseases.draw_diseases(table, VOCABULARY.chapters)
    text = words(figure, tmp_path)
    assert "Disease 39" in text
    assert "Disease 00" in text
    assert "Disease 20" not in text
    assert "behrt, T2, strict protocol; 4,321 held-out patients; 40 diseases" in text
    whole, best, worst = figure.axes
    assert best.get_xlim()[0] > worst.get_xlim()[1]
    for section in (best, worst):
        assert whole.get_xlim()[0] <= section.get_xlim()[0]
        assert whole.get_xlim()[1] >= section.get_xlim()[1]


def test_the_area_of_a_mark_is_its_prevalence_whatever_its_shape() -> None:
    chapters = tuple(f"Chapter {i:02d}" for i in range(16))
    table = scores(3).with_columns(
        chapter=pl.Series([chapters[0], chapters[9], chapters[0]]),
        prevalence=pl.Series([0.1, 0.1, 0.2]),
    )
    whole = diseases.draw_diseases(table, chapters).axes[0]
    areas = []
    for marks in whole.collections:
        for outline, size in zip(marks.get_paths(), marks.get_sizes(), strict=True):
            x, y = outline.to_polygons(closed_only=False)[0].T
            unit = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
            areas.append(unit * size)
    areas.sort()
    assert areas[1] == pytest.approx(areas[0], rel=0.05)
    assert areas[2] == pytest.approx(2 * areas[0], rel=0.05)


def test_diseases_without_a_score_are_counted_and_not_drawn(tmp_path: Path) -> None:
    table = scores(10).with_columns(
        pl.when(pl.int_range(10) > 2).then(pl.col("aps", "auroc", "prevalence"))
    )
    text = words(diseases.draw_diseases(table, VOCABULARY.chapters), tmp_path)
    assert "7 diseases; 3 more without a score" in text


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_diseases_are_drawn_too(n: int, tmp_path: Path) -> None:
    words(diseases.draw_diseases(scores(n), VOCABULARY.chapters), tmp_path)


def test_a_table_without_any_score_is_drawn_too(tmp_path: Path) -> None:
    table = scores(3).with_columns(
        pl.lit(None, pl.String).alias(name) for name in ("aps", "auroc", "prevalence")
    )
    text = words(diseases.draw_diseases(table, VOCABULARY.chapters), tmp_path)
    assert "0 diseases; 3 more" in text


@pytest.fixture(scope="module")
def places() -> np.ndarray:
    embeddings = np.random.default_rng(8).normal(size=(N, 6))
    embeddings += 4 * np.eye(6)[np.arange(N) % 5]
    return embedding_map.project(embeddings, seed=1)


def test_the_map_keeps_a_chapter_together(places: np.ndarray) -> None:
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    assert (nearest % 5 == np.arange(N) % 5).mean() > 0.8


def test_the_map_names_common_diseases_alone(places: np.ndarray, tmp_path: Path) -> None:
    patients = np.where(np.arange(N) < 4, 1000, 10)
    text = words(embedding_map.draw_map(places, VOCABULARY, patients), tmp_path)
    named = re.findall(r"Disease\s\d\d", text)
    assert named
    assert {name[-2:] for name in named} <= {"00", "01", "02", "03"}
    assert "Chapter 4" in text


MODELS = ("behrt", "history")
TASKS = [Task("T1"), Task("T2", 60)]


def reliability() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return tables *calibration* and *reliability* of two tasks, with a hidden group."""
    facts = [
        (t, m, r) for t in ("T1", "T2") for m in MODELS for r in ("as trained", "recalibrated")
    ]
    measures = pl.DataFrame(
        [
            ("strict", *fact, name, value, 1234, 567)
            for fact in facts
            for name, value in (("slope", 0.87), ("observed / expected", None), ("ICI", 0.0123))
        ],
        schema=["protocol", "task", "model", "risks", "measure", "value", "patients", "positives"],
        orient="row",
    )
    points = pl.DataFrame(
        [
            ("strict", *fact, kind, risk, seen, seen and seen * 0.9, seen and seen * 1.1)
            for fact in facts
            for kind in ("group", "curve")
            for risk, seen in ((0.001, 0.002), (0.01, None), (0.2, 0.3))
        ],
        schema=[
            *("protocol", "task", "model", "risks", "kind"),
            *("predicted", "observed", "low", "high"),
        ],
        orient="row",
    )
    return measures, points


def test_reliability_plots_say_what_they_rest_on(tmp_path: Path) -> None:
    text = words(calibration.draw(*reliability(), "behrt", TASKS), tmp_path)
    assert "T1: 1,234 patients, 567 labels" in text
    assert text.count("slope 0.87") == 4
    assert "observed / expected not shown" in text
    assert "ICI 1.23%" in text
    assert "history" in text


def curves() -> pl.DataFrame:
    return pl.DataFrame(
        [
            ("strict", task, model, disease, strategy, at, value, value, value, 4321)
            for task in ("T1", "T2")
            for model in MODELS
            for disease in ("all diseases", "Gout")
            for strategy in ("as trained", "recalibrated", "treat all")
            for at, value in ((0.01, 0.2), (0.1, 0.1), (0.5, None))
        ],
        schema=[
            *("protocol", "task", "model", "disease", "strategy"),
            *("threshold", "value", "low", "high", "patients"),
        ],
        orient="row",
    )


def test_decision_curves_have_a_panel_a_task_and_one_a_disease(tmp_path: Path) -> None:
    figure = decision.draw(curves(), "behrt", TASKS, TASKS[1])
    assert sum(axes.axison for axes in figure.axes) == 3
    text = words(figure, tmp_path)
    for expected in ("T1: next visit", "T2: next 5 years", "Gout", "treat none", "4,321 patients"):
        assert expected in text


def groups() -> pl.DataFrame:
    return pl.DataFrame(
        [
            ("strict", task, "behrt", subgroup, group, metric, statistic, value, value, value)
            for task in ("T2_all", "T3_all")
            for metric in ("APS", "AUROC", "observed / expected")
            for subgroup, group, statistic, value in (
                ("sex", "men", "mean", 0.4),
                ("sex", "women", "mean", None),
                ("region", "9", "mean", 0.3),
                ("region", "14", "mean", 0.3),
                ("practice", "practices with 20 patients or more", "median", 0.5),
            )
        ],
        schema=[
            *("protocol", "task", "model", "subgroup", "group", "metric", "statistic"),
            *("value", "low", "high"),
        ],
        orient="row",
    )


def test_subgroups_have_a_line_each_and_small_ones_no_mark(tmp_path: Path) -> None:
    tasks = [Task("T2", 6), Task("T3", 12)]
    figure = subgroups.draw(groups(), "behrt", [task.on_all_eligible() for task in tasks], "gold")
    for axes in figure.axes:
        marks = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
        assert len(marks) == 2 * 4
    text = words(figure, tmp_path)
    for expected in (
        "men",
        "women",
        "London",
        "14",
        "median",
        "all eligible patients",
        "too small are hidden",
    ):
        assert expected in text
