"""One way to log and to show progress: lines to a file and to stderr, bars on a terminal only."""

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

logger = logging.getLogger("behrt")


class _Plain(logging.Formatter):
    """Makes spaces of what might command a terminal, as the name of a delivered file might."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def start(path: Path | None) -> None:
    """Send the project's log lines to stderr and, if given, to a file that is written anew."""
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
