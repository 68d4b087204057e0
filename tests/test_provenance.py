"""The hash of a script changes with the code that it uses, and with nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from behrt import provenance
from behrt.code_parts import PACKAGE
from behrt.errors import InputError
from behrt.provenance import Code, code_hash, files_used

REPOSITORY = PACKAGE.parent.parent

MODULES = {
    "__init__.py": "",
    "stage.py": "import json\nfrom behrt import logs\n",
    "logs.py": "",
    "lazy.py": "def f():\n    from behrt.models import base\n",
    "data.csv": "a,b\n",
    "models/__init__.py": "",
    "models/base.py": "from . import shared\nfrom ..logs import logger\n",
    "models/shared.py": "",
    "models/chosen.py": "import behrt.models.shared as s\n",
    "circle_a.py": "import behrt.circle_b\n",
    "circle_b.py": "import behrt.circle_a\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "behrt"
    for name, text in MODULES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def script(folder: Path, text: str) -> Path:
    path = folder / "script.py"
    path.write_text(text)
    return path


def names(paths: list[Path], package: Path) -> set[str]:
    return {p.relative_to(package).as_posix() for p in paths if p.is_relative_to(package)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import json\n", set()),
        ("import behrt.stage\n", {"__init__.py", "stage.py", "logs.py"}),
        ("from behrt import stage\n", {"__init__.py", "stage.py", "logs.py"}),
        ("from behrt.logs import logger\n", {"__init__.py", "logs.py"}),
        ("import behrt.lazy\n", {"__init__.py", "lazy.py"}),
        (
            "from behrt.lazy import f\n\nf()\n",
            {
                "__init__.py",
                "lazy.py",
                "logs.py",
                "models/__init__.py",
                "models/base.py",
                "models/shared.py",
            },
        ),
        ("from behrt import circle_a\n", {"__init__.py", "circle_a.py", "circle_b.py"}),
    ],
)
def test_imports_are_followed(tmp_path: Path, package: Path, text: str, expected: set[str]) -> None:
    path = script(tmp_path, text)
    used = files_used(path, package=package)
    assert path in used
    assert names(used, package) == expected


def test_extras_name_modules_and_data(tmp_path: Path, package: Path) -> None:
    path = script(tmp_path, "")
    used = files_used(path, "behrt.models.chosen", "data.csv", package=package)
    assert names(used, package) == {
        "__init__.py",
        "data.csv",
        "models/__init__.py",
        "models/chosen.py",
        "models/shared.py",
    }


@pytest.mark.parametrize("extra", ["behrt.models.nowhere", "nowhere.csv", "json"])
def test_an_extra_that_is_not_there_is_refused(tmp_path: Path, package: Path, extra: str) -> None:
    with pytest.raises(InputError, match="no such module or file"):
        code_hash(script(tmp_path, ""), extra, package=package)


def test_the_hash_follows_data_and_scripts(tmp_path: Path, package: Path) -> None:
    path = script(tmp_path, "from behrt import stage\n")
    before = code_hash(path, "data.csv", package=package)
    assert before == code_hash(path, "data.csv", package=package)
    (package / "models/chosen.py").write_text("changed = True\n")
    assert code_hash(path, "data.csv", package=package) == before
    (package / "data.csv").write_text("a,b\n\n")
    assert code_hash(path, "data.csv", package=package) != before
    path.write_text("from behrt import stage\nchanged = True\n")
    assert code_hash(path, package=package) != code_hash(
        script(tmp_path, "from behrt import stage\n"), package=package
    )


TOOLS = '''"""Tools."""
import math
from dataclasses import dataclass
from functools import cache

from behrt import shared
from behrt.shared import SCALE as factor
from behrt.shared import other, registered

LIMIT = 3
UNUSED = 4
TABLE = dict(a=1)
NAMES = {"late": 1}


@dataclass
class Base:
    """A class."""

    size: int = LIMIT

    def grow(self) -> int:
        return shared.helper(self.size) + factor


class Child(Base):
    pass


@cache
def used(x):
    """Return."""
    # why
    return inner(x) + Base().grow() + math.floor(x)


def inner(x: "Alias") -> int:
    return (x + 1)


def unused(x):
    return other(x)


def late():
    return 1


@registered
def called_at_import():
    return 5


Alias = int
TABLE["b"] = 2
'''
SHARED = """SCALE = 1


