"""The release of CALIBER's code lists that this project uses, and copies of it.

`release.json` pins the size and the sha256 of every file. A file from the network, a folder or an
archive is only kept if it is the pinned one. This package has no lists of its own.
"""

import hashlib
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from behrt import logs
from behrt.errors import InputError
from behrt.files import atomic, read_json, sha256_of

PINNED = Path(__file__).with_name("release.json")
MARKER = "dictionary.csv"

_CONNECTIONS = 4
_ATTEMPTS = 4
_TIMEOUT = 60.0
_BLOCK = 2**16
_ARCHIVE_MEMBERS = 20_000
_ARCHIVE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class File:
    """A pinned file: its length in bytes and its sha256 in hexadecimal."""

    size: int
    sha256: str

    def is_at(self, path: Path) -> bool:
        """Return whether the file at `path` is this one."""
        if not path.is_file() or path.is_symlink() or path.stat().st_size != self.size:
            return False
        return sha256_of(path) == self.sha256


@dataclass(frozen=True)
class Release:
    """A release of the code lists.

    Attributes:
        repository: the web address of the repository.
        commit: the commit in `address`.
        commit_confirmed: whether `files` are known to be those of the commit.
        address: base address of the files; `{commit}` in it stands for the commit.
        files: the pinned files, by path in the repository.
    """

    repository: str
    commit: str
    commit_confirmed: bool
    address: str
    files: Mapping[str, File]

    @classmethod
    def read(cls, path: Path = PINNED) -> "Release":
        """Read a release's description from JSON."""
        values = read_json(path)
        return cls(
            values["repository"],
            values["commit"],
            values["commit_confirmed"],
            values["address"],
            {name: File(*pair) for name, pair in values["files"].items()},
        )

    def missing(self, folder: Path) -> list[str]:
        """Return the paths of the files that the folder lacks or has in another version."""
        return [name for name, file in self.files.items() if not file.is_at(folder / name)]


def download(
    release: Release,
    folder: Path,
    address: str | None = None,
    *,
    attempts: int = _ATTEMPTS,
    timeout: float = _TIMEOUT,
) -> int:
    """Download the files that the folder lacks; return how many there were.

    Each file is written under a temporary name and renamed when it is complete and verified. An
    interrupted download is resumed (HTTP Range), in this run or in the next one.

    Args:
        release: the pinned files.
        folder: the folder for the files; created if needed.
        address: base address (http or https) in place of the release's.
        attempts: the number of requests for a file when the connection breaks.
        timeout: seconds to wait for an answer.

    Raises:
        InputError: the address is not valid; files cannot be downloaded, or are not the pinned
            ones. All others are written.
    """
    base = (address or release.address).replace("{commit}", release.commit).rstrip("/")
    if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).netloc:
        raise InputError(
            "config, caliber_release.address",
            f"{base!r} is not a web address",
            "Begin with https://",
        )
    wanted = release.missing(folder)
    opener = urllib.request.build_opener(_WebOnly)

    def get(name: str) -> str | None:
        place = f"{base}/{quote(name)}"
        return _download_file(opener, place, release.files[name], folder / name, attempts, timeout)

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        done = pool.map(get, wanted)
        bar = logs.progress(done, total=len(wanted), label="CALIBER", unit="files")
        problems = {name: text for name, text in zip(wanted, bar, strict=True) if text}
    _refuse(problems, len(wanted), base, "Run the command again, it resumes; if that does not help")
    return len(wanted)


def copy(release: Release, folder: Path, source: Path) -> int:
    """Copy the files that the folder lacks from another folder or an archive; return how many.

    The archive is a .zip or .tar.gz of the repository. Members are found by the pinned paths, below
    the folder with dictionary.csv; no others are unpacked.

    Raises:
        InputError: the source does not exist or is not an archive; it has links, paths that lead
            out of it, or far too much content; files are missing, or are not the pinned ones.
    """
    source = Path(source)
    wanted = release.missing(folder)
    problems: dict[str, str] = {}
    with _opened(source) as reader:
        for name in wanted:
            content = reader(name, release.files[name].size)
            if content is None:
                problems[name] = "missing"
            elif hashlib.sha256(content).hexdigest() != release.files[name].sha256:
                problems[name] = "different content"
            else:
                with atomic(folder / name) as temporary:
                    temporary.write_bytes(content)
    _refuse(problems, len(wanted), str(source), "Take another copy")
    return len(wanted)


def _refuse(problems: Mapping[str, str], wanted: int, source: str, fix: str) -> None:
    if not problems:
        return
    shown = "; ".join(f"{name}: {problem}" for name, problem in sorted(problems.items())[:5])
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    raise InputError(
        source,
        f"{len(problems)} of {wanted} files of the pinned release are not available "
        f"({shown}{more})",
        f"{fix}, set another address or copy in `caliber_release`; to use other lists than the "
        "pinned ones, without verification, set `caliber` to their folder",
    )


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to web addresses only, never to ftp."""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        if urlsplit(arguments[-1]).scheme not in ("http", "https"):
            raise urllib.error.URLError("redirected to an address that is not a web address")
        return super().redirect_request(*arguments)


def _download_file(
    opener: urllib.request.OpenerDirector,
    place: str,
    file: File,
    target: Path,
    attempts: int,
    timeout: float,
) -> str | None:
    """Download one file; return the problem if that fails, else None."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    problem = "the connection broke"
    for attempt in range(attempts):
        if attempt:
            time.sleep(min(0.1 * 2**attempt, 5.0))
        resumed = partial.stat().st_size if partial.is_file() else 0
        if resumed >= file.size:
            partial.unlink()
            resumed = 0
        try:
            _append(opener, place, file, partial, resumed, timeout)
        except urllib.error.HTTPError as error:
            error.close()
            problem = f"the server answers {error.code}"
            if error.code == 416:
                partial.unlink(missing_ok=True)
            elif error.code < 500 and error.code not in (408, 429):
                return problem
            continue
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            problem = f"the connection broke ({reason})"
            continue
        if partial.stat().st_size < file.size:
            problem = "the connection broke before the end"
        elif file.is_at(partial):
            partial.replace(target)
            return None
        else:
            partial.unlink()
            problem = "different content from the pinned file"
            if not resumed:
                return problem
    return problem


