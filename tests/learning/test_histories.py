"""Cuts of whole histories: by hand, and equal to the examples that a task draws."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.learning.examples import Examples
from behrt.learning.histories import NO_CUT, load_cuts, load_histories
from behrt.learning.load import load_examples
from behrt.sequences.frames import ConceptSequences, Sequences
from behrt.sequences.tasks import draw_task
from behrt.sequences.vocabulary import Vocabulary, write_vocabulary
from behrt.tasks import ELIGIBLE, Task

NAMES = tuple(f"Disease {i}" for i in range(6))
SPLITS = ("train", "train", "tuning")
TASKS = [
    Task("T1"),
    Task("T2", 6),
    Task("T3", 12),
    Task("T4", 24),
    Task("T2", 6, ELIGIBLE),
]
Shards = tuple[list[Path], Path]


def write(rows: list[dict[str, object]], folder: Path, shards: int) -> Shards:
    """Write sequences and a vocabulary; return their paths."""
    paths = []
    for shard in range(shards):
        part = pl.DataFrame(rows[shard::shards], schema=Sequences.create_empty().schema)
        paths.append(folder / f"{shards}_{shard}.parquet")
        Sequences.validate(part).write_parquet(paths[-1])
    write_vocabulary(Vocabulary(NAMES, ("Chapter",) * len(NAMES)), folder / "vocabulary.json")
    return paths, folder / "vocabulary.json"


def history(subject: int, days: list[int], codes: list[list[int]], end: int) -> dict[str, object]:
    return {
        "subject_id": subject,
        "split": SPLITS[subject % 3],
        "sex": subject % 3,
        "region": None,
        "practice": None,
        "birth_month": 1940 * 12,
        "follow_up_start": min([*days, end]),
        "follow_up_end": end,
        "known_until": end,
        "visit_day": days,
        "visit_age": [600 + day // 31 for day in days],
        "code": [code for held in codes for code in held],
        "visit": [visit for visit, held in enumerate(codes) for _ in held],
    }


def draw(patients: int) -> list[dict[str, object]]:
    """Return histories of random visits; some subjects have none."""
    generator = np.random.default_rng(11)
    rows = []
    for subject in range(1, patients + 1):
        days = (8000 + np.cumsum(generator.integers(1, 250, generator.integers(0, 13)))).tolist()
        codes = [
            sorted(generator.choice(6, generator.integers(1, 4), replace=False).tolist())
            for _ in days
        ]
        end = (days[-1] if days else 8000) + int(generator.integers(0, 500))
        rows.append(history(subject, days, codes, end))
    return rows


@pytest.fixture(scope="module")
def with_others(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Return histories in which a third of the visits is of one other word only."""
    generator, folder = np.random.default_rng(12), tmp_path_factory.mktemp("others")
    rows = []
    for row in draw(150):
        visits = len(row["visit_day"])  # type: ignore[arg-type]
        empty = generator.random(visits) < 1 / 3
        pairs = [
            (code, visit)
            for code, visit in zip(row["code"], row["visit"], strict=True)  # type: ignore[call-overload]
            if not empty[visit]
        ]
        others = [6 + int(word) for word in generator.integers(0, 2, visits)]
        rows.append(
            row
            | {"code": [code for code, _ in pairs], "visit": [visit for _, visit in pairs]}
            | {"concept": others, "concept_visit": list(range(visits))}
        )
    frame = pl.DataFrame(rows, schema=ConceptSequences.create_empty().schema)
    ConceptSequences.validate(frame).write_parquet(folder / "0.parquet")
    vocabulary = Vocabulary(NAMES, ("Chapter",) * 6, ("MEDICATION//a", "TEST//b"), ("a", "b"))
    write_vocabulary(vocabulary, folder / "vocabulary.json")
    return [folder / "0.parquet"], folder / "vocabulary.json"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return write(draw(150), tmp_path_factory.mktemp("sequences"), 2)


def test_a_death_counts_up_to_the_end_of_follow_up(tmp_path: Path) -> None:
    ends = {3: 9000, 6: 9000, 9: 9000, 12: 9000}
    rows = [history(subject, [8000], [[1]], end) for subject, end in ends.items()]
    sequences, vocabulary = write(rows, tmp_path, 1)
    deaths = {6: 9000, 9: 9001, 12: 8500}
    times = [datetime(1970, 1, 1, 5) + timedelta(days=day) for day in deaths.values()]
    codes = ["MEDS_DEATH", "MEDS_DEATH", "MEDS_BIRTH"]
    events = pl.DataFrame({"subject_id": [*deaths], "time": times, "code": codes})
    events.write_parquet(tmp_path / "events.parquet")
    given = (sequences, [Task("T1")], ["train"], vocabulary, 1)
    found = load_histories(*given, [tmp_path / "events.parquet"])
    assert found.died is not None
    assert found.died.tolist() == [False, True, False, False]
    assert found.select(np.array([1])).died is not None
    assert load_histories(*given).died is None


def assert_equal(one: Examples, other: Examples) -> None:
    for name, array in one.arrays().items():
        found = getattr(other, name)
        assert array.dtype == found.dtype, name
        assert np.array_equal(array, found), name


