"""A split by time: nothing after the cut-off is learned, and no prediction is before it."""

from datetime import date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from behrt.sequences.sequences import build_sequences
from behrt.sequences.tasks import draw_examples
from behrt.sequences.vocabulary import Vocabulary
from behrt.tasks import Task

WORDS = Vocabulary(("Acne", "Asthma", "Gout"), ("Skin", "Lungs", "Joints"))
CUT_OFF = date(2010, 1, 1)
CUT_DAY = (CUT_OFF - date(1970, 1, 1)).days
SPLITS = ("train", "tuning", "held_out")
FIRST = date(2006, 1, 1)

Histories = dict[int, list[tuple[int, str]]]

histories = st.dictionaries(
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(WORDS.phenotypes)), max_size=25),
    min_size=1,
    max_size=8,
)
"""Of each subject, days since the first and diseases."""


def split_of(subject: int) -> str:
    return SPLITS[subject % 3]


def events(lives: Histories) -> pl.DataFrame:
    rows: list[tuple[int, datetime | None, str]] = []
    for subject, diagnoses in lives.items():
        rows.append((subject, datetime(1950, 1, 1), "MEDS_BIRTH"))
        days = [FIRST + timedelta(day) for day, _ in diagnoses]
        first, last = min(days, default=FIRST), max(days, default=FIRST) + timedelta(400)
        for day, code in ((first, "FOLLOW_UP//START"), (last, "FOLLOW_UP//END")):
            rows.append((subject, datetime(day.year, day.month, day.day), code))
        for day, (_, name) in zip(days, diagnoses, strict=True):
            rows.append((subject, datetime(day.year, day.month, day.day), f"CALIBER//{name}"))
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def sequences(lives: Histories, cut_off: date | None = CUT_OFF) -> pl.DataFrame:
    splits = pl.DataFrame(
        {"subject_id": list(lives), "split": [split_of(subject) for subject in lives]}
    )
    return build_sequences(events(lives), splits, WORDS, "events", cut_off)


@given(histories, histories)
@settings(deadline=None, max_examples=60)
def test_what_is_learned_does_not_depend_on_anything_later(
    lives: Histories, later: Histories
) -> None:
    """Later events of training and tuning subjects do not change their rows."""
    other = {
        subject: [d for d in diagnoses if FIRST + timedelta(d[0]) < CUT_OFF]
        + [d for d in later.get(subject, []) if FIRST + timedelta(d[0]) >= CUT_OFF]
        for subject, diagnoses in lives.items()
    }
    learning = pl.col("split") != "held_out"

    def learned(some: Histories) -> pl.DataFrame:
        return sequences(some).filter(learned_from)

    # The end of follow-up may be before the cut-off; no other column may depend on what is later.
    started = [s for s in lives if any(FIRST + timedelta(d) < CUT_OFF for d, _ in lives[s])]
    learned_from = learning & pl.col("subject_id").is_in(started)
    known = ["subject_id", "split", "follow_up_start", "visit_day", "visit_age", "code", "visit"]
    assert learned(lives).select(known).equals(learned(other).select(known))


@given(histories)
@settings(deadline=None, max_examples=60)
def test_no_learning_after_the_cut_off_and_no_prediction_before(lives: Histories) -> None:
    cut, whole = sequences(lives), sequences(lives, None)
    learning = cut.filter(pl.col("split") != "held_out")
    assert (learning["follow_up_end"] < CUT_DAY).all()
    assert (learning["visit_day"].explode() < CUT_DAY).all()
    held_out = pl.col("split") == "held_out"
    assert cut.filter(held_out).equals(whole.filter(held_out))
    for months in (None, 6, 12):
        drawn = draw_examples(cut, Task("T2", months), 2, 3, CUT_OFF)  # type: ignore[arg-type]
        rows = drawn.join(cut, on="subject_id").with_columns(
            last=pl.col("visit_day").list.get(pl.col("input_visits").cast(pl.Int64) - 1)
        )
        assert (rows.filter(held_out)["last"] >= CUT_DAY).all()
        assert (rows["input_visits"] >= 2).all()
        ends = rows.filter(~held_out)["last"].cast(pl.Date)
        if months is None:
            assert (
                rows.filter(~held_out)["input_visits"]
                < rows.filter(~held_out)["visit_day"].list.len()
            ).all()
        else:
            assert (ends.dt.offset_by(f"{months}mo") < CUT_OFF).all()


def test_a_cut_by_hand() -> None:
    life = [(d, "Acne") for d in (0, 100, 1400, 1460, 1461, 1600, 1700, 2500)]
    # 1 January 2010 is day 1461. Subject 3 trains, 4 tunes, 2 is held out; 6 joins too late.
    cut = sequences({3: life, 4: life, 2: life, 6: [(1500, "Gout")]})
    assert cut["subject_id"].to_list() == [2, 3, 4]
    assert cut["visit_day"].list.len().to_list() == [8, 4, 4]
    assert cut["follow_up_end"].to_list()[1:] == [CUT_DAY - 1, CUT_DAY - 1]
    drawn = {
        draw_examples(cut, Task("T2", 6), 2, seed, CUT_OFF).row(0)[2]  # type: ignore[arg-type]
        for seed in range(60)
    }
    # The fifth visit is on the day itself; the window of the last ends within follow-up.
    assert drawn == {5, 6, 7, 8}
    assert draw_examples(cut, Task("T2", 6), 2, 1, CUT_OFF)["subject_id"].to_list() == [2, 3, 4]  # type: ignore[arg-type]
