"""The assessment of one model on one task beyond tables 1 and 2."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.evaluation.averages import Averages, average
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.calibration import Calibration, Reliability, calibrate
from behrt.evaluation.decision import MODEL, RECALIBRATED, NetBenefit, decide
from behrt.evaluation.patients import multi_hot, read_scored
from behrt.evaluation.recalibration import Recalibration

FRAMES = ("averages", "calibration", "reliability", "net_benefit", "burden")


class CalibrationOfBoth(Calibration):
    """Calibration before and after recalibration."""

    risks = dy.String(check=lambda risks: risks.is_in([MODEL, RECALIBRATED]))


class ReliabilityOfBoth(Reliability):
    """Reliability before and after recalibration."""

    risks = dy.String(check=lambda risks: risks.is_in([MODEL, RECALIBRATED]))


class Burden(dy.Schema):
    """One row per held-out patient: expected labels, after recalibration, and observed labels."""

    subject_id = dy.Int64(primary_key=True)
    expected = dy.Float64(min=0)
    observed = dy.Int64(min=0)


@dataclass(frozen=True)
class Examined:
    """Patients with their predictions and labels.

    Attributes:
        subject_id: int64 (n), ascending.
        scores: float32 (n, diseases).
        labels, known: bool (n, diseases).
    """

    subject_id: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    known: np.ndarray

    def commonest(self, number: int) -> list[int]:
        """Return the diseases that most patients have as a label, ties in their order."""
        order = np.argsort(-self.labels.sum(axis=0), kind="stable")
        return [int(disease) for disease in order[:number]]


def read_examined(
    task: Path, scores: Path, n_diseases: int, split: str, labelled: bool
) -> Examined:
    """Return the patients of a split; arguments and errors are those of `read_scored`."""
    return examined(*read_scored(task, scores, n_diseases, split, labelled))


def examined(patients: pl.DataFrame, scores: np.ndarray) -> Examined:
    """Return patients, as `read_scored` returns them, as arrays."""
    n_diseases = scores.shape[1]
    return Examined(
        patients["subject_id"].to_numpy(),
        scores,
        multi_hot(patients["label"], n_diseases),
        multi_hot(patients["known"], n_diseases),
    )


@dataclass(frozen=True)
class Assessment:
    """The results of `assess`, as frames."""

    averages: dy.DataFrame[Averages]
    calibration: dy.DataFrame[CalibrationOfBoth]
    reliability: dy.DataFrame[ReliabilityOfBoth]
    net_benefit: dy.DataFrame[NetBenefit]
    burden: dy.DataFrame[Burden]

    def frames(self) -> dict[str, pl.DataFrame]:
        """Return the frames by their names, those of `FRAMES`."""
        return {name: getattr(self, name) for name in FRAMES}

    def summary(self) -> str:
        """Return a line for the log."""
        ratios = self.calibration.filter(pl.col("measure") == "observed / expected")["value"]
        return "observed / expected " + " before and ".join(f"{ratio:.3f}" for ratio in ratios)


def assess(
    patients: Examined,
    metrics: pl.DataFrame,
    recalibration: Recalibration,
    diseases: Sequence[int],
    recall_at: Sequence[int],
    bootstrap: Bootstrap,
    task: str,
) -> Assessment:
    """Assess a model's scores.

    Args:
        patients: held out.
        metrics: their APS and AUROC (`behrt.evaluation.patients.PatientMetrics`), by subject.
        recalibration: fitted on other patients.
        diseases: those with decision curves of their own.
        recall_at: the k of recall@k; those above the number of diseases are left out.
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.

    Raises:
        InputError: the metrics are of other patients.
    """
    if not np.array_equal(metrics["subject_id"].to_numpy(), patients.subject_id):
        raise InputError(
            "metrics", "they are of other patients than the scores", "Run the evaluate rule again"
        )
    recall_at = [k for k in recall_at if k <= patients.scores.shape[1]]
    averages = average(
        patients.scores,
        patients.labels,
        patients.known,
        metrics,
        recall_at,
        bootstrap,
        task,
    )
    recalibrated = recalibration.risks(patients.scores)
    both = {
        risks: calibrate(probability, patients.labels, bootstrap, task)
        for risks, probability in ((MODEL, patients.scores), (RECALIBRATED, recalibrated))
    }
    measures, points = (
        pl.concat(found[i].with_columns(risks=pl.lit(risks)) for risks, found in both.items())
        for i in (0, 1)
    )
    burden = pl.DataFrame(
        {
            "subject_id": patients.subject_id,
            "expected": recalibrated.sum(axis=1),
            "observed": patients.labels.sum(axis=1).astype(np.int64),
        }
    )
    return Assessment(
        averages,
        CalibrationOfBoth.validate(measures),
        ReliabilityOfBoth.validate(points),
        decide(patients.scores, recalibrated, patients.labels, diseases, bootstrap, task),
        Burden.validate(burden),
    )


def read_assessments(paths: Sequence[Path]) -> pl.DataFrame:
    """Return one kind of frame of every task, <task>/<frame>.parquet, with a column task."""
    return pl.concat(
        pl.read_parquet(path).select(pl.lit(path.parent.name).alias("task"), pl.all())
        for path in paths
    )
