"""Logistic regression, one per disease, on counts of diseases with age and sex.

The simplest model that uses other diseases. Its features are the logarithm of 1 + the number of
input visits with each disease (or word of another input), sex, and 5-year bands of the age at the
last input visit. It does not use the order of visits or the time between them, unless `times` is
on: then it also reads, for the last and for the first record of each of them, exp(−months since
then / m) with m = 1, 3, 12 and 48, and the logarithms of 1 + the months since the start of
follow-up and of 1 + the number of visits. All diseases have the same ridge penalty.
"""

from functools import partial

import numpy as np
from scipy.sparse import csr_array, hstack
from threadpoolctl import threadpool_limits

from behrt import logs
from behrt.learning.case_control import CaseControl, TrainingSets
from behrt.learning.device import begin
from behrt.learning.estimated import Estimated, Weights
from behrt.learning.examples import Examples
from behrt.learning.features import counts, demographics, observed, record_times
from behrt.learning.linear import Penalties, fit_head, head_of, head_scores, tuning_score
from behrt.learning.run import TrainingRun

DECAYS = (1, 3, 12, 48)
"""Months in which a record's feature falls to 1 / e."""

LEAST_FEATURE = 1e-3
"""Smaller values are 0, which keeps the features sparse."""

STEPS = 300


class Settings(CaseControl):
    """The features, the training sets, and the penalties of the weights."""

    penalties: Penalties = (3.0, 10.0, 30.0)
    """Ridge penalties (1 / C of scikit-learn); the one with the best tuning score is used."""


def features(examples: Examples, times: bool = False) -> csr_array:
    """Return float32: log(1 + counts), with `times` the decays of records, then demographics.

    Returns:
        (n, n_words + 25), or with `times` (n, 9 n_words + 27).
    """
    parts = [counts(examples).log1p()]
    others = [demographics(examples)]
    if times:
        records = record_times(examples)
        for months in (records.last, records.first):
            for decay in DECAYS:
                values = np.exp(-months / decay)
                values[values < LEAST_FEATURE] = 0
                kept = records.matrix(values)
                kept.eliminate_zeros()
                parts.append(kept)
        others.append(csr_array(np.log1p(np.maximum(observed(examples), 0))))
    return csr_array(hstack([*parts, *others]))


def _fit_on_samples(
    train: Examples, tuning: Examples, settings: Settings, run: TrainingRun
) -> Weights:
    """Return what `fit_head` returns; each regression has its own training set."""
    from sklearn.linear_model import LogisticRegression  # takes a second, which predictions spare

    read = partial(features, times=settings.times)
    given, sets = read(train), TrainingSets(train, settings, run)
    blocks = 1 + 2 * len(DECAYS) * settings.times
    labelled = np.bincount(train.labels, minlength=train.n_diseases)
    fitted = np.flatnonzero((labelled > 0) & (labelled < len(train)))
    best, chosen = -1.0, {}
    for penalty in settings.penalties:
        weight = np.zeros((given.shape[1], train.n_diseases))
        bias = train.prior_log_odds().astype(np.float64)
        for disease in logs.progress(fitted, label="regressions", unit="diseases"):
            learned = sets.of(int(disease))
            columns = learned.columns(train.n_words, blocks, given.shape[1])
            regression = LogisticRegression(C=1 / penalty, max_iter=STEPS)
            regression.fit(given[learned.rows][:, columns], learned.label)
            weight[columns, disease] = regression.coef_[0]
            bias[disease] = regression.intercept_[0] + learned.log_share
        head = head_of(weight, bias, penalty)
        average_precision = tuning_score(head, read, tuning)
        if average_precision > best:
            best, chosen = average_precision, head
    return chosen


def estimate(train: Examples, tuning: Examples, settings: Settings, run: TrainingRun) -> Weights:
    """Fit the regressions."""
    if settings.is_sampled:
        with threadpool_limits(1):
            return _fit_on_samples(train, tuning, settings, run)
    return fit_head(partial(features, times=settings.times), train, tuning, settings.penalties)


def score(settings: Settings, weights: Weights, examples: Examples) -> np.ndarray:
    """Return the probabilities, float32 (n, n_diseases)."""
    return head_scores(weights, partial(features, times=settings.times), examples)


_kind = Estimated("logistic_regression", Settings, estimate, score, begin)
fit, predict = _kind.fit, _kind.predict
