"""The generative process of the simulated patients: people, onsets, recordings.

A person's diseases begin in one pass through the diseases in topological order. Each onset is the
earliest of competing causes: a spontaneous one (age- and sex-specific) and one for each parent
disease that the person already has, at a gamma-distributed lag. A person's susceptibility raises
or lowers the spontaneous risks. Each onset may prove fatal.

An onset is recorded on its day. What follows depends on the disease's pattern:

* `once` and `recurrent`: with probability `continues` another recording follows, after the
  refractory time and an exponential wait; and so on.
* `chronic`: the person has regular review visits. From the refractory time on, each review
  records the disease with a fixed probability, so that diseases of one person share visits; with
  probability 1 − `continues` a recording is the last. Admissions come on top, at a constant rate.

An admission codes each chronic disease that the person has with a fixed probability.
All of it is vectorised over people; days are counted from 1970-01-01.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from behrt.hashing import mix
from behrt.simulation.diseases import CHRONIC, read_diseases, risk_by_sex
from behrt.simulation.risks import make_risks, topological_order

YEAR = 365.25
MONTH = YEAR / 12
CHILDHOOD_MEAN, CHILDHOOD_SPREAD = 3.5, 2.5
# Why a diagnosis was recorded: the disease itself fell due (its onset, a review, a flare-up), it
# led to a further admission, or it was coded as a comorbidity of another disease's admission.
DUE, ADMISSION, COMORBIDITY = 0, 1, 2
NEVER = np.float32(np.inf)
ATTEMPTS = 50
FATALITY_AGE, FATALITY_SLOPE = 78.0, 0.07


def day_number(iso: str) -> int:
    """Return the days from 1970-01-01 to an ISO date."""
    return int(np.datetime64(iso, "D").astype(int))


@dataclass(frozen=True)
class ProcessSettings:
    """What the process needs beside its tables.

    Attributes:
        records_from: first day of records.
        review_spacing: days between a person's review visits.
        comorbidity_coding: probability that an admission codes a chronic disease.
        contacts_per_year: GP contacts without a diagnosis at the age of 40.
        years_registered: mean years of registration before, and after, a given day.
        fatal_rate: yearly rate of death from no disease of the table at the age of 60.
        fatal_growth: growth of that rate per year of age.
        susceptibility_spread: spread of the logarithm of people's susceptibility, by which their
            spontaneous risks of disease are raised or lowered.
    """

    records_from: int = day_number("1985-01-01")
    review_spacing: float = 120.0
    comorbidity_coding: float = 0.08
    contacts_per_year: float = 1.2
    years_registered: float = 18.0
    fatal_rate: float = 0.005
    fatal_growth: float = 0.1
    susceptibility_spread: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.comorbidity_coding <= 1:
            raise ValueError("comorbidity_coding is a probability, between 0 and 1")
        for name in ("review_spacing", "years_registered", "fatal_rate", "fatal_growth"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        for name in ("contacts_per_year", "susceptibility_spread"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")


@dataclass(frozen=True)
class World:
    """What all blocks share.

    Attributes:
        practices: practice Int32 (1 …), region Int32 (CPRD's look-up PRG: 1–10 England,
            11 Northern Ireland, 12 Scotland, 13 Wales), uts and lcd Int32 (days: up to standard,
            last collection), linked Bool (consented to HES linkage; England only), recording
            Float32 (factor of the probability that a review records a disease).
        diseases: the table of diseases (`behrt.simulation.diseases`).
        risks: the risk graph (`behrt.simulation.risks`).
    """

    practices: pl.DataFrame
    diseases: pl.DataFrame
    risks: pl.DataFrame

    @cached_property
    def parameters(self) -> "Parameters":
        """The tables as arrays."""
        return Parameters.of(self.diseases, self.risks)


@dataclass(frozen=True)
class Edge:
    """One edge of the risk graph, as plain numbers (days)."""

    parent: int
    child: int
    probability: float
    age_slope: float
    female_ratio: float
    lag_scale: float
    lag_shape: float


@dataclass(frozen=True)
class Parameters:
    """The tables of diseases and risks as arrays, one entry a disease.

    `hazard` (2, diseases) is −log(1 − spontaneous lifetime risk) of males, then females: a person's
    own risk is 1 − exp(−hazard × susceptibility).
    """

    order: np.ndarray
    edges_into: list[list[Edge]]
    hazard: np.ndarray
    age_mean: np.ndarray
    age_spread: np.ndarray
    childhood: np.ndarray
    chronic: np.ndarray
    interval: np.ndarray
    refractory: np.ndarray
    continues: np.ndarray
    hospital: np.ndarray
    admissions: np.ndarray
    fatality: np.ndarray
    fatal_scale: np.ndarray

    @classmethod
    def of(cls, diseases: pl.DataFrame, risks: pl.DataFrame) -> "Parameters":
        """Convert the tables; months and years become days."""
        caused = np.zeros(len(diseases))
        np.add.at(caused, risks["child"].to_numpy(), risks["share"].to_numpy())
        into: list[list[Edge]] = [[] for _ in range(len(diseases))]
        for row in risks.iter_rows(named=True):
            edge = Edge(
                parent=row["parent"],
                child=row["child"],
                probability=row["probability"],
                age_slope=row["age_slope"],
                female_ratio=row["female_ratio"],
                lag_scale=row["lag_years"] * YEAR / row["lag_shape"],
                lag_shape=row["lag_shape"],
            )
            into[edge.child].append(edge)

        def column(name: str) -> np.ndarray:
            return diseases[name].to_numpy()

        return cls(
            order=topological_order(
                diseases, risks["parent"].to_numpy(), risks["child"].to_numpy()
            ),
            edges_into=into,
            hazard=-np.log1p(-risk_by_sex(diseases) * np.maximum(1 - caused, 0.03)),
            age_mean=column("onset_mean"),
            age_spread=column("onset_spread"),
            childhood=column("childhood_share"),
            chronic=(diseases["pattern"] == CHRONIC).to_numpy(),
            interval=column("interval_months") * MONTH,
            refractory=column("refractory_months") * MONTH,
            continues=column("continues"),
            hospital=column("hospital_share"),
            admissions=column("admissions_per_year") / YEAR,
            fatality=column("fatality"),
            fatal_scale=column("fatal_lag_years") * YEAR,
        )

    def review_probability(
        self, disease: np.ndarray, recording: np.ndarray, spacing: float
    ) -> np.ndarray:
        """Return the probability that a review past the refractory time records a disease.

        `recording` is the practice's factor. At factor 1 the mean time between recordings is the
        disease's interval: on average half a spacing passes before the first such review.
        """
        reviews = np.maximum((self.interval - self.refractory) / spacing + 0.5, 1.0)
        probability: np.ndarray = np.minimum(recording / reviews[disease], 0.97)
        return probability


@dataclass(frozen=True)
class Block:
    """Consecutive people with all that happened to them (days since 1970-01-01).

    Attributes:
        people: person Int64, sex Int8 (1 male, 2 female), birth_day Int32, death_day Int32 (null:
            alive at the last collection), practice Int32, registration_start Int32,
            registration_end Int32 (null: still registered), transferred_out Bool, review_phase
            Int16 (offset of the person's review visits, days), susceptibility Float32 (factor of
            the person's spontaneous risks).
        diagnoses: person, day, disease Int16, setting Int8 (0 GP, 1 hospital), spell Int32 (the
            person's admissions in order from 1; −1 for GP), rank Int8 (order within the spell,
            1 is primary; 0 for GP), first Bool (the disease's first recording), reason Int8
            (DUE, ADMISSION, COMORBIDITY). Sorted by person, day, setting, rank, disease. A
            hospital diagnosis is dated by its admission.
        contacts: person, day: GP contacts without a diagnosis, while registered; sorted.
        admissions: person, spell, admitted_day, discharged_day, emergency; sorted; a person's
            stays never overlap.
        onsets: person, disease, day, cause Int16 (−1 spontaneous, else the parent disease): the
            truth; sorted by person, day, disease.
    """

    people: pl.DataFrame
    diagnoses: pl.DataFrame
    contacts: pl.DataFrame
    admissions: pl.DataFrame
    onsets: pl.DataFrame


def make_world(practices: int, seed: int) -> World:
    """Make the practices, and read the diseases and their risks."""
    random = np.random.default_rng([seed, 1])
    region = random.choice(
        np.arange(1, 14),
        practices,
        p=[0.02, 0.12, 0.04, 0.04, 0.08, 0.11, 0.11, 0.12, 0.12, 0.11, 0.03, 0.05, 0.05],
    )
    uts = day_number("1988-01-01") + random.beta(1.2, 1.6, practices) * 15 * YEAR
    lcd = day_number("2011-01-01") + random.beta(3, 1.5, practices) * 7 * YEAR
    frame = pl.DataFrame(
        {
            "practice": np.arange(1, practices + 1, dtype=np.int32),
            "region": region.astype(np.int32),
            "uts": uts.astype(np.int32),
            "lcd": lcd.astype(np.int32),
            "linked": (random.random(practices) < 0.75) & (region <= 10),
            "recording": np.exp(random.normal(0, 0.2, practices)).astype(np.float32),
        }
    )
    diseases = read_diseases()
    return World(frame, diseases, make_risks(diseases))


def simulate_block(
    world: World, first_person: int, people: int, seed: int, settings: ProcessSettings
) -> Block:
    """Simulate people `first_person` … `first_person + people − 1`.

    The same arguments give the same block, whatever other blocks are made.
    """
    random = np.random.default_rng([seed, 2, first_person])
    crowd = _make_people(world, first_person, people, random, settings)
    onset, cause = make_onsets(world.parameters, crowd, random)
    diagnoses, admissions = _make_recordings(world.parameters, crowd, onset, random, settings)
    contacts = _make_contacts(crowd, diagnoses, random, settings)
    return Block(
        people=_people_frame(crowd),
        diagnoses=diagnoses,
        contacts=contacts,
        admissions=admissions,
        onsets=_onsets_frame(crowd, onset, cause),
    )


@dataclass
class Crowd:
    """People as arrays, one entry a person; days as float32 until death is known."""

    person: np.ndarray
    female: np.ndarray
    birth: np.ndarray
    start: np.ndarray
    end: np.ndarray
    collected: np.ndarray
    practice: np.ndarray
    recording: np.ndarray
    phase: np.ndarray
    susceptibility: np.ndarray
    death: np.ndarray

    @property
    def last_day(self) -> np.ndarray:
        """The last day of which anything can be recorded."""
        day: np.ndarray = np.minimum(self.death, self.collected)
        return day


def _make_people(
    world: World,
    first_person: int,
    people: int,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> Crowd:
    row = random.integers(len(world.practices), size=people)
    collected = world.practices["lcd"].to_numpy()[row].astype(np.float32)
    female = random.random(people) < 0.505
    # A day on which the person is registered, and the age on that day: older than England's age
    # pyramid, as few of the young see their doctor often enough to be studied.
    earliest = day_number("1995-01-01")
    known = earliest + random.random(people) * (collected - earliest)
    band = random.choice(9, people, p=[0.05, 0.04, 0.06, 0.09, 0.14, 0.19, 0.22, 0.15, 0.06])
    age = (band + random.random(people)) * np.where(band == 8, 10.5, 10.0)
    birth = np.floor(known - age * YEAR)
    stay = settings.years_registered * YEAR * np.where((age > 18) & (age < 33), 0.5, 1.0)
    start = np.maximum(np.floor(known - random.exponential(stay)), birth)
    end = np.floor(known + 1 + random.exponential(stay))
    spread = settings.susceptibility_spread
    return Crowd(
        person=np.arange(first_person, first_person + people, dtype=np.int64),
        female=female,
        birth=birth.astype(np.float32),
        start=start.astype(np.float32),
        end=end.astype(np.float32),
        collected=collected,
        practice=world.practices["practice"].to_numpy()[row],
        recording=world.practices["recording"].to_numpy()[row],
        phase=random.integers(int(settings.review_spacing), size=people).astype(np.int64),
        susceptibility=np.exp(spread * random.standard_normal(people) - spread**2 / 2).astype(
            np.float32
        ),
        death=baseline_death(female, birth, start, random, settings).astype(np.float32),
    )


def baseline_death(
    female: np.ndarray,
    birth: np.ndarray,
    start: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> np.ndarray:
    """Return the day of death from no disease of the table, given life at `start` (Gompertz)."""
    growth = settings.fatal_growth
    rate = settings.fatal_rate * np.where(female, 0.8, 1.25)
    rate = rate * np.exp(growth * ((start - birth) / YEAR - 60))
    years = np.log1p(random.exponential(size=len(birth)) * growth / rate) / growth
    day: np.ndarray = np.floor(start + years * YEAR + 1)
    return day


def spontaneous_share(parameters: Parameters, disease: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Return the share of spontaneous onsets that have happened by an age (years)."""

    def by_age(mean: np.ndarray | float, spread: np.ndarray | float) -> np.ndarray:
        unborn = ndtr(-mean / np.asarray(spread))
        return np.maximum(ndtr((age - mean) / spread) - unborn, 0.0) / (1 - unborn)

    adult = by_age(parameters.age_mean[disease], parameters.age_spread[disease])
    child = by_age(CHILDHOOD_MEAN, CHILDHOOD_SPREAD)
    weight = parameters.childhood[disease]
    share: np.ndarray = (1 - weight) * adult + weight * child
    return share


def _spontaneous_age(
    parameters: Parameters, disease: int, count: int, random: np.random.Generator
) -> np.ndarray:
    """Draw ages (years) by the inverse of `spontaneous_share`."""
    in_childhood = random.random(count) < parameters.childhood[disease]
    mean = np.where(in_childhood, CHILDHOOD_MEAN, parameters.age_mean[disease])
    spread = np.where(in_childhood, CHILDHOOD_SPREAD, parameters.age_spread[disease])
    unborn = ndtr(-mean / spread)
    drawn: np.ndarray = mean + spread * ndtri(unborn + random.random(count) * (1 - unborn))
    return drawn


def edge_probability(
    parameters: Parameters, edge: Edge, female: np.ndarray, age: np.ndarray
) -> np.ndarray:
    """Return the probability that an edge acts, given sex and age (years) at the parent's onset.

    It is 0 where the person's sex cannot have the child.
    """
    possible = parameters.hazard[:, edge.child] > 0
    by_sex = np.array([1.0, edge.female_ratio]) / np.sqrt(edge.female_ratio) * possible
    slope = np.exp(edge.age_slope * (age - parameters.age_mean[edge.parent]))
    average = edge.probability * by_sex[female.astype(np.int64)] * slope
    acts: np.ndarray = np.minimum(average, 0.95)
    return acts


def fatal_probability(parameters: Parameters, disease: int, age: np.ndarray) -> np.ndarray:
    """Return the probability that a disease proves fatal, given the age (years) at its onset.

    The table's figure holds at 78, about where most die of disease; the young withstand more.
    """
    slope = np.exp(FATALITY_SLOPE * (age - FATALITY_AGE))
    fatal: np.ndarray = np.minimum(parameters.fatality[disease] * slope, 0.95)
    return fatal


@dataclass(frozen=True)
class _Cause:
    """One cause of one disease: its candidates (rows of people) and how it draws their onsets."""

    parent: int
    candidates: np.ndarray
    # Takes positions in `candidates`; returns days, float32, NEVER where the cause does not act.
    draw: Callable[[np.ndarray], np.ndarray]


def _spontaneous(
    parameters: Parameters, crowd: Crowd, disease: int, random: np.random.Generator
) -> _Cause:
    hazard = parameters.hazard[:, disease].astype(np.float32)
    threshold = hazard[crowd.female.astype(np.int64)] * crowd.susceptibility

    def draw(rows: np.ndarray) -> np.ndarray:
        days = np.full(len(rows), NEVER, dtype=np.float32)
        acts = random.standard_exponential(len(rows), np.float32) < threshold[rows]
        age = _spontaneous_age(parameters, disease, int(acts.sum()), random)
        days[acts] = np.floor(crowd.birth[rows[acts]] + age * YEAR)
        return days

    return _Cause(-1, np.arange(len(crowd.person)), draw)


def _after(cause: _Cause, day: np.ndarray) -> _Cause:
    """Return a cause given that it has not acted up to a day of each person."""

    def draw(positions: np.ndarray) -> np.ndarray:
        days = cause.draw(positions)
        latest = day[cause.candidates[positions]]
        early = np.flatnonzero(days <= latest)
        for _ in range(ATTEMPTS):
            if len(early) == 0:
                return days
            days[early] = cause.draw(positions[early])
            early = early[days[early] <= latest[early]]
        days[early] = NEVER
        return days

    return _Cause(cause.parent, cause.candidates, draw)


def _begun(days: np.ndarray) -> _Cause:
    """Return what stands for the causes of a disease in those in whom it began on known days."""
    cases = np.flatnonzero(days < NEVER)
    return _Cause(-1, cases, lambda positions: days[cases[positions]])


def _caused(
    parameters: Parameters,
    crowd: Crowd,
    edge: Edge,
    cases: np.ndarray,
    since: np.ndarray,
    random: np.random.Generator,
) -> _Cause:
    age = (since - crowd.birth[cases]) / YEAR
    chance = edge_probability(parameters, edge, crowd.female[cases], age)

    def draw(positions: np.ndarray) -> np.ndarray:
        days = np.full(len(positions), NEVER, dtype=np.float32)
        acts = random.random(len(positions)) < chance[positions]
        lag = random.standard_gamma(edge.lag_shape, int(acts.sum())) * edge.lag_scale
        days[acts] = np.floor(since[positions[acts]] + 1 + lag)
        return days

    return _Cause(edge.parent, cases, draw)


def _survived(
    parameters: Parameters,
    disease: int,
    crowd: Crowd,
    cause: _Cause,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the days of onset by one cause, and of death by it, given life at `crowd.start`.

    Only the living register: what would have killed before is drawn again.
    """
    days = cause.draw(np.arange(len(cause.candidates)))
    killed = np.full(len(days), NEVER, dtype=np.float32)
    drawn = np.flatnonzero(days < NEVER) if parameters.fatality[disease] > 0 else np.arange(0)
    for _ in range(ATTEMPTS):
        if len(drawn) == 0:
            return days, killed
        struck = drawn[days[drawn] < NEVER]
        age = (days[struck] - crowd.birth[cause.candidates[struck]]) / YEAR
        fatal = fatal_probability(parameters, disease, age)
        struck = struck[random.random(len(struck)) < fatal]
        lag = random.exponential(parameters.fatal_scale[disease], len(struck))
        killed[drawn] = NEVER
        killed[struck] = days[struck] + np.floor(lag + 1)
        drawn = struck[killed[struck] <= crowd.start[cause.candidates[struck]]]
        days[drawn] = cause.draw(drawn)
    days[drawn] = killed[drawn] = NEVER
    return days, killed


def make_onsets(
    parameters: Parameters,
    crowd: Crowd,
    random: np.random.Generator,
    begun: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return onset float32 and cause int16, both (diseases, people); `crowd.death` is updated.

    With `begun`, float32 (diseases, people), all is given that has happened up to `crowd.start`:
    these are the days of onset up to then, NEVER where there was none, and what is drawn comes
    later. The cause of a known onset is not told.
    """
    people = len(crowd.person)
    diseases = len(parameters.order)
    onset = np.full((diseases, people), NEVER, dtype=np.float32)
    cause = np.full((diseases, people), -1, dtype=np.int16)
    cases: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * diseases
    for disease in parameters.order:
        competing = [_spontaneous(parameters, crowd, disease, random)]
        for edge in parameters.edges_into[disease]:
            struck = cases[edge.parent]
            since = onset[edge.parent, struck]
            competing.append(_caused(parameters, crowd, edge, struck, since, random))
        killed = np.full(people, NEVER, dtype=np.float32)
        if begun is not None:
            competing = [_after(one, crowd.start) for one in competing]
            known = _begun(begun[disease])
            onset[disease] = begun[disease]
            _, killed[known.candidates] = _survived(parameters, disease, crowd, known, random)
        for one in competing:
            days, kills = _survived(parameters, disease, crowd, one, random)
            sooner = days < onset[disease, one.candidates]
            rows = one.candidates[sooner]
            onset[disease, rows] = days[sooner]
            cause[disease, rows] = one.parent
            killed[rows] = kills[sooner]
        cases[disease] = np.flatnonzero(onset[disease] < crowd.death)
        struck = cases[disease]
        crowd.death[struck] = np.minimum(crowd.death[struck], killed[struck])
    onset[onset > crowd.death] = NEVER
    return onset, cause


def review_day(
    person: np.ndarray, phase: np.ndarray, review: np.ndarray, spacing: float
) -> np.ndarray:
    """Return the day (int64) of a person's numbered review visit.

    Reviews are `spacing` days apart, each moved by 0 to half a spacing, always alike for the same
    person and number.
    """
    moved = mix(person * 4096 + review, 0, "review") % np.uint64(max(int(spacing / 2), 1))
    return phase + np.ceil(review * spacing).astype(np.int64) + moved.astype(np.int64)


def next_review(phase: np.ndarray, day: np.ndarray, spacing: float) -> np.ndarray:
    """Return the number (int64) of the first review that cannot fall before a day."""
    number: np.ndarray = np.ceil((day - phase) / spacing).astype(np.int64)
    return number


@dataclass
class Recordings:
    """Recordings as arrays, one entry each; `row` is the person's row in the block."""

    row: np.ndarray
    disease: np.ndarray
    day: np.ndarray
    hospital: np.ndarray
    reason: np.ndarray

    @classmethod
    def join(cls, parts: list["Recordings"]) -> "Recordings":
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("row", "disease", "day", "hospital", "reason")
            )
        )

    def take(self, keep: np.ndarray) -> "Recordings":
        return Recordings(
            self.row[keep],
            self.disease[keep],
            self.day[keep],
            self.hospital[keep],
            self.reason[keep],
        )


def _recordings(
    row: np.ndarray, disease: np.ndarray, day: np.ndarray, hospital: np.ndarray, reason: int
) -> Recordings:
    return Recordings(
        row.astype(np.int32),
        disease.astype(np.int16),
        day.astype(np.int32),
        hospital,
        np.full(len(row), reason, dtype=np.int8),
    )


def flare_ups(
    parameters: Parameters,
    row: np.ndarray,
    disease: np.ndarray,
    day: np.ndarray,
    last_day: np.ndarray,
    random: np.random.Generator,
) -> list[Recordings]:
    """Return the recordings of `once` and `recurrent` diseases, from their onsets on."""
    made = []
    while len(row):
        hospital = random.random(len(row)) < parameters.hospital[disease]
        made.append(_recordings(row, disease, day, hospital, DUE))
        again = random.random(len(row)) < parameters.continues[disease]
        row, disease, day, last_day = row[again], disease[again], day[again], last_day[again]
        wait = parameters.interval[disease] - parameters.refractory[disease]
        wait = parameters.refractory[disease] + random.exponential(size=len(row)) * wait
        day = day + np.ceil(wait).astype(np.int64)
        alive = day <= last_day
        row, disease, day, last_day = row[alive], disease[alive], day[alive], last_day[alive]
    return made


def reviews(
    parameters: Parameters,
    crowd: Crowd,
    row: np.ndarray,
    disease: np.ndarray,
    day: np.ndarray,
    last_day: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> list[Recordings]:
    """Return the recordings of `chronic` diseases other than admissions, from their onsets on.

    A disease that began before the first day of records enters at a random point of its
    interval, if its recordings have not ended by then.
    """
    spacing, first_day = settings.review_spacing, settings.records_from
    old = day < first_day
    hospital = (random.random(len(row)) < parameters.hospital[disease]) & ~old
    made = [_recordings(row, disease, day, hospital, DUE).take(~old)]
    intervals = np.where(old, (first_day - day) / parameters.interval[disease], 0.0)
    day = np.where(
        old, first_day - np.ceil(random.random(len(row)) * parameters.interval[disease]), day
    ).astype(np.int64)
    running = random.random(len(row)) < parameters.continues[disease] ** (1 + np.ceil(intervals))
    while running.any():
        row, disease, day, last_day = (
            row[running],
            disease[running],
            day[running],
            last_day[running],
        )
        chance = parameters.review_probability(disease, crowd.recording[row], spacing)
        review = next_review(crowd.phase[row], day + parameters.refractory[disease], spacing)
        review += random.geometric(chance) - 1
        day = review_day(crowd.person[row], crowd.phase[row], review, spacing)
        alive = day <= last_day
        row, disease, day, last_day = row[alive], disease[alive], day[alive], last_day[alive]
        made.append(_recordings(row, disease, day, np.zeros(len(row), dtype=bool), DUE))
        running = random.random(len(row)) < parameters.continues[disease]
    return made


def _make_recordings(
    parameters: Parameters,
    crowd: Crowd,
    onset: np.ndarray,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the frames of diagnoses and of admissions."""
    ends = crowd.last_day
    disease, row = np.nonzero(onset <= ends)
    day = onset[disease, row].astype(np.int64)
    last_day = ends[row].astype(np.int64)
    chronic = parameters.chronic[disease]
    parts = flare_ups(
        parameters, row[~chronic], disease[~chronic], day[~chronic], last_day[~chronic], random
    )
    row, disease, day, last_day = row[chronic], disease[chronic], day[chronic], last_day[chronic]
    parts += reviews(parameters, crowd, row, disease, day, last_day, random, settings)

    since = np.maximum(day, settings.records_from)
    parts.append(further_admissions(parameters, row, disease, since, last_day, random))

    own = Recordings.join(parts)
    own = own.take(own.day >= settings.records_from)
    coded = comorbidities(own, row, disease, day, len(crowd.person), random, settings)
    return _arrange(Recordings.join([own, coded]), crowd, random)


def further_admissions(
    parameters: Parameters,
    row: np.ndarray,
    disease: np.ndarray,
    since: np.ndarray,
    last_day: np.ndarray,
    random: np.random.Generator,
) -> Recordings:
    """Return the admissions of `chronic` diseases, on the days after `since` up to `last_day`."""
    span = np.maximum(last_day - since, 0)
    often = np.flatnonzero(parameters.admissions[disease] > 0)
    count = random.poisson(parameters.admissions[disease[often]] * span[often])
    pair = np.repeat(often, count)
    then = since[pair] + np.ceil(random.random(len(pair)) * span[pair]).astype(np.int64)
    everyone = np.ones(len(pair), dtype=bool)
    return _recordings(row[pair], disease[pair], then, everyone, ADMISSION)


def comorbidities(
    own: Recordings,
    row: np.ndarray,
    disease: np.ndarray,
    since: np.ndarray,
    people: int,
    random: np.random.Generator,
    settings: ProcessSettings,
) -> Recordings:
    """Return what admissions code beside their causes: chronic diseases (row, disease, since)."""
    by_person = np.argsort(row, kind="stable")
    disease, since = disease[by_person], since[by_person]
    held = np.bincount(row, minlength=people)
    begins = np.cumsum(held) - held
    admission = np.unique(
        own.row[own.hospital].astype(np.int64) * 2**20 + own.day[own.hospital] + 2**19
    )
    admitted, day = admission // 2**20, admission % 2**20 - 2**19
    copies = held[admitted]
    ends = np.cumsum(copies)
    position = np.arange(ends[-1] if len(ends) else 0)
    position += np.repeat(begins[admitted] - (ends - copies), copies)
    admitted, day = np.repeat(admitted, copies), np.repeat(day, copies)
    coded = random.random(len(position)) < settings.comorbidity_coding
    coded &= since[position] < day
    position, admitted, day = position[coded], admitted[coded], day[coded]
    everyone = np.ones(len(position), dtype=bool)
    return _recordings(admitted, disease[position], day, everyone, COMORBIDITY)


def once_a_visit(made: Recordings, random: np.random.Generator) -> tuple[Recordings, np.ndarray]:
    """Return recordings without repeats within a visit, sorted, and each one's visit (from 0)."""
    shuffle = random.permutation(len(made.row))
    made = made.take(shuffle)
    # The first of equals in this order stays: a disease's own recording before a coded one.
    key = (made.row.astype(np.int64) * 2**16 + made.day + 2**15) * 2 + made.hospital
    made = made.take(np.lexsort((made.reason == COMORBIDITY, key)))
    key = (made.row.astype(np.int64) * 2**16 + made.day + 2**15) * 2 + made.hospital
    visit = np.cumsum(np.diff(key, prepend=-1) != 0) - 1
    _, kept = np.unique(visit * 512 + made.disease, return_index=True)
    kept.sort()
    return made.take(kept), visit[kept]


def _arrange(
    made: Recordings, crowd: Crowd, random: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sort recordings, drop repeats within a visit, number the admissions and end them."""
    made, visit = once_a_visit(made, random)
    begins = np.flatnonzero(np.diff(visit, prepend=-1))
    in_hospital = made.hospital[begins]
    owner = made.row[begins]
    stays = np.cumsum(in_hospital)
    first_of_person = np.searchsorted(owner, owner, side="left")
    number = stays - (stays[first_of_person] - in_hospital[first_of_person])
    spell = np.where(in_hospital, number, -1).astype(np.int32)
    place = np.arange(len(visit)) - begins[visit] + 1

    diagnoses = pl.DataFrame(
        {
            "person": crowd.person[made.row],
            "day": made.day,
            "disease": made.disease,
            "setting": made.hospital.astype(np.int8),
            "spell": spell[visit],
            "rank": np.where(made.hospital, np.minimum(place, 127), 0).astype(np.int8),
            "first": _is_first(made),
            "reason": made.reason,
        }
    )
    stay = begins[in_hospital]
    owner, admitted = made.row[stay], made.day[stay].astype(np.int64)
    age = (admitted - crowd.birth[owner]) / YEAR
    length = random.geometric(1 / (1.5 + np.maximum(age, 0) / 12))
    length = np.where(random.random(len(stay)) < 0.35, 0, length)
    following = np.append(admitted[1:], 0)
    same = np.append(owner[1:] == owner[:-1], False)
    latest = np.where(same, following - 1, np.iinfo(np.int64).max)
    latest = np.minimum(latest, np.minimum(crowd.death[owner], 2**20).astype(np.int64))
    unplanned = 0.45 + 0.3 * (made.reason[stay] == ADMISSION)
    admissions = pl.DataFrame(
        {
            "person": crowd.person[owner],
            "spell": number[in_hospital].astype(np.int32),
            "admitted_day": admitted.astype(np.int32),
            "discharged_day": np.minimum(admitted + length, latest).astype(np.int32),
            "emergency": random.random(len(stay)) < unplanned,
        }
    )
    return diagnoses, admissions


def _is_first(made: Recordings) -> np.ndarray:
    """Return bool: the first recording of the person's disease, in the order given."""
    _, index = np.unique(made.row.astype(np.int64) * 512 + made.disease, return_index=True)
    first = np.zeros(len(made.row), dtype=bool)
    first[index] = True
    return first


def _make_contacts(
    crowd: Crowd, diagnoses: pl.DataFrame, random: np.random.Generator, settings: ProcessSettings
) -> pl.DataFrame:
    """Return GP contacts without a diagnosis, while registered, more of them with age."""
    since = np.maximum(crowd.start, settings.records_from).astype(np.int64)
    until = np.minimum(crowd.end, crowd.last_day).astype(np.int64)
    years = np.maximum(until - since, 0) / YEAR
    age = ((since + until) / 2 - crowd.birth) / YEAR
    rate = settings.contacts_per_year * (0.5 + age / 80) * np.where(crowd.female, 1.2, 0.8)
    count = random.poisson(rate * years)
    row = np.repeat(np.arange(len(count)), count)
    day = since[row] + np.floor(random.random(len(row)) * (until - since)[row]).astype(np.int64)
    keys = np.unique(row * 2**20 + day + 2**19)
    first = crowd.person[0]
    gp = diagnoses.filter(pl.col("setting") == 0)
    diagnosed = (gp["person"].to_numpy() - first) * 2**20 + gp["day"].to_numpy() + 2**19
    keys = np.setdiff1d(keys, diagnosed)
    return pl.DataFrame(
        {
            "person": crowd.person[keys // 2**20],
            "day": (keys % 2**20 - 2**19).astype(np.int32),
        }
    )


def _days_or_null(days: np.ndarray, known: np.ndarray) -> pl.Series:
    return pl.Series(np.where(known, days, 0).astype(np.int32)).set(pl.Series(~known), None)


def _people_frame(crowd: Crowd) -> pl.DataFrame:
    died = crowd.death <= crowd.collected
    left = (crowd.end < crowd.death) & (crowd.end <= crowd.collected)
    died_here = died & ~left
    end = np.where(left, crowd.end, crowd.death)
    return pl.DataFrame(
        {
            "person": crowd.person,
            "sex": np.where(crowd.female, 2, 1).astype(np.int8),
            "birth_day": crowd.birth.astype(np.int32),
            "death_day": _days_or_null(crowd.death, died),
            "practice": crowd.practice,
            "registration_start": crowd.start.astype(np.int32),
            "registration_end": _days_or_null(end, left | died_here),
            "transferred_out": left,
            "review_phase": crowd.phase.astype(np.int16),
            "susceptibility": crowd.susceptibility,
        }
    )


def _onsets_frame(crowd: Crowd, onset: np.ndarray, cause: np.ndarray) -> pl.DataFrame:
    disease, row = np.nonzero(onset <= crowd.last_day)
    day = onset[disease, row].astype(np.int32)
    order = np.lexsort((disease, day, row))
    disease, row, day = disease[order], row[order], day[order]
    return pl.DataFrame(
        {
            "person": crowd.person[row],
            "disease": disease.astype(np.int16),
            "day": day,
            "cause": cause[disease, row],
        }
    )
