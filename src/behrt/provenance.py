"""The code a script depends on, as one hash: what Snakemake itself does not track.

Snakemake notices a changed parameter, not a changed module. A rule that carries this hash among
its params runs again when its script, or a module that the script imports, has new content; a
`touch` or a fresh clone changes nothing.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from behrt.errors import InputError

PACKAGE = Path(__file__).parent


def _module_files(module: str, package: Path) -> Iterator[Path]:
    """Yield the files that importing a dotted name runs: each package on the way, then itself."""
    parts = module.split(".")
    if parts[0] != package.name:
        return
    for depth in range(1, len(parts) + 1):
        place = package.joinpath(*parts[1:depth])
        if (place / "__init__.py").is_file():
            yield place / "__init__.py"
        elif place.with_suffix(".py").is_file():
            yield place.with_suffix(".py")


@cache
def _imported_names(code: bytes, folder: tuple[str, ...]) -> list[str]:
    """Return the dotted names that a module imports, wherever in it; `folder` holds the module."""
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = [node.module] if node.module else []
            if node.level:
                source = [*folder[: len(folder) - node.level + 1], *source]
            names += [".".join([*source, alias.name]) for alias in node.names]
    return names


def files_used(script: Path, *extras: str, package: Path = PACKAGE) -> list[Path]:
    """Return the files whose content decides what a script does, sorted.

    These are the script, the package's modules that it imports, directly or through others, and
    the extras: names of modules that are imported by a computed name ("behrt.models.deepr"), or
    paths of data files in the package ("simulation/diseases.csv").

    Raises:
        InputError: if an extra is neither a module nor a file of the package.
    """
    waiting = [Path(script)]
    found: set[Path] = set()
    for extra in extras:
        data = package / extra
        files = [data] if data.is_file() else list(_module_files(extra, package))
        if not data.is_file() and len(files) < len(extra.split(".")):
            raise InputError(extra, "the package has no such module or file", "Check its name")
        waiting += files
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        if path.suffix == ".py":
            inside = path.is_relative_to(package)
            folder = path.parent.relative_to(package.parent).parts if inside else ()
            for name in _imported_names(path.read_bytes(), folder):
                waiting += _module_files(name, package)
    return sorted(found)


def code_hash(script: Path, *extras: str, package: Path = PACKAGE) -> str:
    """Return 16 hexadecimal digits that change when the content of a file in use changes.

    Arguments and errors are those of `files_used`. Neither times nor places of files count.
    """
    lines = []
    for path in files_used(script, *extras, package=package):
        inside = path.is_relative_to(package)
        name = path.relative_to(package).as_posix() if inside else path.name
        lines.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:16]
