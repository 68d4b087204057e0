"""Settings of a BEHRT and of its pretraining.

They are not in `behrt.models.behrt` because pretraining is a section of the configuration, which is
read without torch.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from behrt.errors import InputError
from behrt.settings.base import Count, Section, Share, ShareBelowOne
from behrt.settings.training import Optimisation

Pretraining = Literal["mlm", "forecast"]

PRETRAINING_FOLDERS: dict[Pretraining, str] = {"mlm": "mlm", "forecast": "pretrained_forecast"}
"""The folder in models/ of each pretraining; models/forecast has the model of that name."""


def pretraining_in(folder: str) -> Pretraining:
    """Return the pretraining whose weights are in a folder of models/, by its name."""
    return next(name for name, own in PRETRAINING_FOLDERS.items() if own == folder)


class Layers(Section):
    """The sizes of the layers of an encoder. The defaults are those of BEHRT's paper."""

    hidden: Annotated[int, Field(ge=2, multiple_of=2)] = 288
    """Numbers per word; a multiple of `heads`."""

    layers: Count = 6
    """Encoder layers."""

    heads: Count = 12
    """Attention heads per layer."""

    intermediate: Count = 512
    """Width of the feed-forward part of a layer."""

    max_length: Annotated[int, Field(ge=5)] = 100
    """Tokens per patient, at most, with special tokens. The latest whole visits that fit are kept.
    """

    hidden_dropout: ShareBelowOne = 0.1
    """Share of hidden values set to 0 in training."""

    attention_dropout: ShareBelowOne = 0.1
    """Share of attention weights set to 0 in training."""

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> "Layers":
        if self.hidden % self.heads:
            raise InputError(
                "hidden",
                f"it is {self.hidden}, which is not a multiple of heads ({self.heads})",
                "Change one of the two",
            )
        return self


class Sizes(Layers):
    """The sizes of an encoder, and its embeddings. The defaults are the paper's."""

    age: bool = True
    """Whether the age embedding is added."""

    segment: bool = True
    """Whether the segment embedding is added."""

    position: bool = True
    """Whether the position embedding is added."""


class Settings(Sizes):
    """The sizes of a BEHRT. The defaults are the paper's."""

    readout: Literal["cls", "mask"] = "cls"
    """`cls` (the paper's) reads the first token through a pooling layer into a linear classifier.
    `mask` appends a masked next visit and reads it through the head of pretraining."""


class Masking(Section):
    """What MLM does with the disease words of an input; the rest stay as they are."""

    mask: Share = 0.12
    """Share that MASK replaces."""

    random: Share = 0.015
    """Share that a disease drawn at random replaces."""

    @model_validator(mode="after")
    def _shares(self) -> "Masking":
        if not 0 < self.mask + self.random <= 1:
            raise InputError(
                "",
                f"mask and random add up to {self.mask + self.random:g}",
                "Their sum must be above 0 and at most 1",
            )
        return self


class Pretrain(Section):
    """Pretraining, from which models with `pretrained` start: the paper's masked language modelling
    (`mlm`), or the prediction of each visit from those before it (`forecast`)."""

    settings: Settings = Settings()
    """The sizes of the pretrained BEHRT, which every BEHRT of the run has by default."""

    training: Optimisation
    """How MLM is optimised."""

    forecast: Optimisation | None = None
    """How pretraining by forecasting is optimised; null takes `training`."""

    masking: Masking = Masking()
    """What MLM does with the disease words of an input; the rest stay as they are."""
