"""Errors as one sentence: where, what is wrong, and how to fix it."""

import errno
import re
from collections.abc import Sequence
from datetime import date
from logging import LogRecord
from pathlib import Path

STOPPED = "Stopped on request. Run the same command again to resume."

_LOCKED = (
    "Another run is using this folder, or one was killed. If none is running, unlock it with "
    "`snakemake --unlock` and the same --configfile, and run the command again."
)
_PROBLEMS = {
    errno.EACCES: "you have no permission to write it. Run as its owner, or in another folder",
    errno.EPERM: "you have no permission to write it. Run as its owner, or in another folder",
    errno.EROFS: "its disk is read-only. Run in a folder that can be written, with -d",
    errno.ENOSPC: "no space is left on its disk. Free some, and run the same command again",
    errno.EDQUOT: "your disk quota is used up. Free some space, and run the same command again",
    errno.EEXIST: "it is a file where a folder is needed. Move or rename it",
    errno.ENOTDIR: "it is a file where a folder is needed. Move or rename it",
}
# Of jobs, whose own error is shown, and of the run that ends because of them.
_SHOWN_ELSEWHERE = ("RuleException", "CalledProcessError")
_INPUT_ERROR = re.compile(r"^ *(?:behrt\.errors\.)?InputError: (.*)$", re.MULTILINE)
_KEY_AND_DAY = re.compile(r"(\w+)[\"']?[:=] *(\d{4}-\d\d?-\d\d?)\b")
_ENTRY = re.compile(r"\d\d:\d\d:\d\d (?P<level>[A-Z]+) ")


def sentence(text: str, record: LogRecord, words: Sequence[str]) -> str:
    """Return the sentence for an exception that Snakemake logs, or Snakemake's text for others.

    Args:
        text: Snakemake's text.
        record: with `exception`, the name of the exception's class.
        words: the command line.
    """
    kind = getattr(record, "exception", "")
    if kind in _SHOWN_ELSEWHERE or "At least one job did not complete successfully" in text:
        return ""
    if kind == "LockException":
        return _LOCKED
    if kind == "InputError" or _INPUT_ERROR.search(text):
        return _input_error(text)
    if unread := re.search(r"\(Unparsable value: '([^']*)'\)", text):
        return (
            f"--config, {unread[1]}: it is not of the form key=value. If it is a target, put it "
            "before --config, or put -- before it."
        )
    if "construct_yaml_timestamp" in text and (day := _impossible_day(words)):
        return day
    if refused := re.search(r"\[Errno (\d+)\] [^:]*: '([^']*)'", text):
        number, path = int(refused[1]), refused[2]
        if number == errno.ENOENT and "--configfile" in words and path in words:
            return (
                f"{path}: there is no such configuration file. If it is a target, put it before "
                "--configfile, or put -- before it."
            )
        if number in _PROBLEMS:
            return f"{path}: {_PROBLEMS[number]}."
    return text


def _impossible_day(words: Sequence[str]) -> str | None:
    """Return the error for a day that YAML takes for a date and the calendar does not have."""
    for word in words:
        path = Path(word.removeprefix("--configfile="))
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            lines = [word]
        for number, line in enumerate(lines, start=1):
            for key, day in _KEY_AND_DAY.findall(line):
                try:
                    date(*map(int, day.split("-")))
                except ValueError:
                    where = "--config" if lines == [word] else f"{path}, line {number}"
                    return f"{where}, {key}: there is no day {day}. Give a day of the calendar."
    return None


def _input_error(text: str) -> str:
    """Return the error's own sentence, without the file and the line of the Snakefile."""
    if inner := _INPUT_ERROR.search(text):
        return inner[1]
    lines = [line for line in text.splitlines()[1:] if not line.startswith('  File "')]
    return "\n".join(lines)


def notable(log: Path | None) -> list[str]:
    """Return the notices, warnings and errors of a job's log file, without times and levels."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines() if log else []
    except (OSError, UnicodeDecodeError):
        return []
    shown, found = False, []
    for line in lines:
        if entry := _ENTRY.match(line):
            shown = entry["level"] in ("NOTICE", "WARNING", "ERROR", "CRITICAL")
            line = line[entry.end() :]
        if shown:
            found.append(line)
    return found
