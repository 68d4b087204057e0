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
from behrt.errors import InputError
from behrt.evaluation.bootstrap import RESAMPLES_AT_ONCE, Bootstrap, interval, resampled_sums
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


def _columns(patients: pl.DataFrame) -> np.ndarray:
    """Return float64 (patients, 2, metrics): numerators and denominators of the metrics' means."""
    above, below = [], []
    for name in ("aps_all", "auroc_all"):
        values = patients[name].fill_null(np.nan).to_numpy()
        defined = ~np.isnan(values)
        above.append(np.where(defined, values, 0.0))
        below.append(defined.astype(np.float64))
    above.append(patients["observed"].to_numpy().astype(np.float64))
    below.append(patients["expected"].to_numpy())
    return np.stack([np.stack(above, axis=1), np.stack(below, axis=1)], axis=1)


def _ratio(sums: np.ndarray) -> np.ndarray:
    """Return the metrics (metrics, ...) of sums (2, metrics, ...), NaN where undefined."""
    above, below = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(above / below)


class _Groups:
    """Means of patients by group."""

    def __init__(self, group: np.ndarray, groups: int, patients: pl.DataFrame) -> None:
        """Take groups.

        Args:
            group: int64 (patients), -1 for none.
            groups: their number.
            patients: the columns of `tabulate`.
        """
        self.group, self.groups = group, groups
        self.columns = _columns(patients)
        self.observed = patients["observed"].to_numpy()

    def _of_groups(self, values: np.ndarray) -> np.ndarray:
        """Return float64 (groups): the sums of values (patients)."""
        inside = self.group >= 0
        return np.bincount(self.group[inside], values[inside], self.groups)

    def measure(self) -> np.ndarray:
        """Return float64 (metrics, groups)."""
        sums = [self._of_groups(column) for column in self.columns.reshape(len(self.group), -1).T]
        return _ratio(np.reshape(sums, (2, len(METRICS), self.groups)))

    def resample(self, bootstrap: Bootstrap, task: str) -> np.ndarray:
        """Return float64 (metrics, groups, resamples)."""

        def values(some: slice) -> np.ndarray:
            members = self.group[some, np.newaxis] == np.arange(self.groups)
            columns = self.columns[some].reshape(len(members), -1, 1)
            return np.reshape(columns * members[:, np.newaxis], (len(members), -1))

        sums = resampled_sums(values, len(self.group), bootstrap, task)
        return _ratio(sums[:, 1:].reshape(2, len(METRICS), self.groups, -1))

    def support(self) -> np.ndarray:
        """Return int64 (metrics, groups): the patients of each measure."""
        defined = self.columns[:, 1, :-1] > 0
        counted = (*defined.T.astype(np.float64), np.ones(len(self.group)))
        return np.stack([self._of_groups(column) for column in counted]).astype(np.int64)

    def as_shown(self, rules: Rules) -> np.ndarray:
        """Return float64 (groups): how much higher the share observed of rounded counts is."""
        observed = self._of_groups(self.observed.astype(np.float64)).astype(np.int64)
        patients = self.support()[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = rules.share(observed, patients) / (observed / patients)
        return np.where(observed > 0, ratio, 1.0)


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
    value = measure.measure()
    drawn = measure.resample(bootstrap, task)
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
    columns: np.ndarray, group: np.ndarray, groups: int, bootstrap: Bootstrap, task: str
) -> np.ndarray:
    """Return the metrics of groups if patients are assigned to them at random.

    Args:
        columns: float64 (patients, models, 2, metrics): those of each model.
        group: int64 (patients), -1 for none.
        groups, bootstrap, task: the number of groups; these give the random numbers.

    Returns:
        float64 (models, metrics, groups, resamples).
    """
    generator = np.random.default_rng([bootstrap.seed, *f"practices of {task}".encode()])
    inside = np.flatnonzero(group >= 0)
    if not len(inside):
        return np.empty((columns.shape[1], len(METRICS), 0, bootstrap.resamples))
    values = columns[inside].reshape(len(inside), -1)
    by_group = np.argsort(group[inside], kind="stable")
    starts = np.cumsum(np.bincount(group[inside], minlength=groups))
    found = []
    for start in range(0, bootstrap.resamples, RESAMPLES_AT_ONCE):
        resamples = min(RESAMPLES_AT_ONCE, bootstrap.resamples - start)
        members = np.empty((resamples, len(inside)), dtype=np.int32)
        for row in members:
            # A patient takes the group of the place that is drawn.
            place = np.empty(len(inside), dtype=np.int32)
            place[generator.permutation(len(inside))] = np.arange(len(inside))
            row[:] = place[by_group]
        ends = (np.arange(resamples)[:, np.newaxis] * len(inside) + starts).ravel()
        of_groups = csr_array(
            (np.ones(members.size), members.ravel(), np.concatenate([[0], ends])),
            shape=(resamples * groups, len(inside)),
        )
        sums = (of_groups @ values).reshape(resamples, groups, *columns.shape[1:])
        found.append(_ratio(sums.transpose(3, 4, 2, 1, 0)))
    return np.concatenate(found, axis=-1).swapaxes(0, 1)


