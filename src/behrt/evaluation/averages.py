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

from behrt.evaluation.bootstrap import Bootstrap, drawn_by_patient, resampled_means
from behrt.evaluation.metrics import rank, rank_diseases
from behrt.evaluation.models import LABEL_SETS, METRICS
from behrt.logs import progress

AVERAGES = ("sample", "macro", "micro", "weighted")
_EXACT_FLOAT32 = 2**24


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


def _over_diseases(metrics: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the macro and the weighted mean of the metrics of each disease.

    Args:
        metrics: what `behrt.evaluation.metrics.Rankings.metrics` returns.

    Returns:
        float64 (2, 2, r): macro, weighted; APS, AUROC. int64 (2, r): diseases with each.
    """
    *scores, positives = metrics
    values = np.stack(scores)
    defined = ~np.isnan(values)
    filled = np.where(defined, values, 0.0)
    with np.errstate(invalid="ignore"):
        macro = filled.sum(axis=1) / defined.sum(axis=1)
        weighted = (filled * positives).sum(axis=1) / (defined * positives).sum(axis=1)
    return np.stack([macro, weighted]), defined.sum(axis=1)


class _OverPatients:
    """The macro, micro and weighted metrics of all labels and of first incidence."""

    def __init__(self, scores: np.ndarray, labels: np.ndarray, known: np.ndarray) -> None:
        """Rank the patients; the arguments are those of `average`."""
        patients, diseases = scores.shape
        self.dtype = np.float32 if scores.size < _EXACT_FLOAT32 else np.float64
        self.by_disease = rank_diseases(scores, labels, known, self.dtype)
        self.of_pairs = rank(
            scores.ravel(),
            labels.ravel(),
            np.repeat(np.arange(patients), diseases),
            patients,
            known=known.ravel(),
            dtype=self.dtype,
        )

    def metrics(self, weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the metrics of each label set under each weighting, and the number of diseases.

        Args:
            weights: float (patients, r).

        Returns:
            float64 (3, 2, r): macro, micro, weighted; APS, AUROC. int64 (2, r): diseases with each.
        """
        found = [np.stack(some.with_and_without_known(weights)) for some in self.by_disease]
        made = []
        for of_diseases, (*of_pairs, _) in zip(
            np.concatenate(found, axis=2),
            self.of_pairs.with_and_without_known(weights),
            strict=True,
        ):
            (macro, weighted), diseases = _over_diseases(of_diseases)
            made.append((np.stack([macro, np.concatenate(of_pairs), weighted]), diseases))
        return made


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
    over_patients = _OverPatients(scores, labels, known)
    estimates = over_patients.metrics(np.ones((patients, 1), over_patients.dtype))
    drawn: list[list[np.ndarray]] = [[] for _ in LABEL_SETS]
    with progress(total=bootstrap.resamples, label="averages", unit="resamples") as bar:
        for weights in drawn_by_patient(patients, bootstrap, task):
            some = weights.astype(over_patients.dtype, copy=False)
            for found, (values, _) in zip(drawn, over_patients.metrics(some), strict=True):
                found.append(values)
            bar.update(weights.shape[1])
    return [
        _rows(*estimate, np.concatenate(resampled, axis=2), patients, diseases)
        for estimate, resampled in zip(estimates, drawn, strict=True)
    ]


def _rows(
    values: np.ndarray,
    with_metric: np.ndarray,
    resampled: np.ndarray,
    patients: int,
    diseases: int,
) -> pl.DataFrame:
    macro, micro = with_metric[:, 0], np.full(len(METRICS), diseases)
    averaged = np.concatenate([macro, micro, macro])
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
