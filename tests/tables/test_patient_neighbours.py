"""The table of near patients: its rows, and what it hides."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import behrt.models
from behrt.disclosure import Rules
from behrt.errors import InputError
from behrt.kinds import WITH_VECTORS
from behrt.run import Run
from behrt.sequences.vocabulary import Vocabulary, write_vocabulary
from behrt.tables.patient_neighbours import table
from behrt.tasks import Task


def test_rows_of_models_and_history(tmp_path: Path, vocabulary: Vocabulary) -> None:
    generator = np.random.default_rng(2)
    known = [[int(generator.integers(12))] for _ in range(40)]
    examples = pl.DataFrame(
        {
            "subject_id": range(40),
            "split": ["held_out"] * 30 + ["train"] * 10,
            # Three patients have no new disease.
            "label": [row if i < 3 else [(row[0] + 1) % 12] for i, row in enumerate(known)],
            "known": known,
        }
    )
    examples.write_parquet(tmp_path / "T2.parquet")
    write_vocabulary(vocabulary, tmp_path / "vocabulary.json")
    vectors = pl.DataFrame(
        {
            "subject_id": range(30),
            "vector": pl.Series(generator.normal(size=(30, 4)), dtype=pl.Array(pl.Float32, 4)),
        }
    )
    vectors.write_parquet(tmp_path / "behrt.parquet")
    run = Run("simulated", Rules(5), protocol="strict", resamples=20, seed=1)
    given = (tmp_path / "vocabulary.json", Task("T2", 6), 5)
    found = table(run, tmp_path / "T2.parquet", [tmp_path / "behrt.parquet"], *given)
    assert found["model"].to_list() == ["behrt"] * 2 + ["history"] * 2
    assert found["patients"].to_list() == [30, None] * 2  # 27 would show that 3 are undefined
    assert found["value"].null_count() == 0
    vectors[1:].write_parquet(tmp_path / "behrt.parquet")
    with pytest.raises(InputError, match="a held-out patient has no vector"):
        table(run, tmp_path / "T2.parquet", [tmp_path / "behrt.parquet"], *given)


def test_the_kinds_with_vectors_are_listed() -> None:
    """Found in the text of the modules: importing all of them takes seconds."""
    folder = Path(behrt.models.__file__).parent
    defined = re.compile(r"^(def embed\(|.*\bembed = _kind)", re.MULTILINE)
    found = {path.stem for path in folder.glob("*.py") if defined.search(path.read_text())}
    assert found == set(WITH_VECTORS)
