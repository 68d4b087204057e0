"""Imports between the package's folders go in one direction."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import behrt

PACKAGE = Path(behrt.__file__).parent
FOLDERS = re.findall(r"^\* `(\w+)`:", behrt.__doc__ or "", re.M)


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            yield from (f"{dots}{node.module or ''}.{alias.name}" for alias in node.names)


def test_imports_go_in_the_order_of_the_folders() -> None:
    assert sorted(FOLDERS) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    graph: dict[str, set[str]] = {}
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        here = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for name in imports(path):
            assert not name.startswith("."), f"{path}: a relative import"
            package, _, rest = name.partition(".")
            there = rest.partition(".")[0]
            if package != PACKAGE.name or there == here or not rest:
                continue
            if here in FOLDERS and there in FOLDERS and FOLDERS.index(there) > FOLDERS.index(here):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
            graph.setdefault(here, set()).add(there)
    assert wrong == []
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle
