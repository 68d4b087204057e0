"""The parts of the site that are made from the code: a Sphinx extension.

A comment of a page, such as `<!-- generated: configuration -->`, stands for what the function of
that name returns, in Markdown. Nothing is written to the folder of the pages.
"""

import ast
import json
import re
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jinja2
import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.logging import getLogger
from sphinx.util.nodes import make_refnode

from behrt import configuration as configurations
from behrt import models
from behrt.catalogue import TABLE, Product, fill, phrases, products
from behrt.schema import SCHEMA
from behrt.tasks import tasks_by_name, tasks_of

MARK = re.compile(r"<!-- generated: (\w+)(?: ([\w. \n]+))? -->")
DEFAULTS = SCHEMA.parents[2] / "config" / "config.yaml"
"""What every run reads first."""

INCLUDED = r'{% include "(\w+)" %}'
"""A sentence of a caption that others have, too."""

KEY = re.compile(
    r"[a-z_]+(\.[a-z_]+)+(?<!\.py|\.md)(?<!\.csv|\.txt)(?<!\.json|\.yaml)(?<!\.parquet)"
)
"""What a key of the configuration looks like, and no name of a file does."""

LOGGER = getLogger(__name__)

Schema = Mapping[str, Any]


# --- Configuration ------------------------------------------------------------------------------


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
    large = isinstance(given, dict) and len(str(given)) > 100
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
    return "\n".join([*lines, "", _plain(" ".join(described)), "```\n"])


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


# --- Outputs ------------------------------------------------------------------------------------


def outputs() -> str:
    """Return every table, figure and page, with its caption and, of a table, its columns."""
    settings = _settings()
    notes = {
        name: note
        for name, text in phrases().items()
        if (note := _filled(text, settings)).endswith(".")
    }
    # Products about all eligible patients have the titles and captions of others.
    listed = [product for product in products(searches=["MODEL"]) if not product.eligible]
    text = ["| file | content | target |\n| --- | --- | --- |"]
    for product in listed:
        link = f"[{product.title}](#{_anchor(product)})"
        text.append(f"| {_files(product)} | {link} | `{product.target}` |")
    for made, title in (("table", "Tables"), ("figure", "Figures"), ("page", "Pages")):
        text.append(f"\n## {title}\n")
        for product in listed:
            if product.kind == made:
                text += _described(product, settings, notes)
    text.append("## Notes of the captions\n")
    text += [f"### Note: {_words(name)}\n\n{note}\n" for name, note in notes.items()]
    return "\n".join(text)


def _described(product: Product, settings: Mapping[str, Any], notes: Collection[str]) -> list[str]:
    """Return a product's section. Sentences that several captions have are links to notes."""
    named = [name for name in re.findall(INCLUDED, product.caption) if name in notes]
    own = re.sub(INCLUDED, lambda found: "" if found[1] in named else found[0], product.caption)
    links = ", ".join(f"[{_words(name)}](#note-{name.replace('_', '-')})" for name in named)
    text = [f"({_anchor(product)})=\n### {product.title}\n"]
    text.append(f"{_files(product)}, made by the target `{product.target}`.\n")
    text.append(_filled(own, {**settings, "each": product.each}) + "\n")
    text += [f"Notes: {links}.\n"] if links else []
    if product.kind == TABLE:
        text += [
            "Columns:\n",
            *(f"* {_plain(columns)}" for columns in columns_of(product.module)),
            "",
        ]
    return text


def _filled(template: str, settings: Mapping[str, Any]) -> str:
    """Return a caption; a sentence about a setting that is not in `_settings` is left out."""
    return fill(template, settings, jinja2.Undefined)


def _files(product: Product) -> str:
    return ", ".join(f"`{file}`" for file in product.files)


