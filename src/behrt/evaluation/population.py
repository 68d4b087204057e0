"""Who the patients are: the numbers of table S1, for every task and split.

Everything tallied here is a whole number (visits, diseases, months, days), so a shard is reduced
to how often each value occurs, and memory does not grow with the patients.
"""

from pathlib import Path

import numpy as np
import polars as pl
from meds.schema import held_out_split

from behrt.evaluation.disclosure import hide_parts, is_small
from behrt.logs import progress
from behrt.sequences.frames import SPLITS

HISTORIES = "histories"
ALL_SPLITS = "all"

# Tally -> its measure in the table, and how many of its whole units make one of the table's.
_MEASURES = {
    "visits": ("visits a patient", 1.0),
    "diagnoses": ("diagnoses a visit", 1.0),
    "diseases": ("diseases a label", 1.0),
    "age": ("age at the last visit in years", 12.0),
    "follow_up": ("follow-up in years", 365.25),
}
_QUANTILES = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}
_COUNTS = ("eligible", "patients", "women")


def _examples(sequences: pl.DataFrame, task: pl.DataFrame | None) -> pl.DataFrame:
    """Return `sequences` with `input_visits`, `diseases` (of the label), and `used`."""
    if task is None:
        visits = pl.col("visit_day").list.len().cast(pl.Int16)
        return sequences.with_columns(
            input_visits=visits, diseases=pl.lit(None, pl.UInt32), used=visits > 0
        )
    diseases = pl.col("label").list.len()
    labels = task.select("subject_id", "input_visits", diseases=diseases, used=diseases > 0)
    return sequences.join(labels, on="subject_id")


def tally(sequences: pl.DataFrame, task: pl.DataFrame | None) -> pl.DataFrame:
    """Return how often each value of each quantity occurs among some patients.

    Args:
        sequences: a shard (`behrt.sequences.frames.Sequences`).
        task: examples (`behrt.sequences.frames.TaskExamples`) of this shard's patients and
            others; None for whole histories.

    Returns:
        split String, tally String, value Int64, count Int64. The tallies "eligible", "patients"
        and "women" have the value 1. All but "eligible" are of the patients who are used: those
        with at least one disease in the label, or in the whole history.
    """
    examples = _examples(sequences, task)
    used = examples.filter("used")
    women = used.filter(pl.col("sex") == 2)
    last_visit = pl.col("input_visits") - 1
    visits = (
        used.select("subject_id", "split", "input_visits", "visit")
        .explode("visit")
        .filter(pl.col("visit") <= last_visit)
        .group_by("subject_id", "split", "visit")
        .agg(diagnoses=pl.len())
    )
    # visit_age counts from January of the birth year, whatever the month of birth.
    age = pl.col("visit_age").list.get(last_visit) - pl.col("birth_month") % 12
    values: dict[str, tuple[pl.DataFrame, pl.Expr]] = {
        "eligible": (examples, pl.lit(1)),
        "patients": (used, pl.lit(1)),
        "women": (women, pl.lit(1)),
        "visits": (used, pl.col("input_visits")),
        "diagnoses": (visits, pl.col("diagnoses")),
        "diseases": (used, pl.col("diseases")),
        "age": (used, age),
        "follow_up": (used, pl.col("follow_up_end") - pl.col("follow_up_start") + 1),
    }
    return pl.concat(
        frame.select("split", tally=pl.lit(name), value=value.cast(pl.Int64))
        .drop_nulls()
        .group_by("split", "tally", "value")
        .agg(count=pl.len().cast(pl.Int64))
        for name, (frame, value) in values.items()
    )


def _quantile(share: float) -> pl.Expr:
    """Return the smallest value that at least `share` of a group, sorted by value, do not exceed.

    (Definition 1 of Hyndman and Fan, The American Statistician 1996.)
    """
    cumulative = pl.col("count").cum_sum()
    return pl.col("value").filter(cumulative >= share * pl.col("count").sum()).first()


def count(tallies: pl.DataFrame) -> pl.DataFrame:
    """Return task, split String and eligible, patients, women Int64, one row a task and split."""
    return (
        tallies.group_by("task", "split")
        .agg(
            pl.col("count").filter(pl.col("tally") == name).sum().cast(pl.Int64).alias(name)
            for name in _COUNTS
        )
        .sort("task", "split")
    )


