"""The tables, figures and pages of a run, and the columns of the tables."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import jinja2
import yaml

from behrt import configuration
from behrt.catalogue import TABLE, Product, fill, phrases, products
from behrt.schema import SCHEMA
from behrt.tasks import tasks_by_name, tasks_of
from generated.code import plain, resolved, returned_by, tree_of
from generated.keys import DEFAULTS

INCLUDED = r'{% include "(\w+)" %}'
"""A sentence of a caption that others have, too."""


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
            *(f"* {plain(columns)}" for columns in columns_of(product.module)),
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
    config = configuration.read(given, SCHEMA)
    evaluation, tasks = config["evaluation"], tasks_of(config)
    every = configuration.every_model_of(config)
    trees = configuration.ensembles_of(config)
    return {
        **evaluation,
        **{key: config[key] for key in ("protocol", "seed")},
        **{key: config["sex_analysis"][key] for key in ("score", "ranks")},
        "data": config["source"],
        "ceilings": not any(config["simulation"]["process"]["mechanisms"].values()),
        "eligible": False,
        "disclosure": configuration.disclosure_of(config),
        "explained": evaluation["reference"],
        "references": [name for name, model in every.items() if model.get("pretrained")],
        "joint": [name for name in config["models"] if every[name]["kind"] == "forecast"],
        "next_event": [name for name, model in every.items() if model["kind"] == "delphi"],
        "several_cuts": [
            name
            for name in config["models"]
            if every[name]["cuts"] != 1 and every[name]["kind"] != "forecast"
        ],
        "forecasting": [name for name in every if every[name]["pretrained"] == "forecast"],
        "ensembles": {name: trees[name] for name in trees if name in config["models"]},
        "permutations": config["neighbours"]["permutations"],
        "maximum_length": config["pretrain"]["settings"]["max_length"],
        "outcomes": {
            name: outcome.title for name, outcome in configuration.outcomes_of(config).items()
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
        tree = tree_of(place)
        text = returned_by(tree, name)
        found = re.search(r",? ?(?:and )?[Tt]he (?:other )?columns of `([\w.]+)`", text)
        own = text[: found.start()] + text[found.end() :] if found else text
        if own.strip(" .;"):
            stated.append(own.strip(" ;"))
        place, name = resolved(tree, place, found.group(1)) if found else ("", "")
    if not any(re.match("data\\b", columns) for columns in stated):
        stated.insert(0, "data String: the source of the data.")
    return stated
