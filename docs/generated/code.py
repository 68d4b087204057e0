"""What docstrings state: of models, stages, schemas of files, and modules.

The code is read, not imported, except by Sphinx for the documentation of modules.
"""

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from behrt import models

REPOSITORY = Path(__file__).parents[2]


def kind(name: str) -> str:
    """Return what the docstring of a kind of model states, without how its file is laid out."""
    text = ast.get_docstring(tree_of(f"behrt.models.{name}")) or ""
    return text.split("\n\nFrom top to bottom")[0] + "\n"


def kinds(*elsewhere: str) -> str:
    """Return all kinds of model, one below the other, except those that are described elsewhere."""
    shown = [name for name in models.kinds() if name not in elsewhere]
    return "\n".join(f"### `{name}`\n\n{kind(name)}" for name in shown)


def stages() -> str:
    """Return what each file of rules reads and writes, in the order of the Snakefile."""
    rules = REPOSITORY / "rules"
    snakefile = (REPOSITORY / "workflow" / "Snakefile").read_text(encoding="utf-8")
    text = []
    for name in re.findall(r'include: "../rules/(\w+).smk"', snakefile):
        source = (rules / f"{name}.smk").read_text(encoding="utf-8")
        found = re.match(r'"""(.*?)"""', source, re.S)
        assert found, name
        if re.search(r"^Out: ", found[1], re.M):
            described = re.sub(r"^(In|Out): ", r"\n**\1**: ", found[1].strip(), flags=re.M)
            text.append(f"## {name}\n\n{plain(described)}\n")
    return "\n".join(text)


def modules(*names: str) -> str:
    """Return the documentation of modules, from their docstrings."""
    return "\n".join(
        f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n" for name in names
    )


def schema(path: str) -> str:
    """Return the columns of a Parquet file, from the class of its schema."""
    module, _, name = path.rpartition(".")
    rows = "\n".join(_schema_rows(module, name))
    described = plain(ast.get_docstring(_class(module, name)) or "")
    return f"{described}\n\n| column | type | |\n|---|---|---|\n{rows}\n"


def _class(module: str, name: str) -> ast.ClassDef:
    (found,) = (n for n in tree_of(module).body if isinstance(n, ast.ClassDef) and n.name == name)
    return found


def _schema_rows(module: str, name: str) -> Iterator[str]:
    """Yield a row of the table for each column, those of the base class first."""
    found = _class(module, name)
    (base,) = found.bases
    if isinstance(base, ast.Name):
        yield from _schema_rows(*resolved(tree_of(module), module, base.id))
    for node in found.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            given = {word.arg: word.value for word in node.value.keywords}
            kept = {key: ast.unparse(value) for key, value in given.items()}
            notes = [text for key, text in _NOTES.items() if kept.get(key) == "True"]
            if "description" in given:
                notes.append(str(ast.literal_eval(given["description"])))
            column = ast.unparse(node.targets[0])
            yield f"| `{column}` | {_column_type(node.value)} | {plain('; '.join(notes))} |"


_NOTES = {"primary_key": "unique", "nullable": "may be null"}


def _column_type(call: ast.Call) -> str:
    """Return the type of a column: "Int64", "List of Int16"."""
    inner = [_column_type(part) for part in call.args if isinstance(part, ast.Call)]
    return " of ".join([ast.unparse(call.func).removeprefix("dy."), *inner])


def plain(text: str) -> str:
    """Return a text of the code without what Markdown would read as HTML."""
    return re.sub(r"(`+)(.*?)\1|<", lambda found: found[0] if found[1] else "\\<", text)


def tree_of(module: str) -> ast.Module:
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    return ast.parse(Path(found.origin).read_text(encoding="utf-8"))


def returned_by(tree: ast.Module, name: str) -> str:
    """Return what the docstring of a function says about its result, in one line."""
    (function,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    )
    text = ast.get_docstring(function) or ""
    section = re.search(r"^Returns:\n(.*?)(?=^\w|\Z)", text, re.M | re.S)
    summary = text.split("\n\n")[0].removeprefix("Return ")
    return re.sub(r"\s+", " ", section.group(1) if section else summary).strip()


def resolved(tree: ast.Module, place: str, name: str) -> tuple[str, str]:
    """Return the module and the name of a function that a module names."""
    if "." in name:
        module, _, name = name.rpartition(".")
        return module, name
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return str(node.module), name
    return place, name