def describe(tallies: pl.DataFrame) -> pl.DataFrame:
    """Return task, split, measure, statistic String, value Float64 of every quantity."""
    names = {name: text for name, (text, _) in _MEASURES.items()}
    units = {name: unit for name, (_, unit) in _MEASURES.items()}
    return (
        tallies.filter(pl.col("tally").is_in(list(_MEASURES)))
        .group_by("task", "split", "tally", "value")
        .agg(pl.col("count").sum())
        .sort("task", "split", "tally", "value")
        .group_by("task", "split", "tally", maintain_order=True)
        .agg(
            ((pl.col("value") * pl.col("count")).sum() / pl.col("count").sum()).alias("mean"),
            *(_quantile(share).alias(name) for name, share in _QUANTILES.items()),
        )
        .unpivot(index=["task", "split", "tally"], variable_name="statistic")
        .with_columns(
            measure=pl.col("tally").replace_strict(names),
            value=pl.col("value") / pl.col("tally").replace_strict(units),
        )
        .select("task", "split", "measure", "statistic", "value")
    )


def _hidden(counts: pl.DataFrame, names: tuple[str, ...], threshold: int) -> np.ndarray:
    """Return bool (rows): which rows of `count` to hide so that no named number is given away.

    The splits of a task are parts of its row of all splits, which is hidden only with all of them.
    The model tables print how many patients of a task are held out, unless they are few: to hide
    that number here would protect no other.
    """
    hidden = np.zeros(len(counts), dtype=bool)
    total = (counts["split"] == ALL_SPLITS).to_numpy()
    held_out = (counts["split"] == held_out_split).to_numpy()
    for task in counts["task"].unique():
        rows = (counts["task"] == task).to_numpy()
        for name in names:
            values = counts[name].to_numpy()
            printed = held_out & (name == "patients") & ~is_small(values, threshold)
            parts = rows & ~total & ~printed
            hidden[parts] |= hide_parts(values[parts], threshold)
            hidden[rows] |= is_small(values[parts].sum(), threshold)
    return hidden


def tabulate(tallies: pl.DataFrame, threshold: int, data: str) -> pl.DataFrame:
    """Return the table, with every number about fewer than `threshold` patients left blank.

    Args:
        tallies: `task` String and the columns of `tally`; values may occur several times.
        threshold: counts from 1 to threshold - 1 are not shown, whether of patients, of eligible
            patients who are not used, or of women or others among a row's patients.
        data: "simulated" or "cprd".

    Returns:
        task, split, measure, statistic String; value Float64 to four decimals, null where not
        shown; data, protocol String. Both protocols have the same patients.
    """
    tallies = pl.concat([tallies, tallies.with_columns(split=pl.lit(ALL_SPLITS))])
    counts = count(tallies).with_columns(
        unused=pl.col("eligible") - pl.col("patients"), others=pl.col("patients") - pl.col("women")
    )
    counts = counts.with_columns(
        hidden=_hidden(counts, ("patients", "unused"), threshold),
        hidden_women=_hidden(counts, ("women", "others"), threshold),
    )
    patients, women = pl.col("patients"), pl.col("women")
    shown = ~pl.col("hidden_women") & (patients > 0)
    rows = [
        counts.select(
            "task", "split", "hidden", measure=pl.lit(measure), statistic=pl.lit(name), value=value
        )
        for measure, name, value in (
            ("eligible patients", "count", pl.col("eligible").cast(pl.Float64)),
            ("patients", "count", patients.cast(pl.Float64)),
            ("women", "share", pl.when(shown).then(women / patients)),
        )
    ]
    described = describe(tallies).join(
        counts.select("task", "split", "hidden"), on=["task", "split"]
    )
    measures = ["eligible patients", "patients", "women", *(text for text, _ in _MEASURES.values())]
    statistics = ["count", "share", "mean", *_QUANTILES]
    return (
        pl.concat([*rows, described.select(rows[0].columns)])
        .sort(
            pl.col("task") != HISTORIES,
            "task",
            _rank("split", [ALL_SPLITS, *SPLITS]),
            _rank("measure", measures),
            _rank("statistic", statistics),
        )
        .select(
            "task",
            "split",
            "measure",
            "statistic",
            value=pl.when(~pl.col("hidden")).then(pl.col("value").round(4)),
            data=pl.lit(data),
            protocol=pl.lit("both"),
        )
    )


def _rank(column: str, order: list[str]) -> pl.Expr:
    return pl.col(column).replace_strict(order, list(range(len(order))))


def read_tallies(sequences: list[Path], tasks: list[Path]) -> pl.DataFrame:
    """Return the tallies of whole histories and of every task, holding one shard at a time."""
    examples = {HISTORIES: None} | {path.stem: pl.read_parquet(path) for path in tasks}
    return pl.concat(
        tally(frame, task).with_columns(task=pl.lit(name))
        for frame in map(pl.read_parquet, progress(sequences, label="population", unit="shards"))
        for name, task in examples.items()
    )
