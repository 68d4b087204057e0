"""The one sentence that refuses a configuration, from what pydantic reports."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from behrt.errors import InputError

Problem = dict[str, Any]
"""What pydantic reports of one value: its type, loc, input and ctx."""

LONGEST = 60
"""Characters of a refused value that are shown."""

UNKNOWN = "extra_forbidden"
"""Pydantic's name for an unknown key."""

LONGEST_CLAUSE = 120
"""Characters of a description's first sentence that are shown."""


def nearest(given: str, known: Sequence[str], otherwise: str = "Choose from") -> str:
    """Return "Did you mean …" with the nearest known word, or `otherwise` and the known words."""
    close = get_close_matches(given, known, n=1)
    return f"Did you mean {close[0]!r}" if close else f"{otherwise} {', '.join(known)}"


def shown(value: object) -> str:
    """Return a value as text, cut if it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def refusal_of(
    error: ValidationError,
    section: type[BaseModel],
    values: Mapping[str, Any],
    where: str,
    whole: bool = True,
) -> InputError:
    """Return the error for the first value that a section refuses.

    Args:
        error: what pydantic raised.
        section: the class that refused.
        values: the values that it refused.
        where: the start of the error's text, such as "config".
        whole: whether a missing key counts.
    """
    found: list[Problem] = [
        {**problem}
        for problem in error.errors()
        if whole or problem["type"] not in ("missing", "value_error")
    ]
    start = _keys(found[0], values)[:1]
    # A value that may have several types is refused once for each; the longest path is the nearest.
    alike = [problem for problem in found if _keys(problem, values)[:1] == start]
    problem = max(alike, key=lambda each: (len(_keys(each, values)), each["type"] == UNKNOWN))
    return _sentence(problem, _keys(problem, values), section.model_json_schema(), where)


def _keys(problem: Problem, values: Any) -> list[int | str]:
    """Return the keys that lead to a problem, without the names of types that pydantic adds."""
    keys: list[int | str] = []
    for key in problem["loc"]:
        inner = _inside(values, key)
        if inner is not None:
            keys.append(key)
            values = inner[0]
    return [*keys, problem["loc"][-1]] if problem["type"] == "missing" else keys


def _inside(values: Any, key: int | str) -> tuple[Any] | None:
    """Return what a key leads to, in a tuple of one, or None if there is no such key."""
    if isinstance(values, Mapping):
        return (values[key],) if key in values else None
    if isinstance(values, list | tuple) and isinstance(key, int) and key < len(values):
        return (values[key],)
    return None


def _sentence(
    problem: Problem, keys: list[int | str], schema: dict[str, Any], where: str
) -> InputError:
    kind, given = problem["type"], problem["input"]
    own = problem.get("ctx", {}).get("error")
    if isinstance(own, InputError):
        within = [*keys, own.where] if own.where else keys
        return InputError(_place(where, within), own.problem, own.fix)
    if kind == "missing":
        described = _at(schema, keys, schema).get("description", "")
        place = _place(where, keys[:-1])
        return InputError(
            place, f"the key {keys[-1]!r} is missing", f"Add it: {_clause(described)}"
        )
    if kind == UNKNOWN:
        section = _at(schema, keys[:-1], schema)
        members = _members(section, schema)
        known = sorted({key for member in members for key in member.get("properties", {})})
        fix = nearest(str(keys[-1]), known, "The known keys are") if known else "Remove it"
        return InputError(_place(where, keys[:-1]), f"there is no key {keys[-1]!r}", fix)
    if problem["loc"][-1:] == ("[key]",):
        return _refused_key(str(given), keys[:-1], schema, where)
    described = _at(schema, keys, schema)
    wanted = _wanted(described, schema)
    choices = [str(choice) for choice in _choices(described, schema)]
    if isinstance(given, str) and (close := get_close_matches(given, choices, n=1)):
        wanted += f". Did you mean {close[0]!r}"
    elif isinstance(given, str) and kind in ("float_type", "int_type") and _is_number(given):
        wanted += f". YAML reads {given} as text: write {_yaml_number(given)}"
    elif text := described.get("description"):
        wanted += f" ({_clause(text)})"
    return InputError(_place(where, keys), f"it is {shown(given)}", f"It must be {wanted}")


def _refused_key(
    key: str, parents: list[int | str], schema: dict[str, Any], where: str
) -> InputError:
    names: dict[str, Any] = {}
    for member in _members(_at(schema, parents, schema), schema):
        names = _resolved(member.get("propertyNames", names), schema)
    if known := [str(name) for name in _choices(names, schema)]:
        return InputError(_place(where, parents), f"there is no {key!r}", nearest(key, known))
    fix = f"Use a name like {names['examples'][0]!r}" if "examples" in names else "Rename it"
    return InputError(_place(where, parents), f"the name {key!r} is not allowed", fix)


def _place(where: str, keys: Sequence[int | str]) -> str:
    inside = ", " in where  # "config, models.deepr" goes on with a dot
    if not keys:
        return where if inside else f"{where}, top level"
    return f"{where}{'.' if inside else ', '}{'.'.join(map(str, keys))}"


def _clause(text: str) -> str:
    """Return the first sentence of a description, or of a long one the part before the colon."""
    first = " ".join(text.split()).split(". ")[0].rstrip(".")
    return first if len(first) <= LONGEST_CLAUSE else first.split(": ")[0]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _yaml_number(text: str) -> str:
    number = float(text)
    return str(int(number)) if number.is_integer() and "." not in text else repr(number)


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {**root["$defs"][schema["$ref"].rsplit("/", 1)[1]], **schema}
    return schema


def _members(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    schema = _resolved(schema, root)
    for member in schema.get("anyOf", schema.get("oneOf", [])):
        yield from _members(member, root)
    if "anyOf" not in schema and "oneOf" not in schema:
        yield schema


def _at(schema: dict[str, Any], keys: Sequence[int | str], root: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the value at a path, or an empty one."""
    if not keys:
        return _resolved(schema, root)
    for member in _members(schema, root):
        others = member.get("additionalProperties")
        others = next(iter(member.get("patternProperties", {}).values()), others)
        inner = member.get("properties", {}).get(keys[0], others)
        if isinstance(keys[0], int):
            inner = member.get("items", inner)
        if isinstance(inner, dict):
            return _at(inner, keys[1:], root)
    return {}


