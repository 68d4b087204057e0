"""Examples that stay on disk: memory-mapped arrays, of which the system holds what fits in memory.

Nothing here needs torch.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from behrt.errors import InputError
from behrt.files import keep_private
from behrt.learning.examples import Examples
from behrt.ragged import ragged_ranges

LEVELS = {
    "visit_offsets": ("visit_day", "visit_age"),
    "label_offsets": ("labels",),
    "known_offsets": ("known",),
}
"""The arrays with entries for each row, by their offsets. Those of visits have words, too."""


def joined(parts: Sequence[Callable[[], Examples]]) -> Examples:
    """Return the examples of several parts in order of subject, in memory-mapped arrays.

    The arrays are files in the folder for temporary files (TMPDIR), which must be on a disk. They
    have no name, so that they are gone when the process ends, however it ends.

    Args:
        parts: each returns its examples, in order of subject, and is called twice. At least one;
            no two have a row of the same subject.

    Raises:
        InputError: no space is left for the files.
    """
    with tempfile.TemporaryDirectory(prefix="behrt-") as folder:
        return _Files(Path(folder)).joined(parts)


def _lengths(offsets: np.ndarray) -> np.ndarray:
    """Return int32 (n), the entries between offsets."""
    return np.diff(offsets).astype(np.int32)


def _reserve(file: int, size: int) -> None:
    """Reserve the bytes of a file: a full disk ends a process that writes into a map (SIGBUS)."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):  # not on this file system
            return
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            "TMPDIR",
            "no space is left in the folder for temporary files",
            "Free some space, or set TMPDIR to a folder on another disk, and run the same command "
            "again",
        ) from error


class _Files:
    """Memory-mapped arrays, whose files have no name as soon as they are open."""

    def __init__(self, folder: Path) -> None:
        keep_private()
        self.folder = folder

    def array(self, dtype: np.dtype, size: int) -> np.ndarray:
        """Return an array of zeros."""
        if size == 0:  # a file without contents cannot be mapped
            return np.zeros(0, dtype)
        path = self.folder / "array"
        with path.open("wb+") as file:
            path.unlink()
            _reserve(file.fileno(), size * dtype.itemsize)
            return np.memmap(file, dtype, "r+", shape=(size,)).view(np.ndarray)

    def offsets(self, lengths: np.ndarray) -> np.ndarray:
        """Return int64 (n + 1), the offsets of entries of some lengths."""
        found = self.array(np.dtype(np.int64), len(lengths) + 1)
        np.cumsum(lengths, out=found[1:])
        return found

    def joined(self, parts: Sequence[Callable[[], Examples]]) -> Examples:
        """Return what the function `joined` does."""
        subjects, lengths, words = [], [], []
        for part in parts:
            read = part()
            subjects.append(read.subject_id)
            lengths.append([_lengths(getattr(read, name)) for name in LEVELS])
            words.append(_lengths(read.code_offsets[read.visit_offsets]))
        order = np.argsort(np.concatenate(subjects), kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))

        of_level = [np.concatenate(of_parts)[order] for of_parts in zip(*lengths, strict=True)]
        arrays: dict[str, Any] = {
            name: self.offsets(rows) for name, rows in zip(LEVELS, of_level, strict=True)
        }
        first_word = np.concatenate([[0], np.concatenate(words)[order].cumsum()])
        sizes = {
            "code_offsets": int(arrays["visit_offsets"][-1]) + 1,
            "codes": int(first_word[-1]),
            **{name: int(arrays[level][-1]) for level, names in LEVELS.items() for name in names},
        }
        for name, array in read.arrays().items():
            if name not in arrays:
                arrays[name] = self.array(array.dtype, sizes.get(name, len(order)))

        done = 0
        for part in parts:
            read = part()
            rows = place[done : done + len(read)]
            done += len(read)
            for name in ("subject_id", "sex", "follow_up_start"):
                arrays[name][rows] = getattr(read, name)
            for level, names in LEVELS.items():
                offsets = getattr(read, level)
                places, _ = ragged_ranges(arrays[level][rows], np.diff(offsets))
                for name in names:
                    arrays[name][places] = getattr(read, name)
                if level == "visit_offsets":
                    start = read.code_offsets[offsets[:-1]]
                    ends = read.code_offsets[1:] - np.repeat(start, np.diff(offsets))
                    arrays["code_offsets"][places + 1] = ends + np.repeat(
                        first_word[rows], np.diff(offsets)
                    )
            places, _ = ragged_ranges(
                first_word[rows], np.diff(read.code_offsets[read.visit_offsets])
            )
            arrays["codes"][places] = read.codes
        return replace(read, **arrays)
