"""Files that are written whole, and for their user alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from behrt.files import keep_private, write_json


@pytest.fixture
def open_to_all() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_to_all")
def test_what_a_stage_writes_is_its_users_alone(tmp_path: Path) -> None:
    keep_private()
    path = tmp_path / "results" / "run" / "value.json"
    write_json({"a": 1}, path)
    assert mode(path) == 0o600
    assert {mode(path.parent), mode(path.parents[1])} == {0o700}
