"""Description of the patients of every task and split (Table S1).

All quantities are whole numbers (visits, diseases, months, days), so a shard is reduced to the
frequency of each value, and memory does not grow with the patients.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import Rules, hide_steps
from behrt.evaluation.differencing import protect
from behrt.evaluation.tidy import DECIMALS
from behrt.logs import progress
from behrt.sequences.frames import HELD_OUT, SPLITS
from behrt.tasks import Task

HISTORIES = "histories"
ALL_SPLITS = "all"
FLOW = "flow"

Key = tuple[str, str, str]
"""A number of patients: its task, split and name."""

# Tally -> its measure in the table, and the number of its units in one unit of the table.
_MEASURES = {
    "visits": ("visits a patient", 1.0),
    "diagnoses": ("diagnoses a visit", 1.0),
    "diseases": ("diseases a label", 1.0),
    "age": ("age at the last visit in years", 12.0),
    "follow_up": ("follow-up in years", 365.25),
}
_QUANTILES = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}
_COUNTS = ("eligible", "patients", "women")
_PARTS = (("eligible", "patients", "unused"), ("patients", "women", "others"))
_ROWS = (("women",), _COUNTS)
"""Numbers that are hidden together: the share of women, or all numbers of a row."""
_COHORT = (HISTORIES, ALL_SPLITS, "eligible")


def _examples(sequences: pl.DataFrame, task: pl.DataFrame | None) -> pl.DataFrame:
    """Return `sequences` with `input_visits`, `diseases` (of the label), and `used`."""
    if task is None:
        visits = pl.col("visit_day").list.len().cast(pl.Int16)
        used = pl.col("code").list.len() > 0
        return sequences.with_columns(
            input_visits=visits, diseases=pl.lit(None, pl.UInt32), used=used
        )
    diseases = pl.col("label").list.len()
    labels = task.select("subject_id", "input_visits", diseases=diseases, used=diseases > 0)
    return sequences.join(labels, on="subject_id")


def tally(sequences: pl.DataFrame, task: pl.DataFrame | None) -> pl.DataFrame:
    """Return the frequency of each value of each quantity among some patients.

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
        .explode("visit")  # null, and left out, for a patient without a diagnosis
        .filter(pl.col("visit") <= last_visit)
        .group_by("subject_id", "split", "visit")
        .agg(diagnoses=pl.len())
    )
    # visit_age counts from January of the birth year, not from the month of birth.
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
    """Return the quantile `share` of the values of a group, which are sorted.

    (Definition 1 of Hyndman and Fan, The American Statistician 1996.)
    """
    cumulative = pl.col("count").cum_sum()
    return pl.col("value").filter(cumulative >= share * pl.col("count").sum()).first()


def count(tallies: pl.DataFrame) -> pl.DataFrame:
    """Return task, split String and eligible, patients, women Int64, one row per task and split."""
    return (
        tallies.group_by("task", "split")
        .agg(
            pl.col("count").filter(pl.col("tally") == name).sum().cast(pl.Int64).alias(name)
            for name in _COUNTS
        )
        .sort("task", "split")
    )


