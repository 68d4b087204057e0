"""Settings of the simulated delivery (source `simulated`)."""

from typing import Annotated

from pydantic import Field, model_validator

from behrt.errors import InputError
from behrt.settings.base import Count, NotNegative, Positive, Section, Share


class Mechanisms(Section):
    """Strengths of what makes the simulated risks more than pairwise and additive.

    A strength is the logarithm of a ratio of two rates at which a disease causes others. At 0 the
    mechanism is off; at 4 one of the two rates is nearly 0. `benchmarks/attention.py` uses them.
    The ceilings `oracle` and `oracle_records` are not available with a mechanism.
    """

    interactions: NotNegative = 0.0
    """Log ratio of the rates with and without a third disease, drawn for each disease."""

    orders: NotNegative = 0.0
    """Log ratio of the rates if the disease began before a third disease, drawn for each disease,
    and if it began after it."""

    subtypes: NotNegative = 0.0
    """Log ratio of the rates in one of two hidden subtypes of people and in the other."""


class ProcessSettings(Section):
    """Settings of the simulated lives that are not in the tables of diseases and risks."""

    records_from: Annotated[int, Field(ge=0, lt=14975)] = 5479
    """First day of records, in days since 1970-01-01. The default is 1985-01-01; it must be before
    2011, when the first practices are collected for the last time."""

    review_spacing: Annotated[float, Field(ge=1)] = 120.0
    """Days between a person's review visits."""

    comorbidity_coding: Share = 0.08
    """Probability that an admission codes a chronic disease."""

    contacts_per_year: NotNegative = 1.2
    """General practice contacts without a diagnosis per year at the age of 40."""

    years_registered: Positive = 18.0
    """Mean years of registration before, and after, a given day."""

    fatal_rate: Positive = 0.005
    """Yearly rate of death from causes outside the table of diseases at the age of 60."""

    fatal_growth: Positive = 0.1
    """Growth of `fatal_rate` per year of age."""

    susceptibility_spread: NotNegative = 0.3
    """Standard deviation of the logarithm of people's susceptibility to disease."""

    mechanisms: Mechanisms = Mechanisms()
    """Interactions, orders and hidden subtypes; off by default."""


class ConceptProcess(Section):
    """Settings of the simulated medications, tests and measurements.

    They matter only with other `inputs` than diagnoses. The tables beside the simulator's code have
    the rest: which treatments, procedures and changes of markers follow which diseases.
    """

    issue_days: Annotated[float, Field(ge=7)] = 84.0
    """Days between the days on which a person's repeat prescriptions are issued."""

    adherence: Share = 0.85
    """Probability that a repeat prescription is issued when it is due."""

    paused: Share = 0.1
    """Probability that a treatment pauses for `pause_issues` prescriptions."""

    pause_issues: Count = 3
    """Prescriptions that are left out in a pause."""

    other_prescriptions: Share = 0.15
    """Probability that a visit to the practice ends with a prescription for another reason than a
    simulated disease."""

    testing: NotNegative = 1.0
    """Multiplies the probability of each test and measurement."""

    variation: NotNegative = 1.0
    """Multiplies the variation of a person's values from day to day."""

    no_value: Share = 0.03
    """Share of the tests without a value."""

    no_range: Share = 0.05
    """Share of the tests without a normal range."""

    unknown_unit: Share = 0.02
    """Share of the tests without a unit, or with another test's unit."""

    unknown_product: Share = 0.005
    """Share of the prescriptions of a product that is not in the dictionary."""

    outside_registration: Share = 0.003
    """Share of the prescriptions dated, wrongly, up to two years before registration or after the
    practice's last collection."""

    no_procedure: Share = 0.01
    """Share of the procedures with a missing code, `&`, or without a date."""


class Flaws(Section):
    """How often each flaw of the delivery occurs. A share of 0 turns the flaw off.

    Practices that have not consented to linkage, and those outside England, belong to the simulated
    world, not to this list.
    """

    unacceptable: Share = 0.05
    """Share of patients whose record is not of acceptable quality (accept = 0)."""

    not_linkable: Share = 0.03
    """Share of the patients of linked practices without HES linkage (hes_e = 0)."""

    before_registration: Share = 0.3
    """Share of the diagnoses before registration that are entered from older notes."""

    after_registration: Share = 0.03
    """Share of the diagnoses after a transfer that the old practice still has."""

    after_collection: Share = 0.0005
    """Share of the clinical rows dated, wrongly, after the practice's last collection."""

    missing_date: Share = 0.002
    """Share of the clinical rows and consultations without a date of the event."""

    no_medcode: Share = 0.002
    """Share of the clinical rows with medcode 0."""

    duplicate: Share = 0.005
    """Share of the clinical rows and consultations that are delivered twice."""

    no_icd: Share = 0.01
    """Share of the hospital spells with a missing diagnosis, `-.`."""

    unfinished: Share = 0.004
    """Share of the hospital spells without a date of discharge."""

    outside_coverage: Share = 0.02
    """Share of the spells outside HES's coverage that are delivered although they should not be."""

    late_gp_death: Share = 0.15
    """Share of the deaths in registration whose date in the GP record is days late."""

    ons_death_shifted: Share = 0.03
    """Share of the deaths whose date in ONS is one to five days off."""

    weak_match: Share = 0.02
    """Share of the linked deaths of match rank 3 or more."""


class Simulation(Section):
    """What is simulated (source `simulated`)."""

    people: Annotated[int, Field(ge=100)] = 40000
    """Patients who are simulated, before any rule of the cohort."""

    parts: Annotated[int, Field(ge=1, le=999)] = 4
    """Parts that each large table is delivered in. One job simulates one part."""

    practices: Annotated[int, Field(ge=2, le=999)] = 40
    """General practices."""

    process: ProcessSettings = ProcessSettings()
    """Settings of the simulated lives."""

    concepts: ConceptProcess = ConceptProcess()
    """Settings of the inputs other than diagnoses."""

    flaws: Flaws = Flaws()
    """Share of each flaw of the delivery."""

    @model_validator(mode="after")
    def _enough_people(self) -> "Simulation":
        for key in ("practices", "parts"):
            if (number := getattr(self, key)) > self.people:
                raise InputError(
                    key, f"it is {number}, but only {self.people} people are simulated", "Lower it"
                )
        return self
