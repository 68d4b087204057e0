"""Tables 1 and 2: every model on every task, with intervals, support and paired differences.

On simulated data the true probabilities of the labels are known; the row `CEILING` ranks by them
(`behrt.simulation.ceiling`), and the row `CEILING_OF_RECORDS` by those that follow from the records
(`behrt.simulation.oracle_records`). `FLOOR` ranks the diseases alike for all patients. Each row
states the share of the difference between the floor and each ceiling that the model achieves.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import hide_steps, is_small, suppress
from behrt.errors import InputError
from behrt.evaluation.bootstrap import Bootstrap, interval, resampled_means
from behrt.evaluation.tidy import DECIMALS

METRICS = {"APS": "aps", "AUROC": "auroc"}
LABEL_SETS = {"all": "all", "first_incidence": "first"}
"""Table 1's labels and table 2's, and their columns' ending in `PatientMetrics`."""

FLOOR = "prevalence"
CEILING = "oracle"
CEILING_OF_RECORDS = "oracle_records"

_DIFFERENCES = ("difference", "difference_low", "difference_high")
_ACHIEVED = {"achieved": CEILING, "achieved_of_records": CEILING_OF_RECORDS}
_SCORES = (
    *("value", "low", "high", *_DIFFERENCES),
    *(name + end for name in _ACHIEVED for end in ("", "_low", "_high")),
)


