"""Calibration of risks over all pairs of a patient and a disease, with intervals.

* *intercept*: of the logistic regression of the labels with the log-odds as offset; ideally 0,
  higher if risks are too low (calibration in the large).
* *slope*: of the logistic regression of the labels on the log-odds; ideally 1, lower if risks are
  too extreme (Cox, Biometrika 1958; Van Calster et al., BMC Medicine 2019).
* *ICI*: the integrated calibration index, the mean distance between risks and the calibration
  curve; *E90* is its 90th percentile (Austin and Steyerberg, Statistics in Medicine 2019). The
  curve is a logistic regression on a restricted cubic spline, as one of the curves of Austin,
  Harrell and van Klaveren (Statistics in Medicine 2020). It is cheap to resample, unlike loess. The
  spline is of the log-odds, with five knots at Harrell's percentiles (Regression Modeling
  Strategies, 2015, section 2.4.6) among the pairs with a label, because most risks are tiny.

For speed, pairs whose log-odds differ by less than `_CELL` share a cell with their mean risk.
Patients, not pairs, are resampled.
"""

import dataframely as dy
import numpy as np
import polars as pl
from scipy.sparse import csr_array
from scipy.special import expit, logit

from behrt.evaluation.bootstrap import Bootstrap, drawn_by_patient, interval
from behrt.evaluation.metrics import add_up
from behrt.evaluation.recalibration import EDGE
from behrt.logs import progress

MEASURES = (
    "mean risk",
    "observed share",
    "observed / expected",
    "intercept",
    "slope",
    "ICI",
    "E90",
)
OBSERVED = ("observed share", "observed / expected")
"""Measures that are proportional to the number of labels."""
RIGHT = {"observed / expected": 1.0, "intercept": 0.0, "slope": 1.0, "ICI": 0.0, "E90": 0.0}
"""The values of a perfectly calibrated model."""
GROUPS = 10
_CELL = 0.02
_KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)
_CURVE_POINTS = 40
_MOST_STEPS = 25
_CONVERGED = 1e-8


class Calibration(dy.Schema):
    """One row per measure."""

    measure = dy.String(check=lambda measure: measure.is_in(MEASURES))
    value = dy.Float64(nullable=True)
    low = dy.Float64(nullable=True)
    high = dy.Float64(nullable=True)
    patients = dy.Int64(min=0)
    positives = dy.Int64(min=0, description="pairs with a label")


class Reliability(dy.Schema):
    """One row per point of a reliability plot.

    A *group* has a tenth of the expected labels; the *curve* is the smooth calibration curve.
    """

    kind = dy.String(check=lambda kind: kind.is_in(["group", "curve"]))
    predicted = dy.Float64(min=0, max=1)
    observed = dy.Float64(nullable=True, min=0, max=1)
    low = dy.Float64(nullable=True, min=0, max=1)
    high = dy.Float64(nullable=True, min=0, max=1)
    pairs = dy.Int64(nullable=True, min=0)
    patients = dy.Int64(nullable=True, min=0)
    patients_positive = dy.Int64(nullable=True, min=0, description="with a label in the group")
    outside = dy.Int64(nullable=True, min=0, description="patients with no pair in the group")
    positive_elsewhere = dy.Int64(
        nullable=True, min=0, description="with labels only in other groups"
    )


class Cells:
    """Risks of patients, grouped by size, so that their number is bounded.

    A patient may have several: a pair is one risk, of a disease or of a prediction.

    Attributes:
        risk: float64 (cells), ascending: the mean risk of a cell's pairs.
        pairs, positives: csr (cells, patients): the weight of each patient's pairs in a cell, and
            of those of them with a label.
    """

    def __init__(
        self,
        probability: np.ndarray,
        label: np.ndarray,
        patient: np.ndarray,
        patients: int,
        weight: np.ndarray | None = None,
    ) -> None:
        """Group pairs.

        Args:
            probability: float (n).
            label: bool (n).
            patient: int64 (n), the number of each pair's patient, from 0 on.
            patients: their number.
            weight: float64 (n); None for weights of 1.
        """
        weight = np.ones(len(label)) if weight is None else weight
        risk = np.clip(probability.astype(np.float64), EDGE, 1 - EDGE)
        _, cell = np.unique(np.round(logit(risk) / _CELL).astype(np.int64), return_inverse=True)
        shape = (int(cell.max()) + 1, patients)
        self.pairs: csr_array = add_up(weight, cell, patient, shape)
        self.positives: csr_array = add_up(weight[label], cell[label], patient[label], shape)
        self.risk = np.bincount(cell, risk) / np.bincount(cell)

    @classmethod
    def of_diseases(cls, probability: np.ndarray, labels: np.ndarray) -> "Cells":
        """Group the pairs of `probability` float and `labels` bool, (patients, diseases) each."""
        patients, diseases = probability.shape
        patient = np.repeat(np.arange(patients), diseases)
        return cls(probability.ravel(), labels.ravel(), patient, patients)


