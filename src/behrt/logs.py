"""One way to log and to show progress: lines to a file and to stderr, bars on a terminal only."""

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

logger = logging.getLogger("behrt")


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
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
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
