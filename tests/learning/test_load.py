"""Examples read back from files: what was stored, cut to the input, in order of subject."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.errors import InputError
from behrt.learning import load, mapped
from behrt.learning.examples import Examples
from behrt.learning.load import load_examples
from behrt.sequences.frames import ConceptSequences, Sequences, TaskExamples
from behrt.sequences.vocabulary import Vocabulary, read_vocabulary, write_vocabulary

WORDS = Vocabulary(("Acne", "Asthma", "Gout", "Stroke"), ("Skin", "Lungs", "Joints", "Brain"))


def sequence(subject: int, split: str, visits: list[list[int]]) -> dict[str, object]:
    return {
        "subject_id": subject,
        "split": split,
        "sex": subject % 3,
        "region": 1,
        "practice": 7,
        "birth_month": 1960 * 12,
        "follow_up_start": 10 * subject,
        "follow_up_end": 10_000,
        "known_until": 10_000,
        "visit_day": [100 * (i + 1) + subject for i in range(len(visits))],
        "visit_age": [480 + 3 * i for i in range(len(visits))],
        "code": [code for visit in visits for code in visit],
        "visit": [i for i, visit in enumerate(visits) for _ in visit],
    }


HISTORIES = {
    3: ("train", [[0, 2], [1], [0]]),
    1: ("train", [[3], [0, 1, 3]]),
    2: ("tuning", [[2]]),
    4: ("held_out", []),
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[Path], Path, Path]:
    shards = []
    for shard, subjects in enumerate([[3, 4], [1, 2]]):
        rows = [sequence(subject, *HISTORIES[subject]) for subject in subjects]
        frame = Sequences.validate(pl.DataFrame(rows, schema=Sequences.create_empty().schema))
        shards.append(tmp_path / f"{shard}.parquet")
        frame.write_parquet(shards[-1])
    tasks = pl.DataFrame(
        {
            "subject_id": [1, 2, 3],
            "split": ["train", "tuning", "train"],
            "input_visits": [1, 1, 2],
            "label": [[0, 1, 3], [], [0]],
            "known": [[3], [2], [0, 1, 2]],
        },
        schema=TaskExamples.create_empty().schema,
    )
    TaskExamples.validate(tasks).write_parquet(tmp_path / "T1.parquet")
    write_vocabulary(WORDS, tmp_path / "vocabulary.json")
    return shards, tmp_path / "T1.parquet", tmp_path / "vocabulary.json"


def visits_of(examples: Examples, row: int) -> list[list[int]]:
    start, stop = examples.visit_offsets[row : row + 2]
    return [
        examples.codes[examples.code_offsets[v] : examples.code_offsets[v + 1]].tolist()
        for v in range(start, stop)
    ]


def test_whole_histories_are_in_order_of_subject(
    files: tuple[list[Path], Path, Path],
) -> None:
    shards, _, vocabulary = files
    examples = load_examples(shards, None, ["train", "tuning", "held_out"], vocabulary)
    assert examples.subject_id.tolist() == [1, 2, 3]  # 4 has no visit to read
    assert [visits_of(examples, row) for row in range(3)] == [
        HISTORIES[subject][1] for subject in (1, 2, 3)
    ]
    assert examples.visit_day.tolist() == [101, 201, 102, 103, 203, 303]
    assert examples.visit_age.tolist() == [480, 483, 480, 480, 483, 486]
    assert examples.sex.tolist() == [1, 2, 0]
    assert examples.follow_up_start.tolist() == [10, 20, 30]
    assert examples.labels.size == 0
    assert examples.known_matrix(np.arange(3)).tolist() == [
        [True, True, False, True],
        [False, False, True, False],
        [True, True, True, False],
    ]
    assert examples.n_diseases == 4


def test_a_task_cuts_histories_to_its_input(files: tuple[list[Path], Path, Path]) -> None:
    shards, tasks, vocabulary = files
    examples = load_examples(shards, tasks, "train", vocabulary)
    assert examples.subject_id.tolist() == [1, 3]
    assert visits_of(examples, 0) == [[3]]
    assert visits_of(examples, 1) == [[0, 2], [1]]
    assert examples.visit_day.tolist() == [101, 103, 203]
    assert examples.label_matrix(np.arange(2)).tolist() == [
        [True, True, False, True],
        [True, False, False, False],
    ]
    assert examples.known_matrix(np.arange(2)).tolist() == [
        [False, False, False, True],
        [True, True, True, False],
    ]


def test_subjects_without_a_label_are_left_out_by_default(
    files: tuple[list[Path], Path, Path],
) -> None:
    shards, tasks, vocabulary = files
    assert len(load_examples(shards, tasks, "tuning", vocabulary)) == 0
    unlabelled = load_examples(shards, tasks, "tuning", vocabulary, labelled=False)
    assert unlabelled.subject_id.tolist() == [2]
    assert visits_of(unlabelled, 0) == [[2]]
    assert not unlabelled.label_matrix(np.arange(1)).any()


def test_an_empty_split_has_empty_arrays_of_the_right_types(
    files: tuple[list[Path], Path, Path],
) -> None:
    shards, tasks, vocabulary = files
    full = load_examples(shards, tasks, "train", vocabulary).arrays()
    empty = load_examples(shards, tasks, "held_out", vocabulary).arrays()
    assert {name: array.dtype for name, array in empty.items()} == {
        name: array.dtype for name, array in full.items()
    }
    assert empty["visit_offsets"].tolist() == [0]
    history = load_examples(shards, None, "train", vocabulary).arrays()
    assert {name: array.dtype for name, array in history.items()} == {
        name: array.dtype for name, array in full.items()
    }


def test_the_order_of_shards_does_not_matter(files: tuple[list[Path], Path, Path]) -> None:
    shards, tasks, vocabulary = files
    one = load_examples(shards, tasks, "train", vocabulary).arrays()
    other = load_examples(shards[::-1], tasks, "train", vocabulary).arrays()
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("of_task", [False, True])
@pytest.mark.parametrize("splits", [["train", "tuning", "held_out"], ["tuning"], ["held_out"]])
def test_examples_that_stay_on_disk_are_the_same(
    files: tuple[list[Path], Path, Path],
    of_task: bool,
    splits: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    shards, tasks, vocabulary = files
    given = (shards, tasks if of_task else None, splits, vocabulary)
    in_memory = load_examples(*given, labelled=False)
    monkeypatch.setattr(load, "MOST_IN_MEMORY", 0)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(mapped.tempfile, "tempdir", str(tmp_path / "temporary"))
    on_disk = load_examples(*given, labelled=False)
    assert list((tmp_path / "temporary").iterdir()) == []
    for name, expected in in_memory.arrays().items():
        found = on_disk.arrays()[name]
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert found.dtype == expected.dtype, name
        assert found.size == 0 or isinstance(found.base, np.memmap), name
    assert (on_disk.n_diseases, on_disk.concepts) == (in_memory.n_diseases, in_memory.concepts)


def test_a_disk_too_full_for_the_examples_is_reported(
    files: tuple[list[Path], Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shards, _, vocabulary = files

    def full(file: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(load, "MOST_IN_MEMORY", 0)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(mapped.tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(mapped.os, "posix_fallocate", full, raising=False)
    with pytest.raises(InputError, match="TMPDIR"):
        load_examples(shards, None, ["train"], vocabulary)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_task_that_does_not_belong_to_the_sequences_is_refused(
    files: tuple[list[Path], Path, Path],
) -> None:
    shards, tasks, vocabulary = files
    with pytest.raises(InputError, match="Draw the tasks again"):
        load_examples(shards[:1], tasks, "train", vocabulary)
    pl.read_parquet(tasks).with_columns(input_visits=pl.lit(9, pl.Int16)).write_parquet(tasks)
    with pytest.raises(InputError, match="Draw the tasks again"):
        load_examples(shards, tasks, "train", vocabulary)


def test_a_code_beyond_the_vocabulary_is_refused(files: tuple[list[Path], Path, Path]) -> None:
    shards, tasks, vocabulary = files
    write_vocabulary(Vocabulary(("Acne",), ("Skin",)), vocabulary)
    with pytest.raises(InputError, match="it has 1 phenotypes"):
        load_examples(shards, tasks, "train", vocabulary)


def test_an_unknown_split_is_refused(files: tuple[list[Path], Path, Path]) -> None:
    shards, tasks, vocabulary = files
    with pytest.raises(InputError, match="there is no split"):
        load_examples(shards, tasks, "test", vocabulary)


@pytest.fixture
def with_others(tmp_path: Path, files: tuple[list[Path], Path, Path]) -> tuple[Path, Path]:
    """Return the shards as one, with three words of other inputs, and the vocabulary with them.

    Subject 3 has word 5 at the first visit and word 4 at the second, and a visit of word 6 between
    them; subject 4, who has no diagnosis, has a visit of word 4.
    """
    _, _, path = files
    rows = [sequence(subject, *HISTORIES[subject]) for subject in (1, 2)]
    others: dict[str, list[int]] = {"concept": [], "concept_visit": []}
    rows = [row | others for row in rows]
    third = sequence(3, "train", [[0, 2], [], [1], [0]])
    rows.append(third | {"concept": [5, 6, 4], "concept_visit": [0, 1, 2]})
    rows.append(sequence(4, "train", [[]]) | {"concept": [4], "concept_visit": [0]})
    frame = pl.DataFrame(rows, schema=ConceptSequences.create_empty().schema)
    shard = tmp_path / "others.parquet"
    ConceptSequences.validate(frame).write_parquet(shard)
    vocabulary = replace(
        read_vocabulary(path),
        concept_codes=("MEDICATION//a", "MEDICATION//b", "TEST//c"),
        concept_names=("a", "b", "c"),
    )
    write_vocabulary(vocabulary, tmp_path / "others.json")
    return shard, tmp_path / "others.json"


def test_words_of_other_inputs_follow_the_diseases_of_a_visit(
    with_others: tuple[Path, Path],
) -> None:
    shard, vocabulary = with_others
    examples = load_examples([shard], None, "train", vocabulary)
    assert examples.subject_id.tolist() == [1, 3, 4]
    assert visits_of(examples, 1) == [[0, 2, 5], [6], [1, 4], [0]]
    assert visits_of(examples, 2) == [[4]]
    assert (examples.n_diseases, examples.n_words) == (4, 7)
    assert examples.concepts == {"medications": 2, "tests": 1}
    # What is known are diseases.
    assert examples.known_matrix(np.arange(3)).sum(axis=1).tolist() == [3, 3, 0]


@pytest.mark.parametrize(
    ("inputs", "third"),
    [
        (["diagnoses"], [[0, 2], [1], [0]]),
        (["diagnoses", "tests"], [[0, 2], [6], [1], [0]]),
        (["diagnoses", "medications"], [[0, 2, 5], [1, 4], [0]]),
    ],
)
def test_some_inputs_leave_out_visits_without_a_word(
    with_others: tuple[Path, Path], inputs: list[str], third: list[list[int]], tmp_path: Path
) -> None:
    shard, vocabulary = with_others
    whole = load_examples([shard], None, "train", vocabulary, inputs=inputs)
    assert visits_of(whole, 1) == third
    assert whole.subject_id.tolist() == [1, 3] + [4] * ("medications" in inputs)
    tasks = pl.DataFrame(
        {
            "subject_id": [3, 4],
            "split": ["train", "train"],
            "input_visits": [2, 1],
            "label": [[0], [1]],
            "known": [[0, 2], []],
        },
        schema=TaskExamples.create_empty().schema,
    )
    tasks.write_parquet(tmp_path / "task.parquet")
    cut = load_examples([shard], tmp_path / "task.parquet", "train", vocabulary, inputs=inputs)
    assert cut.subject_id.tolist() == [3, 4]  # the same examples
    kept = [third[0], [6] if "tests" in inputs else []]
    assert visits_of(cut, 0) == kept  # the last visit is kept, as its day is that of the prediction
    assert visits_of(cut, 1) == [[4] if "medications" in inputs else []]
    assert cut.visit_day[:2].tolist() == [103, 203]
    assert cut.labels.tolist() == [0, 1]


def test_diagnoses_only_equal_a_run_without_other_inputs(
    files: tuple[list[Path], Path, Path], with_others: tuple[Path, Path]
) -> None:
    shards, _, vocabulary = files
    without = load_examples(shards, None, ["train", "tuning"], vocabulary)
    with_them = load_examples(
        [with_others[0]], None, ["train", "tuning"], with_others[1], inputs=["diagnoses"]
    )
    for name, array in without.arrays().items():
        if name not in ("visit_day", "visit_age"):  # subject 3 has a visit more
            assert np.array_equal(array, getattr(with_them, name)), name
