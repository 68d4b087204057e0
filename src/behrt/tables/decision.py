"""The decision curves of every model: net benefit by threshold probability."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import Rules, hide_parts, hide_steps, is_small, suppress
from behrt.evaluation.assessment import read_assessments
from behrt.evaluation.decision import ALL_DISEASES, EVERYBODY
from behrt.evaluation.tidy import SMALL_DECIMALS, with_facts
from behrt.evaluation.treated import differ_little, treated
from behrt.run import Run
from behrt.sequences.vocabulary import Vocabulary, read_vocabulary


def table(run: Run, net_benefit: list[Path], vocabulary: Path) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`.

    Args:
        run: the run.
        net_benefit: assessment/<task>/net_benefit.parquet of every task.
        vocabulary: names the diseases.
    """
    rows = tabulate(read_assessments(net_benefit), read_vocabulary(vocabulary), run.disclosure)
    return with_facts(rows, protocol=run.protocol)


def _rows_of_each(table: pl.DataFrame, keys: Sequence[str]) -> list[np.ndarray]:
    """Return the indices of the rows of each group, in order."""
    groups = table.select(keys).with_row_index().group_by(keys, maintain_order=True)
    return [rows.to_numpy() for rows in groups.agg("index")["index"]]


def _near(table: pl.DataFrame, rules: Rules) -> np.ndarray:
    """Return bool (rows): net benefits from which, with earlier ones, a small number follows.

    It is the number of patients with a single disease who are treated by one strategy and threshold
    and not by another.
    """
    near = np.zeros(len(table), dtype=bool)
    error = 0.5 * 10.0**-SMALL_DECIMALS
    shown = table.with_row_index().filter(
        pl.col("strategy") != EVERYBODY,
        pl.col("disease") != ALL_DISEASES,
        pl.all_horizontal(pl.col("value", "positives").is_not_null()),
    )
    for _, curve in shown.group_by("task", "model", "disease", maintain_order=True):
        patients, positives = (
            int(rules.round(curve[name][0])) for name in ("patients", "positives")
        )
        everybody = positives, patients - positives
        chosen = [np.array([everybody]), np.zeros((1, 2), dtype=np.int64)]
        for row, value, threshold in curve.select("index", "value", "threshold").iter_rows():
            odds = threshold / (1 - threshold)
            found = treated(value, odds, error, patients, everybody, rules.rounding)
            near[row] = any(differ_little(found, other, rules.threshold) for other in chosen)
            chosen += [] if near[row] else [found]
    return near


def tabulate(net_benefit: pl.DataFrame, vocabulary: Vocabulary, rules: Rules) -> pl.DataFrame:
    """Return the decision curves.

    A net benefit to six decimals reveals the numbers of true and false positives. So it is null if
    one of them is small, or differs little from all positives or negatives, from the number at
    the next threshold shown, or from that of the other risks; and it is computed from these numbers
    as they would be shown.

    Args:
        net_benefit: task, model, and `behrt.evaluation.decision.NetBenefit`.
        vocabulary: names the diseases.
        rules: which count of patients is too small to show, and how to round.

    Returns:
        task, model, disease, strategy String; threshold, value, low, high Float64; patients,
        positives Int64.
    """
    scores = ["value", "low", "high"]
    names = pl.Series(vocabulary.phenotypes)
    worth, patients = net_benefit["value"], pl.col("patients")
    odds = pl.col("threshold") / (1 - pl.col("threshold"))
    as_shown = rules.share(pl.col("rightly"), patients) - odds * rules.share(
        pl.col("in_vain"), patients
    )
    table = net_benefit.with_columns(
        (pl.col(scores) + as_shown - worth).round(SMALL_DECIMALS),
        disease=names.gather(net_benefit["disease"]).fill_null(ALL_DISEASES),
    )
    few = is_small(table["treated"].to_numpy(), rules.threshold)
    curve = ["task", "model", "disease"]
    everybody = table.filter(strategy=EVERYBODY)
    totals = everybody.group_by(curve).agg(pl.col("rightly", "in_vain").first())
    of_curve = table.select(curve).join(totals, on=curve, how="left", maintain_order="left")
    numbers = [
        (table[name].to_numpy(), of_curve[name].to_numpy()) for name in ("rightly", "in_vain")
    ]
    for rows in _rows_of_each(table, [*curve, "strategy"]):
        for number, total in numbers:
            falling = np.concatenate([total[rows[:1]], number[rows]])
            few[rows] |= hide_steps(falling, rules.threshold)[1:]
    hidden = [
        hide_parts(np.array([n, all_of_them - n]), rules.threshold).any()
        for n, all_of_them in table.select("positives", "patients").iter_rows()
    ]
    table = suppress(table, few | np.array(hidden), scores)
    table = suppress(table, np.array(hidden), ["positives"])
    table = suppress(table, _near(table, rules), scores)
    columns = ["task", "model", "disease", "strategy", "threshold", *scores]
    return table.select(*columns, "patients", "positives")
