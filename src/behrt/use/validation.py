"""A trained model on the patients of another place: its predictions, and what came true."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.learning.load import examples_of
from behrt.sequences.frames import Sequences
from behrt.sequences.tasks import draw_examples
from behrt.sequences.vocabulary import Vocabulary
from behrt.use.model import TrainedModel


def with_words_of(
    sequences: pl.DataFrame, own: Vocabulary, model: Vocabulary, shared_words: bool
) -> pl.DataFrame:
    """Return histories in the words of a model.

    Args:
        sequences: as `behrt.sequences.frames.Sequences`, in the words of `own`.
        own: the vocabulary of the histories.
        model: the vocabulary of the model.
        shared_words: whether words that the model does not know may be left out. A visit without
            another word is then no visit.

    Raises:
        InputError: the vocabularies differ, and `shared_words` is false; or they share no word.
    """
    if own.version == model.version:
        return sequences
    shared = sorted(set(own.phenotypes) & set(model.phenotypes))
    if not shared or not shared_words:
        raise InputError(
            "config, model",
            f"its vocabulary is {model.version}, and that of this run {own.version}: {len(shared)} "
            f"of the run's {len(own.phenotypes)} words are among the model's "
            f"{len(model.phenotypes)}",
            "Map the data with the same code lists (`caliber`), or set shared_words to true to "
            "predict from the words that both have",
        )
    words = pl.DataFrame(
        {
            "code": [own.phenotypes.index(word) for word in shared],
            "new": [model.phenotypes.index(word) for word in shared],
        },
        schema={"code": pl.Int16, "new": pl.Int16},
    )
    visit = pl.col("visit")
    diagnoses = (
        sequences.select("subject_id", "visit_day", "visit_age", "code", "visit")
        .explode("code", "visit", empty_as_null=False, keep_nulls=False)
        .with_columns(pl.col("visit_day", "visit_age").list.get(visit))
        .join(words, on="code")
        .sort("subject_id", "visit", "new")
        .with_columns(visit=visit.rle_id().over("subject_id").cast(pl.Int16))
    )
    first = visit.is_first_distinct()
    histories = diagnoses.group_by("subject_id", maintain_order=True).agg(
        visit_day=pl.col("visit_day").filter(first),
        visit_age=pl.col("visit_age").filter(first),
        code="new",
        visit="visit",
    )
    lists = ["visit_day", "visit_age", "code", "visit"]
    return (
        sequences.drop(lists)
        .join(histories, on="subject_id", how="left", maintain_order="left")
        .with_columns(pl.col(lists).fill_null([]))
        .select(sequences.columns)
    )


def predict_examples(
    model: TrainedModel,
    sequences: Sequence[Path],
    vocabulary: Vocabulary,
    seed: int,
    shared_words: bool = False,
) -> tuple[pl.DataFrame, np.ndarray]:
    """Predict the model's task for all patients of a run, and find their labels.

    Examples are drawn as those of the model's run: one per patient, after at least as many visits,
    with the same window. Which patients are for training in the run does not matter, as the model
    has learned from none of them.

    Args:
        model: the trained model.
        sequences: the shards of the run.
        vocabulary: of the run.
        seed: of the draw of the examples.
        shared_words: as for `with_words_of`.

    Returns:
        The examples (`behrt.sequences.frames.TaskExamples`) in order of subject_id, and float32
        (n, n_diseases), the model's own probabilities.

    Raises:
        InputError: as `with_words_of`; the model is only pretrained; no patient has an example.
    """
    task, words = model.task, model.vocabulary
    parts = []
    for shard in sequences:
        read = with_words_of(pl.read_parquet(shard), vocabulary, words, shared_words)
        histories = Sequences.validate(read)
        drawn = draw_examples(histories, task, model.description.minimum_visits, seed).filter(
            (pl.col("label").list.len() > 0) | (not task.labelled)
        )
        if drawn.is_empty():
            continue
        rows = drawn.drop("split").join(histories, on="subject_id", maintain_order="left")
        parts.append((drawn, model.scores_of(examples_of(rows, len(words.phenotypes)))))
    if not parts:
        raise InputError(
            task.name,
            f"no patient has {model.description.minimum_visits} visits and something to predict "
            "after them",
            "Use more patients, or a longer follow-up",
        )
    patients = pl.concat([drawn for drawn, _ in parts])
    order = np.argsort(patients["subject_id"].to_numpy(), kind="stable")
    return patients[order], np.concatenate([scores for _, scores in parts])[order]