def test_where_labels_end_by_hand(tmp_path: Path) -> None:
    """The windows of six months from 1 January, 1 June, 1 July and 30 August 2001."""
    texts = ("2001-01-01", "2001-06-01", "2001-07-01", "2001-08-30")
    days = [(date.fromisoformat(text) - date(1970, 1, 1)).days for text in texts]
    end = (date(2002, 1, 15) - date(1970, 1, 1)).days
    sequences, vocabulary = write(
        [history(1, days, [[0], [1], [2], [1]], end), history(3, days[:2], [[4], [5]], end)],
        tmp_path,
        1,
    )
    tasks = [Task("T1"), Task("T2", 6), Task("T2", 6, ELIGIBLE)]
    found = load_histories(sequences, tasks, ["train"], vocabulary, 1)
    no = NO_CUT
    # The second subject's visits are 4 and 5.
    assert {task: ends.tolist() for task, ends in found.label_ends.items()} == {
        "T1": [1 + 1, 2 + 1, 3 + 1, no, 5 + 1, no],
        "T2": [3, 4, 4, no, 6, no],
        "T2_all": [3, 4, 4, no, 6, 6],
    }
    assert found.follow_up_end.tolist() == [end, end]
    late = load_histories(sequences, tasks, ["train"], vocabulary, 3)
    assert late.label_ends["T2"].tolist() == [no, no, 4, no, no, no]
    cut = found.cut_after(np.array([1, 0]), "T2")
    assert cut.label_matrix(np.arange(2)).tolist() == [
        [False, True, True, False, False, False],
        [False, True, True, False, False, False],
    ]
    assert cut.known_matrix(np.arange(2))[:, :2].tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize(
    ("split", "name", "inputs"),
    [
        ("train", "shards", None),
        ("tuning", "shards", None),
        ("train", "with_others", None),
        ("train", "with_others", ["diagnoses", "tests"]),
    ],
)
def test_all_cuts_hold_the_drawn_example_of_every_patient(
    request: pytest.FixtureRequest,
    task: Task,
    split: str,
    name: str,
    inputs: list[str] | None,
    tmp_path: Path,
) -> None:
    sequences, vocabulary = request.getfixturevalue(name)
    drawn = tmp_path / "examples.parquet"
    draw_task(sequences, task, 4, 2020).write_parquet(drawn)
    one = load_examples(sequences, drawn, split, vocabulary, task.labelled)
    cuts = load_cuts(sequences, task, [split], vocabulary, 4, None, 2020)
    assert len(cuts) > len(one) > 9
    visits_of = dict(zip(one.subject_id, np.diff(one.visit_offsets), strict=True))
    same = [
        visits_of.get(subject) == visits
        for subject, visits in zip(cuts.subject_id, np.diff(cuts.visit_offsets), strict=True)
    ]
    assert_equal(one, cuts.select(np.flatnonzero(same)))
    read = load_examples(sequences, drawn, split, vocabulary, task.labelled, inputs)
    assert_equal(read, one.only(inputs))
    some = load_cuts(sequences, task, [split], vocabulary, 4, None, 2020, inputs)
    assert_equal(some, cuts.only(inputs))


def test_drawn_cuts_are_some_of_all_and_do_not_depend_on_other_patients(
    shards: Shards, tmp_path: Path
) -> None:
    sequences, vocabulary = shards
    task = Task("T2", 6)

    def of(paths: list[Path], cuts: int | None, seed: int = 1) -> Examples:
        return load_cuts(paths, task, ["train"], vocabulary, 4, cuts, seed)

    every, two = of(sequences, None), of(sequences, 2)
    counts = np.bincount(every.subject_id)
    assert np.array_equal(np.bincount(two.subject_id), np.minimum(counts, 2))
    pairs = list(zip(every.subject_id, np.diff(every.visit_offsets), strict=True))
    chosen = [
        pairs.index(pair) for pair in zip(two.subject_id, np.diff(two.visit_offsets), strict=True)
    ]
    assert chosen == sorted(chosen)
    assert_equal(two, every.select(np.array(chosen)))
    assert_equal(every, of(sequences, 99))
    other = of(sequences, 2, seed=2)
    assert not np.array_equal(other.visit_offsets, two.visit_offsets)

    fewer, _ = write(draw(150)[:50], tmp_path, 1)
    assert_equal(of(fewer, 2), two.select(np.flatnonzero(two.subject_id <= 50)))


def test_selected_histories_are_those_of_a_run_with_these_patients_only(
    shards: Shards, tmp_path: Path
) -> None:
    sequences, vocabulary = shards
    every = load_histories(sequences, TASKS, ["train"], vocabulary, 2)
    chosen = every.select(np.flatnonzero(every.examples.subject_id <= 60))
    fewer = load_histories(write(draw(150)[:60], tmp_path, 1)[0], TASKS, ["train"], vocabulary, 2)
    assert_equal(chosen.examples, fewer.examples)
    assert np.array_equal(chosen.follow_up_end, fewer.follow_up_end)
    for task, ends in fewer.label_ends.items():
        assert np.array_equal(chosen.label_ends[task], ends)
        latest = fewer.latest_cuts(task)
        assert set(latest) <= set(fewer.cuts(task))
        assert len(latest) == len(np.unique(fewer.cut_after(latest, task).subject_id))
    kept = every.with_cuts()
    assert len(kept) < len(every)
    assert (np.diff(kept.examples.visit_offsets) >= 2).all()
