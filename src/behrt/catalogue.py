"""The tables, figures and pages of a run: read from catalogue.toml, where each is one entry.

The Snakefile plans from these entries. The results page, Snakemake's report, the documentation
and the tests read the same ones, so a title or a caption is written once.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from behrt.tasks import ALL

TABLE, FIGURE, PAGE = "table", "figure", "page"


@dataclass(frozen=True)
class Product:
    """One table, figure or page.

    Attributes:
        kind: "table", "figure" or "page".
        name: of the file, without its ending.
        title: one line.
        caption: a paragraph, as a Jinja template of the run's settings.
        category, subcategory: where Snakemake's report lists it.
        module: the module of behrt.tables or behrt.figures that makes it; by default its name.
        inputs: artefacts of the run, by the argument of the module's function.
        tables: tables that a figure is drawn from, by the argument.
        settings: settings that the function uses, by the argument; of a table, those that are
            fields of `behrt.run.Run` arrive in its argument `run`.
        arguments: further arguments, the same in every run.
        reads: data files of the package that the module reads.
        target: the target of the workflow that makes it: "all", "paper", "outcomes",
            "trajectories", "ablation_inputs" or "performance".
        condition: what a run must have so that the product is made; "" if nothing.
        each: the value for which a product is made that is made for each of several; or "".
        eligible: whether it is about all eligible patients, with or without a disease to predict.
        patients: of a figure: whose number the results page gives below it.
        more: of a figure: the path of a page that shows more.
        path: of a page: its place in the folder of results.
    """

    kind: str
    name: str
    title: str
    caption: str
    category: str
    subcategory: str | None = None
    module: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reads: Sequence[str] = ()
    target: str = "all"
    condition: str = ""
    each: str = ""
    eligible: bool = False
    patients: str = ""
    more: str = ""
    path: str = ""

    @property
    def files(self) -> list[str]:
        """The files that are made, in the folder of results."""
        if self.kind == PAGE:
            return [self.path]
        endings = ("csv",) if self.kind == TABLE else ("png", "svg")
        return [f"{self.kind}s/{self.name}.{ending}" for ending in endings]

    def on_all_eligible(self) -> "Product":
        """Return the same product for all eligible patients, which the target `paper` makes."""
        return replace(
            self,
            name=self.name + ALL,
            title=f"{self.title}, all eligible patients",
            tables={argument: table + ALL for argument, table in self.tables.items()},
            target="paper",
            condition="windows",
            eligible=True,
        )

    def captioned(self, settings: Mapping[str, Any]) -> str:
        """Return the caption in one line, with the settings of a run filled in.

        Emphasis is marked as in reStructuredText: *table*, **strong**, ``code``.

        Args:
            settings: by name, `data` ("simulated" or another source) among them.
        """
        simulated = "**Simulated data.** " if settings["data"] == "simulated" else ""
        given = {**settings, "each": self.each, "eligible": self.eligible}
        return simulated + fill(self.caption, given)


@cache
def _read() -> dict[str, dict[str, Any]]:
    entries = Path(__file__).with_name("catalogue.toml")
    return tomllib.loads(entries.read_text(encoding="utf-8"))


def phrases() -> dict[str, str]:
    """Return the templates of the sentences that several captions have, by name."""
    return dict(_read()["phrases"])


def fill(
    template: str,
    settings: Mapping[str, Any],
    undefined: type[jinja2.Undefined] = jinja2.StrictUndefined,
) -> str:
    """Return a caption or a phrase in one line, with the settings of a run filled in.

    Args:
        template: of Jinja.
        settings: by name.
        undefined: what a name without a value is; by default it is an error.
    """
    environment = _environment().overlay(undefined=undefined)
    return " ".join(environment.from_string(template).render(settings).split())


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.DictLoader(_read()["phrases"]),
        autoescape=False,  # the text is this package's own; a page escapes it
    )


def products(
    conditions: Mapping[str, bool] | None = None, **each: Collection[str]
) -> list[Product]:
    """Return the products of a run, in the order of the catalogue.

    Args:
        conditions: whether each condition holds in the run; None for every product.
        each: the values for which a product is made that is made for each of several.
    """
    return [
        product
        for kind in (TABLE, FIGURE, PAGE)
        for name, entry in _read()[kind].items()
        for product in _products(kind, name, entry, each)
        if conditions is None or not product.condition or conditions[product.condition]
    ]


def _by_argument(items: Sequence[str | Mapping[str, str]]) -> dict[str, str]:
    """Return names by argument; a single name is also that of its argument."""
    found: dict[str, str] = {}
    for item in items:
        found |= {item: item} if isinstance(item, str) else item
    return found


def _products(
    kind: str, name: str, entry: Mapping[str, Any], each: Mapping[str, Collection[str]]
) -> Iterator[Product]:
    entry = dict(entry)
    several, twin = entry.pop("each", None), entry.pop("also_all_eligible", False)
    for key in ("inputs", "tables", "settings"):
        entry[key] = _by_argument(entry.get(key, []))
    category, _, subcategory = entry.pop("category").partition("/")
    entry |= {"category": category, "subcategory": subcategory or None}
    product = Product(**{"kind": kind, "name": name, "module": name, **entry})
    if several is None:
        yield product
    for value in each.get(several, ()):
        filled = product.title.format(value)
        yield replace(product, name=f"{name}_{value}", title=filled, each=value)
    if twin:
        yield product.on_all_eligible()
