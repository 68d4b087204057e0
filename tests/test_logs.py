"""Numbers of patients in logs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from behrt import logs


@pytest.fixture(autouse=True)
def default() -> Iterator[None]:
    yield
    logs.start(None)


def test_small_numbers_are_not_shown() -> None:
    logs.start(None, threshold=8, rounding=5)
    assert [logs.count(n) for n in (0, 1, 7, 8, 123)] == [
        *("0", "fewer than 8", "fewer than 8", "10", "125")
    ]
    assert logs.share(40, 100) == "40.0%"
    assert logs.share(7, 100) == "hardly any"
    assert logs.share(93, 100) == "almost all"
    assert logs.share(2, 4) == "a share"
    assert logs.mean(np.array([0.5] * 7 + [np.nan])) == "–"
    assert logs.mean(np.array([0.5] * 8 + [np.nan])) == "0.500"


def test_the_processes_of_a_job_share_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first of them logs more than errors."""
    log = tmp_path / "job.log"
    log.write_text("of an earlier run\n", encoding="utf-8")
    logs.start(log)
    logs.logger.info("the job starts")
    monkeypatch.setenv(logs.PART, "1")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        logs.start(log)
        logs.logger.info("rank %s learns", rank)
        logs.logger.error("rank %s fails", rank)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        *("the job starts", "rank 0 learns", "rank 0 fails", "rank 1 fails")
    ]
