"""Small numbers of patients that follow from several published tables together.

Each table hides what follows from itself, and from what it knows others to print. This is the check
on all of them: it reads the tables as they are published, knows no hidden number, and works out
what a reader could. (See `behrt.evaluation.differencing`.)
"""

from collections.abc import Mapping
from itertools import pairwise

import polars as pl
from meds.schema import held_out_split

from behrt.disclosure import Rules
from behrt.evaluation.differencing import Arithmetic, Interval
from behrt.evaluation.population import FLOW, Key, flow_steps, nested, sums_of

_LEAST = 0.5
TABLES = ("cohort_flow", "population", "table1", "table2", "diseases")
"""The tables whose numbers add up to one another's, by file name."""

Known = dict[Key, Interval]
Sums = list[tuple[Key, list[Key]]]


def _shown(rules: Rules, count: float) -> Interval:
    return rules.interval(round(count))


def _flow(table: pl.DataFrame, rules: Rules) -> tuple[Known, Sums]:
    steps = flow_steps(table.height)
    known = {
        step: _shown(rules, count)
        for step, count in zip(steps, table["patients"], strict=True)
        if count is not None
    }
    return known, [(a, [b, (FLOW, a[1], "excluded")]) for a, b in pairwise(steps)]


def _population(table: pl.DataFrame, rules: Rules) -> tuple[Known, Sums]:
    numbers = {
        (row["task"], row["split"], row["measure"].removesuffix(" patients")): row["value"]
        for row in table.filter(pl.col("statistic").is_in(["count", "share"])).iter_rows(named=True)
        if row["value"] is not None
    }
    known: Known = {
        key: _shown(rules, number) for key, number in numbers.items() if key[2] != "women"
    }
    for (*place, name), share in numbers.items():
        patients = numbers.get((place[0], place[1], "patients"))
        if name == "women" and patients:
            # Four decimals; a rounded number of women is a multiple of the rounding.
            low, high = ((share + error) * patients for error in (-5e-5, 5e-5))
            unit = rules.rounding
            told = [unit * n for n in range(-int(-low // unit), int(high // unit) + 1)]
            if told:
                limits = [rules.interval(n) for n in (told[0], told[-1])]
                known[place[0], place[1], "women"] = (limits[0][0], limits[1][1])
    places = list(dict.fromkeys(table.select("task", "split").rows()))

    def encloses(outer: Key, inner: Key) -> bool:
        if outer[0] == "T3" and inner[0] == "T2":
            return False
        return outer not in known or inner not in known or known[outer][1] >= known[inner][0]

    return known, sums_of(places, nested(places, encloses), 0)


def _models(table: pl.DataFrame, label_set: str, rules: Rules) -> tuple[Known, Sums]:
    known: Known = {}
    sums: Sums = []
    for task in dict.fromkeys(table["task"]):
        total = (task, held_out_split, "patients")
        for metric in ("APS", "AUROC"):
            name = f"{label_set} {metric}"
            sums.append((total, [(task, name, "patients"), (task, name, "undefined")]))
            rows = table.filter((pl.col("task") == task) & (pl.col("metric") == metric))
            for column in ("patients", "undefined"):
                if len(counts := rows[column].drop_nulls()):
                    known[task, name, column] = _shown(rules, counts[0])
        within = (task, f"{label_set} AUROC", "patients")
        sums.append(((task, f"{label_set} APS", "patients"), [within, (*within[:2], "rest")]))
    return known, sums


def _diseases(table: pl.DataFrame, rules: Rules) -> tuple[Known, Sums]:
    known: Known = {}
    sums: Sums = []
    for row in table.iter_rows(named=True):
        total = (row["task"], held_out_split, "patients")
        with_it = (row["task"], row["disease"], "positives")
        sums.append((total, [with_it, (*with_it[:2], "negatives")]))
        for key, name in ((total, "patients"), (with_it, "positives")):
            if row[name] is not None:
                known[key] = _shown(rules, row[name])
    return known, sums


def derived(tables: Mapping[str, pl.DataFrame], rules: Rules) -> list[str]:
    """Return the numbers of patients that a reader can tell to be from 1 to threshold - 1.

    Args:
        tables: published tables by name; those of `TABLES` are read together.
        rules: as the tables were published by.

    Raises:
        ValueError: the tables contradict one another.
    """
    read = {
        "cohort_flow": _flow,
        "population": _population,
        "table1": lambda table, rules: _models(table, "all", rules),
        "table2": lambda table, rules: _models(table, "first_incidence", rules),
        "diseases": _diseases,
    }
    known: Known = {}
    sums: Sums = []
    for name in TABLES:
        if name in tables:
            more, equations = read[name](tables[name], rules)
            known |= {
                key: (
                    max(interval[0], known.get(key, interval)[0]),
                    min(interval[1], known.get(key, interval)[1]),
                )
                for key, interval in more.items()
            }
            sums += equations
    arithmetic = Arithmetic(sums)
    found = []
    for key in dict.fromkeys(key for whole, parts in sums for key in (whole, *parts)):
        highest, _ = arithmetic.extreme(known, key, highest=True)
        if _LEAST < highest < rules.threshold - _LEAST:
            lowest, _ = arithmetic.extreme(known, key, highest=False)
            if lowest > _LEAST:
                found.append(" ".join(str(part) for part in key))
    return found