def helper(x):
    return x


def other(x):
    return -x


def registered(f):
    return f


if True:
    print("imported")
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# why", "# why not"),
        ('"""Return."""', '"""Return it.\n\n    Whole.\n    """'),
        ('"""Tools."""', '"""All tools."""'),
        ('    """A class."""\n', ""),
        ("return (x + 1)", "return x + 1"),
        ("dict(a=1)", "dict(\n    a=1,\n)"),
        ('"late"', "'late'"),
        ("return other(x)", "return other(x + 1)"),
        ("return -x", "return +x"),
        ("UNUSED = 4", "UNUSED = 5"),
        ("LIMIT = 3", "LIMIT = 3\n\n\ndef new():\n    return other"),
        ("import math", "import json\nimport math\n\n\ndef new():\n    return json"),
        ('TABLE["b"] = 2\n', 'TABLE["b"] = 2\nif __name__ == "__main__":\n    unused(1)\n'),
    ],
)
def test_what_is_not_used_or_not_run_reruns_nothing(
    tmp_path: Path, package: Path, old: str, new: str
) -> None:
    assert not changes(tmp_path, package, old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("inner(x) +", "inner(x) -"),
        ("LIMIT = 3", "LIMIT = 4"),
        ("x + 1", "x + 2"),
        ("x + 1", "x + 1.0"),
        ("SCALE = 1", "SCALE = 2"),
        ("import SCALE as factor", "import other as factor"),
        ("    return x\n", "    return 2 * x\n"),
        ("import math", "import numpy as math"),
        ("import math", "import math\nimport matplotlib"),
        ("from behrt import shared\n", "from behrt import stage as shared\n"),
        ("Alias = int", "Alias = float"),
        ('TABLE["b"] = 2', 'TABLE["b"] = 3'),
        ("dict(a=1)", "dict(a=2)"),
        ("return 5", "return 6"),
        ("    return f\n", "    return None\n"),
        ('"imported"', '"run"'),
        ("@cache\n", ""),
        ("class Child(Base):\n    pass", "class Child(Base):\n    size = 3"),
    ],
)
def test_what_is_used_or_run_reruns(tmp_path: Path, package: Path, old: str, new: str) -> None:
    assert changes(tmp_path, package, old, new)


def test_a_method_with_the_name_of_a_builtin_is_no_reflection(
    tmp_path: Path, package: Path
) -> None:
    (package / "tools.py").write_text(
        "import builtins\nLIMIT = 1\ndef used(x):\n    return x.list.eval(x)\n"
        "def reflecting(x):\n    return builtins.eval(x)\n"
    )
    for name, expected in (("used", False), ("reflecting", True)):
        path = script(tmp_path, f"from behrt.tools import {name}\n{name}(1)\n")
        before = code_hash(path, package=package)
        text = (package / "tools.py").read_text()
        (package / "tools.py").write_text(text.replace("LIMIT = 1", "LIMIT = 2"))
        assert (code_hash(path, package=package) != before) == expected
        (package / "tools.py").write_text(text)


@pytest.mark.parametrize(
    "use",
    [
        "from behrt.tools import unused\nprint(unused)",
        "from behrt import tools\ntools.unused(1)",
        "from behrt import tools as t\n[t.unused(1)]",
        "import behrt.tools\nbehrt.tools.unused(1)",
        "import behrt.tools as t\ngetattr(t, 'un' + 'used')(1)",
        "from behrt import tools\nchosen = {'tools': tools}",
        "from behrt.tools import *\nunused(1)",
        "def f():\n    from behrt.tools import unused as g\n    return g",
        "from behrt.again import unused\nunused(1)",
        "import behrt.again\nbehrt.again.unused(1)",
        "from behrt.reflecting import f\nf()",
    ],
)
def test_every_way_of_use_is_followed(tmp_path: Path, package: Path, use: str) -> None:
    (package / "again.py").write_text("from behrt.tools import unused\n")
    (package / "reflecting.py").write_text(
        "from behrt.tools import unused\ndef f():\n    return globals()['un' + 'used']\n"
        "def g():\n    return unused\n"
    )
    assert changes(tmp_path, package, "return other(x)", "return other(x + 1)", use)
    assert changes(tmp_path, package, "return -x", "return +x", use)


