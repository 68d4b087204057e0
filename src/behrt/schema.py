"""Writes config.schema.yaml from the settings of a run and of every kind of model.

Run `python -m behrt.schema` after a change of a setting. Editors use the schema to complete
and check configuration files, and `behrt.kinds` to check the settings of a model without importing
its module.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from behrt.kinds import (
    JOINT,
    NEEDS_CLASS,
    TRAINING,
    module_is_joint,
    module_needs_training,
    settings_class,
)
from behrt.models import kinds
from behrt.settings.run import RunSettings

SCHEMA = Path(__file__).parents[2] / "workflow" / "schemas" / "config.schema.yaml"


def schema_of(names: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of a configuration, with the settings of some kinds of model."""
    schema = RunSettings.model_json_schema()
    definitions = schema.pop("$defs")
    definitions["ModelEntry"]["allOf"] = [_rule(name) for name in names]
    uses = Counter(re.findall(r"#/\$defs/(\w+)", json.dumps([schema, definitions])))
    schema, shared = (_tidy(part, definitions, uses) for part in (schema, definitions))
    shared = {name: part for name, part in shared.items() if uses[name] > 1}
    shared |= {name: _settings_schema(name) for name in names}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of a run",
    }
    return {**head, **schema, "$defs": dict(sorted(shared.items()))}


def _settings_schema(kind: str) -> dict[str, Any]:
    settings = settings_class(kind)
    schema = _tidy(settings.model_json_schema(), {}, {})
    together = bool(settings.__pydantic_decorators__.model_validators)
    if schema.pop("required", []) or together:
        schema[NEEDS_CLASS] = True
    return {**schema, TRAINING: module_needs_training(kind), JOINT: module_is_joint(kind)}


def _rule(kind: str) -> dict[str, Any]:
    """Return what a model of a kind may have: its settings, and `training` or not."""
    settings = {"$ref": f"#/$defs/{kind}"}
    allowed: dict[str, Any] = {
        "settings": settings,
        "tasks": {"additionalProperties": {"properties": {"settings": settings}}},
    }
    rule: dict[str, Any] = {"properties": allowed}
    if module_needs_training(kind):
        rule["required"] = ["training"]
    else:
        allowed["training"] = False
    return {"if": {"properties": {"kind": {"const": kind}}}, "then": rule}


def _tidy(schema: Any, definitions: Mapping[str, Any], uses: Mapping[str, int]) -> Any:
    """Return a schema in its shortest form.

    Titles are left out, as is the default of a section, which is that of its keys. A definition
    that is used once is put in its place.
    """
    if isinstance(schema, list):
        return [_tidy(item, definitions, uses) for item in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).rsplit("/", 1)[-1]
    if uses.get(name) == 1:
        schema = {**definitions[name], **{key: schema[key] for key in schema if key != "$ref"}}
    tidy = {
        key: _tidy(value, definitions, uses)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
    if "properties" in tidy:
        tidy.pop("default", None)
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    if len(tidy.get("anyOf", [])) == 2 and tidy["anyOf"][1] == {"type": "null"}:
        first = tidy["anyOf"][0]
        if isinstance(first.get("type"), str) and "enum" not in first:
            del tidy["anyOf"]
            tidy |= {**first, "type": [first["type"], "null"], **tidy}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = re.sub(r"\s+", " ", tidy["description"]).strip()
    order = ("description", "type", "properties")
    last = {key: value for key, value in tidy.items() if key not in order}
    first_keys = {key: tidy[key] for key in order[:2] if key in tidy}
    return {
        **first_keys,
        **last,
        **({"properties": tidy["properties"]} if "properties" in tidy else {}),
    }


class _Dumper(yaml.SafeDumper):
    """Writes a list of numbers or words on one line."""

    def represent_short_list(self, data: list[Any]) -> yaml.Node:
        flow = all(isinstance(item, str | int | float | None) for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


_Dumper.add_representer(list, _Dumper.represent_short_list)


def as_yaml(schema: dict[str, Any]) -> str:
    """Return a schema as the text of config.schema.yaml."""
    note = "# Written by `python -m behrt.schema`; do not edit.\n"
    return note + yaml.dump(schema, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=98)


if __name__ == "__main__":
    SCHEMA.write_text(as_yaml(schema_of(kinds())), encoding="utf-8")