def _anchor(product: Product) -> str:
    return f"{product.kind}-{product.name.lower().replace('_', '-')}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _settings() -> dict[str, Any]:
    """Return what captions name, of the default run."""
    given = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    config = configurations.read(given, SCHEMA)
    evaluation, tasks = config["evaluation"], tasks_of(config)
    every = configurations.every_model_of(config)
    trees = configurations.ensembles_of(config)
    return {
        **evaluation,
        **{key: config[key] for key in ("protocol", "seed")},
        **{key: config["sex_analysis"][key] for key in ("score", "ranks")},
        "data": config["source"],
        "eligible": False,
        "disclosure": configurations.disclosure_of(config),
        "explained": evaluation["reference"],
        "references": [name for name, model in every.items() if model.get("pretrained")],
        "joint": [name for name in config["models"] if every[name]["kind"] == "forecast"],
        "next_event": [name for name, model in every.items() if model["kind"] == "delphi"],
        "several_cuts": [name for name in config["models"] if name.endswith("_times")],
        "forecasting": [name for name in every if every[name]["pretrained"] == "forecast"],
        "ensembles": {name: trees[name] for name in trees if name in config["models"]},
        "permutations": config["neighbours"]["permutations"],
        "maximum_length": config["pretrain"]["settings"]["max_length"],
        "outcomes": {
            name: outcome.title for name, outcome in configurations.outcomes_of(config).items()
        },
        "tasks": tasks,
        "task": tasks_by_name(tasks)[evaluation["task"]],
    }


def columns_of(module: str) -> list[str]:
    """Return what the functions that make a table state of its columns, in their order.

    A docstring gives the columns that its function adds, and refers to the function that makes the
    others: "protocol String, and the columns of `tabulate`".
    """
    stated = []
    place, name = f"behrt.tables.{module}", "table"
    while name:
        tree = _tree(place)
        text = _returned(tree, name)
        found = re.search(r",? ?(?:and )?[Tt]he (?:other )?columns of `([\w.]+)`", text)
        own = text[: found.start()] + text[found.end() :] if found else text
        if own.strip(" .;"):
            stated.append(own.strip(" ;"))
        place, name = _resolved(tree, place, found.group(1)) if found else ("", "")
    if not any(re.match("data\\b", columns) for columns in stated):
        stated.insert(0, "data String: the source of the data.")
    return stated


def _tree(module: str) -> ast.Module:
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    return ast.parse(Path(found.origin).read_text(encoding="utf-8"))


def _returned(tree: ast.Module, name: str) -> str:
    """Return what the docstring of a function says about its result, in one line."""
    (function,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    )
    text = ast.get_docstring(function) or ""
    section = re.search(r"^Returns:\n(.*?)(?=^\w|\Z)", text, re.M | re.S)
    summary = text.split("\n\n")[0].removeprefix("Return ")
    return re.sub(r"\s+", " ", section.group(1) if section else summary).strip()


def _resolved(tree: ast.Module, place: str, name: str) -> tuple[str, str]:
    """Return the module and the name of a function that a module names."""
    if "." in name:
        module, _, name = name.rpartition(".")
        return module, name
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return str(node.module), name
    return place, name


# --- Files ----------------------------------------------------------------------------------------


def schema(path: str) -> str:
    """Return the columns of a Parquet file, from the class of its schema."""
    module, _, name = path.rpartition(".")
    rows = "\n".join(_schema_rows(module, name))
    described = _plain(ast.get_docstring(_class(module, name)) or "")
    return f"{described}\n\n| column | type | |\n|---|---|---|\n{rows}\n"


def _class(module: str, name: str) -> ast.ClassDef:
    (found,) = (n for n in _tree(module).body if isinstance(n, ast.ClassDef) and n.name == name)
    return found


def _schema_rows(module: str, name: str) -> Iterator[str]:
    """Yield a row of the table for each column, those of the base class first."""
    found = _class(module, name)
    (base,) = found.bases
    if isinstance(base, ast.Name):
        yield from _schema_rows(*_resolved(_tree(module), module, base.id))
    for node in found.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            given = {word.arg: word.value for word in node.value.keywords}
            kept = {key: ast.unparse(value) for key, value in given.items()}
            notes = [text for key, text in _NOTES.items() if kept.get(key) == "True"]
            if "description" in given:
                notes.append(str(ast.literal_eval(given["description"])))
            column = ast.unparse(node.targets[0])
            yield f"| `{column}` | {_column_type(node.value)} | {_plain('; '.join(notes))} |"


_NOTES = {"primary_key": "unique", "nullable": "may be null"}


