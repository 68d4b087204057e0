"""The labels of one outcome, from the configuration's definition or from a file of labels."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

import polars as pl

from behrt import logs, stage
from behrt.admissions import Stays
from behrt.files import write_json, write_parquet
from behrt.logs import logger
from behrt.outcomes.label_files import take_labels
from behrt.outcomes.labels import add_steps, finish, label_shard
from behrt.sequences.frames import read_sequences
from behrt.sequences.sequences import read_events
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.outcomes import OutcomeSettings


def main(
    sequences: list[Path],
    vocabulary: Path,
    labels: Path,
    manifest: Path,
    outcome: OutcomeSettings,
    name: str,
    seed: int,
    cut_off: str | None,
    records_of_the_day: bool,
    events: Sequence[Path] = (),
    stays: Sequence[Path] = (),
    given: Path | None = None,
) -> None:
    """Label; `events` and `stays` have the shards of `sequences`, `given` is a file of labels."""
    first = date.fromisoformat(cut_off) if cut_off else None
    if given is not None:
        made, counts = take_labels(
            given, sequences, name, outcome.maximum_refused, records_of_the_day, first
        )
        facts = {"rows_read": counts.rows, "rows_used": made.height}
        steps = [asdict(step) for step in counts.steps]
        unused = dict(sorted(counts.unused.items()))
        write_json({"steps": steps, **facts, "rows_unused": unused}, manifest)
    else:
        phenotypes = read_vocabulary(vocabulary).phenotypes
        of_shards = [
            label_shard(
                read_sequences(shard),
                read_events(events[number]),
                Stays.validate(pl.read_parquet(stays[number])) if stays else None,
                outcome,
                phenotypes,
                name,
                seed,
                first,
            )
            for number, shard in enumerate(logs.progress(sequences, label=name, unit="shards"))
        ]
        left = add_steps([of_shard for _, of_shard in of_shards])
        fit, known = left[-2].patients, left[-1].patients
        if logs.is_told(fit) and 2 * known < fit:
            logger.log(
                logs.NOTICE,
                "%s: for most patients follow-up ends within the window, and they are left out. If "
                "the data does not say until when patients are observed, add it: see "
                "docs/outcomes.md",
                name,
            )
        made = finish(pl.concat(frame for frame, _ in of_shards), outcome.short_follow_up, name)
        write_json({"steps": [asdict(step) for step in left]}, manifest)
    write_parquet(made, labels)
    patients = made["subject_id"].n_unique()
    positives = made.filter("boolean_value")["subject_id"].n_unique()
    logger.info("%s: %s of the patients have the event", name, logs.share(positives, patients))


if __name__ == "__main__":
    stage.run(main, snakemake)
