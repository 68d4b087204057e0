"""The example patient: who is drawn, what BEHRT reads of them, and that it can be read."""

import itertools
import re
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from behrt.errors import InputError
from behrt.figures.example_patient import (
    Visit,
    choose_simulated,
    draw_visits,
    make_artificial,
    words_read,
)
from behrt.figures.style import save
from behrt.sequences.sequences import build_sequences
from behrt.sequences.vocabulary import CLS, FIRST_DISEASE, SEP, Vocabulary

NAMES = (
    "Asthma",
    "Benign neoplasm of brain and other parts of central nervous system",
    "Glomerulonephritis",
    "Hyperparathyroidism",
    "Peripheral neuropathies (excluding cranial nerve and carpal tunnel syndromes)",
    "Primary Malignancy_biliary tract",
    "Syndrome of inappropriate secretion of antidiuretic hormone",
    "Type 2 diabetes mellitus",
    "Urinary tract infections",
)
CHAPTERS = (
    "Diseases of the Respiratory System",
    "Benign Neoplasm/CIN",
    "Diseases of the Genitourinary system",
    "Diseases of the Endocrine System",
    "Neurological conditions",
    "Cancers",
    "Diseases of the Endocrine System",
    "Diseases of the Endocrine System",
    "Infectious Diseases",
)
WORDS = Vocabulary(NAMES, CHAPTERS)
Day = tuple[int, list[int]]

# Day of each visit and its diseases; subject 3 alone meets every wish.
PATIENTS: dict[int, list[Day]] = {
    1: [(0, [1]), (40, [2]), (90, [3])],
    2: [(100 * i, [i]) for i in range(8)],
    3: [(0, [7]), (20, []), (200, [0, 7]), (600, [4]), (700, [8]), (1100, [7]), (1500, [5])],
    4: [(50 * i, []) for i in range(9)] + [(1000, [6])],
}


