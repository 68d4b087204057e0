"""The decision curves of every model on each outcome."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import Rules, is_small, suppress
from behrt.evaluation.decision import EVERYBODY
from behrt.evaluation.outcome_decision import ALL
from behrt.evaluation.tidy import SMALL_DECIMALS
from behrt.run import Run
from behrt.sequences.vocabulary import NO_CHAPTER, Vocabulary
from behrt.tables import decision
from behrt.tables.every_outcome import of_every_outcome

_SCORES = ("value", "low", "high")


def table(run: Run, net_benefit: list[Path], outcomes: Mapping[str, str]) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`; rows of all patients only.

    Args:
        run: the run.
        net_benefit: outcomes/<outcome>/assessment/<labels>/net_benefit.parquet of every outcome.
        outcomes: what each outcome is, by name, in the order of the rows.
    """

    def of_all(frame: pl.DataFrame, outcome: str, rules: Rules) -> pl.DataFrame:
        return tabulate(frame.filter(subgroup=ALL), outcome, rules)

    return of_every_outcome(run, net_benefit, outcomes, of_all)


def tabulate(net_benefit: pl.DataFrame, outcome: str, rules: Rules) -> pl.DataFrame:
    """Return the decision curves of an outcome as they may be shown, as those of a disease are.

    A patient may have several predictions. So curves and events are also null where few patients
    have the event after a prediction, or few do not.

    Args:
        net_benefit: `behrt.evaluation.outcome_decision.OutcomeNetBenefit` of one group.
        outcome: its name.
        rules: which count is too small to show, and how to round.

    Returns:
        outcome, model, strategy String; threshold, value, low, high Float64; predictions, events
        Int64; weighted Boolean.
    """
    names = {"predictions": "patients", "events": "positives"}
    as_disease = net_benefit.rename(names).with_columns(
        task=pl.lit(outcome), disease=pl.lit(0, pl.Int16)
    )
    found = decision.tabulate(as_disease, Vocabulary((outcome,), (NO_CHAPTER,)), rules)
    patients = net_benefit.filter(strategy=EVERYBODY)["treated"].to_numpy()
    few = np.full(found.height, is_small(patients, rules.threshold).any())
    found = suppress(found, few, [*_SCORES, "positives"])
    weighted = net_benefit["weighted"]
    # The counts do not give a weighted net benefit. It is shifted as the rounding of counts shifts
    # the net benefit without weights.
    odds = net_benefit["threshold"] / (1 - net_benefit["threshold"])
    plain = (net_benefit["rightly"] - odds * net_benefit["in_vain"]) / net_benefit["predictions"]
    shift = found["value"] - plain if rules.rounding > 1 else pl.Series([0.0])
    shifted = [
        pl.when(weighted & pl.col(name).is_not_null())
        .then((net_benefit[name] + shift).round(SMALL_DECIMALS))
        .otherwise(name)
        .alias(name)
        for name in _SCORES
    ]
    return (
        found.with_columns(shifted)
        .rename({"task": "outcome", **{now: before for before, now in names.items()}})
        .drop("disease")
        .with_columns(weighted=weighted)
    )
