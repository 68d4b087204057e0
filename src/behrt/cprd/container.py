"""Delivered files as streams: a loose text, or the one in a zip, with clear errors for faults."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from typing import IO

from behrt.errors import InputError

LONGEST_LINE = 2**20
"""Bytes; a delivered row has a few hundred."""

# Text with TABs is compressed ten to fifty times; a file made to fill a disk, a thousand times.
HIGHEST_RATIO = 200
_SMALL = 64 * 2**20

_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)


class Text:
    """The bytes of one delivered text; faults are raised as InputErrors.

    Attributes:
        name: of the delivered file.
        size: number of bytes, unpacked.
    """

    def __init__(self, name: str, stream: IO[bytes], size: int) -> None:
        self.name = name
        self.size = size
        self._stream = stream
        self._read = 0

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; an empty result is the end."""
        with _readable(self.name):
            block = self._stream.read(size)
            self._read += len(block)
            if not block and self._read < self.size:
                raise EOFError("it ends early")
            return block

    def line(self) -> bytes:
        """Read to the end of the line, at most LONGEST_LINE bytes."""
        with _readable(self.name):
            line = self._stream.readline(LONGEST_LINE)
            self._read += len(line)
            return line


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn the errors of a damaged or missing file into an InputError that names it."""
    try:
        yield
    except PermissionError as error:
        raise InputError(
            name, "you have no permission to read it", "Ask the owner of the file for permission"
        ) from error
    except NotImplementedError as error:
        raise InputError(
            name,
            f"it is packed by a method that is not supported ({_reason(error)})",
            "Unpack it with another program and deliver the .txt",
        ) from error
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(name, "it no longer exists", "Copy the file again") from error
    except _DAMAGES as error:
        raise InputError(
            name,
            f"it is damaged ({_reason(error)})",
            "Copy the file again, or ask CPRD for it again",
        ) from error


def _reason(error: Exception) -> str:
    # The text of an OSError has the path, that of a BadZipFile the member's name
    text = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    text = text.split(" for file")[0].rstrip(".")
    if "'" in text or '"' in text:  # quoted bytes, which can be rows in place of a name
        return "its directory and its contents differ"
    return text


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file.

    Raises:
        InputError: it is not a zip file, is damaged, or may not be read.
    """
    with _readable(path.name):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


@contextmanager
def open_text(source: Path, member: str | None) -> Iterator[Text]:
    """Open a .txt, or the `member` of a .zip without unpacking it to disk.

    Raises:
        InputError: the file may not be read; the zip is damaged, encrypted, packed in a way that
            Python cannot unpack, or is a zip bomb; also while the text is read.
    """
    if member is None:
        with _readable(source.name):
            loose, size = source.open("rb"), source.stat().st_size
        with loose:
            yield Text(source.name, loose, size)
        return
    with open_archive(source) as archive:
        with _readable(source.name):
            try:
                entry = archive.getinfo(member)
            except KeyError as error:
                raise FileNotFoundError from error
            if entry.flag_bits & 1:
                raise InputError(source.name, "the zip is encrypted", "Unpack it with its password")
            if entry.file_size > max(_SMALL, HIGHEST_RATIO * entry.compress_size):
                raise InputError(
                    source.name,
                    f"it would unpack to {entry.file_size / 1e9:.1f} GB, more than "
                    f"{HIGHEST_RATIO} times its size, as a zip bomb does",
                    "Look at it; if it is correct, unpack it and deliver the .txt",
                )
            packed = archive.open(entry)
        with packed:
            yield Text(source.name, packed, entry.file_size)
