"""Log lines and progress: to a job's log file, and to stderr or a terminal."""

import logging
import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")

logger = logging.getLogger("behrt")

QUIET = "BEHRT_QUIET"
"""An environment variable: where it is set, a job with a log file writes nothing to stderr."""

PART = "BEHRT_PART"
"""An environment variable: it is set in each of several processes that train a model for one job,
which has one log file. Only the first of them logs more than errors."""

NOTICE = 25
"""The level of a message that the run shows on the terminal, between INFO and WARNING."""
logging.addLevelName(NOTICE, "NOTICE")

# Where the job's progress is written for the run to show, instead of a bar on the terminal.
_progress_file: Path | None = None


class _Plain(logging.Formatter):
    """Replaces control characters, which a file's name may contain, by spaces."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


_disclosure = {"threshold": 5, "rounding": 1}


def start(path: Path | None, threshold: int = 5, rounding: int = 1) -> None:
    """Send the project's log lines to a file, which is written anew, and to stderr.

    A process that is a `PART` of a job appends to the job's file.

    Args:
        path: the file; None writes to stderr only. With a file, and the environment variable
            `QUIET` set, nothing is written to stderr.
        threshold: the smallest count of patients that a line may show (`count`, `share`, `mean`).
        rounding: counts are rounded to the nearest multiple of this.
    """
    global _progress_file
    _disclosure.update(threshold=threshold, rounding=rounding)
    logger.setLevel(logging.INFO if _is_first() else logging.ERROR)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = False
    quiet = path is not None and QUIET in os.environ
    _progress_file = _progress_path(path) if path is not None and quiet else None
    handlers: list[logging.Handler] = [] if quiet else [logging.StreamHandler(sys.stderr)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if PART not in os.environ:
            path.write_bytes(b"")
        handlers.append(logging.FileHandler(path, mode="a", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)


def _is_first() -> bool:
    return PART not in os.environ or os.environ.get("RANK", "0") == "0"


def is_told(patients: int) -> bool:
    """Return whether a log may show a number about this many patients."""
    return not 0 < patients < _disclosure["threshold"]


def count(patients: int) -> str:
    """Return a count of patients, or of their rows, as a log may show it."""
    if not is_told(patients):
        return f"fewer than {_disclosure['threshold']}"
    rounding = _disclosure["rounding"]
    return str((2 * patients + rounding) // (2 * rounding) * rounding)


def share(part: int, whole: int) -> str:
    """Return a share of patients in percent, or in words if it would reveal a small count."""
    if not is_told(whole):
        return "a share"
    if not is_told(part):
        return "hardly any"
    return "almost all" if not is_told(whole - part) else f"{part / max(whole, 1):.1%}"


def mean(values: np.ndarray, digits: str = ".3f") -> str:
    """Return the mean of the patients' values that are not NaN; "–" if there are too few."""
    defined = values[~np.isnan(values)]
    return format(defined.mean(), digits) if len(defined) and is_told(len(defined)) else "–"


def _progress_path(log: Path) -> Path:
    return log.with_name(f".{log.name}.progress")


def progress_of(log: Path | None) -> str:
    """Return the progress that a running job with a log file shows, or an empty text."""
    try:
        return _progress_path(log).read_text(encoding="utf-8").strip() if log else ""
    except (OSError, UnicodeDecodeError):
        return ""


class _ProgressFile:
    """Keeps the last text that tqdm writes in a file, until tqdm clears its line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        if shown := text.strip("\r\n "):
            self.path.write_text(f": {shown}", encoding="utf-8")
        elif "\r" in text:
            self.path.unlink(missing_ok=True)

    def flush(self) -> None:
        pass


def above_bars() -> AbstractContextManager[None]:
    """Write the log lines of a block above a progress bar on the terminal, not through it."""
    on_terminal = any(type(handler) is logging.StreamHandler for handler in logger.handlers)
    if not on_terminal:
        return nullcontext()
    from tqdm.contrib.logging import logging_redirect_tqdm  # imports asyncio

    return logging_redirect_tqdm([logger])


def progress(
    items: Iterable[Item] | None = None, *, total: float | None = None, label: str, unit: str
) -> "tqdm[Any]":
    """Return a progress bar over `items`, or one to `.update()`; silent off a terminal.

    In a job of a run that shows its jobs on a terminal, the bar is text in a file next to the log
    file, which `progress_of` reads.
    """
    options: dict[str, Any] = {"disable": not sys.stderr.isatty(), "dynamic_ncols": True}
    if not _is_first():
        options["disable"] = True
    elif _progress_file is not None:
        options["file"] = _ProgressFile(_progress_file)
        options |= {"ncols": 200, "dynamic_ncols": False, "mininterval": 0.5}
        options["bar_format"] = "{desc} {percentage:.0f} % of {total_fmt}{unit}, {remaining} left"
    from tqdm import tqdm  # most jobs have no bar

    return tqdm(
        items,
        total=total,
        desc=label,
        unit=f" {unit}",
        unit_scale=True,
        leave=False,
        **options,
    )
