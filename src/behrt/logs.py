"""One way to log and to show progress: lines to a file and to stderr, bars on a terminal only."""

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

Item = TypeVar("Item")

logger = logging.getLogger("behrt")


class _Plain(logging.Formatter):
    """Makes spaces of what might command a terminal, as the name of a delivered file might."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


_disclosure = {"threshold": 5, "rounding": 1}


def start(path: Path | None, threshold: int = 5, rounding: int = 1) -> None:
    """Send the project's log lines to stderr and, if given, to a file that is written anew.

    Args:
        path: the file.
        threshold: the smallest count of patients that a line may tell (`count`, `share`, `mean`).
        rounding: told counts are the nearest multiple of this.
    """
    _disclosure.update(threshold=threshold, rounding=rounding)
    logger.setLevel(logging.INFO)
    logger.handlers.clear()
    logger.propagate = False
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)


def is_told(patients: int) -> bool:
    """Return whether a number about so many patients may stand in a log."""
    return not 0 < patients < _disclosure["threshold"]


def count(patients: int) -> str:
    """Return a count of patients, or of their rows, as a log may tell it."""
    if not is_told(patients):
        return f"fewer than {_disclosure['threshold']}"
    rounding = _disclosure["rounding"]
    return str((2 * patients + rounding) // (2 * rounding) * rounding)


def share(part: int, whole: int) -> str:
    """Return a share of patients in percent, or that it is near 0 or 1 by too few to tell."""
    if not is_told(whole):
        return "a share"
    if not is_told(part):
        return "hardly any"
    return "almost all" if not is_told(whole - part) else f"{part / max(whole, 1):.1%}"


def mean(values: np.ndarray, digits: str = ".3f") -> str:
    """Return the mean of the patients' values that are not NaN; "–" if there are too few."""
    defined = values[~np.isnan(values)]
    return format(defined.mean(), digits) if len(defined) and is_told(len(defined)) else "–"


def progress(
    items: Iterable[Item] | None = None, *, total: float | None = None, label: str, unit: str
) -> "tqdm[Any]":
    """Return a progress bar over `items` (or one to `.update()`), silent off a terminal."""
    return tqdm(
        items,
        total=total,
        desc=label,
        unit=f" {unit}",
        unit_scale=True,
        disable=not sys.stderr.isatty(),
        leave=False,
        dynamic_ncols=True,
    )
