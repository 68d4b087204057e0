"""Scores of a model by subgroup of patients.

Sex, age at the prediction, and region have one row per group. Practices are not identified: the
scores of those with enough patients are shown as a distribution.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from behrt.disclosure import Rules, hide_parts, is_small, suppress
from behrt.evaluation.bootstrap import Bootstrap, draws, interval
from behrt.evaluation.differencing import protect
from behrt.evaluation.tidy import DECIMALS
from behrt.logs import progress

Key = tuple[str, str]
"""Key of a number of patients: the metric that is defined for them, and their group."""

SEXES = {1: "men", 2: "women", 0: "unknown"}
AGES = (0, 18, 30, 40, 50, 60, 70, 80)
"""The first year of each age band."""
SUBGROUPS = ("sex", "age", "region", "practice")
METRICS = ("APS", "AUROC", "observed / expected")
LEAST_OF_A_PRACTICE = 20
"""Fewest patients of a practice with a score."""
_QUANTILES = {"5th percentile": 0.05, "median": 0.5, "95th percentile": 0.95}
_SCORES = ("value", "low", "high")


def age_band(years: int) -> str:
    """Return the name of the band of an age."""
    place = int(np.searchsorted(AGES, years, side="right")) - 1
    if place == len(AGES) - 1:
        return f"{AGES[-1]} and over"
    return f"{AGES[place]} to {AGES[place + 1] - 1}"


def read_traits(sequences: list[Path], task: Path) -> pl.DataFrame:
    """Return the traits of a task's patients.

    Returns:
        subject_id Int64; sex, age, region String, or "unknown"; practice Int64, null
        if it is unknown. Age is that at the last input visit.
    """
    names = {year: age_band(year) for year in range(200)}
    return (
        pl.scan_parquet(sequences)
        .select("subject_id", "sex", "region", "practice", "visit_age")
        .join(
            pl.scan_parquet(task).select("subject_id", "input_visits"), on="subject_id", how="inner"
        )
        .select(
            "subject_id",
            "practice",
            sex=pl.col("sex").replace_strict(SEXES, return_dtype=pl.String),
            age=(
                pl.col("visit_age").list.get(pl.col("input_visits").cast(pl.Int64) - 1) // 12
            ).replace_strict(names, return_dtype=pl.String),
            region=pl.col("region").cast(pl.String).fill_null("unknown"),
        )
        .sort("subject_id")
        .collect()
    )


def group_order(group: str) -> tuple[int, str]:
    """Return a sort key of groups: numbers by value, then texts."""
    first = group.split(" ")[0]
    return (int(first), "") if first.isdigit() else (1_000_000, group)


class _Groups:
    """Means of patients by group, under many weightings."""

    def __init__(self, group: np.ndarray, groups: int, patients: pl.DataFrame) -> None:
        n = len(group)
        inside = group >= 0
        self.members = csr_array(
            (np.ones(inside.sum()), (group[inside], np.flatnonzero(inside))), shape=(groups, n)
        )
        self.values = [
            patients[name].fill_null(np.nan).to_numpy() for name in ("aps_all", "auroc_all")
        ]
        self.observed = patients["observed"].to_numpy().astype(np.float64)
        self.expected = patients["expected"].to_numpy()

    def measure(self, weights: np.ndarray) -> np.ndarray:
        """Return float64 (metrics, groups, r) under weightings (patients, r)."""
        found = []
        with np.errstate(invalid="ignore", divide="ignore"):
            for values in self.values:
                defined = ~np.isnan(values)
                total = self._total(np.where(defined, values, 0.0), weights)
                found.append(total / self._total(defined.astype(np.float64), weights))
            observed = self._total(self.observed, weights)
            found.append(observed / self._total(self.expected, weights))
        return np.stack(found)

    def _total(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return float64 (groups, r): the weighted sums of values (patients)."""
        of_group = self.members.copy()
        of_group.data = values[of_group.indices]
        total: np.ndarray = of_group @ weights
        return total

    def support(self) -> np.ndarray:
        """Return int64 (metrics, groups): the patients of each measure."""
        with_value = [(~np.isnan(values)).astype(np.float64) for values in self.values]
        everybody = np.ones(len(self.observed))
        counts = [self.members @ defined for defined in (*with_value, everybody)]
        return np.stack(counts).astype(np.int64)

    def as_shown(self, rules: Rules) -> np.ndarray:
        """Return float64 (groups): how much higher the share observed of rounded counts is."""
        observed = (self.members @ self.observed).astype(np.int64)
        patients = self.support()[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = rules.share(observed, patients) / (observed / patients)
        return np.where(observed > 0, ratio, 1.0)


def _resample(measure: _Groups, patients: int, bootstrap: Bootstrap, task: str) -> np.ndarray:
    """Return float64 (metrics, groups, resamples)."""
    return np.concatenate(
        [
            measure.measure(np.ascontiguousarray(weights.T))
            for weights in draws(patients, bootstrap, task)
        ],
        axis=2,
    )


def hide_supports(support: np.ndarray, threshold: int) -> np.ndarray:
    """Return bool (metrics, groups): which numbers of patients to hide.

    The groups of a trait add up to all patients. In each group, patients with an AUROC are a subset
    of those with an APS, and these of all. Patients with an APS or AUROC are the same whether or
    not the table has patients without a label, so their numbers are hidden independently of it.

    Args:
        support: int64 (metrics, groups), in the order of `METRICS`.
        threshold: the smallest count, or difference, to show.
    """
    aps, auroc, everybody = range(len(METRICS))
    hidden = np.stack([hide_parts(counts, threshold) for counts in support])
    hidden = _hide_differences(support, hidden, [aps, auroc], {aps, auroc}, threshold)
    return _hide_differences(support, hidden, [everybody, aps, auroc], {everybody}, threshold)


def _hide_differences(
    support: np.ndarray,
    hidden: np.ndarray,
    nested: Sequence[int],
    choice: Collection[int],
    threshold: int,
) -> np.ndarray:
    """Return `hidden`, extended by numbers of the metrics of `choice` that must be hidden.

    Args:
        support: as `hide_supports` takes it.
        hidden: bool (metrics, groups).
        nested: metrics, each of which is defined for some of the patients of the one before it.
        choice: metrics of which more numbers may be hidden.
        threshold: the smallest count, or difference, to show.
    """
    values: dict[Key, int] = {}
    sums: list[tuple[Key, list[Key]]] = []
    rows: list[list[Key]] = []
    printed: set[Key] = set()
    names = [str(group) for group in range(support.shape[1])]
    for metric in nested:
        whole = (str(metric), "all")
        parts = [(str(metric), name) for name in names]
        values |= dict(zip(parts, support[metric].tolist(), strict=True))
        values[whole] = int(support[metric].sum())
        sums.append((whole, parts))
        if not is_small(support[metric].sum(), threshold):
            printed.add(whole)
        shown = [part for part, gone in zip(parts, hidden[metric], strict=True) if not gone]
        if metric in choice:
            rows += [[part] for part in shown]
        else:
            printed |= set(shown)
    for outer, inner in pairwise(nested):
        for name in names:
            whole, part, rest = (str(outer), name), (str(inner), name), (f"not {inner}", name)
            values[rest] = values[whole] - values[part]
            sums.append((whole, [part, rest]))
    found = protect(values, sums, rows, printed, Rules(threshold))
    more = hidden.copy()
    for metric, group in product(choice, range(support.shape[1])):
        more[metric, group] |= (str(metric), names[group]) in found
    return more


def _rows_of(
    trait: str, patients: pl.DataFrame, bootstrap: Bootstrap, task: str, rules: Rules
) -> pl.DataFrame:
    """Return one row per group of a trait and metric; small groups have no numbers.

    Where all patients have the same risks, what is observed over what is expected is a count of
    labels over a multiple of the count of patients. So it is of the counts as shown, and hidden in
    a group of few patients with a label.
    """
    names = sorted(patients[trait].unique().to_list(), key=group_order)
    place = {name: i for i, name in enumerate(names)}
    group = patients[trait].replace_strict(place, return_dtype=pl.Int64).to_numpy()
    measure = _Groups(group, len(names), patients)
    support = measure.support()
    value = measure.measure(np.ones((len(patients), 1)))[:, :, 0]
    drawn = _resample(measure, len(patients), bootstrap, task)
    ends = [interval(values.T) for values in drawn]
    hidden = hide_supports(support, rules.threshold)
    parts = []
    as_shown = measure.as_shown(rules)
    few = [hide_parts(counts, rules.threshold) for counts in support]
    few[-1] |= few[0]
    for i, metric in enumerate(METRICS):
        rows = pl.DataFrame(
            {
                "subgroup": trait,
                "group": names,
                "metric": metric,
                "statistic": "mean" if i < 2 else "ratio",
                "value": value[i] if i < 2 else value[i] * as_shown,
                "low": ends[i][0] if i < 2 else ends[i][0] * as_shown,
                "high": ends[i][1] if i < 2 else ends[i][1] * as_shown,
                "patients": support[i],
                "practices": None,
            },
            schema_overrides={"group": pl.String, "practices": pl.Int64},
        )
        rows = suppress(rows, few[i], _SCORES)
        parts.append(suppress(rows, hidden[i], ["patients"]))
    return pl.concat(parts)


def _shuffled(
    measure: _Groups, group: np.ndarray, groups: int, bootstrap: Bootstrap, task: str
) -> np.ndarray:
    """Return float64 (metrics, groups, resamples): patients assigned to groups at random."""
    generator = np.random.default_rng([bootstrap.seed, *f"practices of {task}".encode()])
    inside = np.flatnonzero(group >= 0)
    pairs = [(np.where(np.isnan(v), 0.0, v), (~np.isnan(v)).astype(float)) for v in measure.values]
    pairs.append((measure.observed, measure.expected))
    found = np.empty((len(METRICS), groups, bootstrap.resamples))
    for r in range(bootstrap.resamples):
        dealt = group[inside][generator.permutation(len(inside))]
        for i, (above, below) in enumerate(pairs):
            total, count = (np.bincount(dealt, v[inside], groups) for v in (above, below))
            with np.errstate(invalid="ignore", divide="ignore"):
                found[i, :, r] = total / count
    return found


def _rows_of_practices(
    patients: pl.DataFrame, bootstrap: Bootstrap, task: str, threshold: int
) -> pl.DataFrame:
    """Return the distribution of the scores of practices with enough patients.

    In a bootstrap resample, chance would be counted twice. So `low` and `high` are instead the 95 %
    range of a quantile if practices differed only by chance: patients are assigned to practices at
    random, `resamples` times.
    """
    least = max(LEAST_OF_A_PRACTICE, threshold)
    practices = patients["practice"].drop_nulls().value_counts().sort("practice")
    chosen = practices.filter(pl.col("count") >= least)["practice"].to_list()
    place = {practice: i for i, practice in enumerate(chosen)}
    group = (
        patients["practice"]
        .replace_strict(place, default=-1, return_dtype=pl.Int64)
        .fill_null(-1)
        .to_numpy()
    )
    measure = _Groups(group, len(chosen), patients)
    support = measure.support()
    value = measure.measure(np.ones((len(patients), 1)))[:, :, 0]
    drawn = _shuffled(measure, group, len(chosen), bootstrap, task)
    shares = list(_QUANTILES.values())
    parts = []
    for i, metric in enumerate(METRICS):
        enough = support[i] >= least
        numbers = np.full((3, len(shares)), np.nan)
        if enough.sum() >= max(threshold, 2):
            numbers[0] = np.quantile(value[i][enough], shares)
            numbers[1:] = interval(np.quantile(drawn[i][enough], shares, axis=0).T)
        parts.append(
            pl.DataFrame(
                {
                    "subgroup": "practice",
                    "group": f"practices with {least} patients or more",
                    "metric": metric,
                    "statistic": list(_QUANTILES),
                    "value": numbers[0],
                    "low": numbers[1],
                    "high": numbers[2],
                    "patients": None,
                    "practices": int(enough.sum()),
                },
                schema_overrides={"patients": pl.Int64, "practices": pl.Int64},
            )
        )
    return pl.concat(parts)


def tabulate(
    traits: pl.DataFrame,
    patients: dict[str, pl.DataFrame],
    bootstrap: Bootstrap,
    task: str,
    rules: Rules,
) -> pl.DataFrame:
    """Return every model's scores in every subgroup of one task.

    Args:
        traits: as `read_traits` returns them.
        patients: by model, the held-out patients' metrics and burden: subject_id, aps_all,
            auroc_all, observed, expected (recalibrated).
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.
        rules: the smallest group of patients to show, and how counts are rounded.

    Returns:
        task, model, subgroup, group, metric, statistic String; value, low, high Float64;
        patients Int64 (null for practices) and practices Int64 (null for others).
    """
    parts = []
    for model in progress(patients, label=f"subgroups of {task}", unit="models"):
        scored = patients[model].sort("subject_id")
        scored = scored.join(traits, on="subject_id", how="left", maintain_order="left")
        rows = [
            _rows_of(trait, scored, bootstrap, task, rules)
            for trait in SUBGROUPS
            if trait != "practice"
        ]
        rows.append(_rows_of_practices(scored, bootstrap, task, rules.threshold))
        parts.append(pl.concat(rows).with_columns(task=pl.lit(task), model=pl.lit(model)))
    columns = ["task", "model", "subgroup", "group", "metric", "statistic"]
    return (
        pl.concat(parts)
        .select(*columns, *_SCORES, "patients", "practices")
        .with_columns(pl.col(_SCORES).fill_nan(None).round(DECIMALS))
    )


def read_patients(metrics: Sequence[Path], burden: Path) -> dict[str, pl.DataFrame]:
    """Return each model's `PatientMetrics` and `Burden` side by side, by model.

    Args:
        metrics: <model>.parquet each.
        burden: of the same models, with a column model.
    """
    burdens = pl.read_parquet(burden)
    return {
        path.stem: pl.read_parquet(path).join(
            burdens.filter(pl.col("model") == path.stem).drop("model"), on="subject_id"
        )
        for path in metrics
    }
