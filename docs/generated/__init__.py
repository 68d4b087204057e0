"""The parts of the site that are made from the code: a Sphinx extension.

A comment of a page, such as `<!-- generated: configuration -->`, stands for what the function of
that name returns, in Markdown. Nothing is written to the folder of the pages.
"""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.logging import getLogger
from sphinx.util.nodes import make_refnode

from generated.code import kind, kinds, modules, schema, stages
from generated.keys import configuration
from generated.outputs import outputs

MARK = re.compile(r"<!-- generated: (\w+)(?: ([\w. \n]+))? -->")

KEY = re.compile(
    r"[a-z_]+(\.[a-z_]+)+(?<!\.py|\.md)(?<!\.csv|\.txt)(?<!\.json|\.yaml)(?<!\.parquet)"
)
"""What a key of the configuration looks like, and no name of a file does."""

LOGGER = getLogger(__name__)


def unlisted() -> str:
    """Return a list of the pages that index.md does not name, for its contents."""
    pages = Path(__file__).parents[1]
    index = (pages / "index.md").read_text(encoding="utf-8").split()
    names = sorted(page.stem for page in pages.glob("*.md") if page.stem not in [*index, "index"])
    return "\n".join(["```{toctree}", ":hidden:", "", *names, "```"]) if names else ""


class LinkKeys(SphinxPostTransform):
    """Link each key of the configuration that a page names as code, as `delivery.folder`.

    A name that looks like a key of a section that exists, and is none, is a warning.
    """

    default_priority = 5  # before Sphinx resolves references

    def run(self, **kwargs: Any) -> None:
        """Replace the names of keys by links to their descriptions."""
        keys = {
            name: (page, anchor)
            for name, _, kind, page, anchor, _ in self.env.get_domain("std").get_objects()
            if kind == "confval"
        }
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
