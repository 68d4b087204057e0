"""Settings of the models of a run, and of the search of their hyper-parameters."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from behrt.errors import InputError
from behrt.settings.base import Count, Distinct, Section
from behrt.settings.concepts import Inputs
from behrt.settings.refusal import nearest
from behrt.settings.training import Optimisation

SIZES = ("heads", "hidden", "intermediate", "layers")
"""Settings that a search of pretraining may try: they change every BEHRT."""

Name = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$"), Field(examples=["my_model"])]
"""A model's name: lower-case letters, digits and underscores."""


class ForTask(Section):
    """What differs for one task."""

    settings: dict[str, Any] = {}
    """Settings of the model for this task only."""

    training: dict[str, Any] = {}
    """Keys of `training` for this task only."""


class ModelEntry(Section):
    """One model."""

    kind: str
    """The module of behrt.models that makes the model."""

    pretrained: Literal["mlm", "forecast", False] = False
    """The pretraining from whose weights the model starts, which only kind `behrt` can: `mlm`, the
    paper's, `forecast`, or false for random weights. A BEHRT has the sizes of pretrain.settings
    unless its own settings differ."""

    settings: dict[str, Any] = {}
    """Sizes and switches: the `Settings` of the kind's module."""

    training: Optimisation | None = None
    """How the model is optimised, for the kinds that need it."""

    cuts: Count | Literal["all"] = 1
    """Visits of each training patient after which the model learns to predict. 1 is the paper's:
    the visit that the task draws. With more, they are drawn from all visits that have something to
    predict, and `all` is all of them. A model that is trained once, for all tasks, draws other
    ones in each epoch."""

    inputs: Inputs | None = None
    """What the model reads, some of the run's `inputs`; null for all of them. It predicts the same
    examples, whatever it reads."""

    tasks: dict[str, ForTask] = {}
    """What differs for one task, in settings or training, by the name of the task."""

    @model_validator(mode="after")
    def _only_behrt_is_pretrained(self) -> "ModelEntry":
        if self.pretrained and self.kind != "behrt":
            raise InputError(
                "pretrained", f"kind {self.kind} cannot start from pretrained weights", "Remove it"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_absent_training(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = dump(self)
        return {key: value for key, value in dumped.items() if key != "training" or value}


class Range(Section):
    """A range of values, with both ends in it."""

    low: float | int
    """The lowest value."""

    high: float | int
    """The highest value."""

    log: bool = False
    """Whether the logarithm of the value is drawn evenly."""

    @model_validator(mode="after")
    def _not_empty(self) -> "Range":
        if self.low > self.high:
            raise InputError("low", f"it is above high ({self.high})", "Give low <= high")
        if self.log and self.low <= 0:
            raise InputError("low", f"it is {self.low}, and log is true", "Give a low above 0")
        return self


Tried = Distinct[int | float | str | bool] | Range
"""A list of values, or a range."""


class Space(Section):
    """What a search tries."""

    epochs: Count
    """Passes over the training patients of a trial, at most."""

    settings: dict[str, Tried] = {}
    """Values tried, by the name of a setting."""

    training: dict[str, Tried] = {}
    """Values tried, by the name of a key of `training` other than epochs and patience."""

    @model_validator(mode="after")
    def _training_has_the_keys(self) -> "Space":
        known = sorted(Optimisation.model_fields.keys() - {"epochs", "patience"})
        for key in self.training:
            if key not in known:
                raise InputError("training", f"{key!r} cannot be searched", nearest(key, known))
        return self


class Search(Section):
    """The search of hyper-parameters, which `snakemake paper` runs, on training and tuning patients
    only, whatever the protocol. Each round tries `trials` sets of values, which depend on the
    earlier rounds.
    """

    task: str = "T2"
    """The task whose labels evaluate the trials of a classifier."""

    rounds: Count = 3
    """Rounds, one after the other. The first is drawn at random, and its trials are not stopped
    early."""

    trials: Count = 4
    """Trials per round. Each is a job; the trials of a round run side by side."""

    spaces: dict[str, Space | None] = {}
    """What is searched, by name: `mlm` for pretraining (hidden, layers, heads and intermediate), or
    the name of a model with `training` that is not a BEHRT. null excludes a search."""

    @model_validator(mode="after")
    def _pretraining_has_sizes(self) -> "Search":
        mlm = self.spaces.get("mlm")
        for key in mlm.settings if mlm else {}:
            if key not in SIZES:
                raise InputError(
                    "spaces.mlm.settings", f"{key!r} cannot be searched", nearest(key, SIZES)
                )
        return self
