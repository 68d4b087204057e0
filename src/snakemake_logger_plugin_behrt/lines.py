"""Lines of running jobs at the bottom of a terminal."""

import threading
import time
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from behrt.logs import progress_of
from snakemake_logger_plugin_behrt.expected import duration

_REFRESH_SECONDS = 0.5


class LiveLines:
    """One line per running job and one for the run, redrawn in place; off a terminal, none."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown = stream.isatty()
        self._jobs: dict[int, tuple[str, Path | None, float]] = {}
        self._bars: list[tqdm[Any]] = []
        self._total = ""
        self._lock = threading.Lock()
        self._closed = threading.Event()
        if self.shown:
            threading.Thread(target=self._tick, daemon=True).start()

    def add(self, job: int, name: str, log: Path | None) -> None:
        """Show a job from now on, with its name and the progress from its log file."""
        with self._lock:
            self._jobs[job] = (name, log, time.monotonic())
        self._draw()

    def remove(self, job: int) -> None:
        with self._lock:
            self._jobs.pop(job, None)
        self._draw()

    def total(self, percent: int, done: int, jobs: int) -> None:
        self._total = f"{percent} % of the expected time, {done} of {jobs} jobs"

    def write(self, text: str) -> None:
        """Write text above the lines."""
        with self._lock:
            if self.shown:
                tqdm.write(text, file=self.stream)
            else:
                print(text, file=self.stream, flush=True)

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._jobs.clear()
        self._draw()

    def _tick(self) -> None:
        while not self._closed.wait(_REFRESH_SECONDS):
            self._draw()

    def _draw(self) -> None:
        if not self.shown:
            return
        with self._lock:
            texts = [
                f"  {name} ({duration(time.monotonic() - since)}){progress_of(log)}"
                for name, log, since in self._jobs.values()
            ]
            texts += [self._total] if texts and self._total else []
            while len(self._bars) > len(texts):
                self._bars.pop().close()
            while len(self._bars) < len(texts):
                self._bars.append(
                    tqdm(
                        bar_format="{desc}",
                        position=len(self._bars),
                        file=self.stream,
                        leave=False,
                        dynamic_ncols=True,
                    )
                )
            for bar, text in zip(self._bars, texts, strict=True):
                bar.set_description_str(text, refresh=True)
