"""Labels of outcomes: by hand at boundary days, and against a plain reading of their definition."""

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behrt.errors import InputError
from behrt.outcomes.labels import add_steps, finish, label_shard
from behrt.sequences.frames import ConceptSequences
from behrt.settings.outcomes import IndexDay, OutcomeSettings

from .people import DISEASES, EPOCH, Visits, deaths, sequence, sequences, stays

INDEX = "2010-03-10"


def label_one(
    outcome: dict[str, Any],
    visits: Visits | None = None,
    end: str = "2020-12-31",
    died: str | None = None,
    in_hospital: tuple[tuple[int, str, str | None, bool], ...] = (),
    **subject: Any,
) -> list[bool | None]:
    """Return the labels of a subject with a visit on the index day; None if nothing is known."""
    visits = {INDEX: {0}, **(visits or {})}
    settings = {"index": IndexDay(date=date.fromisoformat(INDEX)), **outcome}
    frame, _ = label_shard(
        sequences(sequence(1, visits, died or end, **subject)),
        deaths({1: died} if died else {}),
        stays(*in_hospital),
        OutcomeSettings(**settings),
        DISEASES,
        "test",
        7,
    )
    return [
        label if complete else None
        for label, complete in frame.select("boolean_value", "complete").iter_rows()
    ]


GOUT = {"disease": "Gout", "days": 30}


@pytest.mark.parametrize(
    ("day", "label"),
    [
        ("2010-03-10", False),  # the day of the index is in the past
        ("2010-03-11", True),
        ("2010-04-09", True),  # the last day of 30
        ("2010-04-10", False),
    ],
)
def test_a_disease_counts_from_the_day_after_the_index_to_the_last_of_the_window(
    day: str, label: bool
) -> None:
    assert label_one(GOUT, {day: {0, 1}}) == [label]
    assert label_one({"event": "death", "days": 30}, died=day) == ([] if day == INDEX else [label])
    stay = ((1, day, None, True),)
    for event in ("admission", "emergency_admission"):
        assert label_one({"event": event, "days": 30}, in_hospital=stay) == [label]


def test_the_flow_names_the_visits_that_count() -> None:
    """With other inputs, they need no diagnosis."""
    plain = sequences(sequence(1, {INDEX: {0}}))
    lists = {name: pl.List(pl.Int16) for name in ("concept", "concept_visit")}
    others = plain.hstack(pl.DataFrame({name: [[]] for name in lists}, schema=lists))
    outcome = OutcomeSettings(index=IndexDay(date=date.fromisoformat(INDEX)), **GOUT)
    for read, word in ((plain, "a diagnosis"), (ConceptSequences.validate(others), "an input")):
        _, steps = label_shard(read, deaths({}), None, outcome, DISEASES, "test", 7)
        assert f"Visits with {word} by the index day: at least 1" in [s.name for s in steps]


def test_a_window_of_months_ends_on_the_same_day_of_the_month() -> None:
    year = {"disease": "Gout", "months": 12}
    assert label_one(year, {"2011-03-10": {1}}) == [True]
    assert label_one(year, {"2011-03-11": {1}}) == [False]


def test_follow_up_that_ends_within_the_window_leaves_the_label_unknown() -> None:
    assert label_one(GOUT, end="2010-04-09") == [False]
    assert label_one(GOUT, end="2010-04-08") == [None]
    assert label_one(GOUT, {"2010-04-08": {1}}, end="2010-04-08") == [True]
    assert label_one({"event": "death", "days": 30}, end="2010-04-08") == [None]


def test_death_before_the_event_is_no_event_and_completes_follow_up() -> None:
    assert label_one(GOUT, died="2010-03-20") == [False]
    assert label_one(GOUT, {"2010-03-20": {1}}, died="2010-03-20") == [True]
    assert label_one(GOUT, died="2010-04-09") == [False]
    # A record after death, as errors in dates make it.
    late = ((1, "2010-03-21", None, True),)
    assert label_one({"event": "admission", "days": 30}, died="2010-03-20", in_hospital=late) == [
        False
    ]


