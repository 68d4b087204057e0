"""What a run shows on the terminal: a line for each finished job, and one sentence for an error.

The default profile chooses this logger plugin of Snakemake. On a terminal, each running job also
has a line of its own that shows its progress. Snakemake's full log, with the reason of each job,
is in `.snakemake/log`; `--verbose`, `--printshellcmds` or `--debug-dag` show it here.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from logging import WARNING, LogRecord
from pathlib import Path
from types import TracebackType
from typing import Any

from snakemake.logging import DefaultFilter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from behrt.logs import QUIET
from snakemake_logger_plugin_behrt.expected import Expected, duration
from snakemake_logger_plugin_behrt.lines import LiveLines
from snakemake_logger_plugin_behrt.sentences import STOPPED, notable, sentence

__all__ = ["LogHandler"]

# Messages of Snakemake that do not concern the results; its log file contains them.
_NOISE = (
    *("Assuming unrestricted shared filesystem", "Building DAG", "Cancelling snakemake"),
    *("Complete log", "Conda environments:", "Config file ", "Elapsed time", "Execute "),
    *("Exiting because a job execution failed", "Group jobs:", "host:", "Loading script code"),
    *("Provided ", "Reasons:", "Removing output files of failed job", "Removing temporary output"),
    *("Rules claiming", "Rules with ", "Some jobs were triggered by provenance information"),
    *("Select jobs to execute", "Shutting down", "Singularity containers:", "Using shell"),
    "WorkflowError:\nAt least one job",
)


@dataclass
class _Job:
    name: str
    rule: str
    log: Path | None
    started: float


class LogHandler(LogHandlerBase):
    """Writes the lines of a run."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.stream = sys.stdout if settings.dryrun else sys.stderr
        self.wanted = DefaultFilter(
            settings.quiet,
            settings.debug_dag,
            settings.verbose,
            settings.dryrun,
            settings.printshellcmds,
        )
        self.full = settings.verbose or settings.printshellcmds or settings.debug_dag
        self.live = LiveLines(self.stream)
        self.expected = Expected({})
        self.jobs: dict[int, _Job] = {}
        self.notable: list[str] = []  # of the log file of the job that has just ended
        self.done = 0
        self.total = 0
        self.has_stats = False
        self.stopped = False  # on request, by Ctrl-C
        if not self.full:
            os.environ[QUIET] = "1"  # jobs write to their log files only
        use_a_writable_cache()
        sys.excepthook = _excepthook

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return False

    @property
    def needs_rulegraph(self) -> bool:
        return False

    def emit(self, record: LogRecord) -> None:
        """Write the message of a record of Snakemake's log, if a run should show it."""
        try:
            shown = self.wanted.filter(record)
            if self.full:
                lines = [self.format(record)] if shown else []
            else:
                text = self.text(record)
                # Notices, warnings and errors of jobs are shown even with --quiet.
                lines = [text] * shown + ["\n".join(self.notable)]
                self.notable = []
            for line in lines:
                if line and line != "None":
                    self.live.write(line)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Remove the lines of jobs; with `--quiet progress`, Snakemake does not log their ends."""
        self.live.close()
        for job in self.jobs.values():
            if text := "\n".join(notable(job.log)):
                self.live.write(text)
        self.jobs.clear()
        super().close()

    def text(self, record: LogRecord) -> str:
        """Return what to write for a record, or nothing."""
        event = getattr(record, "event", None)
        if self.stopped:
            return ""
        if record.getMessage().startswith("Terminating processes on user request"):
            self.stopped = True
            self.jobs.clear()
            return STOPPED
        if event is None:
            text = self.format(record)
            quiet = record.levelno < WARNING and text.strip().startswith(_NOISE)
            return "" if quiet else text.rstrip()
        known: dict[LogEvent, Callable[[LogRecord], str]] = {
            LogEvent.RUN_INFO: self.planned,
            LogEvent.JOB_INFO: self.started,
            LogEvent.JOB_FINISHED: self.finished,
            LogEvent.JOB_ERROR: self.failed,
            LogEvent.GROUP_ERROR: self.format,
            LogEvent.ERROR: lambda record: sentence(self.format(record), record, sys.argv),
        }
        return known[event](record) if event in known else ""

    def planned(self, record: Any) -> str:
        """Return how many jobs there are: Snakemake's table for a dry run."""
        if self.has_stats:  # a dry run gives it twice
            return ""
        self.has_stats = True
        counts = {rule: n for rule, n in record.stats.items() if rule != "total"}
        self.total = sum(counts.values())
        self.expected = Expected(counts)
        if self.common_settings.dryrun:
            return self.format(record)
        return f"{self.total} job{'s' * (self.total != 1)} to run."

    def started(self, record: Any) -> str:
        name = str(record.rule_msg or "")  # a rule without a message is only a target
        if self.common_settings.dryrun:
            return name
        log = Path(record.log[0]) if record.log else None
        self.jobs[record.jobid] = _Job(name, record.rule_name, log, time.monotonic())
        self.live.add(record.jobid, name or record.rule_name, log)
        return ""

    def finished(self, record: Any) -> str:
        job = self.jobs.pop(record.job_id, None)
        if job is None:
            return ""
        seconds = time.monotonic() - job.started
        self.live.remove(record.job_id)
        self.done += 1
        self.expected.finish(job.rule, seconds)
        percent = self.expected.percent()
        self.live.total(percent, self.done, self.total)
        self.notable = notable(job.log)
        return f"[{percent:3d} %] {job.name} ({duration(seconds)})" if job.name else ""

    def failed(self, record: Any) -> str:
        job = self.jobs.pop(record.jobid, None)
        self.live.remove(record.jobid)
        name = (job.name if job else "") or f"Rule {record.rule_name}"
        place = f" Its log file: {record.log[0]}" if record.log else ""
        self.notable = notable(job.log) if job else []
        if self.common_settings.show_failed_logs:  # on a cluster, with the cluster's logs
            return f"Failed: {name}.\n{self.format(record)}"
        return f"Failed: {name}.{place}"


def use_a_writable_cache() -> None:
    """Let Snakemake keep its cache in the working directory where the home cannot be written."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    try:
        (cache / "snakemake").mkdir(parents=True, exist_ok=True)
        writable = os.access(cache / "snakemake", os.W_OK)
    except OSError:
        writable = False
    if not writable:
        os.environ["XDG_CACHE_HOME"] = str(Path(".snakemake", "cache").absolute())


def _excepthook(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(STOPPED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