def read_metrics(
    paths: Sequence[Path], label_set: str, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Return the metrics of every model on one task, by patient.

    Args:
        paths: files of `PatientMetrics`, one per model.
        label_set: a key of `LABEL_SETS`.
        names: of the models, in the order of the files; None for the files' own names.

    Returns:
        By model, float64 (patients, 2): APS and AUROC, NaN where undefined; patients by
        subject_id.

    Raises:
        InputError: the models were not scored on the same patients.
    """
    columns = [f"{metric}_{LABEL_SETS[label_set]}" for metric in METRICS.values()]
    first: tuple[Path, pl.Series] | None = None
    found = {}
    for name, path in zip(names or [path.stem for path in paths], paths, strict=True):
        frame = pl.read_parquet(path, columns=["subject_id", *columns]).sort("subject_id")
        first = first or (path, frame["subject_id"])
        if not frame["subject_id"].equals(first[1]):
            raise InputError(
                path,
                f"its patients are not those of {first[0].name}, so the two cannot be compared",
                "Run the evaluate rule again for both",
            )
        found[name] = frame.select(columns).fill_null(np.nan).to_numpy()
    return found


def compare(
    metrics: dict[str, np.ndarray],
    models: Sequence[str],
    reference: str,
    bootstrap: Bootstrap,
    task: str,
) -> pl.DataFrame:
    """Return the rows of one task, with scores not rounded and no count hidden.

    All models and both tables use the same draws of patients, so a difference from the reference
    is paired.

    Args:
        metrics: as `read_metrics` gives them.
        models: the order of the rows.
        reference: the model that the others are compared with.
        bootstrap: resamples and seed.
        task: names the draws.

    Returns:
        task, model, metric String; value, low, high Float64; patients (with a defined metric),
        undefined Int64; difference (the model minus the reference, null for itself),
        difference_low, difference_high Float64; achieved, achieved_low, achieved_high Float64:
        (the model − prevalence) / (oracle − prevalence) of the mean scores, for each resample of
        its own three scores; null unless both are among the models; achieved_of_records,
        achieved_of_records_low, achieved_of_records_high Float64: the same with
        oracle_records.
    """
    values = np.concatenate([metrics[model] for model in models], axis=1)
    resampled = resampled_means(values, bootstrap, task)
    defined = ~np.isnan(values)
    counts = defined.sum(axis=0)
    with np.errstate(invalid="ignore"):
        means = np.where(defined, values, 0.0).sum(axis=0) / counts
    low, high = interval(resampled)
    base = np.tile(models.index(reference) * len(METRICS) + np.arange(len(METRICS)), len(models))
    difference_low, difference_high = interval(resampled - resampled[:, base])
    itself = np.repeat([model == reference for model in models], len(METRICS))
    achieved = {}
    for name, ceiling in _ACHIEVED.items():
        bounds = interval(_achieved(resampled, models, ceiling))
        achieved[name] = _achieved(means, models, ceiling)
        achieved[f"{name}_low"], achieved[f"{name}_high"] = bounds
    frame = pl.DataFrame(
        {
            "task": task,
            "model": np.repeat(models, len(METRICS)),
            "metric": list(METRICS) * len(models),
            "value": means,
            "low": low,
            "high": high,
            "patients": counts.astype(np.int64),
            "undefined": (len(values) - counts).astype(np.int64),
            "difference": np.where(itself, np.nan, means - means[base]),
            "difference_low": np.where(itself, np.nan, difference_low),
            "difference_high": np.where(itself, np.nan, difference_high),
            **achieved,
        }
    )
    return frame.with_columns(pl.col(_SCORES).fill_nan(None))


def _achieved(means: np.ndarray, models: Sequence[str], ceiling: str) -> np.ndarray:
    """Return the share of the difference from floor to ceiling, in the shape of `means`.

    Args:
        means: float64 (…, models x metrics).
        models: their names.
        ceiling: the model that is the ceiling.
    """
    if not {FLOOR, ceiling} <= set(models):
        return np.full(means.shape, np.nan)
    by_model = means.reshape(*means.shape[:-1], len(models), len(METRICS))
    low, high = (by_model[..., [models.index(name)], :] for name in (FLOOR, ceiling))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (by_model - low) / (high - low)
    return np.where(high > low, share, np.nan).reshape(means.shape)


def hide_small_counts(rows: pl.DataFrame, threshold: int) -> pl.DataFrame:
    """Return one task's rows with small counts, and scores of so few patients, as nulls.

    The number of patients of the task is published elsewhere; patients with an APS are a subset of
    them, and patients with an AUROC are a subset of these.
    """
    patients, undefined = rows["patients"].to_numpy(), rows["undefined"].to_numpy()
    total = patients[0] + undefined[0]
    hidden = np.concatenate(
        [
            hide_steps(np.concatenate([[total], nested]), threshold)[1:]
            for nested in patients.reshape(-1, len(METRICS))
        ]
    )
    rows = suppress(rows, is_small(patients, threshold), _SCORES)
    return suppress(rows, hidden, ["patients", "undefined"])


def tabulate(
    paths: Sequence[Path],
    label_set: str,
    tasks: Sequence[str],
    models: Sequence[str],
    reference: str,
    bootstrap: Bootstrap,
    threshold: int,
) -> pl.DataFrame:
    """Return table 1 or 2, one row per task, model and metric.

    Args:
        paths: <task>/<model>.parquet (`PatientMetrics`) of every task and model.
        label_set: "all" (table 1) or "first_incidence" (table 2).
        tasks, models: the order of the rows.
        reference: the model that the others are compared with.
        bootstrap: resamples and seed.
        threshold: the smallest count of patients to show.

    Returns:
        The columns of `compare`; scores are fractions rounded to four decimals.

    Raises:
        InputError: an unknown label set or reference, a missing file, or models that were scored
            on different patients.
    """
    if label_set not in LABEL_SETS:
        raise InputError("label_set", f"there is no {label_set!r}", f"Use {', '.join(LABEL_SETS)}")
    if reference not in models:
        raise InputError(
            "config, evaluation.reference",
            f"{reference!r} is not one of the models ({', '.join(models)})",
            "Name one that is trained",
        )
    by_name = {(path.parent.name, path.stem): path for path in paths}
    missing = [f"{t}/{m}" for t in tasks for m in models if (t, m) not in by_name]
    if missing:
        raise InputError("metrics", f"no file {missing[0]}.parquet", "Run the evaluate rule first")
    parts = []
    for task in tasks:
        metrics = read_metrics([by_name[task, model] for model in models], label_set)
        rows = compare(metrics, models, reference, bootstrap, task)
        parts.append(hide_small_counts(rows, threshold))
    return pl.concat(parts).with_columns(pl.col(_SCORES).round(DECIMALS))


def render(table: pl.DataFrame) -> str:
    """Return table 1 or 2 in Markdown, laid out as in the paper: APS | AUROC for each task.

    Args:
        table: as `tabulate` returns it, or read from its CSV.
    """
    cells = {
        (task, model, metric): "–"
        if value is None
        else f"{value:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")
        for task, model, metric, value, low, high in table.select(
            "task", "model", "metric", "value", "low", "high"
        ).iter_rows()
    }
    tasks = table["task"].unique(maintain_order=True).to_list()
    rows = [["Model", *(f"{task}: APS \\| AUROC" for task in tasks)], ["---"] * (1 + len(tasks))]
    rows.extend(
        [model, *(r" \| ".join(cells[task, model, metric] for metric in METRICS) for task in tasks)]
        for model in table["model"].unique(maintain_order=True)
    )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
