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

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from behrt import code_parts
from behrt.code_parts import PACKAGE, REFLECTION, Module, Part, parse
from behrt.errors import InputError
from behrt.files import atomic

_WHOLE = "*"
_Node = tuple[Path, str]
"""A name of a module: `*` is every name, "" what importing the module runs."""


_PARSER = hashlib.sha256(Path(code_parts.__file__).read_bytes()).hexdigest()
"""Another parser does not read the modules that this one has kept."""


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
        cache: a file that keeps the parsed modules from one run to the next (`keep`), by their
            contents; None for no file. Parsing takes most of the time.
    """

    def __init__(self, package: Path = PACKAGE, cache: Path | None = None) -> None:
        self._package = package
        self._cache = cache
        self._known = _read(cache) if cache else {}
        self._parsed: dict[str, Module] = {}
        self._modules: dict[Path, Module] = {}
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

    def keep(self) -> None:
        """Write the parsed modules to the cache, unless it has them or cannot be written."""
        if self._cache is None or self._parsed.keys() <= self._known.keys():
            return
        modules = {key: module.plain() for key, module in self._parsed.items()}
        with suppress(InputError, OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            with atomic(self._cache) as temporary:
                temporary.write_text(json.dumps({"parser": _PARSER, "modules": modules}))

    def _module(self, path: Path) -> Module:
        if path not in self._modules:
            inside = path.is_relative_to(self._package)
            folder = path.parent.relative_to(self._package.parent).parts if inside else ()
            code = path.read_bytes()
            key = hashlib.sha256("/".join((*folder, "")).encode() + code).hexdigest()
            known = self._known.get(key)
            module = parse(code, folder) if known is None else Module.of(known)
            self._modules[path] = self._parsed[key] = module
        return self._modules[path]

    def _follow(self, node: _Node) -> _Found:
        if node not in self._found:
            path, name = node
            module = self._module(path)
            needs, data = {(path, "")}, set[Path]()
            parts: list[Part] = []
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

    def _needs(self, path: Path, part: Part) -> Iterator[_Node]:
        """Yield what a part of a module needs."""
        uses = part.uses
        if uses.names & REFLECTION or ("sys", "modules") in uses.attributes:
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

    def _line(self, node: _Node, part: Part) -> str:
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


def _read(cache: Path) -> dict[str, Any]:
    """Return the modules of a cache by their keys; none if it is missing or of another parser."""
    try:
        kept = json.loads(cache.read_bytes())
        return kept["modules"] if kept["parser"] == _PARSER else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def files_used(script: Path, *extras: str, package: Path = PACKAGE) -> list[Path]:
    """Return the files that a script uses: see `Code.files`."""
    return Code(package).files(script, *extras)


def code_hash(script: Path, *extras: str, package: Path = PACKAGE) -> str:
    """Return the hash of the code that a script uses: see `Code.hash`."""
    return Code(package).hash(script, *extras)
