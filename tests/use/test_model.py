"""A trained folder: loading, risks, vectors, the command, and what is refused."""

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit

import behrt
from behrt.errors import InputError
from behrt.evaluation.recalibration import fit_recalibration
from behrt.files import read_json, write_json
from behrt.kinds import WITH_VECTORS
from behrt.learning.artefacts import read_weights
from behrt.models import kinds
from behrt.predict import main
from behrt.sequences.vocabulary import FIRST_DISEASE, SPECIAL, Vocabulary

from .conftest import Make, draw_events, examples_to_learn

EVENTS = pl.DataFrame(
    {
        "subject_id": [1, 1, 1, 1, 2, 2],
        "time": [
            datetime(1950, 3, 1),
            None,
            datetime(2001, 5, 2),
            datetime(2003, 1, 9),
            datetime(1980, 7, 1),
            datetime(2010, 1, 1),
        ],
        "code": [
            "MEDS_BIRTH",
            "SEX//male",
            "CALIBER//Disease 02",
            "CALIBER//Disease 05",
            "MEDS_BIRTH",
            "CALIBER//Disease 02",
        ],
    }
)


def test_risks_are_recalibrated_unless_the_models_own_are_wanted(
    trained: Make, vocabulary: Vocabulary
) -> None:
    folder = trained("history")
    model = behrt.load(folder)
    weights = read_weights(folder)
    known = np.zeros((2, 12), dtype=bool)
    known[0, [2, 5]] = known[1, 2] = True
    own = np.where(known, weights["with"], weights["without"])
    raw = model.predict(EVENTS, calibrated=False)
    assert raw.columns == ["subject_id", "prediction_time", "disease", "probability"]
    assert raw["disease"].to_list() == list(vocabulary.phenotypes) * 2
    assert np.array_equal(raw["probability"].to_numpy().reshape(2, 12), own)
    intercepts = read_json(folder / "recalibration.json")["intercepts"]
    risks = model.predict(EVENTS)["probability"].to_numpy().reshape(2, 12)
    assert risks == pytest.approx(expit(np.array(intercepts) + 0.5 * logit(own)), abs=1e-6)


def test_several_times_of_a_subject_have_a_prediction_each(trained: Make) -> None:
    at = pl.DataFrame(
        {
            "subject_id": [1, 1],
            "prediction_time": [datetime(2002, 1, 1), datetime(2004, 1, 1)],
        }
    )
    model = behrt.load(trained("behrt", readout="mask"))
    found = model.predict(EVENTS, at, diseases=["Disease 07"])
    assert found.rows()[0][:3] == (1, datetime(2002, 1, 1), "Disease 07")
    assert found["probability"].n_unique() == 2
    alone = model.predict(EVENTS, at[:1], diseases=["Disease 07"])
    assert alone["probability"][0] == pytest.approx(found["probability"][0], abs=1e-6)
    vectors = model.embed(EVENTS, at)
    assert vectors.schema["vector"] == pl.Array(pl.Float32, 8)


@pytest.mark.parametrize("kind", kinds())
def test_a_model_of_every_kind_predicts_as_its_module_does(
    of_kind: Callable[[str], Path], kind: str
) -> None:
    """In the same order, recalibrated as in the assessment; and its vectors, or a refusal."""
    model, events = behrt.load(of_kind(kind)), draw_events(40, 2)
    own = np.load(of_kind(kind).parent / "predicted.npy")
    assert model.score(events, calibrated=False).risks == pytest.approx(own, abs=1e-6)
    labels = examples_to_learn(model.vocabulary, 2).label_matrix(np.arange(40))
    risks = model.predict(events)["probability"].to_numpy().reshape(40, 12)
    assert risks == pytest.approx(fit_recalibration(own, labels).risks(own), abs=1e-5)
    if kind in WITH_VECTORS:
        vectors = model.embed(events)["vector"].to_numpy()
        assert vectors.shape[0] == 40
        assert len(np.unique(vectors.round(6), axis=0)) > 10
    else:
        with pytest.raises(InputError, match=f"kind {kind} has no vectors of patients"):
            model.embed(events)


