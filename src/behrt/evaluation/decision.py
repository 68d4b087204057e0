"""Net benefit of treatment decisions by a model's risks (Vickers and Elkin, 2006).

A threshold probability t means that one missed patient weighs as much as (1 - t) / t patients who
are treated unnecessarily. The net benefit per patient is then TP / n - FP / n * t / (1 - t), to be
compared with treating no patient, 0, and all patients (Medical Decision Making 26:565).

Over all diseases the net benefits are summed: each disease is a separate decision at the same t.
"""

from collections.abc import Sequence
from functools import partial

import dataframely as dy
import numpy as np
import polars as pl

from behrt.evaluation.bootstrap import Bootstrap, draws, interval, resampled_sums
from behrt.evaluation.patients import count_by_patient

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


def _reached(probability: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Return uint8 (patients, diseases): the number of thresholds that are at or below each risk.

    A risk is compared with a threshold in its own precision.
    """
    limits = np.array(thresholds, dtype=probability.dtype)
    reached = np.zeros(probability.shape, np.uint8)
    for limit in limits:
        reached += probability >= limit
    return reached


def _treated(reached: np.ndarray, thresholds: int) -> np.ndarray:
    """Return int64 (patients, thresholds): for how many diseases each patient is treated."""
    counts = count_by_patient(reached, thresholds + 1)[:, 1:]
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]


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
    reached = {
        MODEL: _reached(probability, THRESHOLDS),
        RECALIBRATED: _reached(recalibrated, THRESHOLDS),
    }
    patients, drawn = len(labels), draws(len(labels), bootstrap, task)
    of_model, of_recalibrated = (
        resampled_sums(partial(_counts, of_strategy, labels, diseases), drawn).reshape(
            2, 1 + len(diseases), len(THRESHOLDS), -1
        )
        for of_strategy in reached.values()
    )
    everybody = _counts_of_everybody(labels, diseases, drawn)
    odds = np.array(THRESHOLDS) / (1 - np.array(THRESHOLDS))
    parts, values = [], []
    for place, disease in enumerate([None, *diseases]):
        chosen = slice(None) if disease is None else slice(disease, disease + 1)
        for strategy, counts in zip(
            STRATEGIES, (of_model, of_recalibrated, everybody), strict=True
        ):
            rightly, treated = counts[:, place]
            in_vain = treated - rightly
            values.append((rightly - in_vain * odds[:, np.newaxis]) / patients)
            if strategy == EVERYBODY:
                ever = np.full(len(THRESHOLDS), patients)
            else:
                highest = reached[strategy][:, chosen].max(axis=1)
                ever = np.array([(highest > at).sum() for at in range(len(THRESHOLDS))])
            parts.append(
                pl.DataFrame({"threshold": THRESHOLDS}).with_columns(
                    disease=pl.lit(disease, pl.Int16),
                    strategy=pl.lit(strategy),
                    patients=pl.lit(patients, pl.Int64),
                    positives=pl.lit(int(labels[:, chosen].any(axis=1).sum()), pl.Int64),
                    treated=pl.Series(ever, dtype=pl.Int64),
                    rightly=pl.Series(rightly[:, 0]).cast(pl.Int64),
                    in_vain=pl.Series(in_vain[:, 0]).cast(pl.Int64),
                )
            )
    everything = np.concatenate(values)
    low, high = interval(everything[:, 1:].T)
    frame = pl.concat(parts).with_columns(
        value=pl.Series(everything[:, 0]), low=pl.Series(low), high=pl.Series(high)
    )
    return NetBenefit.validate(frame.select(NetBenefit.column_names()))


def _counts(
    reached: np.ndarray, labels: np.ndarray, diseases: Sequence[int], some: slice
) -> np.ndarray:
    """Return float32 (some patients, 2 * sets * thresholds): pairs treated rightly, and treated.

    The sets are all diseases together, and each of `diseases`.
    """
    reached, labels = reached[some], labels[some]
    of_kind = []
    for held in (reached * labels, reached):
        together = _treated(held, len(THRESHOLDS))[:, np.newaxis]
        alone = held[:, diseases, np.newaxis] > np.arange(len(THRESHOLDS))
        of_kind.append(np.concatenate([together, alone], axis=1))
    return np.stack(of_kind, axis=1).reshape(len(reached), -1).astype(np.float32)


def _counts_of_everybody(
    labels: np.ndarray, diseases: Sequence[int], drawn: np.ndarray
) -> np.ndarray:
    """Return the same sums of treating all patients: float64 (2, sets, thresholds, 1 + resamples).

    A resample has as many patients as there are.
    """
    patients, n_diseases = labels.shape

    def counts(some: slice) -> np.ndarray:
        of_set = labels[some][:, diseases]
        together = labels[some].sum(axis=1, keepdims=True)
        return np.concatenate([together, of_set], axis=1).astype(np.float32)

    rightly = resampled_sums(counts, drawn)
    size = np.array([n_diseases] + [1] * len(diseases))[:, np.newaxis]
    treated = np.broadcast_to(size * float(patients), rightly.shape)
    both = np.stack([rightly, treated])[:, :, np.newaxis]
    return np.repeat(both, len(THRESHOLDS), axis=2)
