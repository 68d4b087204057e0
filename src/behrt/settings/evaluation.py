"""Settings of the split, the tasks, the evaluation and what is shown of it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from behrt.errors import InputError
from behrt.settings.base import (
    Count,
    Day,
    Distinct,
    DistinctOrNone,
    Section,
    Share,
    ShareBetween,
)
from behrt.tasks import NEXT_VISIT, RESERVED


class Split(Section):
    """How patients are split into training, tuning and held-out patients."""

    by: Literal["dataset", "patient", "practice", "time"] | None = None
    """`patient`: patients at random. `practice`: whole practices at random, for tuning too. `time`:
    patients at random; predictions for held-out patients are made from cut_off on, and training
    uses only what was recorded before. These two need the strict protocol. `dataset`: as
    metadata/subject_splits.parquet of a MEDS dataset gives it. null means `dataset` where the
    source is a MEDS dataset with that file, otherwise `patient`."""

    cut_off: Day | None = None
    """With `time`, the first day on which a prediction for a held-out patient may be made
    (YYYY-MM-DD)."""

    held_out: ShareBetween = 0.2
    """Share of all patients who are held out for the evaluation."""

    tuning: ShareBetween = 0.1
    """Share of all patients on whom epochs are chosen."""

    @model_validator(mode="after")
    def _some_are_left_and_a_cut_off_is_used(self) -> "Split":
        if self.held_out + self.tuning >= 1:
            raise InputError(
                "",
                f"held_out and tuning add up to {self.held_out + self.tuning:g}",
                "Their sum must be below 1, so that there are training patients",
            )
        if self.by == "time" and self.cut_off is None:
            raise InputError(
                "cut_off", "it is missing", "A split by time needs the first held-out day"
            )
        if self.by != "time" and self.cut_off is not None:
            raise InputError(
                "cut_off", f"the split is by {self.by or 'patient'}", "Remove it, or set by: time"
            )
        return self


class Window(Section):
    """The window after the last input visit that the label is taken from."""

    months: Count
    """Calendar months of the window."""


def _not_reserved(name: str) -> str:
    if name.lower() in RESERVED:
        raise InputError("", f"the name {name} is reserved", "Give the task another name")
    return name


def _with_default_tasks(tasks: Any) -> Any:
    return {**DEFAULT_TASKS, **tasks} if isinstance(tasks, Mapping) else tasks


def _in_order(tasks: dict[str, Any]) -> dict[str, Any]:
    months = {
        name: 0 if window == NEXT_VISIT else window.months
        for name, window in tasks.items()
        if window is not None
    }
    for number, name in sorted((int(name[1:]), name) for name in months if _numbered(name)):
        earlier = [other for other in months if _numbered(other) and int(other[1:]) < number]
        for other in earlier:
            if months[name] <= months[other]:
                raise InputError(
                    name,
                    f"its window of {_window(months[name])} is not longer than that of {other}, "
                    f"{_window(months[other])}",
                    f"Give {name} a longer window, or leave it out with `{name}: null`",
                )
    return tasks


def _window(months: int) -> str:
    return f"{months} months" if months else "one visit"


def _numbered(name: str) -> bool:
    return name[0] == "T" and name[1:].isdecimal()


DEFAULT_TASKS = {"T1": NEXT_VISIT, "T2": {"months": 6}, "T3": {"months": 12}}

TaskName = Annotated[
    str,
    Field(pattern="^[A-Za-z][A-Za-z0-9]*$", examples=["T4"]),
    AfterValidator(_not_reserved),
]

Tasks = Annotated[
    dict[TaskName, Literal["next_visit"] | Window | None],
    BeforeValidator(_with_default_tasks),
    AfterValidator(_in_order),
]


class ExampleSettings(Section):
    """How a task's examples are drawn from patients' histories."""

    minimum_visits: Count = 4
    """The fewest visits with a diagnosis, or another of the run's `inputs`, that an input has (the
    paper's j > 3)."""

    death: Literal["exclude", "label"] = "exclude"
    """What happens to a patient who dies within the window of a task of months: `exclude` leaves
    the patient out, as the paper does, since follow-up does not cover the window. `label` predicts
    the diseases that are recorded until death."""


class Evaluation(Section):
    """How models are scored and what the tables show."""

    resamples: Annotated[int, Field(ge=10)] = 1000
    """Bootstrap resamples of patients for each 95 % interval."""

    recall_at: DistinctOrNone[Count] = (5, 10, 20)
    """The k of recall@k, the share of a patient's label among the k highest scores. A k above
    the number of diseases is left out."""

    decision_diseases: Annotated[int, Field(ge=0, le=20)] = 6
    """How many of the most common diseases get decision curves of their own."""

    minimum_prevalence: Share = 0.01
    """Share of patients with a disease, below which it has no row of its own."""

    neighbours: Count = 10
    """Nearest diseases that a disease is shown with."""

    task: str = "T2"
    """The task of the tables and figures that show one task."""

    outcome_models: DistinctOrNone[str] | None = None
    """The models that learn `outcomes`, by name. null takes those of `models` of the kinds behrt,
    forecast, lightgbm and logistic_regression. Age and sex are always a row of their own."""

    few_labels: DistinctOrNone[Count] = (100, 1000)
    """The numbers of labels of the table *outcome_few_labels*."""

    reference: str = "behrt"
    """The model that the others are compared with, patient by patient."""


class Ablation(Section):
    """What is trained again with each combination of the age, segment and position embeddings on or
    off (target `paper`).
    """

    tasks: Distinct[str] = ("T2",)
    """The tasks that the combinations are scored on."""

    models: Distinct[str] = ("behrt",)
    """Models of kind behrt. Each costs seven more trainings per task."""

    inputs_models: Distinct[str] = ("forecast", "lightgbm_times")
    """Models that are trained again with diagnoses only, and with diagnoses and one other input, if
    the run reads other inputs (target `ablation_inputs`)."""


class Neighbours(Section):
    """What the nearest diseases of the embedding are compared with."""

    reference: str | None = None
    """A CSV file with the header disease,neighbour and one pair per row, for example a clinician's
    lists; null for none. Chapters and, on simulated data, the true risks are always compared."""

    permutations: Annotated[int, Field(ge=99)] = 10000
    """Permutations for each p value."""


class SexAnalysis(Section):
    """What is computed about the diseases that only one sex can have."""

    diseases: str | None = None
    """A CSV file whose header begins with disease,sex (male or female), in place of the project's
    own list (src/behrt/caliber/sex_specific.csv); null for that list."""

    score: Annotated[float, Field(gt=0, le=1)] = 0.1
    """A disease counts as predicted from this score on."""

    ranks: Count = 10
    """How many of a patient's diseases, by score, count as the first."""


class Disclosure(Section):
    """What tables, figures, logs and the release may show of numbers of patients."""

    style: Literal["cprd", "hes"] = "cprd"
    """`cprd` hides counts from 1 to 4; `hes` hides those from 1 to 7 and rounds the others to the
    nearest 5. Numbers from which small counts would follow are hidden too."""

    threshold: Annotated[int, Field(ge=0, le=1000)] | None = None
    """The smallest count that is shown. null uses the style's."""

    rounding: Annotated[int, Field(ge=1, le=100)] | None = None
    """Counts are shown as the nearest multiple of this number. null uses the style's."""

    weights: bool = False
    """Whether `snakemake release` may include trained weights. What they learned from too few
    patients is erased. Ask the owner of the data first."""
