"""How long diseases stay unrecorded, compared with simulated recordings."""

import numpy as np
import pytest

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import YEAR, day_number
from behrt.simulation.people import make_people
from behrt.simulation.recordings import Cases, flare_ups, reviews
from behrt.simulation.silence import Silence, no_review
from behrt.simulation.world import World, make_world

SEED, COUNT = 5, 20_000
SETTINGS = ProcessSettings()
ONSET = day_number("1990-01-01")
BEFORE = np.array([100.0, 3 * YEAR, 10 * YEAR])


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(30, SEED)


@pytest.fixture(scope="module")
def silence(world: World) -> Silence:
    return Silence.of(world.parameters, BEFORE, SETTINGS)


@pytest.mark.parametrize("name", ["Hypertension", "Depression", "Asthma", "Appendicitis"])
def test_a_hidden_disease_is_first_recorded_as_simulated(
    world: World, silence: Silence, name: str
) -> None:
    """For onsets 100 days, 3 and 10 years before follow-up, of 1 and 5 years."""
    parameters = world.parameters
    disease = world.diseases["name"].to_list().index(name)
    random = np.random.default_rng([SEED, disease])
    people = make_people(world, 1, COUNT, random, SETTINGS)
    people.recording[:] = 1
    rows, last = np.arange(COUNT), np.full(COUNT, ONSET + 8_000)
    cases = Cases(rows, np.full(COUNT, disease), np.full(COUNT, ONSET), last)
    if parameters.chronic[disease]:
        made = reviews(parameters, people, cases, random, SETTINGS)
    else:
        made = flare_ups(parameters, cases, random)
    for place, before in enumerate(BEFORE):
        start = ONSET + int(before)
        first = np.full(COUNT, 2**30)
        for part in made:
            later = part.day >= start
            np.minimum.at(first, part.row[later], part.day[later])
        for years in (1, 5):
            observed = (first >= start + years * YEAR).mean()
            expected = silence.until(np.array([disease]), np.array([years * YEAR]))[0, place]
            assert expected == pytest.approx(observed, abs=0.03)


def test_the_day_of_the_first_record_and_silence_add_up(silence: Silence) -> None:
    days = np.arange(2_000)
    disease = np.full(len(days), 60)
    by_day = silence.broken(disease, days + 0.5)
    silent = silence.until(np.full(1, 60), np.array([2_000.0]))[0]
    np.testing.assert_allclose(by_day.sum(axis=0) + silent, silence.table[60, :, 0], atol=2e-3)


def test_a_known_phase_makes_reviews_predictable(world: World) -> None:
    """A review records nothing before its window opens, nor within the refractory time."""
    disease = np.array([world.diseases["name"].to_list().index("Hypertension")])
    parameters = world.parameters
    refractory = parameters.refractory[disease][0]
    last, phase = 10_000.0, np.array(30.0)
    until = last + np.arange(900.0)
    quiet = no_review(
        parameters, disease, np.array([0.4]), np.array([last]), until, phase, SETTINGS
    )
    assert (quiet[until <= last + refractory] == 1).all()
    assert (np.diff(quiet) <= 0).all()
    changes = until[1:][np.diff(quiet) < 0]
    assert (np.mod(changes - phase, SETTINGS.review_spacing) < SETTINGS.review_spacing / 2).all()
    assert quiet[-1] >= 1 - parameters.continues[disease][0]
