"""The score of each disease over the patients of one task (paper, Fig. 6 and Table S6)."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from behrt.disclosure import Rules, hide_parts, is_small, suppress
from behrt.evaluation.bootstrap import Bootstrap, interval
from behrt.evaluation.grouped_scores import EXPOSED, group_counts, kind_of, publishable
from behrt.evaluation.rankings import disease_metrics, resample_diseases
from behrt.evaluation.tidy import DECIMALS
from behrt.sequences.vocabulary import Vocabulary

_NOISE = 1e-12
"""Differences that come from the order of additions."""
_SCORES = ("aps", "aps_low", "aps_high", "auroc", "auroc_low", "auroc_high")


def _reason(
    positives: int, patients: int, hidden: bool, score_missing: bool, interval_missing: bool
) -> str:
    """Return the reason why scores are missing, or an empty text if none is missing."""
    if positives == 0:
        return "no patient has it: both undefined"
    if hidden:
        return "too few patients have it, or all but too few: not shown"
    if positives == patients:
        return "every patient has it: AUROC undefined"
    if score_missing:
        return "a small count would follow from the scores: not shown"
    if interval_missing:
        return "too few patients have it for an interval"
    return ""


def choose(
    labels: np.ndarray, minimum_prevalence: float, threshold: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the diseases (int64) that have a row, and which of them are hidden (bool).

    If the minimum prevalence is less than the threshold of patients, all diseases below the
    threshold have a row.

    Args:
        labels: bool (patients, diseases): what is to be predicted.
        minimum_prevalence: share of the patients with the disease in their label.
        threshold: the smallest count of patients, with or without the disease, to show.
    """
    patients = len(labels)
    positives = labels.sum(axis=0)
    common = positives / max(patients, 1) >= minimum_prevalence
    if minimum_prevalence * patients < threshold:
        # A row without numbers would reveal that its count is between the two limits.
        common |= is_small(positives, threshold)
    chosen = np.flatnonzero(common)
    hidden = np.array(
        [hide_parts(np.array([n, patients - n]), threshold).any() for n in positives[chosen]],
        dtype=bool,
    )
    return chosen, hidden


def estimate(
    labels: np.ndarray,
    scores: np.ndarray,
    chosen: np.ndarray,
    rules: Rules,
    exact: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return APS and AUROC of some diseases as they may be published.

    Scores of predictors that divide the patients into a few groups are those of
    `behrt.evaluation.grouped_scores`.

    Args:
        labels, scores: bool and float (patients, diseases).
        chosen: int64 (chosen), the diseases.
        rules: of disclosure.
        exact: float64 (2, chosen), the APS and AUROC if they are known.

    Returns:
        float64 (2, chosen), NaN where undefined or not shown; the same less the exact scores, 0
        where these are published; int64 (chosen), as `grouped_scores.kind_of` returns.
    """
    estimates, moved = np.full((2, len(chosen)), np.nan), np.zeros((2, len(chosen)))
    kinds = np.zeros(len(chosen), dtype=np.int64)
    if exact is None:
        found = [disease_metrics(scores[:, disease], labels[:, disease]) for disease in chosen]
        exact = np.reshape(found, (len(chosen), 2)).T
    for column, disease in enumerate(chosen):
        groups = group_counts(labels[:, disease], scores[:, disease])
        own = exact[:, column]
        estimates[:, column] = own if groups is None else publishable(groups, rules)
        difference = estimates[:, column] - own
        moved[:, column] = np.where(np.abs(difference) < _NOISE, 0.0, difference)
        kinds[column] = kind_of(groups, rules.threshold)
    return estimates, moved, kinds


def score_diseases(
    labels: np.ndarray,
    scores: np.ndarray,
    chosen: np.ndarray,
    bootstrap: Bootstrap,
    task: str,
    rules: Rules,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return APS and AUROC of some diseases, and the same of every resample of patients.

    Args:
        labels, scores: bool and float (patients, diseases).
        chosen: int64 (k), the diseases.
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.
        rules: of disclosure.

    Returns:
        float64 (2, k) and (2, resamples, k), NaN where undefined or not shown; int64 (k), what
        `behrt.evaluation.grouped_scores.kind_of` returns for the predictor.
    """
    drawn = resample_diseases(scores[:, chosen], labels[:, chosen], bootstrap, task)
    resampled = drawn[0, :2, :, 1:].swapaxes(1, 2)
    estimates, moved, kinds = estimate(labels, scores, chosen, rules, drawn[0, :2, :, 0])
    # The middle of an interval would show what the estimate does not.
    return estimates, resampled + moved[:, np.newaxis], kinds


def tabulate(
    labels: np.ndarray,
    scores: np.ndarray,
    vocabulary: Vocabulary,
    minimum_prevalence: float,
    bootstrap: Bootstrap,
    task: str,
    rules: Rules,
    compared: Mapping[str, np.ndarray] | None = None,
) -> pl.DataFrame:
    """Return one row per disease of at least the minimum prevalence (`choose`).

    Args:
        labels: bool (patients, diseases): what is to be predicted.
        scores: float32 (patients, diseases).
        vocabulary: names and chapters of the diseases.
        minimum_prevalence: share of the patients with the disease in their label.
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.
        rules: which counts of patients, with or without the disease, are too small to show.
        compared: by name, scores of the trivial models and the ceilings, as `scores`.

    Returns:
        disease, chapter String; patients, positives Int64; prevalence Float64; aps, aps_low,
        aps_high, auroc, auroc_low, auroc_high Float64; aps_<name>, auroc_<name> of each in
        `compared`; null where undefined or not shown; reason String, why. Highest APS first.
    """
    patients = len(labels)
    positives = labels.sum(axis=0)
    chosen, hidden = choose(labels, minimum_prevalence, rules.threshold)
    estimates, resampled, kinds = score_diseases(labels, scores, chosen, bootstrap, task, rules)
    others = {
        f"{metric}_{name}": values
        for name, other in (compared or {}).items()
        for metric, values in zip(
            ("aps", "auroc"), estimate(labels, other, chosen, rules)[0], strict=True
        )
    }
    (aps_low, auroc_low), (aps_high, auroc_high) = np.stack(
        [interval(np.where(kinds == EXPOSED, np.nan, metric)) for metric in resampled], axis=1
    )
    frame = pl.DataFrame(
        {
            "disease": np.array(vocabulary.phenotypes)[chosen],
            "chapter": np.array(vocabulary.chapters)[chosen],
            "patients": np.full(len(chosen), patients, dtype=np.int64),
            "positives": positives[chosen].astype(np.int64),
            "prevalence": (rules.round(positives[chosen]) / max(rules.round(patients), 1)).round(
                DECIMALS
            ),
            "aps": estimates[0],
            "aps_low": aps_low,
            "aps_high": aps_high,
            "auroc": estimates[1],
            "auroc_low": auroc_low,
            "auroc_high": auroc_high,
            **others,
            "reason": [
                _reason(n, patients, is_hidden, *missing)
                for n, is_hidden, *missing in zip(
                    positives[chosen],
                    hidden,
                    np.isnan(estimates.sum(axis=0)),
                    np.isnan(aps_low + auroc_low),
                    strict=True,
                )
            ],
        },
        schema_overrides={"disease": pl.String, "chapter": pl.String, "reason": pl.String},
    ).with_columns(pl.col(*_SCORES, *others).fill_nan(None).round(DECIMALS))
    return suppress(frame, hidden, ["positives", "prevalence", *_SCORES, *others]).sort(
        "aps", "disease", descending=[True, False], nulls_last=True
    )
