"""Small numbers of patients that follow from printed scores.

A score is a function of counts: with few unknown counts, a reader solves for them. This check uses
published tables only, without the hidden numbers. It reads the APS and AUROC of predictors that
give patients few distinct scores (`behrt.evaluation.grouped_scores`), and net benefits, each of
which is an equation in the patients treated rightly and in vain.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl

from behrt.disclosure import Rules
from behrt.evaluation.decision import EVERYBODY
from behrt.evaluation.grouped_scores import solve
from behrt.evaluation.treated import differ_little, treated

GROUPED = ("history",)
"""Kinds of model that give the patients two scores per disease."""

_METRICS = {"APS": "aps", "AUROC": "auroc"}


@dataclass
class _Printed:
    """What tables print of one predictor of one outcome: its two scores, and their decimals."""

    positives: int
    negatives: int
    scores: dict[str, float] = field(default_factory=dict)
    decimals: int = 0


def decimals(values: pl.Series) -> int:
    """Return how many decimals the numbers of a column are printed with.

    >>> decimals(pl.Series([0.5, 0.123, None]))
    3
    """
    texts = [np.format_float_positional(value, trim="-") for value in values.drop_nulls()]
    return max((len(text.partition(".")[2]) for text in texts), default=0)


def _of_diseases(
    name: str, table: pl.DataFrame, grouped: Collection[str]
) -> Iterator[tuple[tuple[str, ...], int, int, str, pl.Series, float]]:
    """Yield the printed scores of grouped predictors: of what, P, N, metric, column, score."""
    columns: list[tuple[str, str | None, str]] = []
    if not {"disease", "model", "patients", "positives"} <= set(table.columns):
        return
    if {"metric", "score", "other_score"} <= set(table.columns):
        columns = [("model", None, "score"), ("other", None, "other_score")]
    elif set(_METRICS.values()) <= set(table.columns):
        columns = [("model", metric, metric) for metric in _METRICS.values()]
        columns += [
            (model, metric, f"{metric}_{model}")
            for model in grouped
            for metric in _METRICS.values()
            if f"{metric}_{model}" in table.columns
        ]
    for who, metric, column in columns:
        model = pl.col(who) if who in ("model", "other") else pl.lit(who)
        rows = table.with_columns(who=model).filter(pl.col("who").is_in(list(grouped)))
        for row in rows.iter_rows(named=True):
            if row[column] is None or not row["positives"] or row["patients"] is None:
                continue
            of = str(row.get("task", name)), row["disease"], row["who"]
            negatives = row["patients"] - row["positives"]
            printed = metric or _METRICS.get(row["metric"], "")
            yield of, row["positives"], negatives, printed, rows[column], row[column]


def _of_sexes(
    name: str, table: pl.DataFrame, grouped: Collection[str]
) -> Iterator[tuple[tuple[str, ...], int, int, str, pl.Series, float]]:
    """Yield the printed AUROCs of grouped predictors between two sexes, as `_of_diseases`."""
    if not {"auroc", "patients_own", "patients_other"} <= set(table.columns):
        return
    rows = table.filter(pl.col("model").is_in(list(grouped))).drop_nulls(
        ["auroc", "patients_own", "patients_other"]
    )
    for row in rows.iter_rows(named=True):
        of = str(row.get("task", name)), f"sex and {row['disease']}", row["model"]
        yield of, row["patients_own"], row["patients_other"], "auroc", rows["auroc"], row["auroc"]


def small_groups(
    tables: Mapping[str, pl.DataFrame], grouped: Collection[str], rules: Rules
) -> list[str]:
    """Return the predictors whose scores have a small number of patients as their only solution.

    Args:
        tables: published tables by name.
        grouped: the models that give the patients two scores per disease.
        rules: those by which the tables were published.
    """
    printed: dict[tuple[str, ...], _Printed] = {}
    for name, table in tables.items():
        for read in (_of_diseases, _of_sexes):
            for of, positives, negatives, metric, column, score in read(name, table, grouped):
                one = printed.setdefault(of, _Printed(positives, negatives))
                digits = decimals(column)
                if metric in one.scores and digits <= one.decimals:
                    continue
                one.scores[metric] = score
                one.decimals = max(one.decimals, digits)
    found = []
    for of, one in printed.items():
        if not one.positives or not one.negatives:
            continue
        solutions = solve(
            one.positives,
            one.negatives,
            one.scores.get("aps"),
            one.scores.get("auroc"),
            one.decimals,
            rules.rounding,
        )
        found += [f"{', '.join(of)}: {part}" for part in solutions.small(rules.threshold)]
    return found


def _as_of_diseases(table: pl.DataFrame) -> pl.DataFrame:
    """Return net benefits of outcomes as those of diseases, without weighted ones.

    No equation in whole numbers holds for a weighted net benefit.
    """
    names = {"outcome": "task", "predictions": "patients", "events": "positives"}
    plain = table.filter(pl.col("weighted").cast(pl.String).str.to_lowercase() != "true")
    return plain.rename(names).with_columns(disease=pl.col("task"))


def small_benefits(tables: Mapping[str, pl.DataFrame], rules: Rules) -> list[str]:
    """Return the curves of net benefit that have a small number of patients as their only solution.

    Args:
        tables: published tables by name.
        rules: those by which the tables were published.
    """
    found = []
    for name, table in tables.items():
        if {"outcome", "predictions", "events", "weighted"} <= set(table.columns):
            table = _as_of_diseases(table)
        if not {"strategy", "threshold", "value", "patients", "positives"} <= set(table.columns):
            continue
        error = 0.5 * 10.0 ** -decimals(table["value"])
        known = table.filter(pl.col("strategy") != EVERYBODY).drop_nulls(
            ["value", "positives", "patients"]
        )
        of_one_disease = known.filter(pl.col("disease") != "all diseases")
        for curve, rows in of_one_disease.group_by("task", "model", "disease", maintain_order=True):
            patients, positives = rows.select("patients", "positives").row(0)
            pairs = positives, patients - positives
            chosen = [np.array([pairs]), np.zeros((1, 2), dtype=np.int64)]
            for value, threshold in rows.select("value", "threshold").iter_rows():
                odds = threshold / (1 - threshold)
                chosen.append(treated(value, odds, error, patients, pairs, rules.rounding))
            if any(
                differ_little(one, other, rules.threshold) for one, other in combinations(chosen, 2)
            ):
                found.append(f"{name}: {', '.join(map(str, curve))}")
    return found
