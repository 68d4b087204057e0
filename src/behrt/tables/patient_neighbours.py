"""How much of their future the patients share whose vectors are near each other."""

from pathlib import Path

import numpy as np
import polars as pl

from behrt.disclosure import hide_steps, is_small, suppress
from behrt.errors import InputError
from behrt.evaluation.patient_neighbours import compare_vectors
from behrt.evaluation.patients import multi_hot
from behrt.evaluation.tidy import DECIMALS, with_facts
from behrt.run import Run
from behrt.sequences.frames import HELD_OUT
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task

HISTORY = "history"
"""The row whose vectors are which diseases the patient already had."""

_SCORES = ("value", "low", "high", "chance", "lift", "lift_low", "lift_high")


def table(
    run: Run, task_examples: Path, vectors: list[Path], vocabulary: Path, task: Task, nearest: int
) -> pl.DataFrame:
    """Return protocol and task String, and `behrt.evaluation.patient_neighbours.PatientNeighbours`.

    Args:
        run: the run.
        task_examples: the examples of the task.
        vectors: vectors/<task>/<model>.parquet of some models.
        vocabulary: the JSON file.
        task: whose labels are the future.
        nearest: neighbours per patient.

    Raises:
        InputError: a model has no vector of a patient, or there are fewer than two patients.
    """
    patients = (
        pl.scan_parquet(task_examples)
        .filter(pl.col("split") == HELD_OUT)
        .filter((pl.col("label").list.len() > 0) | (not task.labelled))
        .sort("subject_id")
        .collect()
    )
    if len(patients) < 2:
        raise InputError(
            task_examples, "it has fewer than two held-out patients", "Use more patients"
        )
    diseases = len(read_vocabulary(vocabulary).phenotypes)
    known = multi_hot(patients["known"], diseases)
    found = {}
    for path in vectors:
        read = patients.select("subject_id").join(
            pl.read_parquet(path), on="subject_id", how="left", maintain_order="left"
        )
        if read["vector"].has_nulls():
            raise InputError(path, "a held-out patient has no vector", "Run the rule vectors again")
        found[path.stem] = read["vector"].to_numpy()
    rows = compare_vectors(
        {**found, HISTORY: known},
        multi_hot(patients["label"], diseases),
        known,
        nearest,
        run.bootstrap,
        task.name,
    )
    counts, threshold = rows["patients"].to_numpy(), run.disclosure.threshold
    few = is_small(counts, threshold)
    # The number of all patients is published elsewhere.
    near = np.array([hide_steps(np.array([len(patients), n]), threshold)[1] for n in counts])
    shown = suppress(suppress(rows, few, _SCORES), near, ["patients", "undefined"])
    rounded = shown.with_columns(pl.col(_SCORES).round(DECIMALS))
    return with_facts(rounded, protocol=run.protocol, task=task.name)
