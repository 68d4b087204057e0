"""Models of one event, from stored sequences and labels to a page, by the scripts of the rules."""

import json
import logging
import runpy
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from behrt.configuration import AGE_SEX, OUTCOME_KINDS
from behrt.disclosure import Rules, disclose
from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.tidy import read_table
from behrt.figures import outcome_calibration
from behrt.figures import outcome_decision as outcome_decision_curves
from behrt.figures.style import save
from behrt.files import read_json
from behrt.learning.engine import TrainingRun
from behrt.learning.outcomes import OutcomeExamples, few_labels, load_outcome, weighted_log_loss
from behrt.learning.run import Compute
from behrt.models import behrt as whole_behrt
from behrt.outcome_models import outcome_kinds, outcome_model
from behrt.page.outcomes import outcomes_page
from behrt.release.derived import derived
from behrt.run import Run
from behrt.sequences.frames import SPLITS, Sequences
from behrt.sequences.vocabulary import Vocabulary, write_vocabulary
from behrt.settings.behrt import Masking, Settings
from behrt.settings.outcomes import OutcomeSettings
from behrt.settings.training import Optimisation
from behrt.tables import (
    outcome_decision,
    outcome_few_labels,
    outcome_flow,
    outcome_reliability,
    outcome_scores,
)

DISEASES = tuple(f"Disease {i}" for i in range(6))
TINY = {"hidden": 8, "layers": 1, "heads": 2, "intermediate": 8, "max_length": 40}
COMPUTE = Compute(seed=7, precision="32-true")
FIRST = date(2001, 1, 1)
ONE_EPOCH = Optimisation(epochs=1, batch_size=64, learning_rate=1e-2)


def script(name: str) -> Callable[..., None]:
    folder = Path(__file__).parents[2] / "scripts"
    main: Callable[..., None] = runpy.run_path(str(folder / f"{name}.py"))["main"]
    return main


