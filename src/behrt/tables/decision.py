"""The decision curves of every model: net benefit by threshold probability."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import Rules, hide_parts, hide_steps, is_small, suppress
from behrt.evaluation.assessment import read_assessments
from behrt.evaluation.decision import ALL_DISEASES, EVERYBODY
from behrt.evaluation.tidy import SMALL_DECIMALS, with_facts
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


def tabulate(net_benefit: pl.DataFrame, vocabulary: Vocabulary, rules: Rules) -> pl.DataFrame:
    """Return the decision curves.

    A net benefit to six decimals reveals the numbers of true and false positives. So it is null if
    one of them is small, or differs little from all positives or negatives or from the number at
    the next threshold shown; and it is computed from these numbers as they would be shown.

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
    columns = ["task", "model", "disease", "strategy", "threshold", *scores]
    return table.select(*columns, "patients", "positives")