def _column_type(call: ast.Call) -> str:
    """Return the type of a column: "Int64", "List of Int16"."""
    inner = [_column_type(part) for part in call.args if isinstance(part, ast.Call)]
    return " of ".join([ast.unparse(call.func).removeprefix("dy."), *inner])


# --- Models, stages and the package ---------------------------------------------------------------


def kind(name: str) -> str:
    """Return what the docstring of a kind of model states, without how its file is laid out."""
    text = ast.get_docstring(_tree(f"behrt.models.{name}")) or ""
    return text.split("\n\nFrom top to bottom")[0] + "\n"


def kinds(*elsewhere: str) -> str:
    """Return all kinds of model, one below the other, except those that are described elsewhere."""
    shown = [name for name in models.kinds() if name not in elsewhere]
    return "\n".join(f"### `{name}`\n\n{kind(name)}" for name in shown)


def stages() -> str:
    """Return what each file of rules reads and writes, in the order of the Snakefile."""
    rules = DEFAULTS.parents[1] / "rules"
    snakefile = (rules.parent / "workflow" / "Snakefile").read_text(encoding="utf-8")
    text = []
    for name in re.findall(r'include: "../rules/(\w+).smk"', snakefile):
        source = (rules / f"{name}.smk").read_text(encoding="utf-8")
        found = re.match(r'"""(.*?)"""', source, re.S)
        assert found, name
        if re.search(r"^Out: ", found[1], re.M):
            described = re.sub(r"^(In|Out): ", r"\n**\1**: ", found[1].strip(), flags=re.M)
            text.append(f"## {name}\n\n{_plain(described)}\n")
    return "\n".join(text)


def _plain(text: str) -> str:
    """Return a text of the code without what Markdown would read as HTML."""
    return re.sub(r"(`+)(.*?)\1|<", lambda found: found[0] if found[1] else "\\<", text)


def unlisted() -> str:
    """Return a list of the pages that index.md does not name, for its contents."""
    pages = Path(__file__).parent
    index = (pages / "index.md").read_text(encoding="utf-8").split()
    names = sorted(page.stem for page in pages.glob("*.md") if page.stem not in [*index, "index"])
    return "\n".join(["```{toctree}", ":hidden:", "", *names, "```"]) if names else ""


def modules(*names: str) -> str:
    """Return the documentation of modules, from their docstrings."""
    return "\n".join(
        f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n" for name in names
    )


# --- Sphinx -------------------------------------------------------------------------------------


class LinkKeys(SphinxPostTransform):
    """Link each key of the configuration that a page names as code, as `delivery.folder`.

    A name that looks like a key of a section that exists, and is none, is a warning.
    """

    default_priority = 5  # before Sphinx resolves references

    def run(self, **kwargs: Any) -> None:
        """Replace the names of keys by links to their descriptions."""
        objects = self.env.get_domain("std").objects
        keys = {name: place for (kind, name), place in objects.items() if kind == "confval"}
        sections = {name.split(".")[0] for name in keys if "." in name} - {"behrt"}  # the package
        for node in list(self.document.findall(nodes.literal)):
            text = node.astext()
            if "." in text and text in keys and not isinstance(node.parent, nodes.reference):
                page, anchor = keys[text]
                link = make_refnode(
                    self.app.builder, self.env.docname, page, anchor, node.deepcopy()
                )
                node.replace_self(link)
            elif (
                KEY.fullmatch(text)
                and text.split(".")[0] in sections
                and not any((key + ".").startswith(f"{text}.") for key in keys)
            ):
                LOGGER.warning("there is no key %s", text, location=node, type="key")


def _rejoin(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Undo that napoleon reads the docstring "a thing: more" of an attribute as its type."""
    if what in ("attribute", "data", "property") and lines and lines[-1].startswith(":type: "):
        first = lines.pop().removeprefix(":type: ")
        lines[0] = f"{first}: {lines[0]}"


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the generated parts of a page in place of its comments."""
    made = (configuration, outputs, kind, kinds, schema, stages, unlisted, modules)
    makers = {function.__name__: function for function in made}
    source[0] = MARK.sub(lambda mark: makers[mark[1]](*(mark[2] or "").split()), source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-docstring", _rejoin, priority=600)  # after napoleon
    app.add_post_transform(LinkKeys)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
