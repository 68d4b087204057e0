"""Fine-tuning of a trained model on labels of one's own, and the model of an outcome that it gives.

Labels are those of MEDS: subject_id, prediction_time and boolean_value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from behrt import hashing, logs
from behrt.errors import InputError
from behrt.evaluation.predicted import Predicted, fit_recalibration
from behrt.learning.artefacts import WEIGHTS, inputs_of, read_config
from behrt.learning.examples import concatenated
from behrt.learning.outcomes import OutcomeExamples
from behrt.learning.run import TrainingRun, read_settings
from behrt.logs import logger
from behrt.outcome_models import outcome_model
from behrt.outcomes.label_files import COLUMNS, read_label_file
from behrt.sequences.frames import TRAIN, TUNING
from behrt.settings.training import Optimisation
from behrt.use.folder import VOCABULARY, read_folder, read_recalibration, write_folder
from behrt.use.inputs import Data
from behrt.use.loaded import LoadedModel, in_order

KINDS = ("behrt", "forecast")
"""The kinds that can be fine-tuned."""

TRAINING = {"epochs": 4, "batch_size": 32, "learning_rate": 3e-4}
"""How a BEHRT is trained, unless another way is given."""

TUNING_SHARE = 0.2
"""The share of subjects who choose the epoch or the penalty, and on whom risks are recalibrated."""

_SUBJECT, _TIME, _LABEL = COLUMNS


@dataclass(frozen=True)
class OutcomeModel(LoadedModel):
    """A model of one outcome, in a folder that `finetune` or the workflow has made."""

    def predict(
        self,
        data: Data,
        at: pl.DataFrame | None = None,
        *,
        calibrated: bool = True,
        shared_words: bool = False,
    ) -> pl.DataFrame:
        """Return the probabilities of the outcome in the prediction schema of MEDS.

        Args:
            data, at, shared_words: as of `behrt.use.model.TrainedModel.predict`. A label in `at` is
                kept.
            calibrated: recalibrate as on the tuning subjects of the fine-tuning.

        Returns:
            subject_id, prediction_time, boolean_value if it was given, predicted_boolean_value
            (empty: the model has no threshold) and predicted_boolean_probability (Float32).

        Raises:
            InputError: as `behrt.use.model.TrainedModel.predict`.
        """
        self.check_unchanged()
        rows, given = _predictions(self, data, at, shared_words)
        kind = outcome_model(self.description.kind)
        probability = kind.predict(given, TrainingRun(self.folder, self.compute))
        if calibrated:
            probability = read_recalibration(self.folder).risks(probability[:, None])[:, 0]
        labels = [pl.col(_LABEL).cast(pl.Boolean)] if _LABEL in rows.columns else []
        return rows.select(_SUBJECT, _TIME, *labels).with_columns(
            predicted_boolean_value=pl.lit(None, pl.Boolean),
            predicted_boolean_probability=pl.Series(probability, dtype=pl.Float32),
        )


def finetune(
    model: LoadedModel,
    data: Data,
    labels: pl.DataFrame | str | Path,
    folder: str | Path,
    *,
    name: str = "outcome",
    settings: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    seed: int = 0,
    shared_words: bool = False,
) -> OutcomeModel:
    """Train a model of one outcome from a trained model; write its folder, and load it.

    From a BEHRT, the whole network is trained. From a `forecast`, a logistic regression is fitted
    on what the network knows after the last visit. A fifth of the subjects choose the epoch or the
    penalty; the model is recalibrated on the same.

    Args:
        model: of kind `behrt` with the read-out `mask`, pretrained or of a task; or `forecast`.
        data: as of `behrt.use.model.TrainedModel.predict`.
        labels: subject_id, prediction_time and boolean_value, several per subject if wanted: a
            frame, or a Parquet or CSV file.
        folder: receives the model; it must not exist.
        name: of the outcome.
        settings: of a BEHRT, in place of those of the model; its shape cannot change.
        training: of a BEHRT, entries of `behrt.settings.training.Optimisation` in place of
            `TRAINING`.
        seed: of the draws, and of the choice of the fifth.
        shared_words: as of `predict`.

    Raises:
        InputError: as `predict`; the kind cannot be fine-tuned; a label is missing; the training or
            the tuning subjects have only one label; the folder exists.
    """
    kind, folder = model.description.kind, Path(folder)
    config = read_config(model.folder)
    if kind not in KINDS or config["settings"].get("readout", "mask") != "mask":
        raise InputError(
            model.folder,
            "it cannot be fine-tuned",
            "Use trained/mlm, a model of kind behrt with the read-out mask, or of kind forecast",
        )
    if folder.exists():
        raise InputError(folder, "it exists already", "Give another folder")
    model.check_unchanged()
    _, given = _predictions(model, data, _labels(labels), shared_words)
    drawn = hashing.uniform(given.examples.subject_id, seed, "finetune")
    given = replace(given, split=np.where(drawn < TUNING_SHARE, TUNING, TRAIN))
    train, tuning = given.of([TRAIN]), given.of([TUNING])
    for part in (train, tuning):
        if len(np.unique(part.label)) < 2:
            raise InputError("labels", "too few subjects have the outcome, or not", "Give more")
    module = outcome_model(kind)
    facts: dict[str, Any] = {
        "kind": kind,
        "outcome": name,
        "vocabulary": model.vocabulary.version,
        "protocol": model.description.protocol,
        **{name: config[name] for name in ("concepts", "inputs") if name in config},
    }
    chosen, optimisation = config["settings"] | dict(settings or {}), None
    if kind == "behrt":
        optimisation = read_settings(Optimisation, TRAINING | dict(training or {}))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as temporary:
        compute = replace(model.compute, seed=seed)
        run = TrainingRun(Path(temporary), compute, facts=facts)
        read = read_settings(module.Settings, chosen)
        start = model.folder / WEIGHTS
        module.fit(train, tuning, read, optimisation, start, [], run)
        probability = module.predict(tuning, run)
        description = replace(model.description, model=name, task=None, outcome=name)
        write_folder(
            folder,
            description,
            run.folder,
            {},
            model.folder / VOCABULARY,
            fit_recalibration(_predicted(probability, tuning)),
        )
    patients = (logs.count(part.examples.n_subjects) for part in (train, tuning))
    logger.info("%s: fine-tuned on %s subjects, recalibrated on %s", name, *patients)
    return OutcomeModel(folder, read_folder(folder), model.vocabulary, model.compute)


def _predicted(probability: np.ndarray, given: OutcomeExamples) -> Predicted:
    patient, examples = given.examples.subjects(), given.examples
    risk = probability.astype(np.float64)
    return Predicted(patient, examples.n_subjects, risk, given.label, given.weight)


def _labels(given: pl.DataFrame | str | Path) -> pl.DataFrame:
    """Return subject_id, prediction_time and boolean_value (Boolean).

    Raises:
        InputError: a column or a value is missing, or a file cannot be read.
    """
    labels = given if isinstance(given, pl.DataFrame) else read_label_file(Path(given))
    missing = [column for column in COLUMNS if column not in labels.columns]
    if missing or labels.select(COLUMNS).null_count().sum_horizontal().item():
        raise InputError(
            "labels",
            f"no column {', '.join(missing)}" if missing else "a value is missing, or unreadable",
            "Give subject_id, prediction_time and boolean_value for every label",
        )
    return labels.select(*COLUMNS[:2], pl.col(_LABEL).cast(pl.Boolean))


def _predictions(
    model: LoadedModel, data: Data, at: pl.DataFrame | None, shared_words: bool
) -> tuple[pl.DataFrame, OutcomeExamples]:
    """Return the rows of `behrt.use.inputs.Inputs`, sorted, and the same as examples.

    A prediction without a label has the label false.
    """
    parts, _ = model.read(data, at, shared_words)
    rows, place = in_order([inputs.rows for inputs in parts])
    examples = concatenated([inputs.examples for inputs in parts]).select(np.argsort(place))
    examples = examples.only(inputs_of(model.folder))
    label = rows[_LABEL].cast(pl.Boolean).to_numpy() if _LABEL in rows.columns else None
    return rows, OutcomeExamples(
        examples=replace(examples, subject_id=rows[_SUBJECT].to_numpy()),
        prediction_time=rows[_TIME].to_numpy(),
        label=np.zeros(len(rows), dtype=bool) if label is None else label,
        weight=np.ones(len(rows)),
        split=np.full(len(rows), TRAIN),
    )
