"""The words of medications, procedures, tests and measurements: codes that enough patients have."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from behrt.caliber.lists import NAME
from behrt.concepts import PREFIXES
from behrt.errors import InputError
from behrt.logs import progress
from behrt.sequences.frames import TRAIN
from behrt.sequences.vocabulary import MOST_WORDS, Vocabulary


def concept_of_code(code: pl.Expr) -> pl.Expr:
    """Return the concept of a MEDS code, null for other codes, as `behrt.concepts.concept_of`."""
    return pl.coalesce(
        pl.when(code.str.starts_with(prefix)).then(pl.lit(concept))
        for concept, prefix in PREFIXES.items()
    )


def count_concept_codes(
    shards: Sequence[Path],
    splits: pl.DataFrame,
    concepts: Sequence[str],
    cut_off: date | None = None,
) -> pl.DataFrame:
    """Count the events and the training patients of each code of some concepts.

    Args:
        shards: MEDS data; a subject is in one shard only.
        splits: subject_id Int64, split String.
        concepts: names of `behrt.concepts.PREFIXES`.
        cut_off: the first day that is held out; None to split by subject only. Training patients
            count with what they have before it.

    Returns:
        code, concept String; events, patients Int64; sorted by code. Every code that a patient has
        is listed, also those that no training patient has.
    """
    training = splits.filter(pl.col("split") == TRAIN)["subject_id"].implode()
    before = pl.lit(True) if cut_off is None else pl.col("time").dt.date() < cut_off
    parts = []
    for shard in progress(shards, label="codes", unit="shards"):
        events = (
            pl.scan_parquet(shard)
            .select("subject_id", "time", "code", concept=concept_of_code(pl.col("code")))
            .filter(pl.col("concept").is_in(list(concepts)))
        )
        learned = pl.col("subject_id").is_in(training) & before
        counted = events.group_by("code", "concept").agg(
            events=pl.len().cast(pl.Int64),
            patients=pl.col("subject_id").filter(learned).n_unique().cast(pl.Int64),
        )
        parts.append(counted.collect(engine="streaming"))
    return pl.concat(parts).group_by("code", "concept").agg(pl.all().sum()).sort("code")


def with_concept_words(
    vocabulary: Vocabulary,
    counts: pl.DataFrame,
    metadata: pl.DataFrame,
    concepts: Sequence[str],
    minimum_patients: int,
) -> tuple[Vocabulary, dict[str, Any]]:
    """Return a vocabulary with the words of other concepts, and a manifest.

    A code that enough training patients have becomes a word. Codes that cannot be shown (control
    characters, more than 200 characters) do not.

    Args:
        vocabulary: of the diseases.
        counts: of `count_concept_codes`.
        metadata: code and description, as far as the data describe their codes.
        concepts: the concepts that the run reads.
        minimum_patients: training patients who must have a code.

    Returns:
        The vocabulary; for each concept the number of words, and the numbers of codes and events
        that are left out, by reason.

    Raises:
        InputError: a concept has no word, or there are more words than are supported.
    """
    can_be_shown, common = (
        pl.col("code").str.contains(NAME),
        pl.col("patients") >= minimum_patients,
    )
    described = counts.join(
        metadata.select("code", "description").unique("code"), on="code", how="left"
    ).with_columns(
        name=pl.coalesce(
            pl.when(pl.col("description").str.contains(NAME)).then("description"), "code"
        )
    )
    words = described.filter(can_be_shown & common)
    codes: list[str] = []
    names: list[str] = []
    manifest: dict[str, Any] = {"minimum_patients": minimum_patients}
    for concept in (concept for concept in PREFIXES if concept in concepts):
        own = words.filter(concept=concept).sort("code")
        if own.is_empty():
            raise InputError(
                "config, inputs",
                f"no code of {concept} ({PREFIXES[concept]}…) is in the records of at least "
                f"{minimum_patients} training patients",
                f"Remove {concept} from inputs, or check that the data have them",
            )
        codes.extend(own["code"].to_list())
        names.extend(own["name"].to_list())
        left_out = {
            "rare": described.filter(can_be_shown & ~common, concept=concept),
            "cannot_be_shown": described.filter(~can_be_shown, concept=concept),
        }
        manifest[concept] = {
            "words": own.height,
            "events": int(own["events"].sum()),
            **{
                f"{reason}_{counted}": number
                for reason, codes_left in left_out.items()
                for counted, number in (
                    ("codes", codes_left.height),
                    ("events", int(codes_left["events"].sum())),
                )
            },
        }
    if len(vocabulary.phenotypes) + len(codes) > MOST_WORDS:
        raise InputError(
            "config, concepts",
            f"there are {len(codes)} words in addition to the diseases, and a vocabulary has at "
            f"most {MOST_WORDS}",
            "Raise concepts.minimum_patients, or choose a coarser level",
        )
    found = replace(vocabulary, concept_codes=tuple(codes), concept_names=tuple(names))
    return found, manifest
