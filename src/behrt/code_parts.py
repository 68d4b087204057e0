"""The parts of a module: what each is, and what it uses, as far as names show it.

Code is compared as a syntax tree without docstrings. A part is a function, a class or a constant
that has no effect before it is used, or all other statements, because importing the module runs
them (`behrt.provenance`).
"""

import ast
import builtins
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent

_WORD = re.compile(r"[A-Za-z_]\w*")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
REFLECTION = {"globals", "locals", "vars", "eval", "exec", "__dict__", "__globals__"}
# As attributes, the others are methods of that name (`list.eval` of polars), unless of `builtins`.
_REFLECTED = {"__dict__", "__globals__"}
# Decorators that have no effect beyond what they decorate.
_HARMLESS = {"cache", "contextmanager", "dataclass", "lru_cache"}
_OF_PROPERTIES = ("getter", "setter", "deleter")

Functions = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Uses:
    """What statements name.

    These are names, attributes of names, modules that they import, and, in texts, dotted names
    ("behrt.tools") and the texts that may be names of files.
    """

    names: frozenset[str]
    attributes: frozenset[tuple[str, str]]
    imports: frozenset[str]
    dotted: frozenset[str]
    texts: frozenset[str]


@dataclass(frozen=True)
class Part:
    """Statements of a module.

    Attributes:
        digest: sha256 of their syntax trees, and of how many statements with an effect run before
            each of them, because their order counts.
        uses: what they use.
    """

    digest: str
    uses: Uses


@dataclass(frozen=True)
class Module:
    """A module: what is used by name, what importing it runs, and what its imports bind."""

    effects: Part
    definitions: dict[str, Part]
    bindings: dict[str, frozenset[str]]
    reads_docstrings: bool

    def has(self, name: str) -> bool:
        return any(name in names for names in (self.definitions, self.bindings, self.assigned))

    @property
    def assigned(self) -> frozenset[str]:
        """The names that statements other than definitions give a value to, or use."""
        return self.effects.uses.names

    def plain(self) -> dict[str, Any]:
        """Return the module as JSON can hold it, with sets as sorted lists."""
        described: dict[str, Any] = _without_sets(asdict(self))
        return described

    @classmethod
    def of(cls, described: dict[str, Any]) -> "Module":
        """Return the module that `plain` describes."""
        return cls(
            _part_of(described["effects"]),
            {name: _part_of(part) for name, part in described["definitions"].items()},
            {name: frozenset(sources) for name, sources in described["bindings"].items()},
            described["reads_docstrings"],
        )


def _without_sets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_sets(item) for name, item in value.items()}
    return sorted(value) if isinstance(value, frozenset) else value


def _part_of(described: dict[str, Any]) -> Part:
    uses = described["uses"]
    attributes = frozenset((name, attribute) for name, attribute in uses["attributes"])
    others = {name: frozenset(value) for name, value in uses.items() if name != "attributes"}
    return Part(described["digest"], Uses(attributes=attributes, **others))


@dataclass
class _Statements:
    """Statements of a module in `folder`, its package and sub-packages."""

    folder: tuple[str, ...]
    statements: list[ast.stmt] = field(default_factory=list)
    # Imports whose names are used elsewhere in the module: they count there.
    imports: list[ast.stmt] = field(default_factory=list)
    # How many statements with an effect run before each statement: their order counts.
    places: list[int] = field(default_factory=list)

    def part(self) -> Part:
        tree = repr((_tree(self.statements), self.places))
        return Part(hashlib.sha256(tree.encode()).hexdigest(), self.uses())

    def uses(self) -> Uses:
        names, dotted, imports, texts = set[str](), set[str](), set[str](), set[str]()
        attributes = set[tuple[str, str]]()
        bases = set()
        statements = [*self.statements, *self.imports]
        for node in (node for statement in statements for node in _walk(statement)):
            if isinstance(node, ast.Attribute) and (
                node.attr in _REFLECTED or ast.unparse(node.value).endswith("builtins")
            ):
                names.add(node.attr)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                attributes.add((node.value.id, node.attr))
                bases.add(node.value)
            elif isinstance(node, ast.Name) and node not in bases:
                names.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # An annotation in quotes, or a name that is looked up as text.
                names.update(_WORD.findall(node.value))
                dotted.update(_DOTTED.findall(node.value))
                texts.add(node.value.rpartition("/")[2])
            elif isinstance(node, ast.Import | ast.ImportFrom):
                imports.update(source for _, source in _bindings(node, self.folder))
        return Uses(
            frozenset(names),
            frozenset(attributes),
            frozenset(imports),
            frozenset(dotted),
            frozenset(texts),
        )


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


def parse(code: bytes, folder: tuple[str, ...]) -> Module:
    """Return the parts of a module in `folder`, the names of its package and sub-packages."""
    tree = ast.parse(code)
    effects = _Statements(folder)
    definitions: dict[str, Part] = {}
    bindings: dict[str, set[str]] = {}
    reads_docstrings = False
    named = set()
    for node in _walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, source in _bindings(node, folder):
                bindings.setdefault(name, set()).add(source)
        elif isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            reads_docstrings |= name in ("__doc__", "getdoc")
            named.add(name)
    times = Counter(name for each in tree.body for name in set(_names_bound(each, folder)))
    for statement in tree.body:
        if _is_text(statement) or (folder and _is_guard(statement)):
            continue
        names = _names_bound(statement, folder)
        once = all(times[name] == 1 for name in names)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            used = once and named.issuperset(names)
            (effects.imports if used else effects.statements).append(statement)
        elif once and _is_definition(statement, bindings):
            function = isinstance(statement, Functions)
            place = 0 if function else len(effects.statements)
            part = _Statements(folder, [statement], places=[place]).part()
            definitions.update(dict.fromkeys(names, part))
        else:
            effects.statements.append(statement)
    sources = {name: frozenset(each) for name, each in bindings.items()}
    return Module(effects.part(), definitions, sources, reads_docstrings)
