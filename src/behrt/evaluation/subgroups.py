"""Scores of a model by subgroup of patients.

Sex, age at the prediction, and region have one row per group. Practices are not identified: the
scores of those with enough patients are shown as a distribution.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from behrt.disclosure import Rules, hide_parts, is_small, suppress
from behrt.errors import InputError
from behrt.evaluation.bootstrap import RESAMPLES_AT_ONCE, Bootstrap, draws, interval, resampled_sums
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
    """Return the metrics of sums (groups, models, 2, metrics, r), NaN where undefined.

    Returns:
        float64 (models, metrics, groups, r).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: np.ndarray = sums[:, :, 0] / sums[:, :, 1]
    return np.moveaxis(ratio, 0, 2)


class _Groups:
    """Means of patients by group, of several models.

    Attributes:
        group: int64 (patients), -1 for none.
        groups: their number.
        columns: float64 (patients, models, 2, metrics), those of `_columns`.
    """

    def __init__(self, group: np.ndarray, groups: int, scored: Sequence[pl.DataFrame]) -> None:
        """Take groups of the same patients with the scores of each model."""
        self.group, self.groups = group, groups
        self.columns = np.stack([_columns(patients) for patients in scored], axis=1)

    def _members(self) -> list[np.ndarray]:
        return [np.flatnonzero(self.group == number) for number in range(self.groups)]

    def _sums(self) -> np.ndarray:
        """Return float64 (groups, models, 2, metrics)."""
        sums = [self.columns[members].sum(axis=0) for members in self._members()]
        return np.reshape(sums, (self.groups, *self.columns.shape[1:]))

    def measure(self) -> np.ndarray:
        """Return float64 (models, metrics, groups)."""
        return _ratio(self._sums()[..., np.newaxis])[..., 0]

    def resample(self, bootstrap: Bootstrap, task: str) -> np.ndarray:
        """Return float64 (models, metrics, groups, resamples)."""
        drawn = draws(len(self.group), bootstrap, task)
        sums = []
        for members in self._members():
            columns = self.columns[members].reshape(len(members), -1)
            sums.append(resampled_sums(columns.__getitem__, drawn[members])[:, 1:])
        return _ratio(np.reshape(sums, (self.groups, *self.columns.shape[1:], -1)))

    def support(self) -> np.ndarray:
        """Return int64 (models, metrics, groups): the patients of each measure."""
        patients = np.array([len(members) for members in self._members()])
        support = np.moveaxis(self._sums()[:, :, 1], 0, 2).astype(np.int64)
        support[:, -1] = patients
        return support

    def as_shown(self, rules: Rules) -> np.ndarray:
        """Return float64 (models, groups): how much higher the share of rounded counts is."""
        observed = self._sums()[:, :, 0, -1].T.astype(np.int64)
        patients = self.support()[:, -1]
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
    trait: str,
    scored: Mapping[str, pl.DataFrame],
    bootstrap: Bootstrap,
    task: str,
    rules: Rules,
) -> pl.DataFrame:
    """Return one row per model, group of a trait and metric; small groups have no numbers.

    Where all patients have the same risks, what is observed over what is expected is a count of
    labels over a multiple of the count of patients. So it is of the counts as shown, and hidden in
    a group of few patients with a label.
    """
    of_trait = next(iter(scored.values()))[trait]
    names = sorted(of_trait.unique().to_list(), key=group_order)
    place = {name: i for i, name in enumerate(names)}
    group = of_trait.replace_strict(place, return_dtype=pl.Int64).to_numpy()
    measure = _Groups(group, len(names), list(scored.values()))
    support = measure.support()
    drawn = measure.resample(bootstrap, task)
    ends = interval(np.moveaxis(drawn, -1, 0).reshape(bootstrap.resamples, -1))
    numbers = np.stack([measure.measure(), *(end.reshape(support.shape) for end in ends)])
    numbers[:, :, -1] *= measure.as_shown(rules)
    few = np.array([[hide_parts(n, rules.threshold) for n in counts] for counts in support])
    few[:, -1] |= few[:, 0]
    hidden = {counts.tobytes(): hide_supports(counts, rules.threshold) for counts in support}
    places = product(scored, zip(METRICS, ("mean", "mean", "ratio"), strict=True), names)
    rows = pl.DataFrame(
        [(model, trait, name, *metric) for model, metric, name in places],
        schema=["model", "subgroup", "group", "metric", "statistic"],
        orient="row",
    ).with_columns(
        *(pl.Series(name, of.ravel()) for name, of in zip(_SCORES, numbers, strict=True)),
        patients=pl.Series(support.ravel()),
        practices=pl.lit(None, pl.Int64),
    )
    rows = suppress(rows, few.ravel(), _SCORES)
    not_shown = np.stack([hidden[counts.tobytes()] for counts in support])
    return suppress(rows, not_shown.ravel(), ["patients"])


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
        found.append(_ratio(np.moveaxis(sums, 0, -1)))
    return np.concatenate(found, axis=-1)


def _rows_of_practices(
    scored: Mapping[str, pl.DataFrame], bootstrap: Bootstrap, task: str, threshold: int
) -> pl.DataFrame:
    """Return the distribution of the scores of practices with enough patients, by each model.

    In a bootstrap resample, chance would be counted twice. So `low` and `high` are instead the 95 %
    range of a quantile if practices differed only by chance: patients are assigned to practices at
    random, `resamples` times.
    """
    least = max(LEAST_OF_A_PRACTICE, threshold)
    practice = next(iter(scored.values()))["practice"]
    practices = practice.drop_nulls().value_counts().sort("practice")
    chosen = practices.filter(pl.col("count") >= least)["practice"].to_list()
    place = {practice: i for i, practice in enumerate(chosen)}
    group = (
        practice.replace_strict(place, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()
    )
    measure = _Groups(group, len(chosen), list(scored.values()))
    shuffled = _shuffled(measure.columns, group, len(chosen), bootstrap, task)
    parts = [
        _distribution(value, support, drawn, least, threshold).with_columns(model=pl.lit(model))
        for model, value, support, drawn in zip(
            scored, measure.measure(), measure.support(), shuffled, strict=True
        )
    ]
    return pl.concat(parts)


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
    scored = {
        model: of_model.sort("subject_id").join(
            traits, on="subject_id", how="left", maintain_order="left"
        )
        for model, of_model in patients.items()
    }
    first, *others = (of_model["subject_id"] for of_model in scored.values())
    if not all(other.equals(first) for other in others):
        raise InputError(
            "metrics", "the models' patients are different ones", "Run the evaluate rule again"
        )
    parts = [
        _rows_of(trait, scored, bootstrap, task, rules)
        for trait in progress(SUBGROUPS[:-1], label=f"subgroups of {task}", unit="traits")
    ]
    parts.append(_rows_of_practices(scored, bootstrap, task, rules.threshold))
    order = {model: place for place, model in enumerate(scored)}
    columns = ["task", "model", "subgroup", "group", "metric", "statistic"]
    return (
        pl.concat(part.select(*columns[1:], *_SCORES, "patients", "practices") for part in parts)
        .with_columns(task=pl.lit(task))
        .sort(pl.col("model").replace_strict(order, return_dtype=pl.Int64), maintain_order=True)
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
