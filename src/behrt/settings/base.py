"""What every section of the configuration has in common, and types of its values."""

import datetime
import re
from collections.abc import Hashable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from behrt.errors import InputError
from behrt.settings.refusal import refusal_of

DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

Item = TypeVar("Item", bound=Hashable)
Read = TypeVar("Read", bound="Section")


class Section(BaseModel):
    """A section of the configuration. It refuses unknown keys and does not convert values."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=False,
    )


def read(section: type[Read], values: Mapping[str, Any], where: str = "config") -> Read:
    """Return a section made of the values of a configuration.

    Raises:
        InputError: naming the key that is wrong, and what it should be.
    """
    try:
        return section.model_validate(dict(values))
    except ValidationError as error:
        raise refusal_of(error, section, values, where) from None


def check_part(section: type[Section], values: Mapping[str, Any], where: str) -> None:
    """Check some values of a section, of which the others are given elsewhere.

    Raises:
        InputError: a key is unknown, or its value is not allowed.
    """
    try:
        section.model_validate(dict(values))
    except ValidationError as error:
        if any(problem["type"] not in ("missing", "value_error") for problem in error.errors()):
            raise refusal_of(error, section, values, where, whole=False) from None


def _day(given: object) -> object:
    if isinstance(given, str) and re.fullmatch(DAY, given):
        try:
            return datetime.date.fromisoformat(given)
        except ValueError:
            raise InputError("", f"there is no day {given}", "Give a day of the calendar") from None
    return given


def _distinct(items: tuple[Item, ...]) -> tuple[Item, ...]:
    if len(set(items)) < len(items):
        raise ValueError("an item is repeated")
    return items


Share = Annotated[float, Field(ge=0, le=1)]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1)]
ShareBetween = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Day = Annotated[
    datetime.date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "pattern": f"^{DAY}$", "examples": ["2009-12-31"]}),
]
"""A day of the calendar, written YYYY-MM-DD."""

Distinct = Annotated[
    tuple[Item, ...],
    Field(strict=False, min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
"""A list without repeated items, with at least one."""

DistinctOrNone = Annotated[
    tuple[Item, ...],
    Field(strict=False, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
"""A list without repeated items, which may be empty."""
