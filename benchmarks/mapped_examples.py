"""Memory of training examples that are read into memory, and of those that stay on disk.

    python benchmarks/mapped_examples.py [--patients 100000] [--rows FILE]

For 1, 2 and 4 times the patients, in shards of 10,000, one process loads whole histories from
Parquet, hashes them as a training does, and makes batches of the words of patients in a random
order. What counts is the peak of its own memory (RssAnon of Linux), above what the imports take:
pages of mapped files are not its own, since the system drops them where memory is short.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import polars as pl
from rows import Row, add_rows_option, write_rows
from synthetic import N_DISEASES, synthetic

from behrt.learning import load
from behrt.learning.words import words_of
from behrt.sequences.vocabulary import Vocabulary, write_vocabulary

PER_SHARD = 10_000


def write_shards(patients: int, folder: Path) -> None:
    """Write sequences in shards whose subjects alternate, and the vocabulary."""
    examples = synthetic(PER_SHARD)
    shards = patients // PER_SHARD
    visits = np.diff(examples.visit_offsets)
    words = np.diff(examples.code_offsets[examples.visit_offsets])
    first = np.repeat(examples.visit_offsets[:-1], words)
    visit = np.repeat(np.arange(examples.visit_offsets[-1]), np.diff(examples.code_offsets)) - first
    of_visit, of_word = (np.repeat(np.arange(len(examples)), each) for each in (visits, words))

    def lists(rows: np.ndarray, values: np.ndarray, kind: type[pl.DataType]) -> pl.Series:
        frame = pl.DataFrame({"row": rows, "value": pl.Series(values, dtype=kind)})
        return frame.group_by("row", maintain_order=True).agg("value")["value"]

    for shard in range(shards):
        frame = pl.DataFrame(
            {
                "subject_id": examples.subject_id * shards + shard,
                "split": pl.repeat("train", len(examples), eager=True),
                "sex": examples.sex,
                "follow_up_start": examples.follow_up_start,
                "visit_day": lists(of_visit, examples.visit_day, pl.Int32),
                "visit_age": lists(of_visit, examples.visit_age, pl.Int16),
                "code": lists(of_word, examples.codes, pl.Int16),
                "visit": lists(of_word, visit, pl.Int16),
            }
        )
        frame.write_parquet(folder / f"{shard}.parquet")
    names = tuple(f"Disease {number}" for number in range(N_DISEASES))
    write_vocabulary(Vocabulary(names, names), folder / "vocabulary.json")


def own_megabytes() -> float:
    """Return the memory of this process that is not that of files, in MB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def measure(folder: Path, on_disk: bool) -> float:
    """Return the peak of this process while it loads and uses the examples, in MB."""
    from behrt.learning.checkpoint import hash_arrays  # imports torch

    before = peak = own_megabytes()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, own_megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    load.MOST_IN_MEMORY = 0 if on_disk else sys.maxsize
    shards = sorted(folder.glob("*.parquet"))
    examples = load.load_examples(shards, None, "train", folder / "vocabulary.json")
    hash_arrays(examples.arrays())
    examples.word_counts()
    order = np.random.default_rng(1).permutation(len(examples))
    for start in range(0, len(order), 256):
        words_of(examples, order[start : start + 256], 100, False)
    done.set()
    watcher.join()
    return peak - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100_000, help="in the smallest case")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    add_rows_option(parser)
    given = parser.parse_args()
    if given.one:
        print(measure(Path(given.one[0]), given.one[1] == "disk"))
        return
    rows = []
    for patients in (given.patients, 2 * given.patients, 4 * given.patients):
        with tempfile.TemporaryDirectory() as folder:
            write_shards(patients, Path(folder))
            found = {}
            for place in ("memory", "disk"):
                child = [sys.executable, __file__, "--one", folder, place]
                run = subprocess.run(child, capture_output=True, text=True, check=True)
                found[place] = float(run.stdout)
        print(
            f"{patients:,} patients: {found['memory']:.0f} MB read into memory, "
            f"{found['disk']:.0f} MB on disk"
        )
        case = f"{patients:,} patients, training examples on disk"
        rows.append(Row(case, "peak memory", "MB", found["disk"], found["memory"], "in memory"))
    write_rows(given.rows, rows)


if __name__ == "__main__":
    main()
