"""Net benefit of treatment decisions by a model's risks (Vickers and Elkin, 2006).

A threshold probability t means that one missed patient weighs as much as (1 - t) / t patients who
are treated unnecessarily. The net benefit per patient is then TP / n - FP / n * t / (1 - t), to be
compared with treating no patient, 0, and all patients (Medical Decision Making 26:565).

Over all diseases the net benefits are summed: each disease is a separate decision at the same t.
"""

from collections.abc import Sequence

import dataframely as dy
import numpy as np
import polars as pl

from behrt.evaluation.bootstrap import Bootstrap, interval, resampled_means

THRESHOLDS = (
    *(0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175),
    *(0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
)
MODEL, RECALIBRATED, EVERYBODY = "as trained", "recalibrated", "treat all"
STRATEGIES = (MODEL, RECALIBRATED, EVERYBODY)
ALL_DISEASES = "all diseases"


class NetBenefit(dy.Schema):
    """One row per disease (null: all diseases), strategy and threshold."""

    disease = dy.Int16(nullable=True, min=0, description="phenotype index")
    strategy = dy.String(check=lambda strategy: strategy.is_in(STRATEGIES))
    threshold = dy.Float64(min=0, max=1)
    value = dy.Float64(description="net true positives per patient")
    low = dy.Float64()
    high = dy.Float64()
    patients = dy.Int64(min=0)
    positives = dy.Int64(min=0, description="patients with a label among the diseases")
    treated = dy.Int64(min=0, description="patients treated for at least one of the diseases")
    rightly = dy.Int64(min=0, description="pairs of a patient and a disease treated, with a label")
    in_vain = dy.Int64(min=0, description="pairs treated without a label")


def treatments(
    probability: np.ndarray, labels: np.ndarray, thresholds: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 (patients, thresholds) twice: true positives, and false positives.

    Args:
        probability: float (patients, diseases); a patient is treated from the threshold on.
        labels: bool (patients, diseases).
        thresholds: risks within (0, 1).
    """
    rightly, treated = [], []
    for threshold in thresholds:
        chosen = probability >= threshold
        rightly.append((chosen & labels).sum(axis=1))
        treated.append(chosen.sum(axis=1))
    hits = np.stack(rightly, axis=1)
    return hits, np.stack(treated, axis=1) - hits


def net_benefits(
    rightly: np.ndarray, in_vain: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    """Return float64 (patients, thresholds): each patient's contribution to the net benefit.

    >>> probability = np.array([[0.3, 0.6]])
    >>> rightly, in_vain = treatments(probability, np.array([[True, False]]), [0.2, 0.5])
    >>> net_benefits(rightly, in_vain, [0.2, 0.5]).tolist()
    [[0.75, -1.0]]
    """
    odds = np.array(thresholds) / (1 - np.array(thresholds))
    return np.asarray(rightly - in_vain * odds)


def decide(
    probability: np.ndarray,
    recalibrated: np.ndarray,
    labels: np.ndarray,
    diseases: Sequence[int],
    bootstrap: Bootstrap,
    task: str,
) -> dy.DataFrame[NetBenefit]:
    """Return the decision curves of all diseases together and of some diseases.

    Args:
        probability, recalibrated: float (patients, diseases).
        labels: bool (patients, diseases).
        diseases: indices of those with curves of their own.
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.
    """
    sets = [(None, slice(None)), *((d, slice(d, d + 1)) for d in diseases)]
    risks = {MODEL: probability, RECALIBRATED: recalibrated, EVERYBODY: np.ones_like(recalibrated)}
    parts, values = [], []
    for disease, chosen in sets:
        for strategy, risk in risks.items():
            rightly, in_vain = treatments(risk[:, chosen], labels[:, chosen], THRESHOLDS)
            values.append(net_benefits(rightly, in_vain, THRESHOLDS))
            highest = risk[:, chosen].max(axis=1)
            parts.append(
                pl.DataFrame({"threshold": THRESHOLDS}).with_columns(
                    disease=pl.lit(disease, pl.Int16),
                    strategy=pl.lit(strategy),
                    patients=pl.lit(len(labels), pl.Int64),
                    positives=pl.lit(int(labels[:, chosen].any(axis=1).sum()), pl.Int64),
                    treated=pl.Series([(highest >= at).sum() for at in THRESHOLDS], dtype=pl.Int64),
                    rightly=pl.Series(rightly.sum(axis=0), dtype=pl.Int64),
                    in_vain=pl.Series(in_vain.sum(axis=0), dtype=pl.Int64),
                )
            )
    everything = np.concatenate(values, axis=1)
    low, high = interval(resampled_means(everything, bootstrap, task))
    frame = pl.concat(parts).with_columns(
        value=pl.Series(everything.mean(axis=0)), low=pl.Series(low), high=pl.Series(high)
    )
    return NetBenefit.validate(frame.select(NetBenefit.column_names()))
