"""The code that a script uses, as one hash.

Snakemake notices a changed parameter, but not a changed module. A rule with this hash among its
params runs again when code that its script uses has changed. Code is compared as a syntax tree
without docstrings, so an edit of comments, docstrings or formatting reruns nothing, nor does a
`touch` or a fresh clone.

Of a module, these parts are used: the functions, classes and constants that the script names,
those that these name in turn, and every other statement, because importing a module runs it.
Where names do not show what is used (a module passed as a value, a wildcard import, `globals`),
the whole module is. A data file of the package is used where a part that is used has its name.
"""

import ast
import builtins
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from behrt.errors import InputError

PACKAGE = Path(__file__).parent

_WHOLE = "*"
_WORD = re.compile(r"[A-Za-z_]\w*")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_REFLECTION = {"globals", "locals", "vars", "eval", "exec", "__dict__", "__globals__"}
# As attributes, the others are methods of that name (`list.eval` of polars), unless of `builtins`.
_REFLECTED = {"__dict__", "__globals__"}
# Decorators that have no effect beyond what they decorate.
_HARMLESS = {"cache", "contextmanager", "dataclass", "lru_cache"}
_OF_PROPERTIES = ("getter", "setter", "deleter")

Functions = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class _Uses:
    """What statements name.

    These are names, attributes of names, modules that they import, and, in texts, dotted names
    ("behrt.tools") and the texts that may be names of files.
    """

    names: set[str]
    attributes: set[tuple[str, str]]
    imports: set[str]
    dotted: set[str]
    texts: set[str]


@dataclass
class _Part:
    """Statements of a module in `folder`, its package and sub-packages."""

    folder: tuple[str, ...]
    statements: list[ast.stmt] = field(default_factory=list)
    # Imports whose names are used elsewhere in the module: they count there.
    imports: list[ast.stmt] = field(default_factory=list)
    # How many statements with an effect run before each statement: their order counts.
    places: list[int] = field(default_factory=list)

    @cached_property
    def digest(self) -> str:
        """The sha256 of the statements' syntax trees."""
        return hashlib.sha256(repr((_tree(self.statements), self.places)).encode()).hexdigest()

    @cached_property
    def uses(self) -> _Uses:
        uses = _Uses(set(), set(), set(), set(), set())
        bases = set()
        statements = [*self.statements, *self.imports]
        for node in (node for statement in statements for node in _walk(statement)):
            if isinstance(node, ast.Attribute) and (
                node.attr in _REFLECTED or ast.unparse(node.value).endswith("builtins")
            ):
                uses.names.add(node.attr)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                uses.attributes.add((node.value.id, node.attr))
                bases.add(node.value)
            elif isinstance(node, ast.Name) and node not in bases:
                uses.names.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # An annotation in quotes, or a name that is looked up as text.
                uses.names.update(_WORD.findall(node.value))
                uses.dotted.update(_DOTTED.findall(node.value))
                uses.texts.add(node.value.rpartition("/")[2])
            elif isinstance(node, ast.Import | ast.ImportFrom):
                uses.imports.update(source for _, source in _bindings(node, self.folder))
        return uses


@dataclass
class _Module:
    """A module: what is used by name, what importing it runs, and what its imports bind."""

    effects: _Part
    definitions: dict[str, _Part] = field(default_factory=dict)
    bindings: dict[str, set[str]] = field(default_factory=dict)
    reads_docstrings: bool = False

    def has(self, name: str) -> bool:
        return any(name in names for names in (self.definitions, self.bindings, self.assigned))

    @property
    def assigned(self) -> set[str]:
        """The names that statements other than definitions give a value to, or use."""
        return self.effects.uses.names


def _tree(node: Any) -> Any:
    """Return a syntax tree as nested lists, the same in every version of Python.

    Places in the file are left out, and so are docstrings and fields without a value.
    """
    if isinstance(node, list):
        return [_tree(item) for item in node if not _is_text(item)]
    if not isinstance(node, ast.AST):
        return node
    described: list[Any] = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name == "ctx":
            continue
        described += [name, _tree(value)]
    return described


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all nodes in it, except docstrings (`ast.walk` takes twice as long)."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if not _is_text(node):
            yield node
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, ast.AST) and name != "ctx":
                    waiting.append(value)
                elif isinstance(value, list):
                    waiting += [item for item in value if isinstance(item, ast.AST)]