def _append(
    opener: urllib.request.OpenerDirector,
    place: str,
    file: File,
    partial: Path,
    resumed: int,
    timeout: float,
) -> None:
    """Append the server's answer to a partial file, at most one byte too many."""
    headers = {"User-Agent": "behrt-workflow", "Accept-Encoding": "identity"}
    if resumed:
        headers["Range"] = f"bytes={resumed}-"
    request = urllib.request.Request(place, headers=headers)
    with opener.open(request, timeout=timeout) as answer:
        goes_on = answer.status == 206 and str(answer.headers.get("Content-Range", "")).startswith(
            f"bytes {resumed}-"
        )
        if not goes_on:
            resumed = 0
        with partial.open("ab" if goes_on else "wb") as stream:
            left = file.size - resumed + 1
            while left and (block := answer.read(min(_BLOCK, left))):
                stream.write(block)
                left -= len(block)


Reader = Callable[[str, int], bytes | None]


@contextmanager
def _opened(source: Path) -> Iterator[Reader]:
    """Open a folder or an archive: a function from a path and a size to the file's content.

    The function returns None for a missing file, and reads at most one byte more than the size.
    """
    if source.is_dir():
        root = source
        if not (source / MARKER).is_file():
            below = sorted(path.parent for path in source.glob(f"*/{MARKER}"))
            root = below[0] if below else source

        def from_folder(name: str, size: int) -> bytes | None:
            path = root / name
            if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
                return None
            with path.open("rb") as stream:
                return stream.read(size + 1)

        yield from_folder
        return
    if not source.is_file():
        raise InputError(source, "no such folder or archive", "Check caliber_release.copy")
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                yield _from_zip(archive, source)
        else:
            with tarfile.open(source, "r:*") as tar:
                yield _from_tar(tar, source)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError) as error:
        raise InputError(source, "not a complete .zip or .tar.gz", "Copy it again") from error


def _from_zip(archive: zipfile.ZipFile, source: Path) -> Reader:
    entries = archive.infolist()
    _refuse_archive(source, ((entry.filename, entry.file_size) for entry in entries))
    for entry in entries:
        if (entry.external_attr >> 28) == 0xA:  # S_IFLNK >> 12
            raise _unsafe(source, "a link")
    files = {entry.filename: entry for entry in entries if not entry.is_dir()}
    prefix = _prefix(files)

    def read(name: str, size: int) -> bytes | None:
        entry = files.get(prefix + name)
        if entry is None or entry.flag_bits & 1:
            return None
        with archive.open(entry) as stream:
            return stream.read(size + 1)

    return read


def _from_tar(tar: tarfile.TarFile, source: Path) -> Reader:
    members = []

    def sizes() -> Iterator[tuple[str, int]]:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise _unsafe(source, "a link or a device")
            members.append(member)
            yield member.name, member.size

    _refuse_archive(source, sizes())
    files = {member.name.removeprefix("./"): member for member in members if member.isfile()}
    prefix = _prefix(files)

    def read(name: str, size: int) -> bytes | None:
        member = files.get(prefix + name)
        stream = None if member is None else tar.extractfile(member)
        return None if stream is None else stream.read(size + 1)

    return read


def _refuse_archive(source: Path, entries: Iterator[tuple[str, int]]) -> None:
    total = 0
    for count, (name, size) in enumerate(entries, start=1):
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            raise _unsafe(source, "a path that leads out of it")
        total += size
        if count > _ARCHIVE_MEMBERS or total > _ARCHIVE_BYTES:
            raise _unsafe(source, "far more than the code lists")


def _unsafe(source: Path, what: str) -> InputError:
    return InputError(source, f"it contains {what}", "Use an archive of CALIBER's repository")


def _prefix(files: Mapping[str, Any]) -> str:
    """Return the path, with its slash, of the outermost folder with the dictionary."""
    found = [name for name in files if PurePosixPath(name).name == MARKER]
    outermost = min(found, key=lambda name: (name.count("/"), name), default=MARKER)
    return outermost.removesuffix(MARKER)


def manifest(release: Release) -> dict[str, Any]:
    """Describe a verified copy: its origin and one hash of all its files."""
    lines = "".join(f"{file.sha256}  {name}\n" for name, file in sorted(release.files.items()))
    return {
        "repository": release.repository,
        "commit": release.commit,
        "commit_confirmed": release.commit_confirmed,
        "files": len(release.files),
        "sha256_of_sums": hashlib.sha256(lines.encode()).hexdigest(),
    }
