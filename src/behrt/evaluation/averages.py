"""Scores averaged over diseases and patients in several ways, each with its resamples.

*sample*: a metric of each patient over diseases, then the mean over patients (the paper's).
*macro*: a metric of each disease over patients, then the mean over diseases.
*weighted*: the same, weighted by how many patients have the disease.
*micro*: one metric over all pairs of a patient and a disease.
(Scikit-learn's `average`, of `average_precision_score` and `roc_auc_score`.)

A patient or a disease without a positive or a negative has no score. It is left out of the mean and
counted.
"""

from collections.abc import Sequence

import dataframely as dy
import numpy as np
import polars as pl

from behrt.evaluation.bootstrap import Bootstrap, resampled_means
from behrt.evaluation.models import LABEL_SETS, METRICS
from behrt.evaluation.rankings import rank_pairs, resample_diseases

AVERAGES = ("sample", "macro", "micro", "weighted")


class Averages(dy.Schema):
    """One row per label set, average and metric, with its value in each bootstrap resample.

    `patients` and `diseases` count those that the value is computed from; `undefined` and
    `diseases_undefined` count those without the metric, which are left out.
    """

    labels = dy.String(check=lambda labels: labels.is_in(list(LABEL_SETS)))
    average = dy.String(check=lambda average: average.is_in(AVERAGES))
    metric = dy.String()
    value = dy.Float64(nullable=True, min=0, max=1)
    resampled = dy.List(dy.Float64(nullable=True))
    patients = dy.Int64(min=0)
    undefined = dy.Int64(min=0)
    diseases = dy.Int64(min=0)
    diseases_undefined = dy.Int64(min=0)


def sample_recall(
    scores: np.ndarray, labels: np.ndarray, mask: np.ndarray | None, k: int
) -> np.ndarray:
    """Return each patient's recall at k: the share of the label among the k highest scores.

    The denominator is the whole label, also if it has more than k diseases (Choi et al., Doctor
    AI, 2016). Equal scores around the k-th place count with the expectation under a random order.

    >>> scores = np.array([[0.9, 0.5, 0.2, 0.1]])
    >>> labels = np.array([[True, False, True, False]])
    >>> sample_recall(scores, labels, None, k=2).tolist()
    [0.5]

    Args:
        scores: float (n, d), not negative.
        labels: bool (n, d).
        mask: bool (n, d), False where a disease is left out for a patient; None keeps all.
        k: from 1 to d.

    Returns:
        float64 (n), NaN without a positive.
    """
    if mask is not None:
        labels = labels & mask
        scores = np.where(mask, scores, -1.0)
    edge = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    above, tied = scores > edge, scores == edge
    places = (k - above.sum(axis=1)) / tied.sum(axis=1)
    hits = (above & labels).sum(axis=1) + places * (tied & labels).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(hits / labels.sum(axis=1))


