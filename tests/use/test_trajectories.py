"""Futures of a trained model: their events, shares and times, and what is refused."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import behrt
from behrt import models
from behrt.errors import InputError
from behrt.predict import main
from behrt.use.model import TrainedModel
from behrt.use.trajectories import DEATH

from .conftest import Make, draw_events

EVENTS = draw_events(6, 3)
AT = pl.DataFrame({"subject_id": [5, 2], "prediction_time": [datetime(2004, 1, 1, 12)] * 2})


@pytest.fixture
def model(of_kind: Callable[[str], Path]) -> TrainedModel:
    return behrt.load(of_kind("delphi"))


def test_futures_have_events_after_the_prediction_up_to_the_end(model: TrainedModel) -> None:
    found = model.trajectories(EVENTS, AT, years=2, futures=30, seed=4)
    events = found.events()
    assert events.columns == ["subject_id", "prediction_time", "future", "time", "event"]
    assert events["subject_id"].unique().to_list() == [2, 5]
    assert events["future"].is_between(0, 29).all()
    assert events["time"].min() > date(2004, 1, 1)
    assert events["time"].max() <= date(2006, 1, 1)
    assert {DEATH, "Disease 03"} < set(events["event"])
    deaths = events.filter(event=DEATH).select("subject_id", "future", death="time")
    later = events.join(deaths, on=["subject_id", "future"]).filter(
        pl.col("time") > pl.col("death")
    )
    assert later.is_empty()

    again = model.trajectories(EVENTS, AT, years=2, futures=30, seed=4).events()
    assert events.equals(again)
    assert not events.equals(model.trajectories(EVENTS, AT, years=2, futures=30, seed=5).events())


def test_shares_of_futures_are_counted_from_their_events(model: TrainedModel) -> None:
    found = model.trajectories(EVENTS, AT, years=3, futures=20)
    table = found.cumulative_incidence([1, 3])
    assert table.height == 2 * 13 * 2
    first = found.events().unique(["subject_id", "future", "event"], keep="first")
    day = datetime(2004, 1, 1).date()
    for row in table.filter(pl.col("event").is_in(["Disease 04", DEATH])).iter_rows(named=True):
        counted = first.filter(
            pl.col("subject_id") == row["subject_id"],
            pl.col("event") == row["event"],
            (pl.col("time") - pl.lit(day)).dt.total_days() <= 365.25 * row["years"],
        )
        assert row["probability"] == counted.height / 20
    on_record = EVENTS.filter(pl.col("subject_id") == 2, pl.col("time") <= datetime(2004, 1, 1, 12))
    known = table.filter(pl.col("subject_id") == 2, "known", pl.col("years") == 1)["event"]
    diseases = on_record.filter(pl.col("code").str.starts_with("CALIBER//"))["code"]
    assert set(known) == {code.removeprefix("CALIBER//") for code in diseases}


def test_rates_are_recalibrated_unless_the_models_own_are_wanted(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fixture's factors run from 0.5 of visits to 1.5 of deaths."""
    monkeypatch.setattr(
        "behrt.models.delphi.rates",
        lambda examples, run: (np.full((len(examples), 14), 0.2), np.zeros((len(examples), 2))),
    )
    shares = [
        model.trajectories(EVENTS, AT, years=5, futures=4000, calibrated=calibrated)
        .cumulative_incidence([5])
        .filter(event=DEATH)["probability"]
        .mean()
        for calibrated in (True, False)
    ]
    assert shares == pytest.approx([1 - np.exp(-0.3 * 5), 1 - np.exp(-0.2 * 5)], abs=0.02)


@pytest.mark.usefixtures("own_log")
def test_the_command_writes_shares_or_events(model: TrainedModel, tmp_path: Path) -> None:
    EVENTS.write_parquet(tmp_path / "data.parquet")
    out = tmp_path / "out.parquet"
    command = [str(model.folder), str(tmp_path / "data.parquet"), "--out", str(out)]
    options = ["--trajectories", "9", "--years", "2", "--seed", "6"]
    wanted = model.trajectories(EVENTS, years=2, futures=9, seed=6)
    main([*command, *options])
    assert pl.read_parquet(out).equals(wanted.cumulative_incidence())
    main([*command, *options, "--events"])
    assert pl.read_parquet(out).equals(wanted.events())


def test_the_kinds_with_trajectories_are_listed() -> None:
    """Found in the text of the modules: importing all of them takes seconds."""
    modules = {path.stem: path.read_text() for path in Path(models.__file__).parent.glob("*.py")}
    wanted = ("\ndef rates(", "\ndef recalibrate(")
    found = {kind for kind, text in modules.items() if all(name in text for name in wanted)}
    assert found == set(models.WITH_TRAJECTORIES)


def test_models_without_times_and_empty_samples_are_refused(
    model: TrainedModel, trained: Make
) -> None:
    with pytest.raises(InputError, match="kind history does not predict when events come"):
        behrt.load(trained("history")).trajectories(EVENTS)
    with pytest.raises(InputError, match="nothing is to be sampled"):
        model.trajectories(EVENTS, futures=0)
