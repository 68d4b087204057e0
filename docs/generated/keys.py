"""The keys of the configuration."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from behrt.schema import SCHEMA
from generated.code import REPOSITORY, plain

DEFAULTS = REPOSITORY / "config" / "config.yaml"
"""What every run reads first."""

Schema = Mapping[str, Any]


def configuration() -> str:
    """Return every key of the configuration, with its type, range, default and description."""
    described = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    given = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    shared: Schema = described["$defs"]
    of_models = {name for name, part in shared.items() if "x-joint" in part}
    sections = {
        name: part for name, part in described["properties"].items() if "properties" in part
    }
    keys = {name: part for name, part in described["properties"].items() if name not in sections}
    text = ["## The run\n"]
    text += [_key(name, part, shared, given) for name, part in keys.items()]
    for name, part in sections.items():
        text += [f"## {name}\n\n{part['description']}\n"]
        text += [_key(*leaf, shared, given) for leaf in _leaves(name, part, shared)]
    text += ["## Parts of several keys\n"]
    for name in sorted(shared.keys() - of_models):
        text += [f"### {name}\n\n{shared[name]['description']}\n"]
        text += [_key(*leaf, shared, {}) for leaf in _leaves(name, shared[name], shared)]
    text += ["## Settings of each kind of model\n"]
    for name in sorted(of_models):
        text += [f"### {name}\n\n{shared[name]['description']}\n"]
        text += [_key(*leaf, shared, {}) for leaf in _leaves(name, shared[name], shared)]
    return "\n".join(text)


def _leaves(name: str, part: Schema, shared: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the keys of a section, and of the sections in it, by their whole name."""
    for key, value in part.get("properties", {}).items():
        if "properties" in value and _same_settings(value, shared) is None:
            yield from _leaves(f"{name}.{key}", value, shared)
        else:
            yield f"{name}.{key}", value


def _same_settings(part: Schema, shared: Schema) -> str | None:
    """Return the kind of model that has the keys of a section, if one has exactly these."""
    same = [kind for kind in shared if shared[kind].get("properties") == part.get("properties")]
    return same[0] if same and part.get("properties") else None


def _key(name: str, part: Schema, shared: Schema, given: Any) -> str:
    """Return one key; its default is that of `given`, or else of the schema."""
    for step in name.split("."):
        given = given.get(step) if isinstance(given, dict) else None
    large = isinstance(given, dict) and len(str(given)) > 300
    default = part.get("default") if given is None else given
    lines = [f"```{{confval}} {name}", f":type: {_type(part, shared)}"]
    if large:
        lines.append(":default: those of `config/config.yaml`")
    elif "default" in part or given is not None:
        lines.append(f":default: `{json.dumps(default, ensure_ascii=False)}`")
    else:
        lines.append(":default: none, it is required")
    described = [
        part.get("description", ""),
        *(f"See [](#{name.lower()})." for name in _named(part, shared)),
    ]
    return "\n".join([*lines, "", plain(" ".join(described)), "```\n"])


def _named(part: Any, shared: Schema) -> list[str]:
    """Return the shared parts that the type of a value names."""
    if isinstance(part, list):
        return [name for item in part for name in _named(item, shared)]
    if not isinstance(part, dict):
        return []
    if name := _referred(part) or _same_settings(part, shared):
        return [name]
    return [name for item in part.values() for name in _named(item, shared)]


def _referred(part: Schema) -> str:
    return str(part.get("$ref", "")).rsplit("/", 1)[-1]


def _type(part: Schema, shared: Schema) -> str:
    """Return the type of a value and its range, in words."""
    if name := _referred(part) or _same_settings(part, shared):
        return f"a section `{name}`"
    if "const" in part:
        return f"`{_value(part['const'])}`"
    if "enum" in part:
        return "one of " + ", ".join(f"`{_value(value)}`" for value in part["enum"])
    if "anyOf" in part:
        return " or ".join(_type(option, shared) for option in part["anyOf"])
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    return " or ".join(_simple_type(kind, part, shared) for kind in types)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _simple_type(kind: str, part: Schema, shared: Schema) -> str:
    words = {"integer": "whole number", "boolean": "`true` or `false`", "string": "text"}
    if kind == "null":
        return "`null`"
    if kind == "array":
        return f"list of: {_type(part['items'], shared)}" if "items" in part else "list"
    if kind == "object":
        if "properties" in part:
            keys = ", ".join(f"`{key}`" for key in part["properties"])
            return f"a section with the keys {keys}"
        values = part.get("additionalProperties")
        if "patternProperties" in part:
            (values,) = part["patternProperties"].values()
        by = (
            "source table"
            if "propertyNames" in part and "enum" in part["propertyNames"]
            else "name"
        )
        return f"by {by}: {_type(values, shared)}" if isinstance(values, dict) else "a section"
    limits = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
        "multipleOf": "a multiple of {}",
    }
    stated = [text.format(part[limit]) for limit, text in limits.items() if limit in part]
    stated += [f"as `{part['examples'][0]}`"] if "examples" in part else []
    return ", ".join([words.get(kind, kind), *stated])