def people(number: int) -> pl.DataFrame:
    """Return subjects in whom disease 0 leads to disease 1; the old have it more often."""
    draws, rows = np.random.default_rng(5), []
    start = (FIRST - date(1970, 1, 1)).days
    for subject in range(1, number + 1):
        born = int(draws.integers(1920, 1990))
        visits = [int(start + 200 * n + draws.integers(0, 150)) for n in range(6)]
        cause = draws.random() < 0.5
        codes = [[0] if cause and n < 3 else [int(draws.integers(2, 6))] for n in range(6)]
        risk = (0.5 if cause else 0.05) + (0.4 if born < 1950 else 0)
        if draws.random() < risk:
            codes[4] = sorted({*codes[4], 1})
        rows.append(
            {
                "subject_id": subject,
                "split": SPLITS[(0, 0, 0, 1, 2)[subject % 5]],
                "sex": int(draws.integers(1, 3)),
                "region": 1 + subject % 2,
                "practice": 1,
                "birth_month": born * 12,
                "follow_up_start": start - 400,
                "follow_up_end": start + 2000,
                "known_until": start + 2000,
                "visit_day": visits,
                "visit_age": [
                    (date(1970, 1, 1) + timedelta(day)).year * 12
                    + (date(1970, 1, 1) + timedelta(day)).month - 1 - born * 12
                    for day in visits
                ],
                "code": [code for of_visit in codes for code in of_visit],
                "visit": [n for n, of_visit in enumerate(codes) for _ in of_visit],
            }
        )  # fmt: skip
    return Sequences.validate(pl.DataFrame(rows, schema=Sequences.create_empty().schema))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Sequences in two shards, the labels of an outcome, and pretrained weights."""
    folder = tmp_path_factory.mktemp("outcome")
    everybody = people(600)
    shards = [folder / f"{n}.parquet" for n in range(2)]
    for n, path in enumerate(shards):
        everybody.filter(pl.col("subject_id") % 2 == n).write_parquet(path)
    events = [folder / f"events{n}.parquet" for n in range(2)]
    for path in events:
        pl.DataFrame(
            schema={"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String}
        ).write_parquet(path)
    vocabulary = folder / "vocabulary.json"
    write_vocabulary(Vocabulary(DISEASES, ("A",) * 6), vocabulary)
    outcome = OutcomeSettings.model_validate(
        {"disease": "Disease 1", "months": 24, "new": True, "index": {"date": "2002-12-01"}}
    )
    of_outcome = folder / "outcomes" / "mine"
    script("outcome")(
        sequences=shards, vocabulary=vocabulary, labels=of_outcome / "labels.parquet",
        manifest=of_outcome / "manifest.json", outcome=outcome, name="mine", seed=7, cut_off=None,
        records_of_the_day=True, events=events,
    )  # fmt: skip
    return {"sequences": shards, "vocabulary": vocabulary, "folder": of_outcome}


def loaded(made: dict[str, Any], *splits: str) -> OutcomeExamples:
    labels = made["folder"] / "labels.parquet"
    return load_outcome(made["sequences"], labels, made["vocabulary"]).of(splits)


def test_the_kinds_are_those_that_the_configuration_knows() -> None:
    assert outcome_kinds() == sorted([AGE_SEX, *OUTCOME_KINDS])


def test_predictions_read_nothing_after_the_index(made: dict[str, Any]) -> None:
    given = loaded(made, *SPLITS)
    index = (date(2002, 12, 1) - date(1970, 1, 1)).days
    assert (given.examples.visit_day <= index).all()
    assert not given.examples.labels.size
    assert (given.months_since_visit >= 0).all()
    whole = pl.concat(pl.read_parquet(path) for path in made["sequences"]).sort("subject_id")
    months = whole.filter(pl.col("subject_id").is_in(given.examples.subject_id))["birth_month"]
    assert (given.months_of_age == 2002 * 12 + 11 - months.to_numpy()).all()
    label = whole.select(event=pl.col("code").list.contains(1))["event"].to_numpy()
    assert (given.label == label[given.examples.subject_id - 1]).all()


def test_fewer_labels_are_some_of_more_and_have_both_kinds(made: dict[str, Any]) -> None:
    given = loaded(made, "train")
    some = [few_labels(given, share, 7) for share in (0.01, 0.2, 1.0)]
    ids = [set(part.examples.subject_id) for part in some]
    assert ids[0] < ids[1] < ids[2]
    assert all(len(np.unique(part.label)) == 2 for part in some)
    assert len(some[1]) == round(0.2 * len(given))
    same = OutcomeExamples(
        given.examples, given.prediction_time, given.label | True, given.weight, given.split
    )
    assert len(few_labels(same, 0.01, 7)) == max(round(0.01 * len(given)), 2)


def test_logs_say_what_is_known_of_enough_patients(
    made: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = OutcomeSettings.model_validate(
        {"disease": "Disease 1", "months": 240, "index": {"date": "2002-12-01"}}
    )
    with (
        caplog.at_level(logging.INFO, logger="behrt"),
        pytest.raises(InputError, match="all labels are equal"),
    ):
        script("outcome")(
            sequences=made["sequences"], vocabulary=made["vocabulary"],
            labels=tmp_path / "labels.parquet", manifest=tmp_path / "manifest.json",
            outcome=outcome, name="mine", seed=7, cut_off=None, records_of_the_day=True,
            events=[made["folder"].parents[1] / f"events{n}.parquet" for n in range(2)],
        )  # fmt: skip
    assert "for most patients follow-up ends within the window" in caplog.text
    model = outcome_model("logistic_regression")
    train, tuning = loaded(made, "train"), loaded(made, "tuning")
    both = np.array([np.argmax(tuning.label), np.argmax(~tuning.label)])
    with caplog.at_level(logging.INFO, logger="behrt"):
        for few in (tuning, tuning.select(np.sort(both))):
            caplog.clear()
            run = TrainingRun(tmp_path, COMPUTE)
            model.fit(train, few, model.Settings(penalties=(1.0,)), None, None, [1], run)
            assert ("hidden (too few patients)" in caplog.text) == (len(few) == 2)


@pytest.mark.parametrize("kind", ["age_sex", "logistic_regression", "lightgbm"])
def test_a_model_learns_what_leads_to_the_event(
    made: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    train, tuning, held_out = (loaded(made, split) for split in SPLITS)
    model, settings = outcome_model(kind), outcome_model(kind).Settings()
    model.fit(train, tuning, settings, None, None, [1], TrainingRun(tmp_path, COMPUTE))
    risks = model.predict(held_out, TrainingRun(tmp_path, COMPUTE))
    assert risks.dtype == np.float32
    auroc = roc_auc_score(held_out.label, risks)
    assert auroc > (0.55 if kind == AGE_SEX else 0.75)
    # Ten times the weight of the events is ten times their number.
    weight = np.where(train.label, 10.0, 1.0)
    heavier = OutcomeExamples(
        train.examples, train.prediction_time, train.label, weight, train.split
    )
    model.fit(heavier, tuning, settings, None, None, [1], TrainingRun(tmp_path, COMPUTE))
    assert model.predict(held_out, TrainingRun(tmp_path, COMPUTE)).mean() > risks.mean() + 0.1


@pytest.fixture(scope="module")
def pretrained(made: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a tiny BEHRT, pretrained for an epoch."""
    folder = tmp_path_factory.mktemp("mlm")
    histories = [loaded(made, split).examples for split in ("train", "tuning")]
    run = TrainingRun(folder, COMPUTE)
    whole_behrt.pretrain(*histories, Settings(**TINY), Masking(), ONE_EPOCH, run)
    return folder / "model.safetensors"