def describe(tallies: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return task, split, measure, statistic String, value Float64 of every quantity.

    Means have four decimals, or as many as the rounding of counts allows.
    """
    decimals = [
        (row["task"], row["split"], rules.decimals(row["patients"], DECIMALS))
        for row in count(tallies).iter_rows(named=True)
    ]
    places = pl.DataFrame(
        decimals,
        schema={"task": pl.String, "split": pl.String, "decimals": pl.Int64},
        orient="row",
    )
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
        .join(places, on=["task", "split"], how="left", maintain_order="left")
        .with_columns(
            value=pl.when(pl.col("statistic") == "mean")
            .then(
                (pl.col("value") * 10.0 ** pl.col("decimals")).round() / 10.0 ** pl.col("decimals")
            )
            .otherwise("value")
        )
        .select("task", "split", "measure", "statistic", "value")
    )


def nested(
    places: Sequence[tuple[str, str]],
    windowed: Sequence[str],
    encloses: Callable[[Key, Key], bool],
) -> list[tuple[Key, Key]]:
    """Return pairs of numbers of which the first counts all of the second's patients, and others.

    A patient who is eligible for a task has a diagnosis in the whole history. Of two tasks with a
    window of months, a patient who is eligible for the longer one is eligible for the shorter one.

    Args:
        places: the tasks and their splits.
        windowed: names of the tasks with a window of months.
        encloses: whether the first number can be that of the second's patients and others.
    """
    pairs: list[tuple[str, str, str, str]] = []
    for task in dict.fromkeys(task for task, _ in places if task != HISTORIES):
        pairs += [(HISTORIES, "patients", task, "eligible")]
        pairs += [(HISTORIES, name, task, name) for name in ("women", "others")]
    pairs += [(a, "eligible", b, "eligible") for a, b in permutations(windowed, 2)]
    found: list[tuple[Key, Key]] = []
    for outer, outer_name, inner, inner_name in pairs:
        splits = [split for task, split in places if task == inner]
        both = [((outer, s, outer_name), (inner, s, inner_name)) for s in splits]
        if all((outer, s) in places for s in splits) and all(encloses(*pair) for pair in both):
            found += both
    return found


def flow_steps(steps: int) -> list[Key]:
    """Return the keys of a cohort's steps; the last is that of all histories' eligible patients."""
    return [
        *((FLOW, str(i), "patients") for i in range(steps - 1)),
        *[_COHORT][: min(steps, 1)],
    ]


def sums_of(
    places: Sequence[tuple[str, str]], within: Sequence[tuple[Key, Key]], steps: int
) -> list[tuple[Key, list[Key]]]:
    """Return pairs of a whole and its parts; of two parts the second is the rest.

    Args:
        places: the tasks and their splits, all splits among them.
        within: as `nested` returns them.
        steps: number of steps of the cohort; 0 if they are not published.
    """
    sums: list[tuple[Key, list[Key]]] = []
    for task, split in places:
        for whole, part, rest in _PARTS:
            sums.append(((task, split, whole), [(task, split, part), (task, split, rest)]))
    for outer, inner in within:
        sums.append((outer, [inner, (f"{outer[0]} not {inner[0]}", outer[1], inner[2])]))
    for before, after in pairwise(flow_steps(steps)):
        sums.append((before, [after, (FLOW, before[1], "excluded")]))
    for task in dict.fromkeys(task for task, _ in places):
        splits = [split for t, split in places if t == task and split != ALL_SPLITS]
        sums += [
            ((task, ALL_SPLITS, name), [(task, split, name) for split in splits])
            for name in (*_COUNTS, "unused", "others")
            if splits
        ]
    return sums


def _hidden(
    counts: pl.DataFrame, windowed: Sequence[str], flow: Sequence[int], rules: Rules
) -> set[Key]:
    """Return which numbers to hide so that no small one follows from this table or others.

    The flow chart shows the patients left after each step, and the tables of models show the
    held-out patients of a task, unless they are few.
    """
    values: dict[Key, int] = {}
    places = counts.select("task", "split").rows()
    for row in counts.iter_rows(named=True):
        place = row["task"], row["split"]
        values |= {(*place, name): row[name] for name in _COUNTS}
        values |= {(*place, rest): row[whole] - row[part] for whole, part, rest in _PARTS}
    steps = flow_steps(len(flow)) if flow and values.get(_COHORT) == flow[-1] else []
    values |= dict(zip(steps, flow, strict=False))
    within = nested(places, windowed, lambda outer, inner: values[outer] >= values[inner])
    sums = sums_of(places, within, len(steps))
    for whole, parts in sums:
        if parts[-1] not in values:
            values[parts[-1]] = values[whole] - values[parts[0]]
    rows = [tuple((*place, name) for name in names) for names in _ROWS for place in places]
    held_out = [(task, split, "patients") for task, split in places if split == HELD_OUT]
    printed = {
        key for key in held_out if key[0] != HISTORIES and not 0 < values[key] < rules.threshold
    }
    if steps:
        kept = ~hide_steps(np.array(flow), rules.threshold)
        printed |= {step for step, shown in zip(steps, kept, strict=True) if shown}
    return protect(values, sums, rows, printed, rules)


def tabulate(
    tallies: pl.DataFrame, tasks: Sequence[Task], rules: Rules, flow: Sequence[int] = ()
) -> pl.DataFrame:
    """Return the table, without numbers from which small ones would follow.

    Args:
        tallies: `task` String and the columns of `tally`; values may occur several times.
        tasks: in the order of the rows.
        rules: which number is too small to show: of patients, of eligible patients who are not
            used, of women or others among them, or of patients by which two rows differ.
        flow: patients left after each step of the cohort, as table *cohort_flow* shows them.

    Returns:
        task, split, measure, statistic String; value Float64 to four decimals, null where not
        shown.
    """
    tallies = pl.concat([tallies, tallies.with_columns(split=pl.lit(ALL_SPLITS))])
    counts = count(tallies)
    windowed = [task.name for task in tasks if task.months is not None]
    gone = _hidden(counts, windowed, flow, rules)
    places = counts.select("task", "split").rows()
    counts = counts.with_columns(
        pl.Series("hidden", [(*place, "patients") in gone for place in places]),
        pl.Series("hidden_women", [(*place, "women") in gone for place in places]),
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
            ("women", "share", pl.when(shown).then(rules.round(women) / rules.round(patients))),
        )
    ]
    described = describe(tallies, rules).join(
        counts.select("task", "split", "hidden"), on=["task", "split"]
    )
    measures = ["eligible patients", "patients", "women", *(text for text, _ in _MEASURES.values())]
    statistics = ["count", "share", "mean", *_QUANTILES]
    return (
        pl.concat([*rows, described.select(rows[0].columns)])
        .sort(
            _rank("task", [HISTORIES, *(task.name for task in tasks)]),
            _rank("split", [ALL_SPLITS, *SPLITS]),
            _rank("measure", measures),
            _rank("statistic", statistics),
        )
        .select(
            "task",
            "split",
            "measure",
            "statistic",
            value=pl.when(~pl.col("hidden")).then(pl.col("value").round(DECIMALS)),
        )
    )


def _rank(column: str, order: list[str]) -> pl.Expr:
    return pl.col(column).replace_strict(order, list(range(len(order))))


def read_tallies(sequences: list[Path], tasks: list[Path]) -> pl.DataFrame:
    """Return the tallies of histories and of every task, with one shard in memory at a time."""
    examples = {HISTORIES: None} | {path.stem: pl.read_parquet(path) for path in tasks}
    return pl.concat(
        tally(frame, task).with_columns(task=pl.lit(name))
        for frame in map(pl.read_parquet, progress(sequences, label="population", unit="shards"))
        for name, task in examples.items()
    )
