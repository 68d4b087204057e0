"""Settings of the model `ensemble`, read by every job without an import of its module."""

from typing import Annotated

from pydantic import Field

from behrt.settings.base import Distinct, Section


class Settings(Section):
    """The members of an ensemble."""

    of: Annotated[Distinct[str], Field(min_length=2)]
    """Names of models of the run, at least two, none of which is an ensemble."""