def _rows_of_practices(
    scored: Sequence[pl.DataFrame], bootstrap: Bootstrap, task: str, threshold: int
) -> list[pl.DataFrame]:
    """Return the distribution of the scores of practices with enough patients, by each model.

    In a bootstrap resample, chance would be counted twice. So `low` and `high` are instead the 95 %
    range of a quantile if practices differed only by chance: patients are assigned to practices at
    random, `resamples` times.
    """
    least = max(LEAST_OF_A_PRACTICE, threshold)
    practice = scored[0]["practice"]
    practices = practice.drop_nulls().value_counts().sort("practice")
    chosen = practices.filter(pl.col("count") >= least)["practice"].to_list()
    place = {practice: i for i, practice in enumerate(chosen)}
    group = (
        practice.replace_strict(place, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()
    )
    measures = [_Groups(group, len(chosen), patients) for patients in scored]
    columns = np.stack([measure.columns for measure in measures], axis=1)
    shuffled = _shuffled(columns, group, len(chosen), bootstrap, task)
    return [
        _distribution(measure.measure(), measure.support(), drawn, least, threshold)
        for measure, drawn in zip(measures, shuffled, strict=True)
    ]


def _distribution(
    value: np.ndarray, support: np.ndarray, drawn: np.ndarray, least: int, threshold: int
) -> pl.DataFrame:
    """Return the quantiles of the practices of one model.

    Args:
        value: float64 (metrics, practices).
        support: int64 (metrics, practices).
        drawn: float64 (metrics, practices, resamples).
        least: fewest patients of a practice.
        threshold: the smallest count to show.
    """
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

    Raises:
        InputError: the models were not scored on the same patients.
    """
    scored = [
        of_model.sort("subject_id").join(traits, on="subject_id", how="left", maintain_order="left")
        for of_model in patients.values()
    ]
    if any(not one["subject_id"].equals(scored[0]["subject_id"]) for one in scored):
        raise InputError(
            "metrics", "the models' patients are different ones", "Run the evaluate rule again"
        )
    practices = _rows_of_practices(scored, bootstrap, task, rules.threshold)
    parts = []
    with progress(total=len(scored), label=f"subgroups of {task}", unit="models") as bar:
        for model, of_model, of_practices in zip(patients, scored, practices, strict=True):
            rows = [
                _rows_of(trait, of_model, bootstrap, task, rules)
                for trait in SUBGROUPS
                if trait != "practice"
            ]
            table = pl.concat([*rows, of_practices])
            parts.append(table.with_columns(task=pl.lit(task), model=pl.lit(model)))
            bar.update(1)
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