def test_admissions_are_counted_and_emergencies_told_from_others() -> None:
    two = ((1, "2010-03-15", "2010-03-16", False), (1, "2010-03-20", None, True))
    for event, at_least, label in (
        ("admission", 2, True),
        ("admission", 3, False),
        ("emergency_admission", 1, True),
        ("emergency_admission", 2, False),
    ):
        outcome = {"event": event, "days": 30, "at_least": at_least}
        assert label_one(outcome, in_hospital=two) == [label]


def test_readmission_counts_from_the_day_after_each_discharge() -> None:
    readmission = {"event": "emergency_admission", "days": 30, "index": "discharge"}
    first = (1, "2010-03-10", "2010-03-10", True)  # discharged on the day of admission
    assert label_one(readmission, in_hospital=(first,)) == [False]
    for day, label in (("2010-03-11", True), ("2010-04-09", True), ("2010-04-10", False)):
        # The second stay has no discharge, so it is no index.
        assert label_one(readmission, in_hospital=(first, (1, day, None, True))) == [label]
    planned = (1, "2010-03-20", "2010-03-22", False)
    assert label_one(readmission, in_hospital=(first, planned)) == [False, False]
    # Death in hospital: there is nothing to predict after it.
    assert label_one(readmission, died="2010-03-10", in_hospital=(first,)) == []


def test_nobody_is_predicted_for_during_a_stay_whose_diagnoses_are_not_known_yet() -> None:
    death = {"event": "death", "days": 30}
    for admitted, discharged, kept in (
        ("2010-03-01", "2010-03-09", True),
        ("2010-03-01", INDEX, True),
        ("2010-03-01", "2010-03-11", False),
        (INDEX, "2010-03-20", False),
        (INDEX, INDEX, True),
        ("2010-03-11", "2010-03-20", True),
    ):
        earlier = (1, "2009-01-01", "2009-01-05", True)
        stay = (1, admitted, discharged, True)
        found = label_one(death, died="2010-03-20", in_hospital=(earlier, stay))
        assert found == ([True] if kept else [])
    # A readmission is predicted on the day of discharge, which ends a stay.
    assert label_one({**death, "index": "discharge"}, in_hospital=(stay,)) == [False]


def test_new_cases_are_those_without_the_disease_by_the_index() -> None:
    new = {**GOUT, "new": True}
    for before in ("2009-01-01", INDEX):
        assert label_one(new, {before: {1}, "2010-03-20": {1}}) == []
        assert label_one(GOUT, {before: {0, 1}, "2010-03-20": {1}}) == [True]
    assert label_one(new, {"2010-03-20": {1}}) == [True]


@pytest.mark.parametrize(
    ("criteria", "subject", "kept"),
    [
        ({"ages": [60, 70]}, {"birth": (1950, 3)}, True),
        ({"ages": [60, 70]}, {"birth": (1950, 4)}, False),
        ({"ages": [50, 60]}, {"birth": (1949, 4)}, True),
        ({"ages": [50, 60]}, {"birth": (1949, 3)}, False),
        ({"sex": "men"}, {"sex": 1}, True),
        ({"sex": "women"}, {"sex": 1}, False),
        ({"minimum_months": 12}, {"start": "2009-03-10"}, True),
        ({"minimum_months": 12}, {"start": "2009-03-11"}, False),
        ({"minimum_visits": 1}, {}, True),
        ({"minimum_visits": 2}, {}, False),
        ({"having": ["Gout", "Asthma"]}, {}, True),
        ({"having": ["Gout"]}, {}, False),
        ({"without": ["Gout"]}, {}, True),
        ({"without": ["Gout", "Asthma"]}, {}, False),
    ],
)
def test_criteria_at_their_limits(
    criteria: dict[str, Any], subject: dict[str, Any], kept: bool
) -> None:
    found = label_one({"event": "death", "days": 30, **criteria}, **subject)
    assert found == ([False] if kept else [])


def test_a_landmark_is_the_first_of_the_month_of_a_birthday() -> None:
    outcome = OutcomeSettings(disease="Gout", days=30, index=IndexDay(age=60))
    subject = sequence(1, {"2009-01-01": {0}, "2010-04-01": {1}}, birth=(1950, 3))
    frame, _ = label_shard(sequences(subject), deaths({}), None, outcome, DISEASES, "test", 7)
    assert frame.row(0, named=True) | {"days": 0} == {
        "subject_id": 1,
        "split": "train",
        "prediction_time": datetime(2010, 3, 1),
        "boolean_value": False,  # the window ends on 31 March
        "input_visits": 1,
        "days": 0,
        "complete": True,
    }


