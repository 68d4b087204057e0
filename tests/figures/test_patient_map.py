"""The map of patients: which chapter colours a patient, and whom it may show."""

from pathlib import Path

import numpy as np
import pytest

from behrt.errors import InputError
from behrt.figures.patient_map import commonest_chapters, draw
from behrt.sequences.vocabulary import Vocabulary
from behrt.tasks import Task


def test_a_patient_has_the_chapter_with_most_diseases() -> None:
    words = Vocabulary(("a", "b", "c", "d"), ("Skin", "Eye", "Skin", "Ear"))
    labels = np.array([[1, 1, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1]], dtype=bool)
    assert commonest_chapters(labels, words) == ["Skin", "Ear", "Ear"]


def test_real_patients_are_on_no_map(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the patients are real"):
        draw(tmp_path / "v", tmp_path / "t", tmp_path / "w", Task("T2", 6), 1, "cprd")
