"""A small vocabulary."""

import pytest

from behrt.sequences.vocabulary import Vocabulary


@pytest.fixture
def vocabulary() -> Vocabulary:
    """Return twelve diseases in three chapters."""
    names = tuple(f"Disease {i:02d}" for i in range(12))
    return Vocabulary(names, tuple(f"Chapter {i % 3}" for i in range(12)))
