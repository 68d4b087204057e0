"""Settings of the model `forecast`, which is not in `behrt.models` so that they need no torch."""

from typing import Annotated

from pydantic import Field, model_validator

from behrt.errors import InputError
from behrt.settings.base import Count
from behrt.settings.behrt import Sizes


class Settings(Sizes):
    """The sizes of a forecast, and its parts, each of which can be left out."""

    hidden: Annotated[int, Field(ge=2, multiple_of=2)] = 144
    """Numbers per word; a multiple of `heads`."""

    layers: Annotated[int, Field(ge=0)] = 2
    """Encoder layers. With 0 there is no attention: the base depends on the last visit's age, its
    place, sex and time only."""

    heads: Count = 6
    """Attention heads per layer."""

    intermediate: Count = 288
    """Width of the feed-forward part of a layer."""

    rotary: bool = True
    """Whether attention depends on the days between two visits (rotary embeddings)."""

    time: bool = True
    """Whether the time since the last visit and since the start of follow-up is read."""

    sex: bool = True
    """Whether sex is read."""

    history: bool = True
    """Whether a disease on record changes its own prediction, by the time since its first and last
    record and their number."""

    effects: bool = True
    """Whether each disease on record adds to the odds of every disease, by the time since its first
    and its last record (a noisy-OR, as in the simulated process)."""

    @model_validator(mode="after")
    def _rotary_turns_pairs(self) -> "Settings":
        if self.rotary and self.hidden // self.heads % 2:
            raise InputError(
                "rotary",
                f"hidden / heads is {self.hidden // self.heads}, which is odd",
                "Change one of the two, or set rotary to false",
            )
        return self
