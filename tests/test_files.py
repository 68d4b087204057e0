"""Files are written whole, and only their user can read them."""

import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import torch

from behrt.errors import InputError
from behrt.files import keep_private, write_csv, write_json, write_parquet
from behrt.learning import checkpoint
from behrt.learning.artefacts import write_model
from behrt.learning.run import Compute, TrainingRun


@pytest.fixture
def open_to_all() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_to_all")
def test_only_the_user_can_read_what_a_stage_writes(tmp_path: Path) -> None:
    keep_private()
    path = tmp_path / "results" / "run" / "value.json"
    write_json({"a": 1}, path)
    assert mode(path) == 0o600
    assert {mode(path.parent), mode(path.parents[1])} == {0o700}


MUCH = torch.arange(20_000)
FRAME = pl.DataFrame({"number": torch.rand(20_000).numpy()})


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: checkpoint.save(folder, {"weights": MUCH}),
        lambda folder: write_model(TrainingRun(folder, Compute(1)), {}, 3, {"weights": MUCH}),
        lambda folder: write_parquet(FRAME, folder / "a.parquet"),
        lambda folder: write_csv(FRAME, folder / "a.csv"),
        lambda folder: write_json({"a": "b" * 20_000}, folder / "a.json"),
    ],
    ids=["checkpoint", "weights", "Parquet", "CSV", "JSON"],
)
def test_a_file_that_cannot_grow_is_an_error_and_leaves_nothing(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(InputError, match="it exceeds the limit on the size of files"):
            write(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