def test_an_unknown_disease_is_refused_with_the_nearest_name() -> None:
    for key in ("disease", "having", "without"):
        given = {"disease": "Gout", key: "Hart failure" if key == "disease" else ["Hart failure"]}
        with pytest.raises(InputError, match=rf"outcomes\.test\.{key}.*Did you mean 'Heart fail"):
            label_one({**given, "days": 30})


def test_held_out_patients_are_predicted_from_the_cut_off_on() -> None:
    rows = [
        sequence(number, {"2009-01-01": {0}, INDEX: {1}}, split=split)
        for number, split in enumerate(("train", "held_out"), start=1)
    ]
    outcome = OutcomeSettings(event="death", days=30)
    for cut_off, expected in (("2010-03-10", {2: 2}), ("2010-03-11", {})):
        frame, _ = label_shard(
            sequences(*rows), deaths({}), None, outcome, DISEASES, "test", 7,
            date.fromisoformat(cut_off),
        )  # fmt: skip
        held_out = frame.filter(split="held_out")
        assert dict(held_out.select("subject_id", "input_visits").iter_rows()) == expected


# --- Against a plain reading of the definition --------------------------------------------------

SPAN = 120
some_days = st.integers(0, SPAN)
people = st.fixed_dictionaries(
    {
        "visits": st.dictionaries(some_days, st.sets(st.integers(0, 3), min_size=1), min_size=1),
        "end": st.integers(SPAN // 2, SPAN),
        "dies": st.booleans(),
        "stays": st.dictionaries(some_days, st.booleans(), max_size=4),
    }
)
outcomes = st.fixed_dictionaries(
    {
        "what": st.sampled_from(
            [
                {"disease": "Gout"},
                {"disease": ["Gout", "Stroke"], "new": True},
                {"event": "death"},
                {"event": "admission", "at_least": 2},
                {"event": "emergency_admission"},
            ]
        ),
        "days": st.integers(1, 60),
        "index": st.sampled_from(["visit", "discharge"]),
        "minimum_visits": st.integers(1, 2),
    }
)
FIRST = date(2010, 1, 1)
START = (FIRST - EPOCH).days


def as_day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def plainly(person: dict[str, Any], outcome: OutcomeSettings) -> dict[int, tuple[bool, bool, int]]:
    """Return label, completeness and input visits of each index day, straight from the rules."""
    seen = {day: codes for day, codes in person["visits"].items() if day <= person["end"]}
    death = person["end"] if person["dies"] else None
    indices = {
        "visit": [day for day in seen if day not in person["stays"]],  # a stay is of two days
        "discharge": [day + 1 for day in person["stays"] if day + 1 <= person["end"]],
    }[str(outcome.index)]
    wanted = {DISEASES.index(name) for name in outcome.diseases}
    found = {}
    for index in indices:
        history = {day: codes for day, codes in seen.items() if day <= index}
        already = any(codes & wanted for codes in history.values())
        if len(history) < outcome.minimum_visits or (outcome.new and already):
            continue
        if death is not None and death <= index:
            continue
        last = index + int(outcome.days or 0)
        if outcome.event == "death":
            happened = [death] if death is not None else []
        elif wanted:
            happened = [day for day, codes in seen.items() if codes & wanted]
        else:
            happened = [
                day
                for day, emergency in person["stays"].items()
                if emergency or outcome.event == "admission"
            ]
        counted = [day for day in happened if index < day <= min(last, person["end"])]
        label = len(counted) >= outcome.at_least
        died = death is not None and index < death <= last
        found[index] = (label, label or died or person["end"] >= last, len(history))
    return found


def made_of(person: dict[str, Any], number: int) -> dict[str, object]:
    visits = {as_day(d): c for d, c in person["visits"].items() if d <= person["end"]}
    return sequence(number, visits, as_day(person["end"]), start=as_day(0))


@settings(max_examples=60)
@given(st.lists(people, min_size=1, max_size=4), outcomes)
def test_labels_are_those_of_the_definition(
    group: list[dict[str, Any]], chosen: dict[str, Any]
) -> None:
    outcome = OutcomeSettings(**chosen["what"], **{k: v for k, v in chosen.items() if k != "what"})
    dead = {n: as_day(p["end"]) for n, p in enumerate(group, start=1) if p["dies"]}
    in_hospital = [
        (n, as_day(day), as_day(day + 1), emergency)
        for n, p in enumerate(group, start=1)
        for day, emergency in sorted(p["stays"].items())
    ]
    frame, steps = label_shard(
        sequences(*(made_of(person, n) for n, person in enumerate(group, start=1))),
        deaths(dead),
        stays(*in_hospital),
        outcome,
        DISEASES,
        "test",
        7,
    )
    expected = {n: plainly(person, outcome) for n, person in enumerate(group, start=1)}
    rows: dict[int, dict[int, tuple[bool, bool, int]]] = {n: {} for n in expected}
    for row in frame.iter_rows(named=True):
        index = (row["prediction_time"].date() - FIRST).days
        rows[row["subject_id"]][index] = (
            row["boolean_value"] and row["complete"],
            row["complete"],
            row["input_visits"],
        )
    if outcome.index == "discharge":
        assert rows == expected
    else:  # one of those that fit
        assert all(len(found) == min(len(expected[n]), 1) for n, found in rows.items())
        assert all(found.items() <= expected[n].items() for n, found in rows.items())
    left = [step.patients for step in steps]
    assert left == sorted(left, reverse=True)
    assert steps[-1].index_days == sum(c for f in rows.values() for _, c, _ in f.values())


@settings(max_examples=20)
@given(st.lists(people, min_size=2, max_size=5))
def test_shards_do_not_change_labels_and_the_future_changes_no_input(
    group: list[dict[str, Any]],
) -> None:
    outcome = OutcomeSettings(disease="Gout", days=20)
    dead = deaths({n: as_day(p["end"]) for n, p in enumerate(group, start=1) if p["dies"]})
    rows = [made_of(person, n) for n, person in enumerate(group, start=1)]

    def labelled(*chosen: dict[str, object]) -> tuple[pl.DataFrame, list[Any]]:
        return label_shard(sequences(*chosen), dead, None, outcome, DISEASES, "test", 7)

    together, steps = labelled(*rows)
    apart = [labelled(row) for row in reversed(rows)]
    joined = pl.concat(frame for frame, _ in apart).sort("subject_id", "prediction_time")
    assert joined.equals(together)
    assert add_steps([found for _, found in apart]) == steps

    by_date = OutcomeSettings(disease="Gout", days=20, index=IndexDay(date=FIRST + timedelta(40)))
    inputs = ["subject_id", "prediction_time", "input_visits"]
    changed = [
        {**p, "visits": {d: c for d, c in p["visits"].items() if d <= 40} | {SPAN // 2: {1}}}
        for p in group
    ]
    before, after = (
        label_shard(
            sequences(*(made_of(p, n) for n, p in enumerate(some, start=1))),
            deaths({}), None, by_date, DISEASES, "test", 7,
        )[0].select(inputs)
        for some in (group, changed)
    )  # fmt: skip
    assert before.equals(after)


def test_each_split_needs_both_labels() -> None:
    rows = [
        sequence(n, {INDEX: {0}, **({"2010-03-20": {1}} if n % 2 else {})}, split=split)
        for n, split in enumerate(["train", "train", "tuning", "tuning", "held_out"], start=1)
    ]
    outcome = OutcomeSettings(**GOUT, index=IndexDay(date=date.fromisoformat(INDEX)))
    frame, _ = label_shard(sequences(*rows), deaths({}), None, outcome, DISEASES, "test", 7)
    with pytest.raises(InputError, match="all labels are equal among the held-out patients"):
        finish(frame, "exclude", "test")
    both = pl.concat(
        [frame, frame.with_columns(subject_id=pl.lit(99, pl.Int64), boolean_value=False)[-1:]]
    )
    assert finish(both, "exclude", "test")["weight"].to_list() == [1.0] * 6
