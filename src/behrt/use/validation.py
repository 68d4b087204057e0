"""A trained model on the patients of another place: its predictions, and what came true."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.learning.load import examples_of
from behrt.logs import logger
from behrt.sequences.frames import ConceptSequences, DiagnosisSequences, Sequences
from behrt.sequences.tasks import draw_examples
from behrt.sequences.vocabulary import Vocabulary
from behrt.use.model import TrainedModel


def with_words_of(
    sequences: pl.DataFrame,
    own: Vocabulary,
    model: Vocabulary,
    inputs: Collection[str],
    shared_words: bool,
) -> pl.DataFrame:
    """Return histories in the words of a model.

    Args:
        sequences: as `behrt.sequences.frames.Sequences`, in the words of `own`.
        own: the vocabulary of the histories.
        model: the vocabulary of the model.
        inputs: those that the model reads, which may be fewer than its vocabulary has words of.
        shared_words: whether diseases that the model does not know may be left out. Words of other
            inputs that it does not know always are. A visit without another word is then no visit.

    Raises:
        InputError: the diseases differ, and `shared_words` is false, or they share none; or the
            model reads an input that the run does not.
    """
    if own.version == model.version:
        return sequences
    needed = [concept for concept in model.concepts if concept in inputs]
    if missing := [concept for concept in needed if concept not in own.concepts]:
        raise InputError(
            "config, inputs",
            f"the model reads {missing[0]}, which this run does not",
            f"Add {missing[0]} to inputs",
        )
    shared = sorted(set(own.phenotypes) & set(model.phenotypes))
    same = own.of_diseases().version == model.of_diseases().version
    if not shared or not (same or shared_words):
        raise InputError(
            "config, model",
            f"its vocabulary is {model.version}, and that of this run {own.version}: {len(shared)} "
            f"of the run's {len(own.phenotypes)} words are among the model's "
            f"{len(model.phenotypes)}",
            "Map the data with the same code lists (`caliber`), or set shared_words to true to "
            "predict from the words that both have",
        )
    known = {word: index for index, word in enumerate((*model.phenotypes, *model.concept_codes))}
    words = pl.DataFrame(
        [
            (index, known[word])
            for index, word in enumerate((*own.phenotypes, *own.concept_codes))
            if word in known
        ],
        schema={"code": pl.Int16, "new": pl.Int16},
        orient="row",
    )
    visit, disease = pl.col("visit"), pl.col("new") < len(model.phenotypes)
    recorded = (
        sequences.select("subject_id", "visit_day", "visit_age", code=code, visit=of_code).explode(
            "code", "visit", empty_as_null=False, keep_nulls=False
        )
        for code, of_code in (("code", "visit"), ("concept", "concept_visit"))
        if code in sequences.columns
    )
    found = (
        pl.concat(recorded)
        .with_columns(pl.col("visit_day", "visit_age").list.get(visit))
        .join(words, on="code")
        .sort("subject_id", "visit", "new")
        .with_columns(visit=visit.rle_id().over("subject_id").cast(pl.Int16))
    )
    first = visit.is_first_distinct()
    lists = {
        "visit_day": pl.col("visit_day").filter(first),
        "visit_age": pl.col("visit_age").filter(first),
        "code": pl.col("new").filter(disease),
        "visit": visit.filter(disease),
    }
    if model.concepts:
        lists["concept"] = pl.col("new").filter(~disease)
        lists["concept_visit"] = visit.filter(~disease)
    histories = found.group_by("subject_id", maintain_order=True).agg(**lists)
    fixed = [name for name in Sequences.column_names() if name not in lists]
    return (
        sequences.select(fixed)
        .join(histories, on="subject_id", how="left", maintain_order="left")
        .with_columns(pl.col(*lists).fill_null([]))
        .select(*Sequences.column_names(), *(name for name in lists if name.startswith("concept")))
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
    if words.concepts:
        shared = set(words.concept_codes) & set(vocabulary.concept_codes)
        logger.info(
            "other inputs: this run has %d of the %d words of the model, and %d others",
            len(shared),
            len(words.concept_codes),
            len(vocabulary.concept_codes) - len(shared),
        )
    parts = []
    for shard in sequences:
        read = with_words_of(pl.read_parquet(shard), vocabulary, words, model.inputs, shared_words)
        schema = ConceptSequences if words.concepts else DiagnosisSequences
        histories = schema.validate(read)
        drawn = draw_examples(histories, task, model.description.minimum_visits, seed).filter(
            (pl.col("label").list.len() > 0) | (not task.labelled)
        )
        if drawn.is_empty():
            continue
        rows = drawn.drop("split").join(histories, on="subject_id", maintain_order="left")
        examples = examples_of(rows, len(words.phenotypes), words.concepts)
        parts.append((drawn, model.scores_of(examples)))
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
