"""Targets that check a delivery or fetch code lists; they work on input that a run refuses."""

import functools
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .conftest import MINE, TINY, Copy

pytestmark = pytest.mark.workflow


def test_a_delivery_that_a_run_refuses_is_checked(licensed: Copy) -> None:
    folder = licensed.folder / "delivered"
    shutil.rmtree(folder / "ons")
    damaged = folder / "gold" / "simulated_Extract_Clinical_002.zip"
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    done = licensed.snakemake("check_delivery", "--cores", "1", *MINE)
    assert "Not ready" in done.stdout
    report = json.loads((licensed.folder / "results/mine/check/delivery.json").read_text())
    assert not report["ready"]
    assert len(report["errors"]) == 2
    assert not (licensed.folder / "results/mine/check/.sample").exists()


def test_expectations_agree_with_the_run(editable: Copy) -> None:
    done = editable.snakemake("check_delivery", "--cores", "1", *TINY)
    flow = (editable.results / "tables" / "cohort_flow.csv").read_text()
    report = json.loads((editable.results / "check" / "delivery.json").read_text())
    assert report["ready"]
    assert str(report["cohort"]["expected"]) in flow
    assert "Ready: " in done.stdout
    stages = ("extracted", "cohort", "meds", "sequences", "tasks", "predictions")
    used = sum(
        path.stat().st_size for stage in stages for path in (editable.results / stage).rglob("*.p*")
    )
    assert used / 2 < report["needs"]["disk_bytes"] < used * 4
    peaks = (editable.results / "benchmarks" / "finetune").rglob("*.jsonl")
    peak = max(float(json.loads(path.read_text())["max_rss"]) for path in peaks) * 1e6
    assert peak / 2 < report["needs"]["memory_bytes_a_training"] < peak * 6


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def served(tiny: Copy, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The tiny run's code lists, served on loopback: their folder and the address."""
    folder = Path(shutil.copytree(tiny.results / "caliber", tmp_path / "served"))
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def pin(folder: Path, copy: Copy) -> None:
    """Pin the files of a folder as the release, in a copy of the repository."""
    path = copy.folder / "src/behrt/caliber/release.json"
    release = json.loads(path.read_text())
    release["files"] = {
        file.relative_to(folder).as_posix(): [
            file.stat().st_size,
            hashlib.sha256(file.read_bytes()).hexdigest(),
        ]
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }
    path.write_text(json.dumps(release))


def test_the_code_lists_are_fetched_verified_and_resumed(
    clean: Copy, served: tuple[Path, str]
) -> None:
    folder, address = served
    pin(folder, clean)
    lists = clean.folder / "resources" / "caliber"
    asked = ("caliber", "--cores", "1", "--config", f"caliber_release={{address: '{address}'}}")
    right = (folder / "dictionary.csv").read_bytes()
    (folder / "dictionary.csv").write_bytes(right[:-1] + b"!")
    done = clean.snakemake(*asked, fails=True)
    assert "dictionary.csv: different content from the pinned file" in done.stdout
    assert not (lists / "verified.json").exists()
    assert not (lists / "dictionary.csv").exists()
    (folder / "dictionary.csv").write_bytes(right)
    done = clean.snakemake(*asked)
    assert "1 of them new" in done.stdout
    assert json.loads((lists / "verified.json").read_text())["lists"]["phenotypes"] == 301
