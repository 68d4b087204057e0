"""Delivered files as streams: a loose text, or the one in a zip, with clear errors for faults."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any

from behrt.errors import InputError

inflating: Any = zlib
with suppress(ImportError):  # unpacks the same bytes in a third of the time
    from isal import isal_zlib

    inflating = isal_zlib

LONGEST_LINE = 2**20
"""Bytes; a delivered row has a few hundred."""

# Text with TABs is compressed ten to fifty times; a file made to fill a disk, a thousand times.
HIGHEST_RATIO = 200
_SMALL = 64 * 2**20
_PACKED_BYTES = 2**16

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
            packed: IO[bytes] = archive.open(entry)
            if entry.compress_type == zipfile.ZIP_DEFLATED:
                packed.close()
                packed = io.BufferedReader(_Deflated(source, entry))
        with packed:
            yield Text(source.name, packed, entry.file_size)


class _Deflated(io.RawIOBase):
    """The bytes of a deflated member of a zip, as zipfile reads them.

    Faults raise what zipfile raises: BadZipFile, or EOFError where the file ends early.
    """

    def __init__(self, archive: Path, entry: zipfile.ZipInfo) -> None:
        self._file = archive.open("rb")
        # The local header (APPNOTE.TXT, 4.3.7), which zipfile has checked: 30 bytes, the name, and
        # an extra field, whose lengths are its last two numbers
        self._file.seek(entry.header_offset + 26)
        self._file.seek(sum(struct.unpack("<HH", self._file.read(4))), io.SEEK_CUR)
        self._packed = entry.compress_size
        self._left = entry.file_size
        self._expected, self._checksum = entry.CRC, 0
        self._inflater = inflating.decompressobj(wbits=-zlib.MAX_WBITS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Unpack up to the buffer's length of bytes; 0 is the end."""
        with memoryview(buffer) as target:
            block = self._unpack(min(len(target), self._left))
            target[: len(block)] = block
            return len(block)

    def _unpack(self, size: int) -> bytes:
        block = b""
        while size and not block and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail
            if not packed:
                packed = self._file.read(min(_PACKED_BYTES, self._packed))
                self._packed -= len(packed)
            try:
                block = self._inflater.decompress(packed, size)
            except inflating.error as error:
                raise zipfile.BadZipFile("its packed bytes are damaged") from error
            if not packed and not block:
                raise EOFError("it ends early")
        self._left -= len(block)
        self._checksum = inflating.crc32(block, self._checksum)
        if (not self._left or self._inflater.eof) and self._checksum != self._expected:
            raise zipfile.BadZipFile("Bad CRC-32")
        return block

    def close(self) -> None:
        self._file.close()
        super().close()
