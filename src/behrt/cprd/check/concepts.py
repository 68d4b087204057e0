"""What a run would read of medications, procedures, tests and measurements."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from behrt.concept_outcomes import MAPPED, OUTCOMES, UNMAPPED
from behrt.concepts import concepts_in
from behrt.cprd.check import rounding
from behrt.cprd.check.sampling import CheckSettings, Sample, rows_of
from behrt.cprd.concepts import codes
from behrt.cprd.concepts.look_ups import find_look_ups
from behrt.errors import InputError


def look_at_concepts(
    samples: Mapping[str, Sequence[Sample]],
    folder: Path,
    settings: CheckSettings,
    problems: list[InputError],
) -> tuple[dict[str, Any], set[str]]:
    """Count what would become of the records read of each input, of all patients and days.

    Args:
        samples: by source table.
        folder: of the delivery.
        settings: of the check.
        problems: receives what would stop the run.

    Returns:
        For each input: rows_read, and the share of the rows by outcome. The files, below the
        folder, that are look-ups.
    """
    found: dict[str, Any] = {}
    files: set[str] = set()
    named = {str(name): path for name, path in settings.concepts.look_ups.items()}
    for concept in concepts_in(settings.inputs):
        inputs = ["diagnoses", concept]
        level = settings.concepts.procedures.level
        try:
            look_ups = find_look_ups(folder, settings.database.name, inputs, named)
            paths = (file.path for file in look_ups.values())
            files |= {p.relative_to(folder).as_posix() for p in paths if p.is_relative_to(folder)}
            frames, _ = codes.read(
                settings.database.name,
                inputs,
                settings.concepts,
                look_ups,
                settings.lists,
                settings.observation_lists.get("tests"),
                settings.observation_lists.get("measurements"),
            )
        except InputError as error:
            problems.append(error)
            continue
        tables = settings.database.concepts[concept]
        parts = {name: rows_of(samples, [name]) for name in tables}
        if not all(parts.values()):
            continue
        counts: Counter[str] = Counter()
        for shard in range(settings.shards):
            rows = codes.scan(
                settings.database.name,
                inputs,
                level,
                settings.concepts.measurements,
                parts,
                frames,
                shard,
            )[concept]
            counts.update(_outcomes(rows))
        if counts[UNMAPPED] and not counts[MAPPED] and counts.total() >= settings.threshold:
            problems.append(
                InputError(
                    f"inputs, {concept}",
                    "none of the codes that were read is known",
                    f"Check that the look-ups and `concepts.{concept}` fit the delivery",
                )
            )
        found[concept] = {
            "rows_read": rounding.rows(counts.total(), settings.threshold),
            "shares": {
                outcome: rounding.share(counts[outcome], counts.total(), settings.threshold)
                for outcome in OUTCOMES
                if counts[outcome]
            },
        }
    return found, files


def _outcomes(rows: pl.LazyFrame) -> dict[str, int]:
    outcome = (
        pl.when(pl.col("code").is_null())
        .then(pl.lit("no code"))
        .when(pl.col("day").is_null())
        .then(pl.lit("no date"))
        .otherwise("outcome")
    )
    counted = rows.group_by(outcome.alias("outcome")).len().collect(engine="streaming")
    return dict(counted.iter_rows())
