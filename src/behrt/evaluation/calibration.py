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

from behrt.evaluation.bootstrap import (
    RESAMPLES_AT_ONCE,
    Bootstrap,
    drawn_weights,
    draws,
    interval,
    resampled_sums,
)
from behrt.evaluation.patients import count_by_patient
from behrt.evaluation.recalibration import EDGE, clipped_log_odds, risk_of

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
_PATIENTS_AT_ONCE = 1024
_CONVERGED = 1e-6
"""The error is of the order of the square of the last step."""

_Fits = tuple[np.ndarray, np.ndarray, np.ndarray]


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

    A pair is one risk of a patient, who may have several. This is for few pairs per patient;
    `sums_of_diseases` is for many.

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
        cell, self.risk = assign_cells(probability)
        shape = (len(self.risk), patients)
        self.pairs = _add_up(weight, cell, patient, shape)
        self.positives = _add_up(weight[label], cell[label], patient[label], shape)

    def sums(self, bootstrap: Bootstrap, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of pairs and of positives, as `CellMeasures` takes them."""
        return _sums(self.pairs, bootstrap, name), _sums(self.positives, bootstrap, name)


def _add_up(
    values: np.ndarray, group: np.ndarray, patient: np.ndarray, shape: tuple[int, int]
) -> csr_array:
    """Return the sum of the values of each patient (columns) in each group (rows)."""
    cases = csr_array((values, (group, patient)), shape=shape)
    cases.sum_duplicates()
    return cases


def _sums(by_patient: csr_array, bootstrap: Bootstrap, name: str) -> np.ndarray:
    """Return the sums of each row, float64 (rows, 1 + resamples), first of all patients."""
    drawn = drawn_weights(by_patient.shape[1], bootstrap, name)
    found = [by_patient @ weights for weights in drawn]
    return np.concatenate([by_patient.sum(axis=1)[:, np.newaxis], *found], axis=1)


def assign_cells(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell of each risk, and the mean risk of each cell.

    Args:
        probability: float (n) or (n, k).

    Returns:
        uint16 in the shape of `probability`; float64 (cells), ascending.
    """
    most = round(-float(logit(EDGE)) / _CELL)
    cell = np.empty(probability.shape, np.uint16)
    pairs, sums = np.zeros(2 * most + 1, np.int64), np.zeros(2 * most + 1)
    for start in range(0, len(probability), _PATIENTS_AT_ONCE):
        some = slice(start, start + _PATIENTS_AT_ONCE)
        risk = np.clip(probability[some].astype(np.float64), EDGE, 1 - EDGE)
        cell[some] = np.round(clipped_log_odds(risk) / _CELL) + most
        pairs += np.bincount(cell[some].ravel(), minlength=len(pairs))
        sums += np.bincount(cell[some].ravel(), risk.ravel(), len(pairs))
    used = pairs > 0
    number = (np.cumsum(used) - 1).astype(np.uint16)
    return number[cell], sums[used] / pairs[used]


def sums_of_diseases(
    cell: np.ndarray, cells: int, labels: np.ndarray, bootstrap: Bootstrap, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of pairs and of positives, as `CellMeasures` takes them.

    Args:
        cell: uint16 (patients, diseases), as `assign_cells` returns it.
        cells: their number.
        labels: bool (patients, diseases).
        bootstrap, name: these give the draws of patients.
    """
    pairs = resampled_sums(
        lambda some: count_by_patient(cell[some], cells).astype(np.float32),
        draws(len(cell), bootstrap, name),
    )
    patient, disease = np.nonzero(labels)
    of_positives = cell[patient, disease].astype(np.int64)
    positives = _add_up(np.ones(len(patient)), of_positives, patient, (cells, len(cell)))
    return pairs, _sums(positives, bootstrap, name)


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
    design: np.ndarray,
    pairs: np.ndarray,
    positives: np.ndarray,
    offset: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Return the coefficients of r logistic regressions on the same design, by Newton's method.

    Args:
        design: float64 (cells, k).
        pairs, positives: float64 (cells, r): pairs in a cell, and those with a label.
        offset: float64 (cells), added to the linear predictor.
        start: float64 (k, 1), coefficients near all solutions; ignored if not finite.

    Returns:
        float64 (k, r), NaN where there is no finite solution.
    """
    k, r = design.shape[1], pairs.shape[1]
    fixed = np.zeros((len(design), 1)) if offset is None else offset[:, np.newaxis]
    products = (design[:, :, np.newaxis] * design[:, np.newaxis, :]).reshape(len(design), k * k)
    total = positives.sum(axis=0)
    solvable = (total > 0) & (total < pairs.sum(axis=0))
    coefficients = np.zeros((k, r))
    if start is not None and np.isfinite(start).all():
        coefficients += start
    elif offset is None and k > 1:
        coefficients[1] = 1.0  # the second column is the log-odds
    ridge = 1e-9 * np.eye(k)
    for _ in range(_MOST_STEPS):
        expected = risk_of(fixed + design @ coefficients)
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
    log_odds: np.ndarray,
    pairs: np.ndarray,
    positives: np.ndarray,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the calibration intercepts (1, r), and the intercept and slope of lines (2, r).

    Args:
        log_odds: float64 (cells).
        pairs, positives: as `logistic` takes them.
        start: for each of the two, as `logistic` takes it.
    """
    line = np.stack([np.ones_like(log_odds), log_odds], axis=1)
    return (
        logistic(line[:, :1], pairs, positives, log_odds, start and start[0]),
        logistic(line, pairs, positives, start=start and start[1]),
    )


def _weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Return float64 (r): the weighted quantile `share` of the values; weights are (cells, r)."""
    order = np.argsort(values, axis=0, kind="stable")
    reached = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    place = (reached < share * reached[-1]).sum(axis=0)
    at = np.take_along_axis(order, np.minimum(place, len(order) - 1)[np.newaxis], axis=0)
    return np.asarray(np.take_along_axis(values, at, axis=0)[0])


class CellMeasures:
    """Measures of cells, of all patients and of resamples; knots and groups are those of all."""

    def __init__(self, risk: np.ndarray, pairs: np.ndarray, positives: np.ndarray) -> None:
        """Choose the knots.

        Args:
            risk: float64 (cells), ascending.
            pairs, positives: float64 (cells, 1 + resamples): the weight of the pairs of a cell, and
                of those of them with a label; first of all patients.
        """
        self.risk, self.pairs, self.positives = risk, pairs, positives
        self.log_odds = logit(risk)
        expected = np.cumsum(pairs[:, 0] * risk)
        self.group = np.minimum((GROUPS * expected / expected[-1]).astype(int), GROUPS - 1)
        with_label = positives[:, 0]
        shares = np.cumsum(with_label) / max(with_label.sum(), 1.0)
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

    def _fit(self, which: slice, start: _Fits | None = None) -> _Fits:
        """Return the coefficients of the three regressions, (k, r) each, of some columns."""
        pairs, positives = self.pairs[:, which], self.positives[:, which]
        return (
            *intercept_and_slope(self.log_odds, pairs, positives, start and start[:2]),
            logistic(self.design, pairs, positives, start=start and start[2]),
        )

    def _measure(self, which: slice, fits: _Fits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return measures (7, r), observed shares of groups (10, r) and curve (points, r)."""
        pairs, positives = self.pairs[:, which], self.positives[:, which]
        risk = self.risk[:, np.newaxis]
        [intercept], [_, slope], coefficients = fits
        distance = np.abs(risk_of(self.design @ coefficients) - risk)
        expected, observed, total = (pairs * risk).sum(0), positives.sum(0), pairs.sum(0)
        ici = (pairs * distance).sum(axis=0) / total
        e90 = _weighted_quantile(distance, pairs, 0.9)
        ratio = observed / expected
        measures = np.stack([expected / total, observed / total, ratio, intercept, slope, ici, e90])
        members = np.arange(GROUPS)[:, np.newaxis] == self.group
        with np.errstate(invalid="ignore"):
            groups = (members @ positives) / (members @ pairs)
        return measures, groups, risk_of(self._design(self.points) @ coefficients)

    def resample(self) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
        """Return the measures, observed shares of groups, and curve, with their intervals.

        Returns:
            float64 (7), (10), (points): of all patients; the ends of the interval of each.
        """
        everybody = slice(0, 1)
        fits = self._fit(everybody)
        estimates = self._measure(everybody, fits)
        resampled: list[list[np.ndarray]] = [[], [], []]
        for start in range(1, self.pairs.shape[1], RESAMPLES_AT_ONCE):
            some = slice(start, start + RESAMPLES_AT_ONCE)
            for part, values in zip(
                resampled, self._measure(some, self._fit(some, fits)), strict=True
            ):
                part.append(values)
        intervals = [interval(np.concatenate(part, axis=1).T) for part in resampled]
        return [values[:, 0] for values in estimates], intervals

    @property
    def members(self) -> csr_array:
        """1 where a cell (columns) is in a group (rows), csr (10, cells)."""
        return csr_array(np.arange(GROUPS)[:, np.newaxis] == self.group).astype(np.float64)


def _patients_of_groups(group: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 (10) each: patients with a pair in a group, and with a label in it.

    Args:
        group: integers (patients, diseases).
        labels: bool (patients, diseases).
    """
    inside, with_label = np.zeros((2, GROUPS), np.int64)
    for number in range(GROUPS):
        chosen = group == number
        inside[number] = chosen.any(axis=1).sum()
        with_label[number] = (chosen & labels).any(axis=1).sum()
    return inside, with_label


def calibrate(
    probability: np.ndarray, labels: np.ndarray, bootstrap: Bootstrap, task: str
) -> tuple[dy.DataFrame[Calibration], dy.DataFrame[Reliability]]:
    """Return the measures of calibration and the reliability plot, with 95 % intervals.

    Args:
        probability: float (patients, diseases).
        labels: bool (patients, diseases).
        bootstrap, task: these give the draws of patients, those of tables 1 and 2.
    """
    patients = len(labels)
    cell, risk = assign_cells(probability)
    measuring = CellMeasures(risk, *sums_of_diseases(cell, len(risk), labels, bootstrap, task))
    estimates, intervals = measuring.resample()

    def frame(which: int, **columns: object) -> pl.DataFrame:
        value, (low, high) = estimates[which], intervals[which]
        name = "observed" if which else "value"
        numbers = pl.DataFrame({name: value, "low": low, "high": high}).fill_nan(None)
        return numbers.with_columns(**columns)  # type: ignore[arg-type]

    members = measuring.members
    held = members @ measuring.pairs[:, 0]
    expected = members @ (measuring.pairs[:, 0] * risk)
    inside, with_label = _patients_of_groups(measuring.group[cell], labels)
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
