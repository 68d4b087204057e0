"""The generative process: properties of all simulated people."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import MONTH
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.recordings import ADMISSION, COMORBIDITY, DUE, next_review, review_day
from behrt.simulation.world import World, make_world

FIRST, PEOPLE, SEED = 5_001, 3_000, 7
SETTINGS = ProcessSettings()


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(40, SEED)


@pytest.fixture(scope="module")
def block(world: World) -> Block:
    return simulate_block(world, FIRST, PEOPLE, SEED, SETTINGS)


def frames(block: Block) -> dict[str, pl.DataFrame]:
    return {field.name: getattr(block, field.name) for field in fields(Block)}


def test_the_same_arguments_give_the_same_block(world: World, block: Block) -> None:
    again = simulate_block(world, FIRST, PEOPLE, SEED, SETTINGS)
    assert all(frames(again)[name].equals(frame) for name, frame in frames(block).items())
    other = simulate_block(world, FIRST, PEOPLE, SEED + 1, SETTINGS)
    assert not other.onsets.equals(block.onsets)


def test_a_block_has_the_requested_people(block: Block) -> None:
    assert block.people["person"].to_list() == list(range(FIRST, FIRST + PEOPLE))
    for name, frame in frames(block).items():
        assert frame["person"].is_between(FIRST, FIRST + PEOPLE - 1).all()
        assert frame["person"].is_sorted(), name


def test_practices_resemble_those_of_cprd() -> None:
    practices = make_world(2_000, 3).practices
    england = pl.col("region") <= 10
    assert practices["region"].is_between(1, 13).all()
    assert not practices.filter(~england)["linked"].any()
    linked = practices.filter(england)["linked"].mean()
    assert isinstance(linked, float)
    assert 0.7 < linked < 0.8
    uts, lcd = practices["uts"].cast(pl.Date), practices["lcd"].cast(pl.Date)
    assert (uts.dt.year().min(), uts.dt.year().max()) == (1988, 2002)
    assert 2011 <= lcd.dt.year().min() <= lcd.dt.year().max() <= 2017  # type: ignore[operator]


def test_registration_is_within_life_and_collection(world: World, block: Block) -> None:
    people = block.people.join(world.practices, on="practice")
    assert people.filter(pl.col("registration_start") < pl.col("birth_day")).is_empty()
    assert people.filter(pl.col("registration_end") < pl.col("registration_start")).is_empty()
    assert people.filter(pl.col("registration_end") > pl.col("death_day")).is_empty()
    assert people.filter(pl.col("death_day") <= pl.col("registration_start")).is_empty()
    assert people.filter(pl.col("registration_end") > pl.col("lcd")).is_empty()
    assert people.filter("transferred_out")["registration_end"].null_count() == 0


def test_diseases_begin_between_birth_and_death(block: Block) -> None:
    onsets = block.onsets.join(block.people, on="person")
    assert onsets.filter(pl.col("day") < pl.col("birth_day")).is_empty()
    assert onsets.filter(pl.col("day") > pl.col("death_day")).is_empty()
    assert not onsets.select("person", "disease").is_duplicated().any()


def test_diseases_of_one_sex_do_not_occur_in_the_other(world: World, block: Block) -> None:
    sex_of = world.diseases["sex"].cast(pl.String)
    onsets = block.onsets.join(block.people, on="person").with_columns(
        of=sex_of.gather(block.onsets["disease"])
    )
    assert onsets.filter((pl.col("of") == "female") & (pl.col("sex") != 2)).is_empty()
    assert onsets.filter((pl.col("of") == "male") & (pl.col("sex") != 1)).is_empty()
    assert onsets.filter(pl.col("of") == "female").height > 100


def test_a_cause_is_a_parent_that_began_earlier(world: World, block: Block) -> None:
    caused = block.onsets.filter(pl.col("cause") >= 0)
    assert caused.height > block.onsets.height / 3
    edges = world.risks.select(cause="parent", disease="child")
    assert caused.join(edges, on=["cause", "disease"], how="anti").is_empty()
    parent = block.onsets.select("person", cause="disease", before="day")
    traced = caused.join(parent, on=["person", "cause"], how="left")
    assert traced["before"].null_count() == 0
    assert (traced["before"] < traced["day"]).all()


def test_recordings_are_from_the_onset_to_death(world: World, block: Block) -> None:
    recorded = block.diagnoses.join(
        block.onsets.rename({"day": "onset"}), on=["person", "disease"], how="left"
    ).join(block.people, on="person")
    assert recorded["onset"].null_count() == 0
    assert (recorded["day"] >= recorded["onset"]).all()
    assert recorded.filter(pl.col("day") > pl.col("death_day")).is_empty()
    assert block.diagnoses["day"].min() >= SETTINGS.records_from  # type: ignore[operator]
    # Each onset after the start of records is recorded.
    begun = block.onsets.filter(pl.col("day") >= SETTINGS.records_from)
    assert begun.join(block.diagnoses, on=["person", "disease", "day"], how="anti").is_empty()


def test_refractory_times_are_respected(world: World, block: Block) -> None:
    due = block.diagnoses.filter(pl.col("reason") == DUE).sort("person", "disease", "day")
    gaps = due.with_columns(
        gap=pl.col("day").diff().over("person", "disease"),
        refractory=(world.diseases["refractory_months"] * MONTH).gather(due["disease"]),
    ).drop_nulls("gap")
    assert gaps.height > 1_000
    assert (gaps["gap"] >= gaps["refractory"]).all()


def test_reasons_match_patterns_and_settings(world: World, block: Block) -> None:
    pattern = world.diseases["pattern"].cast(pl.String).gather(block.diagnoses["disease"])
    diagnoses = block.diagnoses.with_columns(pattern=pattern)
    extra = diagnoses.filter(pl.col("reason").is_in([ADMISSION, COMORBIDITY]))
    assert extra["setting"].unique().to_list() == [1]
    assert extra["pattern"].unique().to_list() == ["chronic"]
    assert set(extra["reason"]) == {ADMISSION, COMORBIDITY}


def test_first_marks_the_first_recording(block: Block) -> None:
    firsts = block.diagnoses.filter("first")
    assert not firsts.select("person", "disease").is_duplicated().any()
    earliest = block.diagnoses.group_by("person", "disease").agg(pl.col("day").min())
    assert firsts.join(earliest, on=["person", "disease", "day"]).height == earliest.height


def test_a_visit_has_each_disease_once(block: Block) -> None:
    columns = ["person", "day", "setting", "disease"]
    assert not block.diagnoses.select(columns).is_duplicated().any()


def test_admissions_are_numbered_and_do_not_overlap(block: Block) -> None:
    stays = block.admissions.join(block.people, on="person")
    assert (stays["discharged_day"] >= stays["admitted_day"]).all()
    assert stays.filter(pl.col("discharged_day") > pl.col("death_day")).is_empty()
    following = block.admissions.with_columns(
        number=pl.int_range(pl.len()).over("person") + 1,
        next_day=pl.col("admitted_day").shift(-1).over("person"),
    )
    assert (following["number"] == following["spell"]).all()
    assert following.filter(pl.col("next_day") <= pl.col("discharged_day")).is_empty()


def test_admissions_and_their_diagnoses_agree(block: Block) -> None:
    coded = block.diagnoses.filter(pl.col("setting") == 1)
    assert block.diagnoses.filter(pl.col("setting") == 0)["spell"].unique().to_list() == [-1]
    joined = coded.join(block.admissions, on=["person", "spell"], how="full", coalesce=True)
    assert joined["day"].null_count() == joined["admitted_day"].null_count() == 0
    assert (joined["day"] == joined["admitted_day"]).all()
    ranks = coded.group_by("person", "spell").agg(
        pl.col("rank").sort(), primary=pl.col("reason").sort_by("rank").first()
    )
    assert all(rank == list(range(1, len(rank) + 1)) for rank in ranks["rank"].to_list())
    assert COMORBIDITY not in set(ranks["primary"])


def test_contacts_have_no_diagnosis_and_are_while_registered(block: Block) -> None:
    at_gp = block.diagnoses.filter(pl.col("setting") == 0)
    assert block.contacts.join(at_gp, on=["person", "day"]).is_empty()
    contacts = block.contacts.join(block.people, on="person")
    assert (contacts["day"] >= contacts["registration_start"]).all()
    assert contacts.filter(pl.col("day") > pl.col("registration_end")).is_empty()
    assert not block.contacts.is_duplicated().any()


@given(
    person=st.integers(1, 2**40),
    phase=st.integers(0, 119),
    day=st.integers(0, 18_000),
    spacing=st.sampled_from([30.0, 75.0, 120.0]),
)
def test_reviews_are_in_order_and_not_too_early(
    person: int, phase: int, day: int, spacing: float
) -> None:
    person_, phase_ = np.array([person]), np.array([phase])
    review = next_review(phase_, np.array([float(day)]), spacing)
    days = [review_day(person_, phase_, review + step, spacing)[0] for step in range(-1, 4)]
    assert days[1] >= day
    assert all(1 <= later - sooner <= 2 * spacing for sooner, later in pairwise(days))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="comorbidity_coding"):
        ProcessSettings(comorbidity_coding=1.2)
    with pytest.raises(ValueError, match="review_spacing"):
        ProcessSettings(review_spacing=0)
    with pytest.raises(ValueError, match="contacts_per_year"):
        ProcessSettings(contacts_per_year=-1)


def test_a_block_can_have_one_person(world: World) -> None:
    for person in range(1, 10):
        assert simulate_block(world, person, 1, SEED, SETTINGS).people.height == 1
