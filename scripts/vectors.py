"""Find the vectors of the held-out patients of one task with one model."""

from pathlib import Path

import polars as pl

from behrt import stage
from behrt.files import write_parquet
from behrt.learning.artefacts import check_vocabulary, inputs_of
from behrt.learning.load import load_examples
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.models import model_named
from behrt.sequences.frames import HELD_OUT
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task


def main(
    sequences: list[Path],
    examples: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    vectors: Path,
    kind: str,
    task: Task,
    compute: Compute,
) -> None:
    """Write `vectors`; `weights` and `model_config` are files of one folder."""
    check_vocabulary(weights.parent, read_vocabulary(vocabulary).version)
    patients = load_examples(
        sequences, examples, HELD_OUT, vocabulary, task.labelled, inputs_of(weights.parent)
    )
    found = model_named(kind).embed(patients, TrainingRun(weights.parent, compute))
    size = found.shape[1]
    frame = pl.DataFrame(
        {
            "subject_id": patients.subject_id,
            "vector": pl.Series(found, dtype=pl.Array(pl.Float32, size)),
        }
    )
    write_parquet(frame, vectors)
    logger.info("%s: vectors of %d numbers for %s", kind, size, task.name)


if __name__ == "__main__":
    stage.run(main, snakemake)
