"""The likelihood of recordings, compared with the sum over what was due."""

import itertools

import numpy as np
import pytest

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.days import day_number
from behrt.simulation.evidence import likelihood, phases, recorded_of, survival, unrecorded
from behrt.simulation.hidden_onsets import BEFORE, BINS, RECORDED, Histories
from behrt.simulation.records import Records
from behrt.simulation.silence import Silence, no_flare_up, no_review
from behrt.simulation.world import World, make_world

SETTINGS = ProcessSettings()
START, DAY = day_number("2000-01-01"), day_number("2006-06-01")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(5, 5)


@pytest.fixture(scope="module")
def silence(world: World) -> Silence:
    return Silence.of(world.parameters, BEFORE, SETTINGS)


def records(disease: np.ndarray, on: np.ndarray) -> Records:
    """Return the records of one woman."""
    one = np.ones(1, dtype=np.int64)
    order = np.lexsort((on, disease))
    return Records(
        one > 0,
        day_number("1940-01-01") * one.astype(np.float64),
        one,
        START * one,
        DAY * one,
        np.zeros(len(on), dtype=np.int64),
        disease[order],
        on[order],
    )


@pytest.mark.parametrize("name", ["Hypertension", "Depression"])
def test_the_likelihood_is_the_sum_over_what_was_due(
    world: World, silence: Silence, name: str
) -> None:
    parameters = world.parameters
    disease = world.diseases["name"].to_list().index(name)
    chronic = bool(parameters.chronic[disease])
    on = START + np.array([300, 720, 1_150])
    pairs = recorded_of(parameters, records(np.full(3, disease), on), np.ones(1), SETTINGS)
    until = np.array([[[DAY, DAY + 200.0]]])
    found = likelihood(parameters, pairs, chronic, np.array([START]), until, silence, SETTINGS)
    assert found.shape == (1, 12 if chronic else 1, BINS + 1, 2)
    other, of = pairs.other[0], np.array([disease])

    def quiet(last: float, days: np.ndarray, phase: float) -> np.ndarray:
        if not chronic:
            return no_flare_up(parameters, of, days - last)
        chance, from_ = pairs.chance, np.array([last])
        return no_review(parameters, of, chance, from_, days, np.array(phase), SETTINGS)

    for place, phase in enumerate(phases(SETTINGS) if chronic else [0.0]):
        total = np.zeros(2)
        for later_due in itertools.product([False, True], repeat=2):
            weight, last = 1.0, float(on[0])
            for number, due in enumerate(later_due, start=1):
                if due:
                    both = quiet(last, on[number] - np.array([1.0, 0.0]), phase)
                    weight *= both[0] - both[1] + 1e-9
                    last = float(on[number])
                else:
                    weight *= other[number]
            total += weight * quiet(last, until[0, 0], phase)
        ratio = found[0, place, RECORDED] / total
        np.testing.assert_allclose(ratio, ratio[0])
        if place == 0:
            scale = ratio[0]
        assert ratio[0] == pytest.approx(scale)


def test_silence_makes_a_hidden_onset_less_likely(world: World, silence: Silence) -> None:
    """The more so the sooner the disease would be recorded; the likelihood of no onset is 1."""
    parameters = world.parameters
    one = np.ones(1)
    past = Histories(
        one > 0,
        day_number("1940-01-01") * one,
        START * one,
        DAY + np.array([[0.0, 180.0]]),
        np.full((1, len(world.diseases)), np.inf),
    )
    found = unrecorded(parameters, past, np.zeros(1), silence)[..., 0]
    assert (found[:, RECORDED] == 0).all()
    assert (found[:, RECORDED + 1 :] == 1).all()
    often = world.diseases["name"].to_list().index("Epilepsy")
    once = world.diseases["name"].to_list().index("Appendicitis")
    recent = BINS - 6
    assert found[often, recent] < 0.5 < found[once, recent]
    # Recordings that were due have ended long ago. Admissions have not.
    admitted = parameters.admissions[often] * (DAY - START)
    assert found[often, 0] == pytest.approx(np.exp(-admitted), rel=0.05)
    lived = survival(parameters, past, DAY * one)[..., 0]
    fatal = parameters.fatality > 0
    assert (lived[~fatal] == 1).all()
    assert (lived[fatal, :-1] <= 1).all()
    assert (lived[:, -1] == 1).all()


def test_a_record_that_hospitals_make_may_be_a_comorbidity(world: World) -> None:
    """Hypertension on the day of an admission, and on a day of its own."""
    names = world.diseases["name"].to_list()
    hypertension, hip = names.index("Hypertension"), names.index("Fracture of hip")
    on = START + np.array([300, 700, 700])
    pairs = recorded_of(
        world.parameters,
        records(np.array([hypertension, hypertension, hip]), on),
        np.ones(1),
        SETTINGS,
    )
    (place,) = np.flatnonzero(pairs.disease == hypertension)
    alone, with_hip = pairs.other[place, :2]
    admitted = world.parameters.hospital[hip]
    expected = alone + SETTINGS.comorbidity_coding * admitted
    assert with_hip == pytest.approx(expected)
    assert pairs.quiet[place] == 0
    assert pairs.never_coded[0] < np.log1p(-SETTINGS.comorbidity_coding * admitted)
