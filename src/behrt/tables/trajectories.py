"""Cumulative incidence by sampled futures, compared with that of the simulated process."""

from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import is_small, suppress
from behrt.evaluation.bootstrap import Bootstrap, interval, resampled_means
from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.run import Run
from behrt.sequences.vocabulary import read_vocabulary
from behrt.use.trajectories import DEATH

ALL = "all"
NEW_DISEASES = "New diseases (number)"
"""The expected number of diseases that a patient does not have yet."""

_NAMES = ("predicted", "truth", "difference")
_SCORES = [f"{name}{end}" for name in _NAMES for end in ("", "_low", "_high")]


def table(run: Run, incidence: Path, vocabulary: Path, diseases: int, groups: int) -> pl.DataFrame:
    """Return the columns of `tabulate`, and protocol String.

    Args:
        run: the run.
        incidence: trajectories/incidence.parquet.
        vocabulary: the JSON file.
        diseases: how many are shown, those with the highest predicted incidence.
        groups: groups of patients by predicted incidence.
    """
    frame = pl.read_parquet(incidence)
    names = read_vocabulary(vocabulary).phenotypes
    known = np.zeros((len(frame), len(names) + 1), dtype=bool)
    for row, on_record in enumerate(frame["known"]):
        known[row, on_record.to_numpy()] = True
    values = {name: frame[name].to_numpy().astype(np.float64) for name in ("predicted", "truth")}
    rows = tabulate(
        values["predicted"], values["truth"], known, names, diseases, groups, run.bootstrap
    )
    few = is_small(rows["patients"].to_numpy(), run.disclosure.threshold)
    shown = suppress(rows, few, _SCORES).with_columns(pl.col(_SCORES).round(DECIMALS))
    return with_facts(shown, protocol=run.protocol)


def tabulate(
    predicted: np.ndarray,
    truth: np.ndarray,
    known: np.ndarray,
    names: tuple[str, ...],
    diseases: int,
    groups: int,
    bootstrap: Bootstrap,
) -> pl.DataFrame:
    """Return the mean cumulative incidence of some events, by year.

    A disease counts for patients who do not have it on record. The groups of patients are those of
    the event's predicted incidence at the end, from the lowest.

    Args:
        predicted, truth: float64 (patients, diseases + 1, years), shares of sampled futures with
            each disease, and with death.
        known: bool (patients, diseases + 1), the diseases on record.
        names: of the diseases.
        diseases: how many are shown.
        groups: at the last year.
        bootstrap: of patients; the draws of an event do not depend on other events.

    Returns:
        event and group String ("all", or "1" to the number of groups), years Float64; predicted,
        truth and difference (the first less the second), each with _low and _high, Float64;
        patients Int64.
    """
    new = [np.where(known[..., None], np.nan, values) for values in (predicted, truth)]
    with np.errstate(invalid="ignore"):
        mean = np.nanmean(new[0][:, :-1, -1], axis=0, where=~known[:, :-1])
    order = np.argsort(-np.nan_to_num(mean), kind="stable")[:diseases]
    of_event = {DEATH: tuple(values[:, -1] for values in new)}
    of_event[NEW_DISEASES] = tuple(np.nansum(values[:, :-1], axis=1) for values in new)
    of_event |= {names[disease]: tuple(values[:, disease] for values in new) for disease in order}
    rows = []
    for event, (guess, true) in of_event.items():
        counts = np.flatnonzero(~np.isnan(guess[:, -1]))
        parts = {ALL: counts}
        ranked = counts[np.argsort(guess[counts, -1], kind="stable")]
        parts |= {str(i + 1): part for i, part in enumerate(np.array_split(ranked, groups))}
        for group, patients in parts.items():
            if not len(patients):
                continue
            first = 0 if group == ALL else guess.shape[1] - 1
            both = np.concatenate([guess[patients, first:], true[patients, first:]], axis=1)
            years = guess.shape[1] - first
            three = np.concatenate([both, both[:, :years] - both[:, years:]], axis=1)
            low, high = interval(resampled_means(three, bootstrap, f"{event} {group}"))
            shown = np.stack([three.mean(axis=0), low, high]).reshape(3, 3, years)
            rows += [
                {"event": event, "group": group, "years": float(first + year + 1)}
                | dict(zip(_SCORES, shown[:, :, year].T.ravel().tolist(), strict=True))
                | {"patients": len(patients)}
                for year in range(years)
            ]
    return pl.DataFrame(rows)