def test_docstrings_count_where_they_are_read(tmp_path: Path, package: Path) -> None:
    use = "from behrt.tools import used\nprint(used.__doc__)"
    assert changes(tmp_path, package, '"""Return."""', '"""Return it."""', use)


def changes(tmp_path: Path, package: Path, old: str, new: str, use: str = "") -> bool:
    """Return whether an edit changes the hash of a script that uses `tools.used`, or as given."""
    path = script(tmp_path, use or "from behrt.tools import used\nused(1)\n")
    hashes = []
    for before, after in ((old, old), (old, new)):
        for name, text in (("tools.py", TOOLS), ("shared.py", SHARED)):
            (package / name).write_text(text.replace(before, after))
        hashes.append(code_hash(path, package=package))
    assert old in TOOLS + SHARED
    return hashes[0] != hashes[1]


def test_the_hash_does_not_follow_dates_or_places(tmp_path: Path, package: Path) -> None:
    path = script(tmp_path, "from behrt import stage\n")
    before = code_hash(path, package=package)
    os.utime(package / "logs.py", (1, 1))
    os.utime(path, (1, 1))
    assert code_hash(path, package=package) == before
    moved = tmp_path / "another" / "place"
    moved.mkdir(parents=True)
    shutil.copytree(package, moved / "behrt")
    again = script(moved, path.read_text())
    assert code_hash(again, package=moved / "behrt") == before


def test_every_script_uses_the_stage_module() -> None:
    for path in (REPOSITORY / "scripts").glob("*.py"):
        assert "stage.run(main, snakemake)" in path.read_text(encoding="utf-8"), path.name


