"""Sampled futures of simulated patients, and those of the process that simulated them."""

from collections.abc import Iterable
from datetime import date

import numpy as np
import polars as pl

from behrt import hashing
from behrt.errors import InputError
from behrt.learning.futures import Futures, cumulative_incidence
from behrt.sequences.frames import HELD_OUT
from behrt.simulation.continuation import Continuations


def choose_patients(
    sequences: pl.DataFrame, minimum_visits: int, count: int, seed: int
) -> pl.DataFrame:
    """Return held-out patients, and the day from which their futures are compared.

    The day is the 1 January on which most held-out patients are followed. Patients who are followed
    on it, with enough visits so far, are taken in the order of a hash of id and seed. So whether a
    patient is chosen does not depend on the future.

    Args:
        sequences: `behrt.sequences.frames.Sequences`.
        minimum_visits: the fewest visits up to the day.
        count: most patients.
        seed: of the order.

    Returns:
        subject_id Int64 and prediction_time Datetime("us"), the end of that day, by subject_id.

    Raises:
        InputError: there is no such patient.
    """
    held_out = sequences.filter(pl.col("split") == HELD_OUT)
    starts, ends = (held_out[f"follow_up_{end}"].to_numpy() for end in ("start", "end"))
    days = np.unique(starts.astype("datetime64[D]").astype("datetime64[Y]") + 1)
    days = days.astype("datetime64[D]").astype(np.int64)
    followed = [int(((starts <= day) & (ends > day)).sum()) for day in days]
    day = int(days[int(np.argmax(followed))]) if followed else 0
    eligible = held_out.filter(
        (pl.col("follow_up_start") <= day) & (pl.col("follow_up_end") > day),
        (pl.col("visit_day").list.eval(pl.element() <= day).list.sum() >= minimum_visits),
    )
    if eligible.is_empty():
        raise InputError(
            "sequences",
            f"no held-out patient has {minimum_visits} visits on a day when most are followed",
            "Use more patients",
        )
    ids = eligible["subject_id"].to_numpy()
    order = np.argsort(hashing.mix(ids, seed, "trajectories"), kind="stable")
    midnight = np.datetime64(day, "D").astype(date)
    return pl.DataFrame({"subject_id": np.sort(ids[order[:count]])}).with_columns(
        prediction_time=pl.lit(midnight).cast(pl.Datetime("us")).dt.offset_by("23h59m59s")
    )


def futures_of(continuations: Continuations) -> tuple[np.ndarray, Futures]:
    """Return the patients of some continuations, and these as futures of the patients.

    Records after death are left out.
    """
    patients, patient = np.unique(continuations.patients, return_inverse=True)
    death = continuations.death.astype(np.float64)
    kept = continuations.day <= death[continuations.row]
    found = (continuations.row, continuations.day, continuations.phenotype)
    return patients, Futures(patient, np.floor(death), *(array[kept] for array in found))


def true_incidence(
    continuations: Iterable[Continuations], start: np.ndarray, days: np.ndarray, n: int
) -> np.ndarray:
    """Return float64 (patients, n + 1, times), as `behrt.learning.futures.cumulative_incidence`.

    Args:
        continuations: of all patients, up to the last of the days or longer.
        start: int64 (patients), the day that time is counted from.
        days: int64 (times), days after it.
        n: the number of diseases.
    """
    found = np.zeros((len(start), n + 1, len(days)))
    for one in continuations:
        patients, futures = futures_of(one)
        found[patients] = cumulative_incidence(futures, start[patients], days, n)
    return found