@pytest.mark.parametrize(("readout", "times"), [("cls", 1), ("mask", 2)])
def test_behrt_starts_from_pretrained_weights_and_is_reproducible(
    made: dict[str, Any], pretrained: Path, readout: str, times: int, tmp_path: Path
) -> None:
    train, tuning = loaded(made, "train"), loaded(made, "tuning")
    model, settings = outcome_model("behrt"), Settings(**TINY, readout=readout)
    few = ONE_EPOCH.model_copy(update={"epochs": 4})
    predicted, weights = [], set()
    for number in range(times):
        run = TrainingRun(tmp_path / str(number), COMPUTE)
        model.fit(train, tuning, settings, few, pretrained, [1], run)
        predicted.append(model.predict(tuning, run))
        weights.add((run.folder / "model.safetensors").read_bytes())
    assert len(weights) == 1
    assert (predicted[0] == predicted[-1]).all()
    lines = (tmp_path / "0" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["tuning_loss"] for line in lines]
    assert weighted_log_loss(predicted[0], tuning) == pytest.approx(min(losses), rel=1e-5)
    assert min(losses) < weighted_log_loss(np.full(len(tuning), train.label.mean()), tuning)


def test_from_predictions_to_tables_and_the_page(made: dict[str, Any]) -> None:
    folder, recipes = made["folder"], {AGE_SEX: {}, "logistic_regression": {"penalties": [3.0]}}
    for number in (None, 60):
        labels = str(number or "all")
        for kind, settings in recipes.items():
            files = folder / "models" / labels / kind
            script("outcome_model")(
                sequences=made["sequences"], labels=folder / "labels.parquet",
                vocabulary=made["vocabulary"], weights=files / "model.safetensors",
                model_config=files / "config.json", metrics=files / "metrics.jsonl",
                predictions=folder / "predictions" / labels / f"{kind}.parquet",
                recipe=script_recipe(kind, settings), outcome="mine", diseases=["Disease 1"],
                number=number, protocol="strict", compute=COMPUTE,
            )  # fmt: skip
            assert read_json(files / "config.json")["labels"] == labels
        assessed = folder / "assessment" / labels
        script("assess_outcome")(
            predictions=[folder / "predictions" / labels / f"{kind}.parquet" for kind in recipes],
            sequences=made["sequences"], scores=assessed / "scores.parquet",
            reliability=assessed / "reliability.parquet",
            net_benefit=assessed / "net_benefit.parquet", outcome="mine", reference=AGE_SEX,
            bootstrap=Bootstrap(20, 7),
        )  # fmt: skip
    outcomes = {"mine": "new Disease 1"}
    scores = [folder / "assessment" / n / "scores.parquet" for n in ("all", "60")]
    for rules in (Rules(5), Rules(8, 5), Rules(20)):
        run = Run("simulated", rules, "strict", 20, 7, "mine")
        tables = {
            "outcome_scores": outcome_scores.table(
                run, scores[:1], [scores[0].with_name("net_benefit.parquet")], outcomes
            ),
            "outcome_reliability": outcome_reliability.table(
                run, [scores[0].with_name("reliability.parquet")], outcomes
            ),
            "outcome_decision": outcome_decision.table(
                run, [scores[0].with_name("net_benefit.parquet")], outcomes
            ),
            "outcome_flow": outcome_flow.table(run, [folder / "manifest.json"], outcomes),
            "outcome_few_labels": outcome_few_labels.table(run, scores, outcomes),
        }
        shown = {name: disclose(table, rules) for name, table in tables.items()}
        assert derived(shown, rules) == []
    assert set(tables["outcome_few_labels"]["labels"]) == {"all", "60"}
    best = tables["outcome_scores"].filter(model="logistic_regression", metric="AUROC", group="all")
    assert set(tables["outcome_scores"]["subgroup"]) == {"all", "sex", "age", "region"}
    assert best["value"][0] > 0.75
    assert "net benefit at 0.1" in tables["outcome_scores"]["metric"]
    assert best["difference_low"][0] > 0
    paths = []
    for name, table in tables.items():
        paths.append(folder / f"{name}.csv")
        table.write_csv(paths[-1])
        assert read_table(paths[-1]).height
    drawn, captions = [], {}
    read = {path.stem: read_table(path) for path in paths}
    for name, figure in (
        ("outcome_calibration", outcome_calibration.draw(
            read["outcome_scores"], read["outcome_reliability"], AGE_SEX, outcomes)),
        ("outcome_decision", outcome_decision_curves.draw(
            read["outcome_decision"], read["outcome_scores"], AGE_SEX, outcomes)),
    ):  # fmt: skip
        drawn.append(folder / f"{name}.png")
        save(figure, drawn[-1], folder / f"{name}.svg", True)
        captions[f"figures/{name}"] = "A caption."
    page = outcomes_page(run, outcomes, drawn, paths, captions)
    assert page.count("data:image/png;base64,") == 2
    assert "new Disease 1" in page
    assert f"{best['value'][0]:.3f}" in page


def script_recipe(kind: str, settings: dict[str, Any]) -> Any:
    from behrt.learning.recipe import Recipe

    return Recipe(kind, settings)


def test_few_patients_are_hidden_and_so_is_what_would_reveal_them() -> None:
    scores = ("AUROC", 0.7, 0.6, 0.8, None, None, None)
    rows = [
        ("m", "as trained", subgroup, group, *scores, patients, events)
        for subgroup, group, patients, events in (
            ("all", "all", 100, 20),
            ("sex", "men", 60, 17),
            ("sex", "women", 40, 3),
            ("age", "under 50", 50, 10),
            ("age", "80 and over", 50, 10),
        )
    ]
    names = ["model", "risks", "subgroup", "group", "metric", "value", "low", "high", "difference"]
    names += ["difference_low", "difference_high", "patients", "positives"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("difference", "difference_low", "difference_high").cast(pl.Float64),
        predictions="patients",
        events="positives",
    )
    table = outcome_scores.tabulate(frame, "mine", Rules(5))
    hidden = table.filter(pl.col("positives").is_null())
    assert hidden["group"].to_list() == ["men", "women"]
    assert hidden["value"].null_count() == 2
    assert table["positives"].drop_nulls().to_list() == [20, 10, 10]
