"""The results page: one file of HTML that needs no other and no network."""

import base64
import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from behrt.errors import InputError
from behrt.evaluation.tidy import read_table
from behrt.page.facts import HIDDEN, Facts, in_words

HERE = Path(__file__).parent
LEFT_TO_AUTHORS = "authors"
PROTOCOLS = {
    "strict": "Strict protocol: pretraining saw training patients alone, epochs were chosen on "
    "validation patients, and held-out patients were read once.",
    "paper": "Paper protocol: as the paper's code did, pretraining saw held-out patients, and "
    "epochs were chosen on them.",
}


@dataclass(frozen=True)
class Section:
    """A part of the model card: its title and its sentences."""

    title: str
    items_: list[str]


@dataclass(frozen=True)
class Figure:
    """A figure: title, caption, the image as base64 of a PNG, and a page that shows more."""

    name: str
    title: str
    caption: str
    image: str
    link: str = ""
    linked: str = ""


@dataclass(frozen=True)
class Table:
    """A table: its name, header and rows as text."""

    name: str
    header: list[str]
    rows: list[tuple[str, ...]]


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=jinja2.select_autoescape(["html.jinja"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _words(facts: Facts) -> dict[str, Any]:
    """Return what the sentences of the checklist and the card may name."""

    def women(split: str) -> str:
        share = facts.figure("histories", split, "women", "share", 3)
        return share if share == HIDDEN else f"{100 * float(share):.1f} %"

    age = "age at the last visit in years"
    return {
        "facts": facts,
        "diseases": facts.models["mlm", "mlm"]["n_diseases"],
        "train": facts.count("histories", "train"),
        "tuning": facts.count("histories", "tuning"),
        "held_out": facts.count("histories", "held_out"),
        "women_train": women("train"),
        "women_held_out": women("held_out"),
        "age_train": facts.figure("histories", "train", age, "median"),
        "age_held_out": facts.figure("histories", "held_out", age, "median"),
        "flow_first": in_words(facts.flow[0]["patients"]),
        "flow_last": in_words(facts.flow[-1]["patients"]),
        "scored": ", ".join(f"{task} {facts.scored(1, task)}" for task in facts.tasks),
        "protocol_text": PROTOCOLS[facts.protocol],
        "models_text": _models_text(facts.models),
    }


def _models_text(models: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    mlm = models["mlm", "mlm"]
    shape = ", ".join(
        f"{name} {mlm['settings'][name]}" for name in ("layers", "heads", "hidden", "intermediate")
    )
    trained: dict[str, list[str]] = {}
    for (task, name), config in sorted(models.items()):
        if task != "mlm" and "epoch" in config:
            trained.setdefault(name, []).append(f"{task} {config['epoch']}")
    chosen = "; ".join(f"{name} ({', '.join(epochs)})" for name, epochs in trained.items())
    return (
        f"Pretraining: {shape}; {mlm['optimisation']['epochs']} epochs at most, epoch "
        f"{mlm['epoch']} chosen; {mlm['precision']}. Epochs chosen in training: {chosen}."
    )


def checklist(facts: Facts) -> list[tuple[str, str, str]]:
    """Return TRIPOD+AI (Collins et al. 2024): item, topic and answer, "" where authors must write.

    Topics are in this project's words.
    """
    environment, words = _environment(), _words(facts)
    with (HERE / "tripod_ai.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    answers = [environment.from_string(row["answer"]).render(words) for row in rows]
    return [
        (row["item"], row["topic"], "" if answer == LEFT_TO_AUTHORS else answer)
        for row, answer in zip(rows, answers, strict=True)
    ]


def card(facts: Facts) -> list[Section]:
    """Return the sections of the model card (Mitchell et al. 2019), scores left out."""
    environment, words = _environment(), _words(facts)
    sections = tomllib.loads((HERE / "model_card.toml").read_text(encoding="utf-8"))["section"]
    return [
        Section(
            section["title"],
            [environment.from_string(item).render(words).strip() for item in section["items"]],
        )
        for section in sections
    ]


def model_card(facts: Facts) -> str:
    """Return the model card in Markdown."""
    template = _environment().get_template("model_card.md.jinja")
    return template.render(facts=facts, card=card(facts))


def figures_of(paths: Sequence[Path], facts: Facts) -> list[Figure]:
    """Return the figures in the paper's order, each captioned with n, protocol and seed.

    Raises:
        InputError: a figure that figures.toml does not know.
    """
    known = tomllib.loads((HERE / "figures.toml").read_text(encoding="utf-8"))["figure"]
    by_name = {path.stem: path for path in paths}
    if unknown := sorted(set(by_name) - {entry["name"] for entry in known}):
        raise InputError(
            "figures", f"the page has no caption for {unknown[0]}", "Add it to page/figures.toml"
        )
    figures = []
    for entry in known:
        if entry["name"] not in by_name:
            continue
        facts_of_run = [f"{facts.protocol} protocol", f"seed {facts.seed}"]
        if "n" in entry:
            support = f"{_support(entry['n'], facts)} {entry['of']}"
            # Drawn patients are a choice, not a count of people, which n would say.
            facts_of_run.insert(0, support if "number" in entry["n"] else f"n = {support}")
        label = "Simulated data. " if facts.simulated else ""
        figures.append(
            Figure(
                name=entry["name"],
                title=entry["title"],
                caption=f"{label}{entry['caption']} {'; '.join(facts_of_run).capitalize()}.",
                image=base64.b64encode(by_name[entry["name"]].read_bytes()).decode("ascii"),
                link=entry.get("link", ""),
                linked=entry.get("linked", ""),
            )
        )
    return figures


def _support(n: Mapping[str, Any], facts: Facts) -> str:
    if "number" in n:
        return str(n["number"])
    if "step" in n:
        return in_words(facts.flow[n["step"]]["patients"])
    return facts.count(n["task"], n["split"], n["measure"])


def table_of(path: Path) -> Table:
    """Return a table as text; what is not shown is an en dash."""
    frame = read_table(path)
    text = frame.with_columns(pl.all().cast(pl.String).fill_null("–"))
    return Table(path.stem, frame.columns, text.rows())


def results_page(facts: Facts, figures: Sequence[Path], tables: Sequence[Path]) -> str:
    """Return the page: what was run, tables 1 and 2, figures, card, checklist, all tables.

    Args:
        facts: of the run.
        figures: PNG files, in any order.
        tables: CSV files, in the order that they are to stand in.

    Raises:
        InputError: a figure without a caption.
    """
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            _words(facts),
            figures=figures_of(figures, facts),
            tables=[table_of(path) for path in tables],
            card=card(facts),
            checklist=checklist(facts),
        )
    )
