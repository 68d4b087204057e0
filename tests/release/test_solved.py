"""Small counts are found where they are the only solution of printed scores, and nowhere else."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from behrt.disclosure import Rules
from behrt.evaluation.grouped_scores import scores_of_groups
from behrt.release.solved import decimals, small_benefits, small_groups

PATIENTS = 3083
Tables = dict[str, pl.DataFrame]


def scores(
    above: int, below: int, positives: int, negatives: int, digits: int
) -> tuple[float, ...]:
    groups = np.array([[above, below], [positives - above, negatives - below]])
    return tuple(round(score, digits) for score in scores_of_groups(groups))


def beside(aps: float | None, auroc: float | None, positives: int = 34) -> Tables:
    row = {"task": "T2", "model": "behrt", "disease": "Gout", "patients": PATIENTS}
    more = {"positives": positives, "aps": 0.9, "auroc": 0.9}
    named = {"aps_history": aps, "auroc_history": auroc}
    return {"diseases": pl.DataFrame([row | more | named])}


def compared(aps: float | None, auroc: float | None, positives: int = 34) -> Tables:
    row = {"task": "T2", "model": "behrt", "other": "history", "disease": "Gout"}
    counts = {"patients": PATIENTS, "positives": positives, "score": 0.9}
    rows = [
        row | counts | {"metric": metric, "other_score": score}
        for metric, score in (("APS", aps), ("AUROC", auroc))
    ]
    return {"disease_differences": pl.DataFrame(rows)}


def as_model(aps: float | None, auroc: float | None, positives: int = 34) -> Tables:
    row = {"task": "T2", "model": "history", "disease": "Gout", "patients": PATIENTS}
    return {"diseases": pl.DataFrame([row | {"positives": positives, "aps": aps, "auroc": auroc}])}


@pytest.mark.parametrize("tables", [beside, compared, as_model])
def test_scores_of_the_history_are_solved(tables: Callable[..., Tables]) -> None:
    four = scores(2, 9, 34, PATIENTS - 34, 4)
    found = small_groups(tables(*four), ["history"], Rules(5))
    assert found == ["T2, Gout, history: higher, outcome"]
    assert small_groups(tables(*four), ["history"], Rules(2)) == []
    assert small_groups(tables(*four), [], Rules(5)) == []
    few = scores(2, 60, 34, PATIENTS - 34, 2)
    assert small_groups(tables(*few), ["history"], Rules(5)) == []
    common = scores(12, 9, 34, PATIENTS - 34, 4)
    assert small_groups(tables(*common), ["history"], Rules(5)) == []


def test_scores_of_several_tables_are_solved_together() -> None:
    aps, auroc = scores(2, 9, 34, PATIENTS - 34, 4)
    alone = [beside(aps, None), compared(None, auroc)]
    assert [small_groups(tables, ["history"], Rules(5)) for tables in alone] == [[], []]
    assert len(small_groups(alone[0] | alone[1], ["history"], Rules(5))) == 1


def test_the_separation_of_the_sexes_is_solved() -> None:
    groups = np.array([[30, 2], [10, 38]])
    row = {"task": "T2", "model": "history", "disease": "Gout", "patients_own": 40}
    table = pl.DataFrame([row | {"patients_other": 40, "auroc": scores_of_groups(groups)[1]}])
    found = small_groups({"sex_specific": table}, ["history"], Rules(5))
    assert found == []  # 30 - 2 is also 33 - 5
    few = pl.DataFrame([row | {"patients_own": 13, "patients_other": 40, "auroc": 0.4625}])
    found = small_groups({"sex_specific": few}, ["history"], Rules(5))
    assert found == [
        "T2, sex and Gout, history: higher, no outcome",
        "T2, sex and Gout, history: higher",
    ]


def curve(*treated: tuple[str, float, int, int], digits: int = 6) -> Tables:
    patients, positives = 97, 11
    rows = [
        {
            "task": "T2", "model": "behrt", "disease": "Gout", "strategy": strategy,
            "threshold": threshold, "patients": patients, "positives": positives,
            "value": round((rightly - in_vain * threshold / (1 - threshold)) / patients, digits),
        }
        for strategy, threshold, rightly, in_vain in treated
    ]  # fmt: skip
    return {"decision": pl.DataFrame(rows)}


def test_net_benefits_are_solved() -> None:
    hidden = curve(("as trained", 0.02, 3, 86))
    assert small_benefits(hidden, Rules(5)) == ["decision: T2, behrt, Gout"]
    assert small_benefits(hidden, Rules(2)) == []
    near = ("as trained", 0.03, 11, 60), ("recalibrated", 0.03, 11, 58)
    assert small_benefits(curve(*near), Rules(5)) == ["decision: T2, behrt, Gout"]
    assert small_benefits(curve(*near[:1]), Rules(5)) == []
    assert small_benefits(curve(*near, digits=2), Rules(5)) == []
    apart = ("as trained", 0.03, 11, 60), ("as trained", 0.07, 11, 40)
    assert small_benefits(curve(*apart), Rules(5)) == []


def test_decimals_are_those_of_the_longest_number() -> None:
    assert decimals(pl.Series([0.5, 0.25, 1e-6])) == 6
    assert decimals(pl.Series([1.0, None])) == 0
    assert decimals(pl.Series([], dtype=pl.Float64)) == 0