def _over_diseases(metrics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the macro and the weighted mean of the metrics of each disease.

    Args:
        metrics: float64 (3, diseases, r), what `behrt.evaluation.rankings.Rankings.metrics`
            returns.

    Returns:
        float64 (2, 2, r): macro, weighted; APS, AUROC. int64 (2, r): diseases with each.
    """
    values, positives = metrics[:2], metrics[2]
    defined = ~np.isnan(values)
    filled = np.where(defined, values, 0.0)
    with np.errstate(invalid="ignore"):
        macro = filled.sum(axis=1) / defined.sum(axis=1)
        weighted = (filled * positives).sum(axis=1) / (defined * positives).sum(axis=1)
    return np.stack([macro, weighted]), defined.sum(axis=1)


def average(
    scores: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    metrics: pl.DataFrame,
    recall_at: Sequence[int],
    bootstrap: Bootstrap,
    task: str,
) -> dy.DataFrame[Averages]:
    """Return every average of one model's scores, on all labels and on first incidence.

    Args:
        scores: float32 (patients, diseases).
        labels: bool (patients, diseases): what is to be predicted.
        known: bool (patients, diseases): left out on first incidence.
        metrics: the same patients' APS and AUROC (`behrt.evaluation.patients.PatientMetrics`).
        recall_at: the k of recall@k.
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.
    """
    parts = []
    over_patients = _of_diseases(scores, labels, known, bootstrap, task)
    for (label_set, ending), others in zip(LABEL_SETS.items(), over_patients, strict=True):
        mask = np.ones_like(labels) if label_set == "all" else ~known
        columns = [f"{metric}_{ending}" for metric in METRICS.values()]
        by_patient = np.column_stack(
            [
                metrics.select(columns).fill_null(np.nan).to_numpy(),
                *(sample_recall(scores, labels, mask, k) for k in recall_at),
            ]
        )
        names = [*METRICS, *(f"recall@{k}" for k in recall_at)]
        samples = _of_patients(by_patient, names, labels.shape[1], bootstrap, task)
        parts.append(pl.concat([samples, others]).with_columns(labels=pl.lit(label_set)))
    averages = pl.concat(parts).with_columns(
        pl.col("value").fill_nan(None),
        pl.col("resampled").list.eval(pl.element().fill_nan(None)),
    )
    return Averages.validate(averages.select(Averages.column_names()))


def _of_patients(
    by_patient: np.ndarray,
    names: Sequence[str],
    diseases: int,
    bootstrap: Bootstrap,
    task: str,
) -> pl.DataFrame:
    """Return the rows of `Averages`, without the label set, of metrics (patients, k) by patient."""
    defined = (~np.isnan(by_patient)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        means = np.nansum(by_patient, axis=0) / defined
    return pl.DataFrame(
        {
            "average": "sample",
            "metric": names,
            "value": means,
            "resampled": resampled_means(by_patient, bootstrap, task).T.tolist(),
            "patients": defined.astype(np.int64),
            "undefined": (len(by_patient) - defined).astype(np.int64),
            "diseases": diseases,
            "diseases_undefined": 0,
        },
        schema_overrides={
            "resampled": pl.List(pl.Float64),
            "diseases": pl.Int64,
            "diseases_undefined": pl.Int64,
        },
    )


def _of_diseases(
    scores: np.ndarray, labels: np.ndarray, known: np.ndarray, bootstrap: Bootstrap, task: str
) -> list[pl.DataFrame]:
    """Return the rows of `Averages` of metrics over patients, without the label set, for each."""
    patients, diseases = scores.shape
    by_disease = resample_diseases(scores, labels, bootstrap, task, known)
    of_pairs = rank_pairs(scores, labels, known).resampled(bootstrap, task)
    frames = []
    for of_diseases, micro in zip(by_disease, of_pairs[:, :2, 0], strict=True):
        (macro, weighted), with_metric = _over_diseases(of_diseases)
        values = np.stack([macro, micro, weighted])
        frames.append(_rows(values[..., 0], with_metric[:, 0], values[..., 1:], patients, diseases))
    return frames


def _rows(
    values: np.ndarray,
    with_metric: np.ndarray,
    resampled: np.ndarray,
    patients: int,
    diseases: int,
) -> pl.DataFrame:
    """Return rows of `Averages`.

    Args:
        values: float64 (3, 2): macro, micro, weighted; APS, AUROC.
        with_metric: int64 (2), the diseases with each metric.
        resampled: float64 (3, 2, resamples).
        patients, diseases: their numbers.
    """
    averaged = np.concatenate([with_metric, np.full(len(METRICS), diseases), with_metric])
    return pl.DataFrame(
        {
            "average": np.repeat(["macro", "micro", "weighted"], len(METRICS)),
            "metric": list(METRICS) * 3,
            "value": values.ravel(),
            "resampled": resampled.reshape(resampled.shape[0] * resampled.shape[1], -1).tolist(),
            "patients": patients,
            "undefined": 0,
            "diseases": averaged.astype(np.int64),
            "diseases_undefined": (diseases - averaged).astype(np.int64),
        },
        schema_overrides={
            "resampled": pl.List(pl.Float64),
            "patients": pl.Int64,
            "undefined": pl.Int64,
        },
    )
