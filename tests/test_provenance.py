"""The hash of a script follows the content of what it imports, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from behrt.errors import InputError
from behrt.provenance import PACKAGE, code_hash, files_used

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
        (
            "import behrt.lazy\n",
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


def test_the_hash_follows_content(tmp_path: Path, package: Path) -> None:
    path = script(tmp_path, "from behrt import stage\n")
    before = code_hash(path, "data.csv", package=package)
    assert before == code_hash(path, "data.csv", package=package)
    for name in ("stage.py", "logs.py", "data.csv"):
        old = (package / name).read_text()
        (package / name).write_text(old + "\n# changed\n")
        assert code_hash(path, "data.csv", package=package) != before
        (package / name).write_text(old)
    (package / "models/chosen.py").write_text("changed = True\n")
    assert code_hash(path, "data.csv", package=package) == before
    path.write_text("from behrt import stage\n# changed\n")
    assert code_hash(path, "data.csv", package=package) != before


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


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "scripts").glob("*.py")), ids=lambda p: p.stem
)
def test_every_script_uses_the_stage_module(path: Path) -> None:
    assert PACKAGE / "stage.py" in files_used(path)