def write_run(folder: Path, shards: int, patients: dict[int, list[Day]]) -> tuple[list[Path], ...]:
    events, sequences = [], []
    splits = pl.DataFrame({"subject_id": list(patients), "split": ["train"] * len(patients)})
    for shard in range(shards):
        rows: list[tuple[int, datetime | None, str]] = []
        for subject, days in patients.items():
            if subject % shards != shard:
                continue
            rows.append((subject, datetime(1950, 5, 1), "MEDS_BIRTH"))
            rows.append((subject, None, f"SEX//{'female' if subject % 2 else 'male'}"))
            for offset, diseases in days:
                time = datetime(2001, 2, 3) + timedelta(days=offset)
                rows.append((subject, time, "VISIT//GP"))
                rows += [(subject, time, f"CALIBER//{NAMES[disease]}") for disease in diseases]
        frame = pl.DataFrame(
            rows,
            schema={"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String},
            orient="row",
        )
        events.append(folder / f"events-{shards}-{shard}.parquet")
        sequences.append(folder / f"sequences-{shards}-{shard}.parquet")
        frame.write_parquet(events[-1])
        build_sequences(frame, splits, WORDS).write_parquet(sequences[-1])
    return events, sequences


def test_words_by_hand() -> None:
    visits = [
        Visit(("GP",), 600, 0, (2, 7)),
        Visit(("GP",), 605, 5, ()),
        Visit(("Hospital",), 610, 5, (0,)),
        Visit(("GP",), 700, 90, (3,)),
    ]
    token = FIRST_DISEASE
    assert words_read(visits, len(NAMES), 100) == [
        (CLS, 600, 0),
        (token + 2, 600, 0),
        (token + 7, 600, 0),
        (SEP, 600, 0),
        (token + 0, 610, 1),
        (SEP, 610, 1),
        (token + 3, 700, 2),
        (SEP, 700, 2),
    ]
    # five words hold CLS and the two latest visits
    assert words_read(visits, len(NAMES), 5) == [
        (CLS, 610, 0),
        (token + 0, 610, 0),
        (SEP, 610, 0),
        (token + 3, 700, 1),
        (SEP, 700, 1),
    ]


def test_the_patient_who_shows_most_is_chosen_whatever_the_shards(tmp_path: Path) -> None:
    first = date(2001, 2, 3)
    expected = []
    for i, (offset, diseases) in enumerate(PATIENTS[3]):
        day = first + timedelta(days=offset)
        before = PATIENTS[3][i - 1][0] if i else offset
        months = round((offset - before) / (365.25 / 12))
        expected.append(
            Visit(("GP",), (day.year - 1950) * 12 + day.month - 1, months, tuple(sorted(diseases)))
        )
    for shards, seed in ((1, 1), (2, 1), (3, 9)):
        events, sequences = write_run(tmp_path, shards, PATIENTS)
        assert choose_simulated(events, sequences, seed) == expected


def test_seeds_choose_among_equals(tmp_path: Path) -> None:
    twins = {
        subject: [(subject * 7 + day, held) for day, held in PATIENTS[3]] for subject in range(9)
    }
    events, sequences = write_run(tmp_path, 1, twins)
    chosen = {tuple(choose_simulated(events, sequences, seed)) for seed in range(6)}
    assert len(chosen) > 1


def test_without_any_diagnosis_there_is_nobody_to_draw(tmp_path: Path) -> None:
    events, sequences = write_run(tmp_path, 1, {1: [(0, []), (5, [])]})
    with pytest.raises(InputError, match="no training patient"):
        choose_simulated(events, sequences, 1)
    with pytest.raises(InputError, match="no training patient"):
        make_artificial(sequences, len(NAMES))


def test_the_artificial_patient_follows_from_the_population_alone(tmp_path: Path) -> None:
    people = PATIENTS | {subject: [(0, [7]), (30, [7])] for subject in (5, 6)}
    visits = make_artificial(write_run(tmp_path, 1, people)[1], len(NAMES))
    renamed = {subject + 50: days for subject, days in reversed(people.items())}
    again = make_artificial(write_run(tmp_path, 3, renamed)[1], len(NAMES))
    assert visits == again
    # the one disease that two women and two men have; all others fewer
    assert visits[0].diseases == (7,)
    assert [len(visit.diseases) for visit in visits] == [1, 2, 0, 1, 3, 0, 2]
    assert visits[0].age == 613  # February 2001
    ages = [visit.age for visit in visits]
    assert [later - earlier for earlier, later in itertools.pairwise(ages)] == [
        visit.months_since for visit in visits[1:]
    ]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts that touch, and texts that leave the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    touching = [
        (one, other)
        for (one, box), (other, other_box) in itertools.combinations(boxes, 2)
        if box.shrunk(0.98, 0.8).overlaps(other_box.shrunk(0.98, 0.8))
    ]
    outside = [
        (text, "edge")
        for text, box in boxes
        if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.x1 or box.y1 > figure.bbox.y1
    ]
    return touching + outside


def crowded() -> list[Visit]:
    """Seven visits with the longest names, and as many words as the choice allows."""
    diseases = [(1, 4, 6), (), (2,), (3, 4), (5,), (1, 6), (8, 0, 7)]
    return [
        Visit(("GP", "Hospital"), 1100 + 40 * i, 40 * i, held) for i, held in enumerate(diseases)
    ]


@pytest.mark.parametrize("maximum_length", [100, 8])
def test_no_text_touches_another(tmp_path: Path, maximum_length: int) -> None:
    artificial = make_artificial(write_run(tmp_path, 1, PATIENTS)[1], len(NAMES))
    for visits in (crowded(), artificial):
        whose = "An artificial patient, made from averages over the population: nobody's record"
        figure = draw_visits(visits, WORDS, maximum_length, whose)
        assert overlaps(figure) == []


def test_the_figure_says_what_is_left_out_and_what_is_read() -> None:
    figure = draw_visits(crowded(), WORDS, 100, "A patient")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("left out") == 1
    assert texts.count("CLS") == 1
    assert texts.count("SEP") == 6
    # each disease's label once in its visit and once among the words
    assert texts.count("D1") == 2 * 2  # the first disease occurs in two visits
    shown = " ".join(texts)
    assert "Malignancy: biliary tract" in re.sub(r"\s+", " ", shown)


def test_files_are_the_same_each_time_and_hold_no_date(tmp_path: Path) -> None:
    events, sequences = write_run(tmp_path, 2, PATIENTS)
    written = []
    for name in ("a", "b"):
        visits = choose_simulated(events, sequences, 1)
        png, svg = tmp_path / name / "figure.png", tmp_path / name / "figure.svg"
        save(draw_visits(visits, WORDS, 100, "A simulated patient"), png, svg, simulated=True)
        written.append((png.read_bytes(), svg.read_bytes()))
    assert written[0] == written[1]
    shown = re.findall(r"<!-- (.*?) -->", written[0][1].decode("utf-8"))
    assert "Simulated data" in shown
    assert not [text for text in shown if re.search(r"\d{4}|\d/\d", text)]
