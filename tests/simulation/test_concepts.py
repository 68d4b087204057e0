"""Prescriptions, procedures, tests and measurements: what they follow, and what they never show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.concepts import PREFIXES
from behrt.errors import InputError
from behrt.settings.simulation import ConceptProcess, ProcessSettings
from behrt.simulation import markers as marker_tables
from behrt.simulation import treatments as treatment_tables
from behrt.simulation.concepts import Concepts, ConceptTables, make_concepts
from behrt.simulation.days import YEAR, pack
from behrt.simulation.histories import NEVER, Histories, histories_of
from behrt.simulation.markers import CURRENT, MEASUREMENTS, TESTS, make_smoking, make_values
from behrt.simulation.procedures import make_operations
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.treatments import Prescriptions, make_prescriptions
from behrt.simulation.world import World, make_world

SEED, PEOPLE = 5, 1500
ALL = tuple(PREFIXES)
SETTINGS = ConceptProcess()


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(6, SEED)


@pytest.fixture(scope="module")
def tables(world: World) -> ConceptTables:
    return ConceptTables.of(world.diseases)


@pytest.fixture(scope="module")
def block(world: World) -> Block:
    return simulate_block(world, 1, PEOPLE, SEED, ProcessSettings())


def drawn(world: World, block: Block, tables: ConceptTables, inputs: tuple[str, ...]) -> Concepts:
    return make_concepts(world, block, tables, inputs, SEED, SETTINGS)


@pytest.fixture(scope="module")
def concepts(world: World, block: Block, tables: ConceptTables) -> Concepts:
    return drawn(world, block, tables, ALL)


def up_to(block: Block, last: int) -> Block:
    """Return a block in which nothing has happened after a day."""
    past = pl.col("day") <= last
    ends = (pl.col(name) for name in ("death_day", "registration_end"))
    return Block(
        people=block.people.with_columns(pl.when(end <= last).then(end) for end in ends),
        diagnoses=block.diagnoses.filter(past),
        contacts=block.contacts.filter(past),
        admissions=block.admissions.filter(pl.col("admitted_day") <= last),
        onsets=block.onsets.filter(past),
    )


def rows(made: object, last: int) -> list[np.ndarray]:
    """Return the fields of what was drawn, up to a day."""
    fields = vars(made)
    past = fields["day"] <= last
    return [values[past] for values in fields.values()]


def test_nothing_depends_on_the_future(
    world: World, block: Block, tables: ConceptTables, concepts: Concepts
) -> None:
    """A forecast that knows the process up to a day thus knows all that its rows can show."""
    last = 11_000
    earlier = drawn(world, up_to(block, last), tables, ALL)
    for name, made in vars(concepts).items():
        found = rows(made, last)
        assert len(found[0]) > 500
        for expected, values in zip(found, rows(vars(earlier)[name], last), strict=True):
            np.testing.assert_array_equal(expected, values)


def test_an_input_does_not_depend_on_the_others(
    world: World, block: Block, tables: ConceptTables, concepts: Concepts
) -> None:
    only = drawn(world, block, tables, (TESTS,))
    assert only.prescriptions is only.operations is only.measurements is only.smoking is None
    assert only.tests is not None
    assert concepts.tests is not None
    np.testing.assert_array_equal(only.tests.value, concepts.tests.value)


def person_index(world: World, name: str) -> int:
    return world.diseases["name"].to_list().index(name)


def histories(
    world: World, disease: str, onset: int, recorded: int, visits: list[int], people: int = 4000
) -> Histories:
    """Return men born in 1930, alike but for their draws, with one disease."""
    number = person_index(world, disease)
    everyone = np.arange(people)
    begun = np.full((len(world.diseases), people), NEVER)
    known = begun.copy()
    begun[number], known[number] = onset, recorded
    is_recorded = recorded < NEVER
    return Histories(
        seed=SEED,
        person=everyone + 1,
        female=np.zeros(people, dtype=bool),
        born=np.full(people, -14_610),
        start=np.full(people, 6000),
        end=np.full(people, 18_000),
        susceptibility=np.ones(people, dtype=np.float32),
        onset=begun,
        recorded=known,
        row=everyone if is_recorded else everyone[:0],
        disease=np.full(people if is_recorded else 0, number),
        day=np.full(people if is_recorded else 0, recorded),
        hospital=np.zeros(people if is_recorded else 0, dtype=bool),
        due=np.unique(pack(number * people + everyone, np.full(people, onset))),
        visits=pack(everyone[:, None], np.array(visits, dtype=np.int64)[None]).ravel(),
    )


def values_on(tables: ConceptTables, name: str, made: Histories) -> dict[int, np.ndarray]:
    """Return the values of a test by day."""
    everything = ConceptProcess(testing=100.0)
    done = make_values(made, tables.markers, TESTS, everything)
    chosen = done.marker == tables.markers.table["name"].to_list().index(name)
    return {int(day): done.value[chosen & (done.day == day)] for day in np.unique(done.day[chosen])}


def test_a_marker_leads_its_disease(world: World, tables: ConceptTables) -> None:
    """HbA1c (mmol/mol), by hand: 36 at 50 years, 0.6 more per decade, and 22 more in diabetes.

    Half of the 22 are there at the onset, and all of them 1.5 years later; 60 % are left from 90
    days after the first record.
    """
    before, half, whole, after = 9_999, 10_000, 11_000, 13_000
    days = [before, half, whole, after]
    found = values_on(tables, "HbA1c", histories(world, "Diabetes", half, 12_000, days))
    for day, changed in zip(days, (0, 11, 22, 0.6 * 22), strict=True):
        age = (day + 14_610) / YEAR
        expected = 36 + 0.6 * (age - 50) / 10 + changed
        assert found[day].mean() == pytest.approx(expected, abs=0.4)
    high = {day: (values > 41).mean() for day, values in found.items()}
    assert high[before] < 0.2
    assert high[whole] > 0.98


def test_a_marker_of_a_flare_up_returns_to_normal(world: World, tables: ConceptTables) -> None:
    """Haemoglobin (g/L) falls by 34 with iron deficiency anaemia, for 1.5 years."""
    days = [9_999, 10_100, 10_500, 10_600]
    made = histories(world, "Iron deficiency anaemia", 10_000, NEVER, days)
    values = values_on(tables, "Haemoglobin", made)
    found = {day: values[day].mean() for day in days}
    assert found[9_999] - found[10_100] == pytest.approx(34, abs=1)
    assert found[9_999] - found[10_500] == pytest.approx(34, abs=1)
    assert found[9_999] - found[10_600] == pytest.approx(0, abs=1)


def test_simulated_markers_are_abnormal_before_the_first_record(
    world: World, block: Block, tables: ConceptTables
) -> None:
    made = histories_of(world, block, SEED)
    values = make_values(made, tables.markers, TESTS, ConceptProcess(testing=20.0))
    share = {}
    for marker, disease, abnormal in (
        ("HbA1c", "Diabetes", lambda value: value > 41),
        ("TSH", "Hypo or hyperthyroidism", lambda value: value > 5.5),
        ("FEV1 to FVC ratio", "COPD", lambda value: value < 70),
    ):
        number = person_index(world, disease)
        chosen = values.marker == tables.markers.table["name"].to_list().index(marker)
        row, day = values.row[chosen], values.day[chosen]
        found = abnormal(values.value[chosen])
        begun = made.onset[number][row] <= day
        unrecorded = begun & (made.recorded[number][row] > day)
        share[marker] = found[unrecorded].mean(), found[~begun].mean()
        assert unrecorded.sum() > 20
    for unrecorded_share, healthy_share in share.values():
        assert unrecorded_share > 0.6
        assert healthy_share < 0.2


def of_substance(tables: ConceptTables, made: Prescriptions, name: str) -> list[np.ndarray]:
    """Return the days on which each person is prescribed a substance."""
    number = tables.treatments.substances["substance"].to_list().index(name)
    chosen = made.substance == number
    days = pl.DataFrame({"row": made.row[chosen], "day": made.day[chosen]})
    return [frame["day"].to_numpy() for frame in days.partition_by("row", maintain_order=True)]


def test_a_treatment_follows_the_record_with_a_lag(world: World, tables: ConceptTables) -> None:
    """Metformin: 72 % of people with diabetes, 90 days after the record on average."""
    made = histories(world, "Diabetes", 8_000, 10_000, [])
    exact = ConceptProcess(adherence=1.0, paused=0.0, other_prescriptions=0.0)
    found = of_substance(tables, make_prescriptions(made, tables.treatments, exact), "Metformin")
    assert len(found) / len(made.person) == pytest.approx(0.72, abs=0.02)
    first = np.array([days[0] for days in found]) - 10_000
    assert first.min() >= 0
    assert first.mean() == pytest.approx(90, rel=0.1)
    gaps = np.concatenate([np.diff(days[1:]) for days in found])
    assert set(gaps) == {84}
    # It stops after 18 years on average, and follow-up ends 21.9 years after the record.
    length = np.array([days[-1] - days[0] for days in found]) / YEAR
    assert 8 < length.mean() < 14
    unrecorded = histories(world, "Diabetes", 8_000, NEVER, [])
    assert len(make_prescriptions(unrecorded, tables.treatments, exact)) == 0


@pytest.mark.parametrize(("adherence", "paused"), [(0.85, 0.0), (1.0, 0.3), (0.6, 0.1)])
def test_adherence_and_pauses_leave_issues_out(
    world: World, tables: ConceptTables, adherence: float, paused: float
) -> None:
    made = histories(world, "Diabetes", 8_000, 10_000, [])
    counts = []
    for settings in (
        ConceptProcess(adherence=1.0, paused=0.0, other_prescriptions=0.0),
        ConceptProcess(adherence=adherence, paused=paused, other_prescriptions=0.0),
    ):
        given = make_prescriptions(made, tables.treatments, settings)
        counts.append(sum(len(days) - 1 for days in of_substance(tables, given, "Metformin")))
    assert counts[1] / counts[0] == pytest.approx(adherence * (1 - paused), abs=0.02)


def test_a_course_is_issued_a_fixed_number_of_times(world: World, tables: ConceptTables) -> None:
    """Ferrous sulfate: three issues, 28 days apart, in 80 % of iron deficiency anaemia."""
    made = histories(world, "Iron deficiency anaemia", 10_000, 10_000, [])
    given = make_prescriptions(made, tables.treatments, ConceptProcess(other_prescriptions=0.0))
    found = of_substance(tables, given, "Ferrous sulfate")
    assert len(found) / len(made.person) == pytest.approx(0.8, abs=0.02)
    assert {tuple(np.diff(days)) for days in found} == {(28, 28)}


def test_rows_are_from_registration_on_and_at_visits(
    world: World, block: Block, concepts: Concepts
) -> None:
    made = histories_of(world, block, SEED)
    for part in (concepts.prescriptions, concepts.tests, concepts.measurements, concepts.smoking):
        assert part is not None
        assert (part.day >= made.start[part.row]).all()
        assert (part.day <= made.end[part.row]).all()
    for tested in (concepts.tests, concepts.measurements, concepts.smoking):
        assert tested is not None
        assert np.isin(pack(tested.row, tested.day), made.visits).all()


def test_smokers_are_more_susceptible(world: World, tables: ConceptTables) -> None:
    made = histories(world, "Gout", NEVER - 1, NEVER, [9_000])
    share = {}
    for susceptibility in (0.7, 1.4):
        people = replace(made, susceptibility=np.full(4000, susceptibility, dtype=np.float32))
        status = make_smoking(people, ConceptProcess(testing=5.0)).status
        share[susceptibility] = (status == CURRENT).mean()
    assert share[0.7] + 0.05 < share[1.4]


def test_procedures_follow_diseases_in_admissions_that_exist(
    world: World, block: Block, tables: ConceptTables
) -> None:
    made = histories_of(world, block, SEED)
    done = make_operations(made, tables.procedures, block)
    stays = {
        (person - 1, spell): (admitted, discharged)
        for person, spell, admitted, discharged in block.admissions.select(
            "person", "spell", "admitted_day", "discharged_day"
        ).iter_rows()
    }
    table = tables.procedures.table
    rule = np.searchsorted(tables.procedures.start, done.code, side="right") - 1
    for row, spell, day, number in zip(
        done.row.tolist(), done.spell.tolist(), done.day.tolist(), rule.tolist(), strict=True
    ):
        admitted, discharged = stays[row, spell]
        assert admitted == day <= discharged
        assert made.onset[table["disease"][number], row] <= admitted
    times = pl.DataFrame({"row": done.row, "rule": rule}).group_by("row", "rule").len()
    assert (times["len"].to_numpy() <= table["times"].to_numpy()[times["rule"]]).all()


def test_cataracts_in_hospital_are_often_operated(
    world: World, block: Block, tables: ConceptTables
) -> None:
    """60 % of the admissions that record a cataract, until the second eye is done."""
    done = make_operations(histories_of(world, block, SEED), tables.procedures, block)
    codes = tables.procedures.codes.gather(done.code)
    operated = done.row[(codes.str.starts_with("C71")).to_numpy()] + 1
    admitted = block.diagnoses.filter(disease=person_index(world, "Cataract"), setting=1)[
        "person"
    ].unique()
    share = np.isin(admitted.to_numpy(), operated).mean()
    assert 0.6 < share < 0.85


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("Diabetes,Nothing,0.5,1,,3", "'Nothing' is not in the table of substances"),
        ("No disease,Metformin,0.5,1,,3", "'No disease' is not in the table of diseases"),
        ("Diabetes,Metformin,0.5,1,2,3", "a_course_or_a_lasting_treatment"),
        ("Diabetes,Metformin,1.5,1,,3", "started"),
    ],
)
def test_a_wrong_table_of_treatments_is_refused(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    row: str,
    fault: str,
) -> None:
    path = tmp_path / "treatments.csv"
    path.write_text(f"disease,substance,started,lag_days,issues,years\n{row}\n")
    original = treatment_tables.read_treatments
    monkeypatch.setattr(treatment_tables, "read_treatments", lambda: original(path))
    with pytest.raises(InputError, match=fault):
        ConceptTables.of(world.diseases)


def test_changes_name_a_marker(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "changes.csv"
    path.write_text(
        "marker,disease,change,years,lasts_years,controlled,tested\nPulse,Gout,1,0,,1,0\n"
    )
    original = marker_tables.read_changes
    monkeypatch.setattr(marker_tables, "read_changes", lambda: original(path))
    with pytest.raises(InputError, match="'Pulse' is not in the table of markers"):
        ConceptTables.of(world.diseases)


def test_measurements_have_both_pressures(concepts: Concepts, tables: ConceptTables) -> None:
    made = concepts.measurements
    assert made is not None
    names = tables.markers.table["name"].to_list()
    by_name = {
        name: made.marker == names.index(name)
        for name in ("Systolic blood pressure", "Diastolic blood pressure")
    }
    days = [pack(made.row[chosen], made.day[chosen]) for chosen in by_name.values()]
    np.testing.assert_array_equal(*days)
    assert MEASUREMENTS in ALL