def _is_text(statement: Any) -> bool:
    """Return whether a statement is a string: a docstring, or without effect."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_guard(statement: ast.stmt) -> bool:
    """Return whether a statement runs only in a module that is a program: not on its import."""
    return (
        isinstance(statement, ast.If)
        and ast.unparse(statement.test) == "__name__ == '__main__'"
        and not statement.orelse
    )


def _bindings(
    node: ast.Import | ast.ImportFrom, folder: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds in a module of `folder`, and what it stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0], alias.name
        return
    source = [node.module] if node.module else []
    if node.level:
        source = [*folder[: len(folder) - node.level + 1], *source]
    for alias in node.names:
        yield alias.asname or alias.name, ".".join([*source, alias.name])


def _is_definition(statement: ast.stmt, bindings: dict[str, set[str]]) -> bool:
    """Return whether a statement of a module has no effect but to give a value to its names."""

    def is_ours(node: ast.expr) -> bool:
        name = ast.unparse(node).split("(")[0].split(".")[0].split("[")[0]
        known = bindings.get(name)
        if known is None:
            return not hasattr(builtins, name)
        return any(source.split(".")[0] == PACKAGE.name for source in known)

    def is_harmless(decorator: ast.expr) -> bool:
        name = ast.unparse(decorator).split("(")[0].split(".")[-1]
        return name in _HARMLESS and not is_ours(decorator)

    def calls_ours(*run: ast.expr | None) -> bool:
        nodes = [node for expression in run if expression for node in ast.walk(expression)]
        return any(
            isinstance(node, ast.NamedExpr) or (isinstance(node, ast.Call) and is_ours(node.func))
            for node in nodes
        )

    def is_plain(node: ast.stmt) -> bool:
        """Return whether a function, a class or a statement of a class acts on nothing else."""
        if isinstance(node, Functions):
            return not calls_ours(*node.args.defaults, *node.args.kw_defaults)
        if isinstance(node, ast.ClassDef):
            bases_are_ours = any(map(is_ours, node.bases))
            return not (node.keywords or bases_are_ours) and all(map(is_plain_member, node.body))
        if isinstance(node, ast.Assign):
            plain = all(isinstance(target, ast.Name) for target in node.targets)
            return plain and not calls_ours(node.value)
        if isinstance(node, ast.AnnAssign):
            return isinstance(node.target, ast.Name) and not calls_ours(node.annotation, node.value)
        return isinstance(node, ast.Pass) or _is_text(node)

    def is_plain_member(node: ast.stmt) -> bool:
        if isinstance(node, Functions | ast.ClassDef):
            return is_plain(node) and not any(
                is_ours(decorator) and getattr(decorator, "attr", "") not in _OF_PROPERTIES
                for decorator in node.decorator_list
            )
        return is_plain(node)

    if isinstance(statement, Functions | ast.ClassDef):
        return is_plain(statement) and all(map(is_harmless, statement.decorator_list))
    calls = any(isinstance(node, ast.Call) for node in ast.walk(statement))
    return isinstance(statement, ast.Assign | ast.AnnAssign) and is_plain(statement) and not calls


def _names_bound(statement: ast.stmt, folder: tuple[str, ...]) -> list[str]:
    """Return the names that an import, a definition or a plain assignment gives a value to."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [name for name, _ in _bindings(statement, folder)]
    if isinstance(statement, Functions | ast.ClassDef):
        return [statement.name]
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _parse(code: bytes, folder: tuple[str, ...]) -> _Module:
    """Return the parts of a module in `folder`, the names of its package and sub-packages."""
    tree = ast.parse(code)
    found = _Module(_Part(folder))
    named = set()
    for node in _walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, source in _bindings(node, folder):
                found.bindings.setdefault(name, set()).add(source)
        elif isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            found.reads_docstrings |= name in ("__doc__", "getdoc")
            named.add(name)
    times = Counter(name for each in tree.body for name in set(_names_bound(each, folder)))
    for statement in tree.body:
        if _is_text(statement) or (folder and _is_guard(statement)):
            continue
        names = _names_bound(statement, folder)
        once = all(times[name] == 1 for name in names)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            used = once and named.issuperset(names)
            (found.effects.imports if used else found.effects.statements).append(statement)
        elif once and _is_definition(statement, found.bindings):
            function = isinstance(statement, Functions)
            place = 0 if function else len(found.effects.statements)
            for name in names:
                found.definitions[name] = _Part(folder, [statement], places=[place])
        else:
            found.effects.statements.append(statement)
    return found


