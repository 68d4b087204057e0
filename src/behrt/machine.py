"""What a machine is: its processor, cores and memory."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

_LINUX = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """A machine; `memory` is in GiB, or None where the system does not state it."""

    processor: str
    cores: int
    memory: float | None
    system: str


def this_machine() -> Machine:
    """Return the machine that runs this process; `cores` are those that it may use."""
    return Machine(_processor(), _cores(), _memory(), f"{platform.system()} {platform.machine()}")


def _processor() -> str:
    if _LINUX.exists():
        found = re.search(r"^model name\s*: (.+)$", _LINUX.read_text(), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):
        return None
