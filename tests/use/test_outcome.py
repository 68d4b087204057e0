"""Fine-tuning on labels of one's own: what is learned, the folder, and what is refused."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import behrt
from behrt.errors import InputError
from behrt.finetune import main as train
from behrt.learning.examples import concatenated
from behrt.predict import main
from behrt.use.outcome import OutcomeModel

from .conftest import Make, draw_events

EVENTS = draw_events(150, 7)


def labels_of(events: pl.DataFrame) -> pl.DataFrame:
    """Return two labels per subject: whether one of three diseases is on record so far."""
    rows = []
    for subject, own in events.sort("subject_id").group_by("subject_id", maintain_order=True):
        recorded = own.filter(pl.col("code").str.starts_with("CALIBER"))
        for days in (0, 200):
            at = recorded["time"].min() + timedelta(days=days)
            so_far = set(recorded.filter(pl.col("time") <= at)["code"].str.slice(-2))
            rows.append((subject[0], at, bool(so_far & {"01", "02", "03"})))
    schema = {"subject_id": pl.Int64, "prediction_time": pl.Datetime("us"), "boolean_value": bool}
    return pl.DataFrame(rows, schema, orient="row")


LABELS = labels_of(EVENTS)


@pytest.mark.usefixtures("own_log")
@pytest.mark.parametrize("kind", ["behrt", "forecast"])
def test_a_model_learns_labels_and_is_loaded_from_its_folder(
    of_kind: Callable[[str], Path], trained: Make, tmp_path: Path, kind: str
) -> None:
    start = of_kind(kind) if kind == "forecast" else trained("behrt", task=None, readout="mask")
    training = {"epochs": 12, "learning_rate": 0.02}
    labels = tmp_path / "labels.csv"
    LABELS.write_csv(labels)
    made = behrt.load(start).finetune(
        EVENTS, labels, tmp_path / "ours" / "any", name="any", training=training
    )
    assert isinstance(made, OutcomeModel)
    found = made.predict(EVENTS, LABELS)
    assert found.columns == [
        *("subject_id", "prediction_time", "boolean_value"),
        *("predicted_boolean_value", "predicted_boolean_probability"),
    ]
    assert found["boolean_value"].equals(LABELS["boolean_value"])
    means = found.group_by("boolean_value").agg(pl.col("predicted_boolean_probability").mean())
    low, high = means.sort("boolean_value")["predicted_boolean_probability"]
    assert high > low + 0.2
    again = behrt.load(tmp_path / "ours" / "any").predict(EVENTS, LABELS)
    assert again.equals(found)
    assert "the outcome `any`, of kind" in (made.folder / "README.md").read_text()

    EVENTS.write_parquet(tmp_path / "data.parquet")
    out = tmp_path / "risks.parquet"
    main([str(made.folder), str(tmp_path / "data.parquet"), "--at", str(labels), "--out", str(out)])
    risks = pl.read_parquet(out)["predicted_boolean_probability"]
    assert risks.equals(found["predicted_boolean_probability"])


@pytest.mark.usefixtures("own_log")
def test_the_command_writes_the_same_folder(
    of_kind: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start, data, labels = of_kind("forecast"), tmp_path / "data.parquet", tmp_path / "l.parquet"
    EVENTS.write_parquet(data)
    LABELS.write_parquet(labels)
    command = [str(start), str(data), str(labels), "--name", "any", "--out"]
    train([*command, str(tmp_path / "one")])
    behrt.load(start).finetune(EVENTS, LABELS, tmp_path / "other", name="any")
    for path in (tmp_path / "other").iterdir():
        assert path.read_bytes() == (tmp_path / "one" / path.name).read_bytes(), path.name
    with pytest.raises(SystemExit, match="1"):
        train([*command, str(tmp_path / "one")])
    assert "it exists already" in capfd.readouterr().err


def test_labels_and_models_that_cannot_be_used_are_refused(trained: Make, tmp_path: Path) -> None:
    model = behrt.load(trained("behrt", task=None, readout="mask"))
    for labels, problem in (
        (LABELS.drop("boolean_value"), "no column boolean_value"),
        (LABELS.with_columns(boolean_value=None), "a value is missing"),
        (LABELS.with_columns(boolean_value=True), "too few subjects have the outcome"),
    ):
        with pytest.raises(InputError, match=problem):
            model.finetune(EVENTS, labels, tmp_path / "new")
    with pytest.raises(InputError, match="it exists already"):
        model.finetune(EVENTS, LABELS, tmp_path)
    for kind, settings in (("history", {}), ("behrt", {"readout": "cls"})):
        with pytest.raises(InputError, match="it cannot be fine-tuned"):
            behrt.load(trained(kind, f"a_{kind}", **settings)).finetune(
                EVENTS, LABELS, tmp_path / "new"
            )
    assert not (tmp_path / "new").exists()


def test_parts_are_one_after_the_other(of_kind: Callable[[str], Path]) -> None:
    model = behrt.load(of_kind("history"))
    (whole,), _ = model.read(EVENTS, LABELS, False)
    rows = np.arange(len(whole.rows))
    parts = [whole.examples.select(part) for part in np.array_split(rows, 3)]
    for name, array in concatenated(parts).arrays().items():
        assert np.array_equal(array, whole.examples.arrays()[name]), name
