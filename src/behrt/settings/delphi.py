"""Settings of the model `delphi`, which is not in `behrt.models` so that they need no torch."""

from typing import Annotated

from pydantic import Field

from behrt.settings.base import Count
from behrt.settings.behrt import Layers


class Settings(Layers):
    """The sizes of a Delphi. The defaults are those of Delphi-2M."""

    hidden: Annotated[int, Field(ge=2, multiple_of=2)] = 120
    """Numbers per word; a multiple of `heads`."""

    layers: Count = 12
    """Encoder layers."""

    heads: Count = 12
    """Attention heads per layer."""

    intermediate: Count = 480
    """Width of the feed-forward part of a layer."""
