"""The hash of every file of a run, to compare two runs.

    python -m behrt.checksums results/demo                              # prints the list
    python -m behrt.checksums results/demo --against docs/checksums/demo/checksums.csv

Two runs with the same configuration, seed and versions have the same files (docs/reproducibility.md
states what depends on the processor).
"""

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import NamedTuple

from behrt.errors import InputError
from behrt.files import atomic, sha256_of

LEFT_OUT = {
    ".snakemake_timestamp": "marks when Snakemake made a folder",
    "benchmarks": "the time and the memory of each job",
    "checksums.csv": "the list itself",
    "logs": "when and how long each job ran",
    "performance.html": "the time and the memory of each stage",
    "resources.csv": "the time and the memory of each rule, and what it requests",
    "provenance.html": "Snakemake's report: when each job ran, and where its files are",
}
"""The files and folders of a run that are not compared, and what they contain."""

# Of folders of a run, what no trained model has an effect on.
_DATA = (
    "admissions",
    "caliber",
    "cohort",
    "concepts",
    "delivery",
    "extracted",
    "fragments",
    "meds",
    "phenotypes",
    "sequences",
    "tasks",
    "truth",
    "unmapped",
    "unmapped.parquet",
    "vocabulary.json",
)
_TABLES_OF_DATA = ("cohort_flow", "population", "sex_agnostic_codes")
_FIGURES_OF_DATA = ("cohort_flow", "example_patient")


@dataclass(frozen=True)
class Checksum:
    """The hash of a file; `path` is below the run's folder."""

    path: str
    bytes: int
    sha256: str


class Differences(NamedTuple):
    """Paths that two lists do not have in common, or with other content."""

    missing: list[str]
    added: list[str]
    changed: list[str]


def artefacts(run: Path) -> list[Path]:
    """Return the files of a run, below its folder and in order, without those of `LEFT_OUT`."""
    found = (path.relative_to(run) for path in run.rglob("*") if path.is_file())
    return sorted(path for path in found if not {path.parts[0], path.name} & set(LEFT_OUT))


def state(run: Path) -> str:
    """Return a hash of the paths, lengths and dates of a run's files, which reads none of them."""
    digest = hashlib.sha256()
    for path in artefacts(run):
        stat = (run / path).stat()
        digest.update(f"{path.as_posix()} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def checksums(run: Path) -> list[Checksum]:
    """Return the hash of each of the `artefacts` of a run, in their order.

    Raises:
        InputError: there is no such run.
    """
    if not run.is_dir():
        raise InputError(run, "there is no such folder", "Give the folder of a run, results/<run>")
    return [_checksum(run, path) for path in artefacts(run)]


def _checksum(run: Path, path: Path) -> Checksum:
    return Checksum(path.as_posix(), (run / path).stat().st_size, sha256_of(run / path))


def write_checksums(found: Iterable[Checksum], out: Path) -> None:
    """Write hashes as CSV: path, bytes, sha256."""
    with atomic(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Checksum)])
        writer.writerows(astuple(each) for each in found)


def read_checksums(path: Path) -> list[Checksum]:
    """Read what `write_checksums` has written.

    Raises:
        InputError: it is not such a file.
    """
    refused = "it is not a list of checksums", "Give a file that `snakemake checksums` wrote"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(path, *refused) from error
    if header != [field.name for field in fields(Checksum)]:
        raise InputError(path, *refused)
    return [Checksum(name, int(length), digest) for name, length, digest in lines]


def differences(found: Iterable[Checksum], expected: Iterable[Checksum]) -> Differences:
    """Return the paths of `expected` that are missing, of `found` that are added, and changes."""
    has = {each.path: each.sha256 for each in found}
    wants = {each.path: each.sha256 for each in expected}
    return Differences(
        missing=sorted(wants.keys() - has.keys()),
        added=sorted(has.keys() - wants.keys()),
        changed=sorted(path for path in has.keys() & wants.keys() if has[path] != wants[path]),
    )


def same_on_every_processor(path: str) -> bool:
    """Return whether a file has the same bytes on every processor: no training has made it."""
    folder, name = Path(path).parts[0], Path(path).stem
    return (
        folder in _DATA
        or (folder == "tables" and name in _TABLES_OF_DATA)
        or (folder == "figures" and name in _FIGURES_OF_DATA)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the hashes of a run, or how they differ from a list; return the exit status."""
    parser = argparse.ArgumentParser(description="The hash of every file of a run.")
    parser.add_argument("run", type=Path, help="results/<run>")
    parser.add_argument("--against", type=Path, metavar="FILE", help="a list to compare with")
    given = parser.parse_args(arguments)
    try:
        found = checksums(given.run)
        if given.against is None:
            for each in found:
                print(f"{each.sha256}  {each.path}")
            return 0
        return _report(found, read_checksums(given.against))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1


def _report(found: list[Checksum], expected: list[Checksum]) -> int:
    different = differences(found, expected)
    for word, paths in zip(("missing", "added", "changed"), different, strict=True):
        for path in paths:
            depends = word == "changed" and not same_on_every_processor(path)
            print(f"{word}  {path}{'  (depends on the processor)' if depends else ''}")
    same = len(expected) - len(different.missing) - len(different.changed)
    print(f"{same} of {len(expected)} files are the same.")
    return 1 if any(different) else 0


if __name__ == "__main__":
    sys.exit(main())
