"""A map of simulated patients by their vectors, coloured by the chapter of what comes next."""

from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from behrt.errors import InputError
from behrt.evaluation.patients import multi_hot
from behrt.figures.embedding_map import project
from behrt.figures.labels import chapter_handles
from behrt.figures.style import QUIET, chapter_marks, new_figure
from behrt.sequences.frames import HELD_OUT
from behrt.sequences.vocabulary import Vocabulary, read_vocabulary
from behrt.tasks import Task

MOST = 3000
"""Patients on the map. More are thinned out evenly, in the order of their ids."""


def draw(
    vectors: Path, task_examples: Path, vocabulary: Path, task: Task, seed: int, data: str
) -> Figure:
    """Return the figure.

    Args:
        vectors: vectors/<task>/<model>.parquet.
        task_examples: the examples of the task.
        vocabulary: names and chapters.
        task: whose labels are what comes next.
        seed: of the projection.
        data: the source of the run.

    Raises:
        InputError: the patients are not simulated: no map shows real ones.
    """
    if data != "simulated":
        raise InputError("patient_map", "the patients are real", "Draw simulated patients only")
    words = read_vocabulary(vocabulary)
    labelled = pl.col("label").list.len() > 0
    patients = (
        pl.scan_parquet(task_examples)
        .filter(pl.col("split") == HELD_OUT, labelled)
        .select("subject_id", "label")
        .collect()
        .join(pl.read_parquet(vectors), on="subject_id")
        .sort("subject_id")
    )
    chosen = patients[np.linspace(0, len(patients) - 1, min(len(patients), MOST)).astype(int)]
    found = chosen["vector"].to_numpy().astype(np.float64)
    places = project(found - found.mean(axis=0), seed)
    labels = multi_hot(chosen["label"], len(words.phenotypes))
    return draw_map(places, commonest_chapters(labels, words), words, task.window)


def commonest_chapters(labels: np.ndarray, vocabulary: Vocabulary) -> list[str]:
    """Return the chapter with most diseases of each label; of equal ones, the first by name.

    Args:
        labels: bool (n, diseases), each with a disease.
        vocabulary: names and chapters.
    """
    chapters = sorted(set(vocabulary.chapters))
    own = np.array([chapters.index(chapter) for chapter in vocabulary.chapters])
    counts = labels.astype(int) @ np.eye(len(chapters), dtype=int)[own]
    return [chapters[place] for place in counts.argmax(axis=1)]


def draw_map(
    places: np.ndarray, chapters: list[str], vocabulary: Vocabulary, window: str
) -> Figure:
    """Return the map.

    Args:
        places: float (n, 2).
        chapters: of each patient.
        vocabulary: whose chapters have a mark each.
        window: of the task, "in the next 6 months".
    """
    marks = {
        chapter: mark
        for chapter, mark in chapter_marks(vocabulary.chapters).items()
        if chapter in chapters
    }
    figure = new_figure(8.4, 6.2)
    axes = figure.add_axes((0.01, 0.02, 0.72, 0.96))
    axes.set(xticks=[], yticks=[])
    of_patient = np.array(chapters)
    for chapter, mark in marks.items():
        own = places[of_patient == chapter]
        axes.scatter(
            own[:, 0], own[:, 1], s=8, c=mark.colour, marker=mark.marker, alpha=0.7, linewidths=0
        )
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.legend(
        handles=chapter_handles(marks),
        loc="upper left",
        bbox_to_anchor=(0.735, 0.985),
        title="Chapter of what comes",
        alignment="left",
    )
    figure.text(
        0.745,
        0.04,
        f"{len(places):,} simulated patients,\nby the chapter of most of their\ndiseases {window}",
        fontsize=7,
        color=QUIET,
    )
    return figure