def test_a_pretrained_model_has_vectors_and_no_risks(trained: Make) -> None:
    folder = trained("behrt", task=None, readout="mask")
    model = behrt.load(folder)
    assert model.embed(EVENTS).schema["vector"] == pl.Array(pl.Float32, 8)
    with pytest.raises(InputError, match="only pretrained, so it predicts no task"):
        model.predict(EVENTS)
    assert "It predicts no task" in (folder / "README.md").read_text()
    assert (folder / "bert" / "model.safetensors").is_file()


def test_a_folder_states_its_tokens_and_vectors(trained: Make, vocabulary: Vocabulary) -> None:
    folder = trained("behrt", max_length=20)
    tokens = pl.read_csv(folder / "tokens.csv")
    assert tokens["word"].to_list() == [*SPECIAL, *vocabulary.phenotypes]
    vectors = pl.read_csv(folder / "disease_vectors.csv")
    words = read_weights(folder)["encoder.words.weight"]
    assert vectors["disease"].to_list() == list(vocabulary.phenotypes)
    assert np.array_equal(
        vectors.drop("disease").to_numpy().astype(np.float32), words[FIRST_DISEASE:]
    )
    assert pl.read_csv(folder / "positions.csv").shape == (20, 8)
    assert "in the next 6 months" in (folder / "README.md").read_text()


def test_a_changed_file_or_another_folder_is_refused(trained: Make, tmp_path: Path) -> None:
    folder = trained("history")
    with pytest.raises(InputError, match="not that of a trained model"):
        behrt.load(tmp_path / "models" / "model")
    recalibration = folder / "recalibration.json"
    recalibration.write_text(recalibration.read_text().replace("0.5", "0.6"))
    with pytest.raises(InputError, match=r"recalibration\.json: it is missing or was changed"):
        behrt.load(folder)


def test_a_folder_that_changes_after_it_was_loaded_is_refused(trained: Make) -> None:
    folder = trained("history")
    model = behrt.load(folder)
    facts = read_json(folder / "trained.json")
    write_json(facts | {"run": "another"}, folder / "trained.json")
    with pytest.raises(InputError, match="it has changed since it was loaded"):
        model.predict(EVENTS)


@pytest.mark.parametrize(
    "name",
    ["config.json", "model.safetensors", "vocabulary.json", "recalibration.json"],
)
def test_a_list_without_a_file_of_the_model_is_refused(trained: Make, name: str) -> None:
    path = trained("history") / "trained.json"
    facts = read_json(path)
    del facts["files"][name]
    write_json(facts, path)
    with pytest.raises(InputError, match=f"it does not list {name}"):
        behrt.load(path.parent)


def test_a_list_of_files_elsewhere_or_a_truncated_one_is_refused(trained: Make) -> None:
    path = trained("history") / "trained.json"
    facts = read_json(path)
    write_json(facts | {"files": facts["files"] | {"../other.json": "0"}}, path)
    with pytest.raises(InputError, match="it lists a file outside the folder"):
        behrt.load(path.parent)
    write_json(facts | {"members": ["forecast"]}, path)
    with pytest.raises(InputError, match=r"it does not list members/forecast/config\.json"):
        behrt.load(path.parent)
    path.write_text(path.read_text()[:50])
    with pytest.raises(InputError, match="it cannot be read as JSON"):
        behrt.load(path.parent)


def test_labels_may_be_numbers_and_a_column_may_be_named_index(trained: Make) -> None:
    at = pl.DataFrame(
        {
            "subject_id": [2, 1],
            "prediction_time": [datetime(2011, 1, 1)] * 2,
            "boolean_value": [1, 0],
            "index": [5, 6],
        }
    )
    found = behrt.load(trained("history")).score(EVENTS, at)
    assert found.rows["index"].to_list() == [6, 5]
    labels = found.meds("Disease 03")["boolean_value"]
    assert labels.to_list() == [False, True]


