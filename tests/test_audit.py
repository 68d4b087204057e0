"""The audit of dependencies, against a database on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from . import audit

FLAW = {
    "id": "PYSEC-1",
    "aliases": ["CVE-1"],
    "summary": "Runs what it reads.",
    "affected": [
        {
            "package": {"name": "numpy", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.1"}]}],
            "versions": ["2.4.6"],
        }
    ],
}


class Database(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: dict[str, Any] = {"vulns": [FLAW]} if asked["package"]["name"] == "numpy" else {}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    path = tmp_path / "constraints.txt"
    path.write_text("numpy==2.4.6\nmeds==0.4.1 ; python_version > '3'\n")
    return path


def options(address: str) -> list[str]:
    return ["--vulnerability-service", "osv", "--osv-url", address]


def test_a_known_vulnerability_fails_and_a_reason_lets_it_pass(
    database: str, pinned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(pinned, options(database), {}) == 1
    said = capsys.readouterr().out
    assert "VULNERABLE: numpy 2.4.6: PYSEC-1, fixed in 9.1" in said
    assert "Audited 2 packages" in said
    assert audit.main(pinned, options(database), {"CVE-1": "we read nothing with it"}) == 0
    assert "ignored: numpy 2.4.6: PYSEC-1: we read nothing with it" in capsys.readouterr().out


def test_without_the_database_it_says_so_and_passes(
    pinned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(pinned, options("http://127.0.0.1:9"), {}) == 0
    assert (
        "NOT AUDITED: the database of vulnerabilities cannot be reached" in capsys.readouterr().out
    )


def test_a_mirror_without_the_database_is_not_taken_for_it(
    pinned: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none = [{"name": "numpy", "skip_reason": "Dependency not found on PyPI"}]

    class Done:
        stdout = json.dumps({"dependencies": none})
        stderr = "No known vulnerabilities found"
        returncode = 0

    monkeypatch.setattr(audit.subprocess, "run", lambda *arguments, **options: Done)
    assert audit.main(pinned, [], {}) == 0
    assert "NOT AUDITED" in capsys.readouterr().out