_Node = tuple[Path, str]
"""A name of a module: `*` is every name, "" what importing the module runs."""


@dataclass(frozen=True)
class _Found:
    """What a name of a module needs, and what identifies its code."""

    needs: set[_Node]
    data: set[Path]
    lines: list[str]


class Code:
    """The code of a package, as it is when each of its modules is first read.

    Args:
        package: the folder of the package.
    """

    def __init__(self, package: Path = PACKAGE) -> None:
        self._package = package
        self._modules: dict[Path, _Module] = {}
        self._found: dict[_Node, _Found] = {}
        self._files: dict[str, tuple[list[Path], list[str]]] = {}

    def files(self, script: Path, *extras: str) -> list[Path]:
        """Return the files that a script uses, sorted.

        These are the script, the package's modules that it imports, directly or through others, and
        the extras: names of modules that are imported by a computed name ("behrt.models.deepr"), or
        paths of data files in the package ("simulation/diseases.csv").

        Raises:
            InputError: an extra is neither a module nor a file of the package.
        """
        nodes, data = self._used(Path(script), extras)
        return sorted({path for path, _ in nodes} | data)

    def hash(self, script: Path, *extras: str) -> str:
        """Return 16 hexadecimal digits that change when code or data that a script uses changes.

        Arguments and errors are those of `files`. Dates and places of files, comments, docstrings
        and formatting do not count; docstrings do if a module that is used reads any.
        """
        nodes, data = self._used(Path(script), extras)
        modules = {path for path, _ in nodes}
        literal = any(self._module(path).reads_docstrings for path in modules)
        lines = [
            f"{self._name(path)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
            for path in data | (modules if literal else set())
        ]
        lines += [line for node in nodes for line in self._found[node].lines]
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:16]

    def _used(self, script: Path, extras: Iterable[str]) -> tuple[set[_Node], set[Path]]:
        """Return the names of modules and the data files that a script uses."""
        waiting = [(script, name) for name in ("", *self._module(script).definitions)]
        used: set[Path] = set()
        for extra in extras:
            data = self._package / extra
            files, left = self._find(extra)
            if data.is_file():
                used.add(data)
            elif files and not left:
                waiting += [*((file, "") for file in files), (files[-1], _WHOLE)]
            else:
                raise InputError(extra, "the package has no such module or file", "Check its name")
        nodes: set[_Node] = set()
        while waiting:
            node = waiting.pop()
            if node not in nodes:
                nodes.add(node)
                found = self._follow(node)
                used |= found.data
                waiting += found.needs - nodes
        return nodes, used

    def _module(self, path: Path) -> _Module:
        if path not in self._modules:
            inside = path.is_relative_to(self._package)
            folder = path.parent.relative_to(self._package.parent).parts if inside else ()
            self._modules[path] = _parse(path.read_bytes(), folder)
        return self._modules[path]

    def _follow(self, node: _Node) -> _Found:
        if node not in self._found:
            path, name = node
            module = self._module(path)
            needs, data = {(path, "")}, set[Path]()
            parts: list[_Part] = []
            if name == "":
                parts = [module.effects]
            elif name in module.definitions:
                parts = [module.definitions[name]]
            elif name in module.bindings:
                needs.update(self._targets(path, name, None))
            elif name == _WHOLE or name not in module.assigned:
                needs.update((path, each) for each in (*module.definitions, *module.bindings))
            for part in parts:
                needs.update(self._needs(path, part))
                data.update(each for text in part.uses.texts for each in self._data.get(text, ()))
            lines = [self._line(node, part) for part in parts]
            self._found[node] = _Found(needs, data, lines)
        return self._found[node]

    def _needs(self, path: Path, part: _Part) -> Iterator[_Node]:
        """Yield what a part of a module needs."""
        uses = part.uses
        if uses.names & _REFLECTION or ("sys", "modules") in uses.attributes:
            yield path, _WHOLE
        for dotted in uses.dotted:
            files, left = self._find(dotted)
            yield from ((file, "") for file in files)
            if len(files) > 1:
                yield files[-1], left[0] if left else _WHOLE
        for source in uses.imports:
            files, left = self._find(source)
            yield from ((file, "") for file in files)
            if left == [_WHOLE]:
                yield files[-1], _WHOLE
        module = self._module(path)
        named: list[tuple[str, str | None]] = [(name, None) for name in uses.names]
        for name, attribute in [*named, *uses.attributes]:
            if name in module.definitions:
                yield path, name
            if name in module.bindings:
                yield from self._targets(path, name, attribute)

    def _targets(self, path: Path, name: str, attribute: str | None) -> Iterator[_Node]:
        """Yield what a module needs that uses a name bound by an import, or an attribute of it."""
        for source in self._module(path).bindings[name]:
            files, left = self._find(source)
            if not files:
                continue
            leaf = source.rpartition(".")[2]
            if left:
                yield files[-1], left[0]
                continue
            if len(files) > 1 and self._module(files[-2]).has(leaf):
                yield files[-2], leaf  # a package's own name goes before its module's
            inner, _ = self._find(f"{source}.{attribute}")
            if attribute is None or (leaf != source and name == source.split(".")[0]):
                yield files[-1], _WHOLE  # also after `import package.module`
                if files[-1].name == "__init__.py":
                    yield from ((file, _WHOLE) for file in sorted(files[-1].parent.rglob("*.py")))
                continue
            if len(inner) > len(files):
                yield inner[-1], _WHOLE
            if len(inner) == len(files) or self._module(files[-1]).has(attribute):
                yield files[-1], attribute

    def _line(self, node: _Node, part: _Part) -> str:
        path, name = node
        bindings = self._module(path).bindings
        named = part.uses.names | {name for name, _ in part.uses.attributes}
        imported = [f"{each}={sorted(bindings[each])}" for each in sorted(named & {*bindings})]
        return f"{self._name(path)} {name} {part.digest} {imported}\n"

    def _find(self, dotted: str) -> tuple[list[Path], list[str]]:
        """Return the files that importing a dotted name runs, and the names that are left over."""
        if dotted not in self._files:
            self._files[dotted] = self._look_for(*dotted.split("."))
        return self._files[dotted]

    def _look_for(self, first: str, *rest: str) -> tuple[list[Path], list[str]]:
        if first != self._package.name:
            return [], []
        files = []
        for depth in range(len(rest) + 1):
            place = self._package.joinpath(*rest[:depth])
            if (place / "__init__.py").is_file():
                files.append(place / "__init__.py")
            elif place.with_suffix(".py").is_file():
                files.append(place.with_suffix(".py"))
            elif not place.is_dir():
                return files, list(rest[depth - 1 :])
        return files, []

    @cached_property
    def _data(self) -> dict[str, list[Path]]:
        """The package's files other than modules, by name."""
        found: dict[str, list[Path]] = {}
        for path in self._package.rglob("*.*"):
            if path.suffix not in (".py", ".pyc"):
                found.setdefault(path.name, []).append(path)
        return found

    def _name(self, path: Path) -> str:
        inside = path.is_relative_to(self._package)
        return path.relative_to(self._package).as_posix() if inside else path.name


def files_used(script: Path, *extras: str, package: Path = PACKAGE) -> list[Path]:
    """Return the files that a script uses: see `Code.files`."""
    return Code(package).files(script, *extras)


def code_hash(script: Path, *extras: str, package: Path = PACKAGE) -> str:
    """Return the hash of the code that a script uses: see `Code.hash`."""
    return Code(package).hash(script, *extras)
