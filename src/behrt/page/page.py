"""The results page: one file of HTML that needs no other file and no network."""

import base64
import csv
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
from markupsafe import Markup, escape

from behrt.catalogue import FIGURE, Product, products
from behrt.errors import InputError
from behrt.evaluation.tidy import read_table
from behrt.page.facts import HIDDEN, Facts, in_words

HERE = Path(__file__).parent
LEFT_TO_AUTHORS = "authors"
PROTOCOLS = {
    "strict": "Strict protocol: pretraining used only training patients, epochs were chosen on "
    "tuning patients, and held-out patients were used once, for the evaluation.",
    "paper": "Paper protocol: as in the paper's code, held-out patients were part of pretraining, "
    "and epochs were chosen on them.",
}
SPLITS = {
    "dataset": "As the dataset has it, in its subject_splits.parquet.",
    "patient": "Patients at random, with a seed.",
    "practice": "Whole practices at random, with a seed.",
    "time": "Patients at random, with a seed; held-out patients are predicted from the cut-off on.",
}


@dataclass(frozen=True)
class CardSection:
    """A part of the model card: its title and its sentences."""

    title: str
    items_: list[str]


@dataclass(frozen=True)
class Figure:
    """A figure: title, caption, the image as base64 of a PNG, and a page that shows more."""

    name: str
    title: str
    caption: Markup
    image: str
    more: str = ""


@dataclass(frozen=True)
class Table:
    """A table: its name, caption, header and rows as text."""

    name: str
    caption: Markup
    header: list[str]
    rows: list[tuple[str, ...]]


def environment() -> jinja2.Environment:
    """Return what renders the templates of this folder; the text of a page is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=jinja2.select_autoescape(["html.jinja"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _words(facts: Facts) -> dict[str, Any]:
    """Return the variables of the templates of checklist, card and page."""

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
        "without": facts.without_diagnosis,
        "scored": ", ".join(f"{task.name} {facts.scored(1, task.name)}" for task in facts.tasks),
        "protocol_text": PROTOCOLS[facts.run.protocol],
        "split_text": SPLITS[facts.run.split],
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
    """Return the TRIPOD+AI checklist (Collins et al. 2024): item, topic and answer.

    The answer is "" where it is left to the authors. Topics are in this project's words.
    """
    templates, words = environment(), _words(facts)
    with (HERE / "tripod_ai.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    answers = [templates.from_string(row["answer"]).render(words) for row in rows]
    return [
        (row["item"], row["topic"], "" if answer == LEFT_TO_AUTHORS else answer)
        for row, answer in zip(rows, answers, strict=True)
    ]


def card(facts: Facts) -> list[CardSection]:
    """Return the sections of the model card (Mitchell et al. 2019), without scores."""
    templates, words = environment(), _words(facts)
    sections = tomllib.loads((HERE / "model_card.toml").read_text(encoding="utf-8"))["section"]
    return [
        CardSection(
            section["title"],
            [templates.from_string(item).render(words).strip() for item in section["items"]],
        )
        for section in sections
    ]


def model_card(facts: Facts) -> str:
    """Return the model card in Markdown."""
    template = environment().get_template("model_card.md.jinja")
    return template.render(facts=facts, card=card(facts))


def figures_of(
    paths: Sequence[Path], facts: Facts | None, captions: Mapping[str, str]
) -> list[Figure]:
    """Return the figures in the order of the catalogue.

    Args:
        paths: PNG files, in any order.
        facts: of the run, for the numbers of patients; None leaves them out.
        captions: by kind and name, such as "figures/trends".

    Raises:
        InputError: a figure that is not in the catalogue, or without a caption.
    """
    known = {product.name: product for product in products() if product.kind == FIGURE}
    by_name = {path.stem: path for path in paths}
    for name in sorted(by_name):
        if name not in known or f"figures/{name}" not in captions:
            raise InputError(
                f"figures/{name}", "it has no caption", "Add it to src/behrt/catalogue.toml"
            )
    figures = []
    for name, product in known.items():
        if name in by_name:
            support = support_of(product, facts) if facts else ""
            figures.append(
                Figure(
                    name=name,
                    title=product.title,
                    caption=marked(captions[f"figures/{name}"] + (support and f" {support}.")),
                    image=base64.b64encode(by_name[name].read_bytes()).decode("ascii"),
                    more=product.more,
                )
            )
    return figures


def support_of(product: Product, facts: Facts) -> str:
    """Return the number of patients behind a figure, in words, or nothing."""
    kind, _, number = product.patients.partition(": ")
    measure = "eligible patients" if product.eligible else "patients"
    if number:
        return f"{number} {kind}"
    if kind == "delivered":
        return f"n = {in_words(facts.flow[0]['patients'])} delivered patients"
    if kind in ("train", "tuning"):
        words = {"train": "training patients", "tuning": "tuning patients"}[kind]
        return f"n = {facts.count('histories', kind)} {words}"
    tasks = {
        "task": [facts.task],
        "tasks": [task for task in facts.tasks if task.months or not product.eligible],
    }.get(kind, [])
    counts = [f"{facts.count(task.key, 'held_out', measure)} ({task.key})" for task in tasks]
    return f"n = {', '.join(counts)} held-out {measure}" if counts else ""


def marked(text: str) -> Markup:
    """Return a caption as HTML: *emphasis*, **strong** and ``code`` as in reStructuredText.

    >>> marked("*table1* of ``a < b``")
    Markup('<em>table1</em> of <code>a &lt; b</code>')
    """
    html = str(escape(text))
    for pattern, element in (
        ("``(.+?)``", "code"),
        (r"\*\*(.+?)\*\*", "strong"),
        (r"\*(.+?)\*", "em"),
    ):
        html = re.sub(pattern, rf"<{element}>\1</{element}>", html)
    return Markup(html)


def table_of(path: Path, captions: Mapping[str, str]) -> Table:
    """Return a table as text, with an en dash for what is hidden."""
    frame = read_table(path)
    text = frame.with_columns(pl.all().cast(pl.String).fill_null("–"))
    caption = marked(captions.get(f"tables/{path.stem}", ""))
    return Table(path.stem, caption, frame.columns, text.rows())


def results_page(
    facts: Facts, figures: Sequence[Path], tables: Sequence[Path], captions: Mapping[str, str]
) -> str:
    """Return the page: the run, tables 1 and 2, figures, card, checklist, all tables.

    Args:
        facts: of the run.
        figures: PNG files, in any order.
        tables: CSV files, in the order of the page.
        captions: of figures and tables, by kind and name, such as "figures/trends".

    Raises:
        InputError: a figure that is not in the catalogue, or without a caption.
    """
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            _words(facts),
            figures=figures_of(figures, facts, captions),
            tables=[table_of(path, captions) for path in tables],
            card=card(facts),
            checklist=checklist(facts),
        )
    )