def _choices(schema: dict[str, Any], root: dict[str, Any]) -> list[Any]:
    choices: list[Any] = []
    for member in _members(schema, root):
        choices += member.get("enum", [member["const"]] if "const" in member else [])
    return choices


def _wanted(schema: dict[str, Any], root: dict[str, Any]) -> str:
    """Return what a value must be, as a phrase."""
    phrases = [_phrase(member, root) for member in _members(schema, root)]
    return " or ".join(dict.fromkeys(phrases))


def _phrase(schema: dict[str, Any], root: dict[str, Any]) -> str:
    if "const" in schema:
        return _word(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(_word, schema['enum']))}"
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return _number(schema)
    if kind == "array":
        items = schema.get("items", {})
        one = _phrase(_resolved(items, root), root) if items else "item"
        few = f" of at least {schema['minItems']}" if schema.get("minItems") else ""
        distinct = ", none repeated" if schema.get("uniqueItems") else ""
        return f"a list{few}, each {one}{distinct}"
    names = {"string": "text", "boolean": "true or false", "null": "null", "object": "a mapping"}
    if kind == "string" and "pattern" in schema:
        return f"text like {schema['examples'][0]!r}" if schema.get("examples") else "text"
    return names.get(str(kind), "another value")


def _number(schema: dict[str, Any]) -> str:
    name = "a whole number" if schema["type"] == "integer" else "a number"
    if "multipleOf" in schema:
        name += f" divisible by {schema['multipleOf']}"
    if "minimum" in schema and "maximum" in schema:
        return f"{name} from {schema['minimum']:g} to {schema['maximum']:g}"
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "of at most",
        "exclusiveMaximum": "below",
    }
    bounds = [f"{word} {schema[key]:g}" for key, word in words.items() if key in schema]
    return " ".join([name, " and ".join(bounds)]).rstrip()


def _word(value: object) -> str:
    """Return a value as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
