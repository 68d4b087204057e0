"""A copy of the code lists is whole and the pinned one, or refused, whatever the server does."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from behrt.caliber import release
from behrt.caliber.release import File, Release, copy, download
from behrt.errors import InputError

CONTENT = {
    "dictionary.csv": b"phenotype,CPRD,ICD\r\n" * 3,
    "primary_care/CPRD_gout.csv": bytes(range(256)) * 1000,
    "secondary_care/ICD_gout.csv": b"Disease,ICD10code\r\nGout,M10\r\n",
}
LONG = "primary_care/CPRD_gout.csv"


def describe(content: dict[str, bytes]) -> Release:
    files = {
        name: File(len(body), hashlib.sha256(body).hexdigest()) for name, body in content.items()
    }
    return Release(
        "https://example.org/lists", "abc123", True, "https://example.org/{commit}", files
    )


@dataclass
class Server:
    """Serves CONTENT under /abc123/, with faults by path."""

    address: str
    missing: set[str] = field(default_factory=set)
    tampered: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)  # bytes after which to hang up
    refusals: dict[str, list[int]] = field(default_factory=dict)  # statuses to answer first
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/elsewhere/dictionary.csv":
                self.send_response(302)
                self.send_header("Location", "ftp://127.0.0.1/dictionary.csv")
                self.end_headers()
                return
            name = self.path.removeprefix("/abc123/")
            asked_range = self.headers["Range"]
            state.asked.append((name, asked_range))
            if state.refusals.get(name):
                self.send_error(state.refusals[name].pop(0))
                return
            if name in state.missing or name not in CONTENT:
                self.send_error(404)
                return
            body = state.tampered.get(name, CONTENT[name])
            start = 0
            if asked_range and state.ranges:
                start = int(asked_range.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            cuts = state.cut.get(name)
            self.wfile.write(body[start:][: cuts.pop(0) if cuts else None])

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_address[1]}/{{commit}}")
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release.time, "sleep", lambda seconds: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_release_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    pinned = describe(CONTENT)
    assert pinned.missing(tmp_path) == list(CONTENT)
    assert download(pinned, tmp_path, server.address) == 3
    assert contents(tmp_path) == CONTENT
    assert download(pinned, tmp_path, server.address) == 0
    assert len(server.asked) == 3
    (tmp_path / "dictionary.csv").write_bytes(b"x" * len(CONTENT["dictionary.csv"]))
    assert download(pinned, tmp_path, server.address) == 1
    assert contents(tmp_path) == CONTENT


def test_a_broken_download_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.cut = {LONG: [1000, 5000]}
    assert download(describe(CONTENT), tmp_path, server.address) == 3
    assert contents(tmp_path) == CONTENT
    assert [r for name, r in server.asked if name == LONG] == [None, "bytes=1000-", "bytes=6000-"]


def test_the_next_run_goes_on_too(server: Server, tmp_path: Path) -> None:
    server.cut = {LONG: [1000]}
    with pytest.raises(
        InputError, match=r"1 of 3 files.*broke before the end.*Run the command again"
    ):
        download(describe(CONTENT), tmp_path, server.address, attempts=1)
    assert contents(tmp_path).keys() - {"primary_care/.CPRD_gout.csv.partial"} == (
        CONTENT.keys() - {LONG}
    )
    server.asked.clear()
    assert download(describe(CONTENT), tmp_path, server.address) == 1
    assert server.asked == [(LONG, "bytes=1000-")]
    assert contents(tmp_path) == CONTENT


def test_a_server_without_ranges_is_asked_for_the_whole_again(
    server: Server, tmp_path: Path
) -> None:
    server.ranges = False
    server.cut = {LONG: [1000]}
    download(describe(CONTENT), tmp_path, server.address)
    assert contents(tmp_path) == CONTENT


def test_a_partial_file_of_something_else_is_thrown_away(server: Server, tmp_path: Path) -> None:
    partial = tmp_path / "primary_care" / ".CPRD_gout.csv.partial"
    partial.parent.mkdir()
    for left in (b"other" * 100, b"y" * len(CONTENT[LONG])):
        partial.write_bytes(left)
        download(describe(CONTENT), tmp_path, server.address)
        assert contents(tmp_path) == CONTENT
        (tmp_path / LONG).unlink()


@pytest.mark.parametrize(
    "body",
    [CONTENT[LONG][:-1] + b"!", CONTENT[LONG] + b"more", CONTENT[LONG] * 20],
    ids=["changed", "longer", "endless"],
)
def test_a_tampered_file_is_refused(server: Server, tmp_path: Path, body: bytes) -> None:
    server.tampered = {LONG: body}
    with pytest.raises(InputError, match=r"CPRD_gout\.csv: different content from the pinned file"):
        download(describe(CONTENT), tmp_path, server.address)
    assert contents(tmp_path) == {n: body for n, body in CONTENT.items() if n != LONG}


def test_a_truncated_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.tampered = {LONG: CONTENT[LONG][:-7]}
    with pytest.raises(InputError, match=r"CPRD_gout\.csv: "):
        download(describe(CONTENT), tmp_path, server.address)
    assert LONG not in contents(tmp_path)


def test_a_missing_file_is_named_and_the_others_are_there(server: Server, tmp_path: Path) -> None:
    server.missing = {LONG}
    with pytest.raises(InputError, match=r"1 of 3 files.*CPRD_gout\.csv: the server answers 404"):
        download(describe(CONTENT), tmp_path, server.address)
    assert [name for name, _ in server.asked].count(LONG) == 1
    assert contents(tmp_path).keys() == CONTENT.keys() - {LONG}


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.refusals = {LONG: [503, 429]}
    assert download(describe(CONTENT), tmp_path, server.address) == 3


@pytest.mark.parametrize("address", ["file:///etc", "ftp://example.org", "lists", "https://"])
def test_only_the_web_is_asked(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a web address"):
        download(describe(CONTENT), tmp_path, address)


def test_a_redirection_leads_to_the_web_alone(server: Server, tmp_path: Path) -> None:
    address = server.address.replace("{commit}", "elsewhere")
    only = describe({"dictionary.csv": CONTENT["dictionary.csv"]})
    with pytest.raises(InputError, match="not a web address"):
        download(only, tmp_path, address)


def test_a_server_that_is_not_there_is_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 of 3 files.*the connection broke"):
        download(describe(CONTENT), tmp_path, "http://127.0.0.1:1", attempts=1)


Pack = Callable[[Path, dict[str, bytes]], Path]


def as_folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        path = place / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return place / "copy"


def as_zip(place: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(place / "copy.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return place / "copy.zip"


def as_tar(place: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(place / "copy.tar.gz", "w:gz") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return place / "copy.tar.gz"


@pytest.mark.parametrize("pack", [as_folder, as_zip, as_tar])
@pytest.mark.parametrize("prefix", ["", "chronological-map-phenotypes-abc123/"])
def test_a_copy_is_taken(pack: Pack, prefix: str, tmp_path: Path) -> None:
    source = pack(tmp_path, {prefix + name: body for name, body in CONTENT.items()})
    assert copy(describe(CONTENT), tmp_path / "lists", source) == 3
    assert contents(tmp_path / "lists") == CONTENT
    assert copy(describe(CONTENT), tmp_path / "lists", source) == 0


@pytest.mark.parametrize("pack", [as_folder, as_zip, as_tar])
@pytest.mark.parametrize(
    ("body", "problem"), [(None, "missing"), (b"else", "different content")], ids=str
)
def test_a_copy_with_a_wrong_file_is_refused(
    pack: Pack, body: bytes | None, problem: str, tmp_path: Path
) -> None:
    files = {name: CONTENT[name] for name in CONTENT if name != LONG}
    source = pack(tmp_path, files if body is None else {**files, LONG: body})
    with pytest.raises(InputError, match=rf"1 of 3 files.*CPRD_gout\.csv: {problem}"):
        copy(describe(CONTENT), tmp_path / "lists", source)
    assert contents(tmp_path / "lists") == files


@pytest.mark.parametrize("pack", [as_zip, as_tar])
@pytest.mark.parametrize("name", ["../evil.csv", "/evil.csv", "a/../../evil.csv", "..\\evil.csv"])
def test_an_archive_that_leads_out_is_refused(pack: Pack, name: str, tmp_path: Path) -> None:
    source = pack(tmp_path, {**CONTENT, name: b""})
    with pytest.raises(InputError, match="a path that leads out of it"):
        copy(describe(CONTENT), tmp_path / "lists", source)
    assert not (tmp_path / "lists").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "copy.tar", "w") as tar:
        link = tarfile.TarInfo("dictionary.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    with zipfile.ZipFile(tmp_path / "copy.zip", "w") as archive:
        entry = zipfile.ZipInfo("dictionary.csv")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/hostname")
    for name in ("copy.tar", "copy.zip"):
        with pytest.raises(InputError, match="contains a link"):
            copy(describe(CONTENT), tmp_path / "lists", tmp_path / name)
    (tmp_path / "secret").write_bytes(CONTENT["dictionary.csv"])
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "dictionary.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match=r"dictionary\.csv: missing"):
        copy(describe(CONTENT), tmp_path / "lists", folder)


@pytest.mark.parametrize("pack", [as_zip, as_tar])
def test_a_bomb_is_refused(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pack(tmp_path, CONTENT | {"zeros": bytes(10**6)})
    monkeypatch.setattr(release, "_ARCHIVE_BYTES", 10**6)
    with pytest.raises(InputError, match="far more than the code lists"):
        copy(describe(CONTENT), tmp_path / "lists", source)
    monkeypatch.undo()
    monkeypatch.setattr(release, "_ARCHIVE_MEMBERS", 2)
    with pytest.raises(InputError, match="far more than the code lists"):
        copy(describe(CONTENT), tmp_path / "lists", source)


@pytest.mark.parametrize("pack", [as_zip, as_tar])
def test_a_damaged_archive_is_refused(pack: Pack, tmp_path: Path) -> None:
    source = pack(tmp_path, CONTENT)
    source.write_bytes(source.read_bytes()[:-400])
    with pytest.raises(InputError, match=r"not a complete \.zip or \.tar\.gz"):
        copy(describe(CONTENT), tmp_path / "lists", source)
    with pytest.raises(InputError, match="no such folder or archive"):
        copy(describe(CONTENT), tmp_path / "lists", tmp_path / "nowhere")


def test_the_pinned_release_names_every_kind_of_file_and_holds_no_list() -> None:
    pinned = Release.read()
    folders = [name.rpartition("/")[0] for name in pinned.files]
    assert {folder: folders.count(folder) for folder in set(folders)} == {
        "": 4,
        "primary_care": 278,
        "secondary_care": 330,
    }
    assert all(len(file.sha256) == 64 and file.size > 0 for file in pinned.files.values())
    assert "{commit}" in pinned.address
    assert len(pinned.commit) == 40


REPOSITORY = Path(__file__).parents[3] / "shared" / "caliber"


@pytest.mark.skipif(not REPOSITORY.is_dir(), reason="no copy of CALIBER's repository at hand")
def test_the_repository_is_the_pinned_release() -> None:
    assert Release.read().missing(REPOSITORY) == []