HIDDEN = {
    "a class whose body registers": (
        "from behrt.shared import other\nTABLE = {}\ndef used(x):\n    return TABLE\n"
        "class Chosen:\n    TABLE['a'] = 1\n",
        "['a'] = 1",
        "['a'] = 2",
    ),
    "a method whose decorator registers": (
        "from behrt.shared import registered\ndef used(x):\n    return x\n"
        "class Chosen:\n    @registered\n    def f(self):\n        return 1\n",
        "return 1",
        "return 2",
    ),
    "a default that is computed": (
        "TABLE = []\ndef used(x):\n    return TABLE\ndef add(x):\n    TABLE.append(x)\n"
        "def unused(x=add(1)):\n    return x\n",
        "add(1)",
        "add(2)",
    ),
    "an assignment within an expression": (
        "FIRST = (SECOND := 1)\ndef used(x):\n    return SECOND\n",
        ":= 1",
        ":= 2",
    ),
    "the order of two assignments": (
        "LIMIT = 1\nCOPY = LIMIT\nLIMIT = 2\ndef used(x):\n    return COPY\n",
        "COPY = LIMIT\nLIMIT = 2\n",
        "LIMIT = 2\nCOPY = LIMIT\n",
    ),
    "the order of a copy and a change": (
        "TABLE = {'a': 1}\nCOPY = {**TABLE}\nTABLE['a'] = 2\ndef used(x):\n    return COPY\n",
        "COPY = {**TABLE}\nTABLE['a'] = 2\n",
        "TABLE['a'] = 2\nCOPY = {**TABLE}\n",
    ),
    "the order of two imports of one name": (
        "from behrt.shared import helper as f\nfrom behrt.shared import other as f\n"
        "def used(x):\n    return f(x)\n",
        "from behrt.shared import helper as f\nfrom behrt.shared import other as f\n",
        "from behrt.shared import other as f\nfrom behrt.shared import helper as f\n",
    ),
    "a registry of functions": (
        "from functools import partial\ndef first(x):\n    return 1\n"
        "TABLE = {'a': partial(first)}\ndef used(x):\n    return TABLE[x](x)\n",
        "return 1",
        "return 2",
    ),
    "a change of another module": (
        "from behrt import shared\nshared.helper = lambda x: 1\ndef used(x):\n"
        "    return shared.helper(x)\n",
        "x: 1",
        "x: 2",
    ),
    "a module named in a text": (
        "import sys\ndef used(x):\n    import behrt.named\n"
        "    return sys.modules['behrt.named'].f()\n",
        "return 1",
        "return 2",
    ),
    "names looked up in the module": (
        "import sys\ndef unused():\n    return 1\ndef used(x):\n"
        "    return getattr(sys.modules[__name__], 'un' + 'used')()\n",
        "return 1",
        "return 2",
    ),
    "names of a function's module": (
        "def unused():\n    return 1\ndef used(x):\n    return used.__globals__['un' + 'used']()\n",
        "return 1",
        "return 2",
    ),
    "a name of the package that a module has too": (
        "from behrt import folder\ndef used(x):\n    return folder.named(x)\n",
        "return 1",
        "return 2",
    ),
    "a package passed as a value": (
        "from behrt import folder\nimport behrt.folder.other\ndef used(x):\n"
        "    return getattr(folder, 'oth' + 'er').g()\n",
        "return 3",
        "return 4",
    ),
    "a data file": (
        "from pathlib import Path\nTABLE = Path(__file__).with_name('table.csv')\n"
        "def used(x):\n    return TABLE.read_text()\n",
        "a,1",
        "a,2",
    ),
}
AROUND = {
    "shared.py": SHARED,
    "named.py": "def f():\n    return 1\n",
    "folder/__init__.py": "from .private import f as named\n",
    "folder/private.py": "def f(x):\n    return 1\n",
    "folder/named.py": "",
    "folder/other.py": "def g():\n    return 3\n",
    "table.csv": "a,1\n",
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_names_hide_is_followed(tmp_path: Path, package: Path, kind: str) -> None:
    text, old, new = HIDDEN[kind]
    path = script(tmp_path, "from behrt.tools import used\nused(1)\n")
    (package / "folder").mkdir()
    hashes = set()
    for before, after in ((old, old), (old, new)):
        for name, content in {**AROUND, "tools.py": text}.items():
            (package / name).write_text(content.replace(before, after))
        hashes.add(code_hash(path, package=package))
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Return."""', '"""Return what `unused` and `behrt.models.chosen` do not."""'),
        ("    size: int = LIMIT\n", '    size: int = LIMIT\n    """In mm."""\n'),
    ],
)
def test_names_in_docstrings_are_no_use(tmp_path: Path, package: Path, old: str, new: str) -> None:
    assert not changes(tmp_path, package, old, new)


def test_a_cache_spares_the_parsing_and_changes_no_hash(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = script(tmp_path, "from behrt.models import base, chosen\nimport behrt.lazy\n")
    cache = tmp_path / "new" / "code.json"

    def hashed() -> str:
        code = Code(package, cache)
        found = code.hash(given, "data.csv")
        code.keep()
        return found

    first = hashed()
    assert first == code_hash(given, "data.csv", package=package)
    with monkeypatch.context() as patched:
        patched.setattr(provenance, "parse", None)
        assert hashed() == first
    (package / "models" / "base.py").write_text("from . import shared\nx = print(1)\n")
    changed = hashed()
    assert changed == code_hash(given, "data.csv", package=package) != first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"parser": "older", "modules": {}}'])
def test_a_cache_that_is_damaged_or_of_another_parser_is_not_used(
    text: str, package: Path, tmp_path: Path
) -> None:
    given = script(tmp_path, "import behrt.stage\n")
    cache = tmp_path / "code.json"
    cache.write_text(text)
    code = Code(package, cache)
    assert code.hash(given) == code_hash(given, package=package)
    code.keep()
    assert Code(package, cache).hash(given) == code.hash(given)