def test_a_disease_that_is_not_predicted_is_refused(trained: Make) -> None:
    with pytest.raises(InputError, match="Did you mean 'Disease 01'"):
        behrt.load(trained("history")).predict(EVENTS, diseases=["disease 01"])


def test_data_without_a_history_are_refused(trained: Make) -> None:
    with pytest.raises(InputError, match="nothing can be predicted: subjects without a birth"):
        behrt.load(trained("history")).predict(EVENTS[2:4])


@pytest.mark.usefixtures("own_log")
def test_the_command_writes_what_the_function_returns(trained: Make, tmp_path: Path) -> None:
    folder = trained("behrt", readout="cls")
    EVENTS.write_parquet(tmp_path / "data.parquet")
    command = [str(folder), str(tmp_path / "data.parquet"), "--out"]
    main([*command, str(tmp_path / "risks.parquet")])
    model = behrt.load(folder)
    assert pl.read_parquet(tmp_path / "risks.parquet").equals(model.predict(EVENTS))
    at = tmp_path / "at.csv"
    at.write_text("subject_id,prediction_time,boolean_value\n1,2002-01-01T00:00:00,true\n")
    options = ["--at", str(at), "--disease", "Disease 03", "--uncalibrated"]
    main([*command, str(tmp_path / "meds.parquet"), "--meds", *options])
    assert pl.read_parquet(tmp_path / "meds.parquet").columns == [
        "subject_id",
        "prediction_time",
        "boolean_value",
        "predicted_boolean_value",
        "predicted_boolean_probability",
    ]
    main([*command, str(tmp_path / "vectors.parquet"), "--vectors"])
    assert pl.read_parquet(tmp_path / "vectors.parquet").height == 2


@pytest.mark.usefixtures("own_log")
def test_the_command_says_what_is_wrong(
    trained: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [str(trained("history")), str(tmp_path / "nowhere"), "--out"]
    for arguments, problem in (
        ([str(tmp_path / "x.parquet")], "there is no Parquet file"),
        ([str(tmp_path / "x.txt")], "it is not a file that can be written"),
        ([str(tmp_path / "x.parquet"), "--meds"], "has one outcome"),
    ):
        with pytest.raises(SystemExit, match="1"):
            main([*command, *arguments])
        assert problem in capfd.readouterr().err


@pytest.mark.usefixtures("own_log")
def test_the_command_withholds_the_text_of_other_errors(
    trained: Make,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError(f"subject {subject}")

    subject = 4711
    monkeypatch.delenv("BEHRT_SHOW_ERRORS", raising=False)
    monkeypatch.setattr("behrt.predict.read_times", fail)
    command = [str(trained("history")), "data", "--at", "at.csv", "--out"]
    with pytest.raises(SystemExit, match="1"):
        main([*command, str(tmp_path / "x.parquet")])
    error = capfd.readouterr().err
    assert "ComputeError (its text is withheld" in error
    assert str(subject) not in error


def test_predictions_are_read_by_meds_evaluation(trained: Make) -> None:
    evaluation = pytest.importorskip("meds_evaluation.evaluate")
    at = pl.DataFrame(
        {
            "subject_id": [1, 2],
            "prediction_time": [datetime(2011, 1, 1)] * 2,
            "boolean_value": [True, False],
        }
    )
    predictions = behrt.load(trained("history")).score(EVENTS, at)
    found = evaluation.evaluate_binary_classification(predictions.meds("Disease 05"))
    first, second = predictions.of("Disease 05")
    assert found["samples_equally_weighted"]["roc_auc_score"] == float(first > second)


def test_importing_the_package_stays_light() -> None:
    light = (
        "import behrt, sys; behrt.load; sys.exit('torch' in sys.modules or 'polars' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0
