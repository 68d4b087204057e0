"""No text of a figure is over another, whatever the number of models and the length of names."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from behrt.ablation import COMBINATIONS
from behrt.catalogue import FIGURE, products
from behrt.evaluation.clusters import Cluster
from behrt.figures import (
    ablation,
    calibration,
    cohort_flow,
    decision,
    disease_differences,
    diseases,
    embedding_map,
    outcome_calibration,
    outcome_decision,
    patient_map,
    search,
    sex_specific,
    subgroups,
    training,
    trajectories,
    trends,
)
from behrt.figures.attention import draw_diagnoses
from behrt.figures.example_patient import draw_visits
from behrt.figures.style import new_figure
from behrt.interpretation.diagnoses import Diagnoses
from behrt.sequences.vocabulary import Vocabulary
from behrt.tasks import Task

from .test_example_patient import WORDS, crowded

TASKS = [Task("T1"), Task("T2", 6), Task("T3", 120)]
NAMES = [task.name for task in TASKS]
LONG = "Other specified and unspecified disorders of the gallbladder, bile ducts and pancreas"


def models(count: int) -> list[str]:
    """Return the names of models: the trivial ones, and long ones."""
    return [
        *(f"transformer_with_a_long_name_{i:02d}" for i in range(count - 2)),
        *("prevalence", "history"),
    ]


def names(count: int) -> list[str]:
    return [f"{LONG} {i:02d}" for i in range(count)]


def cross(**columns: list[str]) -> pl.DataFrame:
    """Return every combination of some texts, with random numbers of every name."""
    rows = list(itertools.product(*columns.values()))
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    random = np.random.default_rng(len(rows))
    value = random.uniform(0.2, 0.9, len(rows))
    return frame.with_columns(
        data=pl.lit("simulated"),
        protocol=pl.lit("strict"),
        patients=pl.lit(1_234_567),
        positives=pl.lit(7_654_321),
        value=value,
        low=value - 0.05,
        high=value + 0.05,
    )


def of_trends(count: int) -> Figure:
    table = cross(task=NAMES, model=models(count), metric=["APS", "AUROC"])
    return trends.draw(table, table)


def of_calibration(count: int) -> Figure:
    of = {"task": NAMES, "model": models(count), "risks": ["as trained", "recalibrated"]}
    measures = cross(**of, measure=["slope", "observed / expected", "ICI"])
    points = pl.concat(
        cross(**of, kind=["group", "curve"]).with_columns(predicted=risk, observed="value")
        for risk in (0.001, 0.01, 0.2)
    )
    return calibration.draw(measures, points, models(count)[0], TASKS)


def of_decision(count: int) -> Figure:
    of = {"task": NAMES, "model": models(count), "disease": ["all diseases", *names(6)]}
    table = pl.concat(
        cross(**of, strategy=["recalibrated", "treat all"]).with_columns(threshold=at)
        for at in (0.01, 0.1, 0.5)
    )
    return decision.draw(table, models(count)[0], TASKS, TASKS[1])


OUTCOMES = dict.fromkeys(("death_1y", "readmission_30d", "heart_failure_60_months"), "an event")


def scores_of_outcomes(count: int) -> pl.DataFrame:
    of = {
        "outcome": list(OUTCOMES),
        "model": models(count),
        "risks": ["as trained", "recalibrated"],
    }
    return cross(**of, metric=["slope", "observed / expected"], subgroup=["all"])


def of_outcome_calibration(count: int) -> Figure:
    of = {
        "outcome": list(OUTCOMES),
        "model": models(count),
        "risks": ["as trained", "recalibrated"],
    }
    points = pl.concat(
        cross(**of, kind=["group", "curve"]).with_columns(predicted=risk, observed="value")
        for risk in (0.001, 0.01, 0.2)
    )
    return outcome_calibration.draw(scores_of_outcomes(count), points, models(count)[0], OUTCOMES)


def of_outcome_decision(count: int) -> Figure:
    of = {"outcome": list(OUTCOMES), "model": models(count)}
    table = pl.concat(
        cross(**of, strategy=["as trained", "recalibrated", "treat all"]).with_columns(threshold=at)
        for at in (0.01, 0.1, 0.5)
    )
    return outcome_decision.draw(table, scores_of_outcomes(count), models(count)[0], OUTCOMES)


def of_trajectories(count: int) -> Figure:
    events = ["Death", "New diseases (number)", *names(count)]
    table = pl.concat(
        cross(event=events, group=["all", "1", "5"]).with_columns(
            years=year,
            **{
                f"{name}{end}": pl.col(value) * year / 10
                for name in ("predicted", "truth")
                for end, value in (("", "value"), ("_low", "low"), ("_high", "high"))
            },
        )
        for year in (1, 5, 10)
    )
    return trajectories.draw(table)


def of_differences(count: int) -> Figure:
    first, *others = models(count)
    table = cross(model=[first], other=others, metric=["APS"], disease=names(12))
    table = table.rename(
        {"value": "difference", "low": "difference_low", "high": "difference_high"}
    ).with_columns(p_benjamini_hochberg=0.01, task=pl.lit("T2"))
    return disease_differences.draw(table, first)


def of_sexes(count: int) -> Figure:
    table = cross(model=models(count), disease=names(10), sex=["female"])
    shares = {
        f"ranked_{side}_share{end}": pl.col(value)
        for side in ("own", "other")
        for end, value in (("", "value"), ("_low", "low"), ("_high", "high"))
    }
    columns = {"recorded_other": 0, "patients_own": 9, "patients_other": 9}
    table = table.with_columns(
        auroc="value", **shares, **{k: pl.lit(v) for k, v in columns.items()}
    )
    return sex_specific.draw(table, models(count)[0], 10)


def of_subgroups(count: int) -> Figure:
    of = {"task": NAMES, "model": models(count)[:1], "metric": list(subgroups.METRICS)}
    table = pl.concat(
        [
            cross(**of, subgroup=["sex"], group=["men", "women"], statistic=["mean"]),
            cross(**of, subgroup=["region"], group=["1", "2", "13"], statistic=["mean"]),
            cross(
                **of,
                subgroup=["practice"],
                group=["practices with 20 patients or more"],
                statistic=["5th percentile", "median", "95th percentile"],
            ),
        ]
    )
    return subgroups.draw(table, models(count)[0], TASKS)


def vocabulary(count: int) -> Vocabulary:
    chapters = [f"Diseases of the {LONG[:40]} {i % 16:02d}" for i in range(count)]
    return Vocabulary(tuple(names(count)), tuple(chapters))


def of_diseases(count: int) -> Figure:
    words = vocabulary(4 * count)
    table = cross(model=["behrt"], disease=list(words.phenotypes)).with_columns(
        chapter=pl.Series(words.chapters),
        task=pl.lit("T2"),
        aps="value",
        auroc=1 - pl.col("value").shuffle(1),
        prevalence=pl.col("value") / 10,
    )
    return diseases.draw_diseases(table, words.chapters)


def of_map(count: int) -> Figure:
    words = vocabulary(16 * count)
    places = np.random.default_rng(count).normal(size=(16 * count, 2))
    nearest = np.argsort(np.linalg.norm(places - places[0], axis=1))[:6]
    farthest = np.argsort(places[:, 0])[:5]
    clusters = [
        Cluster(np.sort(chosen), words.chapters[chosen[0]], 3) for chosen in (nearest, farthest)
    ]
    patients = np.arange(16 * count) * 20
    return embedding_map.draw_map(places, words, patients, clusters)


def of_patients(count: int) -> Figure:
    words = vocabulary(16 * count)
    places = np.random.default_rng(count).normal(size=(16 * count, 2))
    return patient_map.draw_map(places, list(words.chapters), words, "in the next 6 months")


def of_ablation(count: int) -> Figure:
    table = cross(
        task=["T2"],
        model=models(count)[:2],
        label_set=["all", "first_incidence"],
        metric=["APS", "AUROC"],
        embeddings=list(COMBINATIONS),
    ).with_columns(difference="value", difference_low="low", difference_high="high")
    return ablation.draw(table)


def of_searches(count: int) -> Figure:
    tables = [
        cross(
            searched=[model], task=["T2"], metric=["tuning_aps"], trial=["1", "2", "3"]
        ).with_columns(
            round=pl.Series([1, 1, 2]),
            score=pl.Series([0.1, 0.3, 0.2]),
            outcome=pl.Series(["whole", "chosen", "given up"]),
        )
        for model in models(count)[:4]
    ]
    return search.draw(tables)


def of_attention(count: int) -> Figure:
    random, n = np.random.default_rng(count), min(max(count, 8), 14)  # as in the catalogue
    words = vocabulary(n)
    visits = np.arange(n) // 2
    attention = random.dirichlet(np.ones(n + 2), (count, n))[..., :n].astype(np.float32)
    one = Diagnoses(np.arange(n), 500 + 9 * visits, visits, attention, random.normal(size=(n, n)))
    return draw_diagnoses([one, one], ["Patient A", "Patient B"], words)


def of_example(count: int) -> Figure:
    return draw_visits(crowded(), WORDS, 16 * count, "A patient")


def of_flow(count: int) -> Figure:
    patients = [9_999_999 - 1_111_111 * (i // 2) for i in range(count)]
    frame = pl.DataFrame({"name": [f"Registered for a year, step {i}" for i in range(count)]})
    return cohort_flow.draw(
        frame.with_columns(
            patients=pl.Series([None, *patients[1:]], dtype=pl.Int64),
            excluded=pl.lit(1_111_111),
        )
    )


def of_training(count: int) -> Figure:
    every = cross(task=["MLM", *NAMES], model=["mlm", *models(count)], metric=["APS"])
    own = (pl.col("task") == "MLM") == (pl.col("model") == "mlm")
    scores = {name: pl.col("value") for name in ("train_loss", "tuning_loss", "tuning_aps")}
    table = pl.concat(
        every.filter(own).with_columns(epoch=epoch, chosen=pl.lit(epoch == 2), **scores)
        for epoch in (1, 2)
    )
    return training.draw(table, TASKS)


FIGURES: dict[str, Callable[[int], Figure]] = {
    "attention": of_attention,
    "example_patient": of_example,
    "trends": of_trends,
    "calibration": of_calibration,
    "decision": of_decision,
    "outcome_calibration": of_outcome_calibration,
    "outcome_decision": of_outcome_decision,
    "trajectories": of_trajectories,
    "disease_differences": of_differences,
    "sex_specific": of_sexes,
    "subgroups": of_subgroups,
    "diseases": of_diseases,
    "embedding_map": of_map,
    "patient_map": of_patients,
    "ablation": of_ablation,
    "training": of_training,
    "search": of_searches,
    "cohort_flow": of_flow,
}


def texts(figure: Figure) -> Iterator[tuple[str, Bbox]]:
    """Yield every text that is drawn, with its box in pixels, a pixel smaller on each side."""
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    ticks = {
        id(label): tick
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.majorTicks, *axis.minorTicks)
        for label in (tick.label1, tick.label2)
    }
    drawn = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if axes.axison
        for label in axis.get_ticklabels(which="both")
        if _in_view(axes, axis, label)
    }
    hidden = {id(text) for axes in figure.axes if not axes.axison for text in _axis_texts(axes)}
    for text in figure.findobj(Text):
        if not text.get_visible() or not text.get_text().strip() or id(text) in hidden:
            continue
        if id(text) in ticks and id(text) not in drawn:
            continue
        box = (
            Text.get_window_extent(text, renderer)
            if isinstance(text, Annotation)
            else text.get_window_extent(renderer)
        )
        if min(box.width, box.height) > 3:
            yield text.get_text(), box.padded(-1)


def _axis_texts(axes) -> list[Text]:
    return [*axes.xaxis.findobj(Text), *axes.yaxis.findobj(Text)]


def _in_view(axes, axis, label) -> bool:
    low, high = sorted(axis.get_view_interval())
    place = label.get_position()[0 if axis is axes.xaxis else 1]
    return low <= place <= high


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts that overlap, and the texts that a frame strikes through."""
    found = list(texts(figure))
    pairs = [
        (one, other)
        for (one, box), (other, second) in itertools.combinations(found, 2)
        if box.overlaps(second)
    ]
    frames = [
        (axes, patch)
        for axes in figure.axes
        for patch in axes.patches
        if type(patch) is Rectangle and not patch.get_fill()
    ]
    struck = [
        (one, "a frame")
        for one, box in found
        for _, patch in frames
        if patch.get_transform().transform_path(patch.get_path()).intersects_bbox(box, filled=False)
    ]
    return pairs + struck


@pytest.mark.parametrize("count", [3, 16])
@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_over_another(name: str, count: int) -> None:
    assert overlaps(FIGURES[name](count)) == []


def test_every_figure_of_the_catalogue_is_drawn_here() -> None:
    made = products(searches=["model"])
    assert {product.module for product in made if product.kind == FIGURE} == set(FIGURES)


def test_texts_over_each_other_are_found() -> None:
    figure = new_figure(4, 3)
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.text(0.5, 0.5, "one")
    assert overlaps(figure) == []
    axes.text(0.51, 0.5, "another")
    axes.add_patch(Rectangle((0.0, 0.52), 0.9, 0.3, fill=False))
    assert ("one", "another") in overlaps(figure)
    assert ("one", "a frame") in overlaps(figure)
