"""Look up in the public database whether a pinned dependency has a known vulnerability.

python tests/audit.py [constraints.txt] [options of pip-audit]

The exit status is 1 if there is one that `[tool.audit.ignore]` of pyproject.toml does not list,
with a reason. Without access to the database it says so, and the status is 0: a secure environment
has no network.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
CONSTRAINTS = REPOSITORY / "constraints.txt"

_ANSWER_SECONDS = 5
_PROBE_SECONDS = 20
_AUDIT_SECONDS = 300
_PROBE = "packaging==25.0"


def audit(requirements: Path, options: Sequence[str], seconds: float) -> list[dict[str, Any]] | str:
    """Return the packages that the database knows, or why it could not be reached.

    A mirror of the packages may answer without the database: it then knows none.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements)]
    command += ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command += ["--timeout", str(_ANSWER_SECONDS), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds:g} seconds"
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        return last[0].strip()[:300] if last else f"pip-audit ends with {done.returncode}"
    known = [package for package in found if "skip_reason" not in package]
    return known or "it knows none of the packages"


def judge(
    packages: Sequence[Mapping[str, Any]], ignored: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return a line for each vulnerability that counts, and for each that is ignored."""
    counting, passed = [], []
    for package in packages:
        for found in package["vulns"]:
            names = [found["id"], *found["aliases"]]
            reasons = [ignored[name] for name in names if name in ignored]
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            line = f"{package['name']} {package['version']}: {found['id']}"
            if reasons:
                passed.append(f"{line}: {reasons[0]}")
            else:
                counting.append(f"{line}, fixed in {fixed}")
    return counting, passed


def main(requirements: Path, options: Sequence[str], ignored: Mapping[str, str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.txt")
        probe.write_text(f"{_PROBE}\n", encoding="utf-8")
        packages = audit(probe, options, _PROBE_SECONDS)
    if not isinstance(packages, str):
        packages = audit(requirements, options, _AUDIT_SECONDS)
    if isinstance(packages, str):
        print(
            f"NOT AUDITED: the database of vulnerabilities cannot be reached ({packages}). "
            "Run `make audit` where there is a network."
        )
        return 0
    counting, passed = judge(packages, ignored)
    for line in passed:
        print(f"ignored: {line}")
    for line in counting:
        print(f"VULNERABLE: {line}")
    print(f"Audited {len(packages)} packages: {len(counting)} known vulnerabilities that count.")
    return 1 if counting else 0


if __name__ == "__main__":
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    arguments = sys.argv[1:]
    named = arguments[:1] and not arguments[0].startswith("-")
    sys.exit(
        main(
            Path(arguments.pop(0)) if named else CONSTRAINTS,
            arguments,
            project["tool"]["audit"]["ignore"],
        )
    )
