"""Settings of outcomes: single events that are predicted from an index day on."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from behrt.errors import InputError
from behrt.settings.base import Count, Day, Distinct, DistinctOrNone, Section, Share, Text

Age = Annotated[int, Field(ge=0, le=120)]
Event = Literal["death", "admission", "emergency_admission"]


class IndexDay(Section):
    """The same day for all patients, of the calendar or of their lives: date or age is given."""

    date: Day | None = None
    """A day of the calendar (YYYY-MM-DD)."""

    age: Age | None = None
    """Completed years. The day is the first of the month of that birthday (a landmark)."""

    @model_validator(mode="after")
    def _one_of_two(self) -> "IndexDay":
        if (self.date is None) == (self.age is None):
            raise InputError("", "it is not one day", "Give date or age")
        return self


class OutcomeSettings(Section):
    """One outcome: what is predicted, from which day on, over which window, and for whom. Exactly
    one of disease, event and labels is given.
    """

    disease: Text | Distinct[Text] | None = None
    """A disease of the vocabulary, or a list of diseases of which any counts."""

    event: Event | None = None
    """`death`, `admission` to hospital, or `emergency_admission`."""

    labels: Text | None = None
    """A file of labels (Parquet or CSV) with the columns subject_id, prediction_time and
    boolean_value, as MEDS defines them and ACES writes them. It gives index days and labels."""

    months: Count | None = None
    """Calendar months of the window after the index day. Give months or days."""

    days: Count | None = None
    """Days of the window after the index day."""

    at_least: Count = 1
    """How many admissions within the window make the event."""

    new: bool = False
    """Whether patients with the disease on record by the index day are left out."""

    index: Literal["visit", "discharge"] | IndexDay = "visit"
    """The day of the prediction: a random `visit` of each patient, every `discharge` from
    hospital, {date: YYYY-MM-DD}, or {age: years}."""

    ages: Annotated[tuple[Age, Age], Field(strict=False)] | None = None
    """The lowest and the highest age at the index day, in completed years; null for all."""

    sex: Literal["men", "women"] | None = None
    """null for all patients."""

    having: DistinctOrNone[Text] = ()
    """Diseases of which at least one is on record by the index day."""

    without: DistinctOrNone[Text] = ()
    """Diseases of which none is on record by the index day."""

    minimum_visits: Count = 1
    """The fewest visits with a diagnosis, or another of the run's `inputs`, by the index day.
    Models read these visits."""

    minimum_months: Annotated[int, Field(ge=0)] = 0
    """The fewest months of follow-up before the index day."""

    short_follow_up: Literal["exclude", "weight"] = "exclude"
    """What happens to a follow-up that ends within the window without the event and without death:
    `exclude` leaves it out, as the tasks do. `weight` also does, and weights the others by the
    inverse of their probability of being followed for so long."""

    training_labels: Count | None = None
    """The most labels that models learn from, of patients drawn at random; null for all."""

    maximum_refused: Share = 0.05
    """The share of the rows of `labels` that may be refused."""

    records_of_the_day: bool | None = None
    """Whether records of the day of prediction_time are part of the input. null means true, except
    for a MEDS dataset, whose records may be later on that day."""

    @model_validator(mode="after")
    def _one_of_three(self) -> "OutcomeSettings":
        names = [name for name in ("disease", "event", "labels") if getattr(self, name) is not None]
        if len(names) != 1:
            problem = f"it has {' and '.join(names)}" if names else "it has no event to predict"
            raise InputError("", problem, "Give one of disease, event and labels")
        if self.labels is not None:
            allowed = {"labels", "maximum_refused", "records_of_the_day", "training_labels"}
            changed = [
                name
                for name, field in type(self).model_fields.items()
                if name not in allowed and getattr(self, name) != field.default
            ]
            if changed:
                raise InputError(
                    changed[0], "the file of labels decides it", "Remove it, or remove labels"
                )
        return self

    @model_validator(mode="after")
    def _one_window(self) -> "OutcomeSettings":
        if self.labels is None and (self.months is None) == (self.days is None):
            given = "both months and days" if self.months else "no window"
            raise InputError("", f"it has {given}", "Give months or days")
        return self

    @model_validator(mode="after")
    def _settings_fit(self) -> "OutcomeSettings":
        if self.new and self.disease is None:
            raise InputError("new", "only a disease can be new", "Remove it, or give a disease")
        if self.at_least > 1 and self.event not in ("admission", "emergency_admission"):
            raise InputError("at_least", "only admissions are counted", "Remove it")
        if self.ages is not None and self.ages[0] > self.ages[1]:
            raise InputError("ages", "the lowest age is above the highest", "Swap the two")
        if self.labels is None and self.records_of_the_day is not None:
            raise InputError("records_of_the_day", "it is for labels only", "Remove it")
        return self

    @property
    def diseases(self) -> tuple[str, ...]:
        """The diseases of which any is the event; none for another event."""
        if self.disease is None:
            return ()
        return (self.disease,) if isinstance(self.disease, str) else self.disease

    @property
    def needs_admissions(self) -> bool:
        """Whether the days of admission or discharge are read."""
        return self.index == "discharge" or self.event in ("admission", "emergency_admission")

    @property
    def several_per_patient(self) -> bool:
        """Whether a patient may have several index days."""
        return self.labels is not None or self.index == "discharge"

    @property
    def title(self) -> str:
        """What is predicted, in words.

        >>> OutcomeSettings(disease="Gout", months=60, new=True, ages=(40, 90)).title
        'new Gout within 60 months of a random visit, ages 40 to 90'
        >>> OutcomeSettings(event="emergency_admission", days=30, index="discharge").title
        'emergency admission within 30 days of every discharge'
        """
        if self.labels is not None:
            return "the labels of a file"
        event = " or ".join(self.diseases) or str(self.event).replace("_", " ")
        if self.at_least > 1:
            event = f"{self.at_least} or more {event}s"
        window = f"{self.months} months" if self.months else f"{self.days} days"
        if not isinstance(self.index, IndexDay):
            index = {"visit": "a random visit", "discharge": "every discharge"}[self.index]
        elif self.index.date is not None:
            index = f"{self.index.date:%B %Y}"
        else:
            index = f"age {self.index.age}"
        who = [f"ages {self.ages[0]} to {self.ages[1]}"] if self.ages else []
        who += [self.sex] if self.sex else []
        who += [f"with {' or '.join(self.having)}"] if self.having else []
        who += [f"without {' and '.join(self.without)}"] if self.without else []
        new = "new " if self.new else ""
        return ", ".join([f"{new}{event} within {window} of {index}", *who])
