"""Paired differences between models in the score of each disease, with multiplicity.

Both models are scored on the same resamples of patients. The p value of a difference is two-sided,
from its ratio to its bootstrap standard error under the normal distribution (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13). One comparison of two models
by one metric is one family of tests: p values are adjusted over its diseases for the false
discovery rate (Benjamini and Hochberg, J R Stat Soc B 1995) and for the family-wise error rate
(Holm, Scand J Stat 1979).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control, norm

from behrt.disclosure import Rules, suppress
from behrt.evaluation.bootstrap import Bootstrap, interval
from behrt.evaluation.diseases import choose, score_diseases
from behrt.evaluation.grouped_scores import APART, EXPOSED
from behrt.evaluation.tidy import DECIMALS
from behrt.sequences.vocabulary import Vocabulary

METRICS = ("APS", "AUROC")
_NUMBERS = ("score", "other_score", "difference", "difference_low", "difference_high")
_TESTS = ("p", "p_benjamini_hochberg", "p_holm")
_SIGNIFICANT_DIGITS = 3


def comparisons(references: Sequence[str], models: Sequence[str]) -> list[tuple[str, str]]:
    """Return each reference with every other model, each pair once."""
    return [
        (reference, model)
        for place, reference in enumerate(references)
        for model in models
        if model not in references[: place + 1]
    ]


def holm(p: np.ndarray) -> np.ndarray:
    """Return p values (n) adjusted by Holm's step-down method: float64, at most 1."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def _tests(difference: np.ndarray, resampled: np.ndarray) -> np.ndarray:
    """Return float64 (3, diseases): p, by Benjamini and Hochberg, by Holm; NaN if not tested."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(difference) / resampled.std(axis=0, ddof=1)
    p = 2 * norm.sf(np.where(difference == 0, 0.0, ratio))
    p[np.isnan(resampled).any(axis=0) | np.isnan(difference)] = np.nan
    tests = np.full((3, len(p)), np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        tests[:, tested] = p[tested], false_discovery_control(p[tested]), holm(p[tested])
    return tests


def tabulate(
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    references: Sequence[str],
    vocabulary: Vocabulary,
    minimum_prevalence: float,
    bootstrap: Bootstrap,
    task: str,
    rules: Rules,
) -> pl.DataFrame:
    """Return one row per comparison, metric and disease of the table *diseases*.

    Args:
        labels: bool (patients, diseases).
        scores: of each model, float32 (patients, diseases).
        references: the models that are compared with all others.
        vocabulary, minimum_prevalence, bootstrap, task, rules: as
            `behrt.evaluation.diseases.tabulate`, whose diseases and resamples these are.

    Returns:
        model, other, metric, disease, chapter String; patients, positives Int64; score,
        other_score, difference (score − other_score), difference_low, difference_high, p,
        p_benjamini_hochberg, p_holm Float64, null where undefined or not shown. A disease that is
        not shown is in no family. In each comparison and metric the largest difference is first.
    """
    chosen, hidden = choose(labels, minimum_prevalence, rules.threshold)
    shown = chosen[~hidden]
    scored = {
        model: score_diseases(labels, own, shown, bootstrap, task, rules)
        for model, own in scores.items()
    }
    names, chapters = np.array(vocabulary.phenotypes)[chosen], np.array(vocabulary.chapters)[chosen]
    parts = []
    for model, other in comparisons(references, list(scores)):
        kinds = np.stack([scored[name][2] for name in (model, other)])
        shown_interval = ~((kinds > APART).all(axis=0) & (kinds == EXPOSED).any(axis=0))
        for place, metric in enumerate(METRICS):
            (own, own_resampled), (its, its_resampled) = (
                (scored[name][0][place], scored[name][1][place]) for name in (model, other)
            )
            resampled = np.where(shown_interval, own_resampled - its_resampled, np.nan)
            numbers = np.full((len(_NUMBERS) + len(_TESTS), len(chosen)), np.nan)
            numbers[:, ~hidden] = [
                own,
                its,
                own - its,
                *interval(resampled),
                *_tests(own - its, resampled),
            ]
            frame = pl.DataFrame(
                {
                    "model": np.full(len(chosen), model),
                    "other": np.full(len(chosen), other),
                    "metric": np.full(len(chosen), metric),
                    "disease": names,
                    "chapter": chapters,
                    "patients": np.full(len(chosen), len(labels), dtype=np.int64),
                    "positives": labels[:, chosen].sum(axis=0).astype(np.int64),
                    **dict(zip((*_NUMBERS, *_TESTS), numbers, strict=True)),
                },
                schema_overrides=dict.fromkeys(
                    ("model", "other", "metric", "disease", "chapter"), pl.String
                ),
            )
            parts.append(
                suppress(frame, hidden, ["positives"])
                .with_columns(pl.col(*_NUMBERS, *_TESTS).fill_nan(None))
                .sort("difference", "disease", descending=[True, False], nulls_last=True)
            )
    return pl.concat(parts).with_columns(
        pl.col(_NUMBERS).round(DECIMALS), pl.col(_TESTS).round_sig_figs(_SIGNIFICANT_DIGITS)
    )
