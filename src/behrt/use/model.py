"""A trained model, loaded from its folder: risks and vectors of patients of any place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from behrt.concepts import DIAGNOSES
from behrt.errors import InputError
from behrt.learning.artefacts import check_vocabulary, inputs_of, read_config, read_weights
from behrt.learning.examples import Examples
from behrt.learning.futures import Futures, joined, sample_futures
from behrt.learning.run import Compute
from behrt.learning.visits import DAYS_A_YEAR
from behrt.logs import logger
from behrt.models import WITH_TRAJECTORIES, model_named
from behrt.models.ensemble import WEIGHTS, pooled
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task
from behrt.use.folder import (
    MEMBERS,
    VOCABULARY,
    read_folder,
    read_rates,
    read_recalibration,
)
from behrt.use.inputs import Data
from behrt.use.loaded import LoadedModel, in_order, run_of
from behrt.use.outcome import OutcomeModel, finetune
from behrt.use.trajectories import Trajectories

AT_ONCE = 20_000
"""Futures sampled at a time: it bounds memory, and the draws depend on it."""


@dataclass(frozen=True)
class Predictions:
    """Risks of every disease.

    Attributes:
        rows: subject_id, prediction_time, visits and further columns, one row per prediction.
        risks: float (rows, diseases).
        diseases: their names, in the order of the vocabulary.
        refused: diagnoses, subjects and predictions that were left out, by reason.
    """

    rows: pl.DataFrame
    risks: np.ndarray
    diseases: tuple[str, ...]
    refused: dict[str, int]

    def of(self, disease: str) -> np.ndarray:
        """Return the risks of one disease, float (rows).

        Raises:
            InputError: the model does not predict it.
        """
        if disease not in self.diseases:
            close = get_close_matches(disease, self.diseases, n=1)
            raise InputError(
                "disease",
                f"the model does not predict {disease!r}",
                f"Did you mean {close[0]!r}" if close else "See tokens.csv of its folder",
            )
        risks: np.ndarray = self.risks[:, self.diseases.index(disease)]
        return risks

    def long(self, diseases: Sequence[str] | None = None) -> pl.DataFrame:
        """Return subject_id, prediction_time, disease and probability, one row per disease.

        Args:
            diseases: some of the names; None for all.
        """
        chosen = self.diseases if diseases is None else tuple(diseases)
        keys = self.rows.select("subject_id", "prediction_time")
        return (
            pl.concat(
                [
                    keys.with_columns(
                        pl.int_range(pl.len()).alias("row"),
                        disease=pl.lit(disease),
                        probability=pl.Series(self.of(disease)),
                    )
                    for disease in chosen
                ]
            )
            .sort("row", maintain_order=True)
            .drop("row")
        )

    def meds(self, disease: str) -> pl.DataFrame:
        """Return the risks of one disease in the prediction schema of MEDS.

        The columns are subject_id, prediction_time, boolean_value if the prediction times came
        with labels, predicted_boolean_value (empty: the model has no threshold, but
        meds-evaluation needs the column) and predicted_boolean_probability (Float32).
        """
        label = "boolean_value"  # 0 or 1 in some CSV files
        labels = [pl.col(label).cast(pl.Boolean)] if label in self.rows.columns else []
        return self.rows.select("subject_id", "prediction_time", *labels).with_columns(
            predicted_boolean_value=pl.lit(None, pl.Boolean),
            predicted_boolean_probability=pl.Series(self.of(disease), dtype=pl.Float32),
        )


@dataclass(frozen=True)
class TrainedModel(LoadedModel):
    """A model of a task, or a pretrained one, in a folder that the workflow has made."""

    @property
    def task(self) -> Task:
        """What the model predicts.

        Raises:
            InputError: it is only pretrained.
        """
        if self.description.task is None:
            raise InputError(
                self.folder,
                "the model is only pretrained, so it predicts no task",
                "Use `embed`, or a model that was trained for a task",
            )
        return self.description.task

    @property
    def inputs(self) -> set[str]:
        """The kinds of input that the model, or any member of an ensemble, reads."""
        members = [self.folder / MEMBERS / member for member in self.description.members]
        read: set[str] = set()
        for folder in members or [self.folder]:
            own = inputs_of(folder)
            read |= {DIAGNOSES, *(self.vocabulary.concepts if own is None else own)}
        return read

    def predict(
        self,
        data: Data,
        at: pl.DataFrame | None = None,
        *,
        calibrated: bool = True,
        diseases: Sequence[str] | None = None,
        shared_words: bool = False,
    ) -> pl.DataFrame:
        """Return subject_id, prediction_time, disease and probability, one row per disease.

        The model predicts from the last visit at or before the prediction time, a day with a
        diagnosis or another word of its vocabulary; the time since then is not an input.

        Args:
            data: MEDS events (subject_id, time, code): a frame, a Parquet file, or the folder of a
                dataset.
            at: subject_id and prediction_time, several per subject if wanted; None predicts at
                the last visit of each subject.
            calibrated: recalibrate as the assessment of the run does; otherwise the probabilities
                are the model's own.
            diseases: some of the names; None for all.
            shared_words: whether a dataset that describes another vocabulary is read.

        Raises:
            InputError: the data are not as MEDS defines them, describe another vocabulary, or have
                nothing to predict from; the model is only pretrained, or its folder has changed
                since it was loaded.
        """
        return self.score(data, at, calibrated=calibrated, shared_words=shared_words).long(diseases)

    def score(
        self,
        data: Data,
        at: pl.DataFrame | None = None,
        *,
        calibrated: bool = True,
        shared_words: bool = False,
    ) -> Predictions:
        """Return the risks as an array, with what was left out; arguments as of `predict`."""
        title = self.task.title  # a pretrained model is refused
        self.check_unchanged()
        recalibration = read_recalibration(self.folder) if calibrated else None

        def risks(examples: Examples) -> np.ndarray:
            scores = self.scores_of(examples)
            return scores if recalibration is None else recalibration.risks(scores)

        rows, found, refused = self._of_all(data, at, shared_words, risks)
        logger.info("%s: %s", self.description.model, title)
        return Predictions(rows, found, self.vocabulary.phenotypes, refused)

    def embed(
        self, data: Data, at: pl.DataFrame | None = None, *, shared_words: bool = False
    ) -> pl.DataFrame:
        """Return subject_id, prediction_time and vector (Array of Float32) of each history.

        Arguments as of `predict`.

        Raises:
            InputError: as `predict`, or the kind of model has no vectors of patients.
        """
        self.check_unchanged()
        rows, vectors, _ = self._of_all(data, at, shared_words, self.vectors_of)
        array = pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))
        return rows.select("subject_id", "prediction_time").with_columns(vector=array)

    def scores_of(self, examples: Examples) -> np.ndarray:
        """Return the model's own probabilities, float32 (n, n_diseases), of examples."""
        folder, members = self.folder, self.description.members
        if members:
            scores = np.stack(
                [_scores(folder / MEMBERS / member, self.compute, examples) for member in members]
            )
            return pooled(scores, read_weights(folder)[WEIGHTS])
        return _scores(folder, self.compute, examples)

    def vectors_of(self, examples: Examples) -> np.ndarray:
        """Return float32 (n, size), the vectors of the patients of examples.

        Raises:
            InputError: the kind of model has no vectors of patients.
        """
        kind = self.description.kind
        find = getattr(model_named(kind), "embed", None)
        if find is None:
            raise InputError(
                self.folder,
                f"a model of kind {kind} has no vectors of patients",
                "Use a network, such as a model of kind behrt or forecast",
            )
        read = examples.only(inputs_of(self.folder))
        vectors: np.ndarray = find(read, run_of(self.folder, self.compute))
        return vectors

    def trajectories(
        self,
        data: Data,
        at: pl.DataFrame | None = None,
        *,
        years: float = 10,
        futures: int = 100,
        seed: int = 0,
        calibrated: bool = True,
        shared_words: bool = False,
    ) -> Trajectories:
        """Return sampled futures of each patient: visits with their diseases, and death.

        Death is an event that the model has learned from the deaths in its training data. The
        same data, times, arguments and seed give the same futures.

        Args:
            data, at, shared_words: as of `predict`.
            years: the time after the prediction that is sampled.
            futures: the number of futures of each prediction.
            seed: of the draws.
            calibrated: recalibrate the rates, as the run's tuning patients need it
                (`behrt.learning.rate_recalibration`).

        Raises:
            InputError: as `predict`; or the kind of model has no trajectories.
        """
        self._check_trajectories(years, futures)
        self.check_unchanged()
        random = np.random.default_rng(seed)
        parts, refused = self.read(data, at, shared_words)
        rows, place = in_order([inputs.rows for inputs in parts])
        start = rows["prediction_time"].cast(pl.Date).cast(pl.Int32).to_numpy().astype(np.int64)
        sampled, known, before = [], [], 0
        step = max(AT_ONCE // futures, 1)
        for inputs in parts:
            for first in range(0, len(inputs.rows), step):
                own = np.arange(first, min(first + step, len(inputs.rows)))
                examples, to = inputs.examples.select(own), place[before + own]
                found = self.futures_of(examples, start[to], years, futures, random, calibrated)
                sampled.append(replace(found, patient=to[found.patient]))
            known.append(inputs.examples.known_matrix(np.arange(len(inputs.rows))))
            before += len(inputs.rows)
        return Trajectories(
            rows,
            start,
            np.concatenate(known)[np.argsort(place)],
            joined(sampled),
            self.vocabulary.phenotypes,
            years,
            refused,
        )

    def finetune(
        self, data: Data, labels: pl.DataFrame | str | Path, folder: str | Path, **options: Any
    ) -> OutcomeModel:
        """Train a model of one outcome on labels of your own: see `behrt.use.outcome.finetune`."""
        return finetune(self, data, labels, folder, **options)

    def futures_of(
        self,
        examples: Examples,
        start: np.ndarray,
        years: float,
        futures: int,
        random: np.random.Generator,
        calibrated: bool = True,
    ) -> Futures:
        """Return sampled futures of examples, from the days `start` on, int64 (n).

        The other arguments are those of `trajectories`.
        """
        self._check_trajectories(years, futures)
        module, run = model_named(self.description.kind), run_of(self.folder, self.compute)
        recalibration = read_rates(self.folder) if calibrated else None

        def rates(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
            found, slopes = module.rates(examples, run)
            return recalibration.rates(found, examples) if recalibration else found, slopes

        until = start + int(years * DAYS_A_YEAR)
        return sample_futures(rates, examples, start, until, futures, random)

    def _check_trajectories(self, years: float, futures: int) -> None:
        """Refuse a kind of model without trajectories, and an empty sample."""
        kind = self.description.kind
        if kind not in WITH_TRAJECTORIES:
            raise InputError(
                self.folder,
                f"a model of kind {kind} does not predict when events come",
                f"Use a model of kind {' or '.join(WITH_TRAJECTORIES)}",
            )
        if futures < 1 or not years > 0:
            raise InputError("trajectories", "nothing is to be sampled", "Give positive numbers")

    def _of_all(
        self,
        data: Data,
        at: pl.DataFrame | None,
        shared_words: bool,
        values: Callable[[Examples], np.ndarray],
    ) -> tuple[pl.DataFrame, np.ndarray, dict[str, int]]:
        """Return the rows, the values of each, and what was left out."""
        parts, left_out = self.read(data, at, shared_words)
        rows, place = in_order([inputs.rows for inputs in parts])
        found = np.concatenate([values(inputs.examples) for inputs in parts])
        return rows, found[np.argsort(place)], left_out


def _scores(folder: Path, compute: Compute, examples: Examples) -> np.ndarray:
    kind, read = read_config(folder)["kind"], examples.only(inputs_of(folder))
    scores: np.ndarray = model_named(kind).predict(read, run_of(folder, compute))
    return scores


def load(
    folder: str | Path, *, threads: int = 1, accelerator: str = "cpu"
) -> TrainedModel | OutcomeModel:
    """Return the model in a folder that `snakemake trained`, `release` or `finetune` has made.

    Args:
        folder: results/<run>/trained/<task>/<model>, or the folder of a model of one outcome.
        threads: CPU threads for predictions.
        accelerator: "cpu" or "gpu".

    Raises:
        InputError: the folder holds no trained model, or was changed.
    """
    folder = Path(folder)
    description = read_folder(folder)
    vocabulary = read_vocabulary(folder / VOCABULARY)
    check_vocabulary(folder, vocabulary.version)
    # In bfloat16, a risk would depend on the patients that are predicted together.
    compute = Compute(0, threads, "32-true", accelerator)
    of_kind = OutcomeModel if description.outcome else TrainedModel
    return of_kind(folder, description, vocabulary, compute)


def load_trained(folder: str | Path, *, threads: int = 1, accelerator: str = "cpu") -> TrainedModel:
    """Return the model of a task, or a pretrained one, in a folder; arguments as of `load`.

    Raises:
        InputError: as `load`; or the model predicts one outcome.
    """
    model = load(folder, threads=threads, accelerator=accelerator)
    if isinstance(model, OutcomeModel):
        raise InputError(
            folder, "its model predicts one outcome, and no diseases", "Give a model of a task"
        )
    return model