def basis(log_odds: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Return float64 (n, knots): a constant, the log-odds, and their restricted cubic spline.

    Linear beyond the outer knots; Harrell's parametrisation (2015, equation 2.25), divided by the
    squared distance between the outer knots.
    """

    def cubed(at: float) -> np.ndarray:
        return np.asarray(np.maximum(log_odds - at, 0.0) ** 3)

    last, before = knots[-1], knots[-2]
    columns = [np.ones_like(log_odds), log_odds]
    for knot in knots[:-2]:
        column = cubed(knot) - cubed(before) * (last - knot) / (last - before)
        column += cubed(last) * (before - knot) / (last - before)
        columns.append(column / (last - knots[0]) ** 2)
    return np.stack(columns, axis=1)


def logistic(
    design: np.ndarray, pairs: np.ndarray, positives: np.ndarray, offset: np.ndarray | None = None
) -> np.ndarray:
    """Return the coefficients of r logistic regressions on the same design, by Newton's method.

    Args:
        design: float64 (cells, k).
        pairs, positives: float64 (cells, r): pairs in a cell, and those with a label.
        offset: float64 (cells), added to the linear predictor.

    Returns:
        float64 (k, r), NaN where there is no finite solution.
    """
    k, r = design.shape[1], pairs.shape[1]
    start = np.zeros(len(design)) if offset is None else offset
    products = (design[:, :, np.newaxis] * design[:, np.newaxis, :]).reshape(len(design), k * k)
    total = positives.sum(axis=0)
    solvable = (total > 0) & (total < pairs.sum(axis=0))
    coefficients = np.zeros((k, r))
    if offset is None and k > 1:
        coefficients[1] = 1.0  # the second column is the log-odds
    ridge = 1e-9 * np.eye(k)
    for _ in range(_MOST_STEPS):
        expected = expit(start[:, np.newaxis] + design @ coefficients)
        gradient = design.T @ (positives - pairs * expected)
        weight = pairs * expected * (1 - expected)
        hessian = (products.T @ weight).T.reshape(r, k, k)
        scale = np.trace(hessian, axis1=1, axis2=2)[:, np.newaxis, np.newaxis] + 1e-12
        step = np.linalg.solve(hessian + scale * ridge, gradient.T[:, :, np.newaxis])[:, :, 0].T
        # A long step is shortened in all its coordinates.
        moved = np.abs(design @ step).max(axis=0)
        step *= np.minimum(1.0, 5.0 / np.maximum(moved, 1e-300))
        coefficients += np.where(solvable, step, 0.0)
        if np.abs(step[:, solvable]).max(initial=0.0) < _CONVERGED:
            break
    return np.where(solvable & np.isfinite(coefficients).all(axis=0), coefficients, np.nan)


def intercept_and_slope(
    log_odds: np.ndarray, pairs: np.ndarray, positives: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the calibration intercepts and slopes, float64 (r).

    Args:
        log_odds: float64 (cells).
        pairs, positives: as `logistic` takes them.
    """
    line = np.stack([np.ones_like(log_odds), log_odds], axis=1)
    intercept: np.ndarray = logistic(line[:, :1], pairs, positives, log_odds)[0]
    slope: np.ndarray = logistic(line, pairs, positives)[1]
    return intercept, slope


def _weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Return float64 (r): the weighted quantile `share` of the values; weights are (cells, r)."""
    order = np.argsort(values, axis=0, kind="stable")
    reached = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    place = (reached < share * reached[-1]).sum(axis=0)
    at = np.take_along_axis(order, np.minimum(place, len(order) - 1)[np.newaxis], axis=0)
    return np.asarray(np.take_along_axis(values, at, axis=0)[0])


class CellMeasures:
    """Measures of cells under weightings of the patients; knots and groups are those of all."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.log_odds = logit(cells.risk)
        pairs, positives = cells.pairs.sum(axis=1), cells.positives.sum(axis=1)
        expected = np.cumsum(pairs * cells.risk)
        self.group = np.minimum((GROUPS * expected / expected[-1]).astype(int), GROUPS - 1)
        shares = np.cumsum(positives) / max(positives.sum(), 1.0)
        knots = np.unique(np.interp(_KNOTS, shares, self.log_odds))
        # With too few different risks for a spline, the curve is a straight line.
        self.knots = knots if len(knots) == len(_KNOTS) and np.diff(knots).min() > _CELL else None
        first, last = np.interp((0.005, 0.995), shares, self.log_odds).tolist()
        self.points = np.linspace(first, last, _CURVE_POINTS)
        self.design = self._design(self.log_odds)

    def _design(self, log_odds: np.ndarray) -> np.ndarray:
        if self.knots is None:
            return np.stack([np.ones_like(log_odds), log_odds], axis=1)
        return basis(log_odds, self.knots)

    def measure(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return measures (7, r), observed shares of groups (10, r) and curve (points, r)."""
        pairs, positives = self.cells.pairs @ weights, self.cells.positives @ weights
        risk = self.cells.risk[:, np.newaxis]
        intercept, slope = intercept_and_slope(self.log_odds, pairs, positives)
        coefficients = logistic(self.design, pairs, positives)
        distance = np.abs(expit(self.design @ coefficients) - risk)
        expected, observed, total = (pairs * risk).sum(0), positives.sum(0), pairs.sum(0)
        ici = (pairs * distance).sum(axis=0) / total
        e90 = _weighted_quantile(distance, pairs, 0.9)
        ratio = observed / expected
        measures = np.stack([expected / total, observed / total, ratio, intercept, slope, ici, e90])
        members = np.arange(GROUPS)[:, np.newaxis] == self.group
        with np.errstate(invalid="ignore"):
            groups = (members @ positives) / (members @ pairs)
        return measures, groups, np.asarray(expit(self._design(self.points) @ coefficients))

    def resample(
        self, bootstrap: Bootstrap, task: str
    ) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
        """Return what `measure` returns for all patients, float64 (k) each, and its intervals."""
        patients = self.cells.pairs.shape[1]
        resampled: list[list[np.ndarray]] = [[], [], []]
        with progress(total=bootstrap.resamples, label="calibration", unit="resamples") as bar:
            for weights in drawn_by_patient(patients, bootstrap, task):
                for part, values in zip(resampled, self.measure(weights), strict=True):
                    part.append(values)
                bar.update(weights.shape[1])
        estimates = [values[:, 0] for values in self.measure(np.ones((patients, 1)))]
        return estimates, [interval(np.concatenate(part, axis=1).T) for part in resampled]

    @property
    def members(self) -> csr_array:
        """1 where a cell (columns) is in a group (rows), csr (10, cells)."""
        return csr_array(np.arange(GROUPS)[:, np.newaxis] == self.group).astype(np.float64)


def calibrate(
    probability: np.ndarray, labels: np.ndarray, bootstrap: Bootstrap, task: str
) -> tuple[dy.DataFrame[Calibration], dy.DataFrame[Reliability]]:
    """Return the measures of calibration and the reliability plot, with 95 % intervals.

    Args:
        probability: float (patients, diseases).
        labels: bool (patients, diseases).
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.
    """
    cells = Cells.of_diseases(probability, labels)
    measuring = CellMeasures(cells)
    patients = len(labels)
    estimates, intervals = measuring.resample(bootstrap, task)

    def frame(which: int, **columns: object) -> pl.DataFrame:
        value, (low, high) = estimates[which], intervals[which]
        name = "observed" if which else "value"
        numbers = pl.DataFrame({name: value, "low": low, "high": high}).fill_nan(None)
        return numbers.with_columns(**columns)  # type: ignore[arg-type]

    members = measuring.members
    pairs, positives = members @ cells.pairs, members @ cells.positives
    expected = members @ (cells.pairs.sum(axis=1) * cells.risk)
    held = pairs.sum(axis=1)
    inside, with_label = (pairs > 0).sum(axis=1), (positives > 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        mean_risk = expected / held
    groups = frame(
        1,
        kind=pl.lit("group"),
        predicted=pl.Series(mean_risk),
        pairs=pl.Series(held).cast(pl.Int64),
        patients=pl.Series(inside).cast(pl.Int64),
        patients_positive=pl.Series(with_label).cast(pl.Int64),
        outside=pl.Series(patients - inside).cast(pl.Int64),
        positive_elsewhere=pl.Series(labels.any(axis=1).sum() - with_label).cast(pl.Int64),
    ).filter(pl.col("pairs") > 0)
    none = pl.lit(None, pl.Int64)
    curve = frame(
        2,
        kind=pl.lit("curve"),
        predicted=pl.Series(expit(measuring.points)),
        pairs=none,
        patients=none,
        patients_positive=none,
        outside=none,
        positive_elsewhere=none,
    )
    measures = frame(
        0,
        measure=pl.Series(MEASURES),
        patients=pl.lit(patients, pl.Int64),
        positives=pl.lit(int(labels.sum()), pl.Int64),
    )
    columns = Reliability.column_names()
    return (
        Calibration.validate(measures.select(Calibration.column_names())),
        Reliability.validate(pl.concat([groups.select(columns), curve.select(columns)])),
    )
