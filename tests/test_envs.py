"""The conda files, constraints.txt and pyproject.toml agree, and hold what the scripts import."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from behrt.provenance import PACKAGE, files_used

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
DISTRIBUTIONS = {
    "lightning_fabric": "lightning-fabric",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def pinned(python: str) -> dict[str, str]:
    """Return version by distribution, as constraints.txt pins them on Linux."""
    place = {"python_full_version": f"{python}.9", "python_version": python}
    place |= {"sys_platform": "linux", "platform_machine": "x86_64"}
    pins = {}
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines():
        requirement, _, marker = line.partition(" ; ")
        if not marker or Marker(marker).evaluate(place):
            name, _, version = requirement.partition("==")
            pins[canonicalize_name(name)] = version
    return pins


def listed(path: Path) -> tuple[str, dict[str, str]]:
    """Return the Python version of a conda file, and its version by distribution."""
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    (python,) = [d for d in dependencies if isinstance(d, str) and d.startswith("python=")]
    (packages,) = [d["pip"] for d in dependencies if isinstance(d, dict)]
    assert [d for d in dependencies if d != python and isinstance(d, str)] == ["pip"]
    return python.removeprefix("python="), dict(package.split("==") for package in packages)


def imported(path: Path) -> set[str]:
    """Return the distributions that a file imports, neither Python's own nor this one."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    third_party = names - set(sys.stdlib_module_names) - {PACKAGE.name}
    return {DISTRIBUTIONS.get(name, name) for name in third_party}


def rules() -> dict[str, str]:
    """Return the name of each rule's conda file by the name of its script."""
    found = {}
    for path in (REPOSITORY / "rules").glob("*.smk"):
        for block in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            script = re.search(r'"\.\./scripts/(\w+)\.py"', block)
            conda = re.search(r'"\.\./envs/(\w+)\.yaml"', block)
            assert script, block
            assert conda, block
            found[script[1]] = conda[1]
    return found


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_a_conda_file_pins_what_constraints_pin(path: Path) -> None:
    python, versions = listed(path)
    pins = pinned(python)
    assert versions == {name: pins[name] for name in versions}
    assert list(versions) == sorted(versions)


def test_every_script_has_a_rule_and_an_environment() -> None:
    assert set(rules()) == {path.stem for path in (REPOSITORY / "scripts").glob("*.py")}
    assert set(rules().values()) == {path.stem for path in ENVIRONMENTS}


@pytest.mark.parametrize(("script", "environment"), sorted(rules().items()))
def test_an_environment_holds_what_its_scripts_import(script: str, environment: str) -> None:
    _, versions = listed(REPOSITORY / "envs" / f"{environment}.yaml")
    extras = [f"behrt.models.{path.stem}" for path in (PACKAGE / "models").glob("[a-z]*.py")]
    dynamic = extras if script in ("finetune", "predict") else []
    files = files_used(REPOSITORY / "scripts" / f"{script}.py", *dynamic)
    needed = set().union(*(imported(path) for path in files if path.suffix == ".py"))
    assert needed <= set(versions), f"add {sorted(needed - set(versions))} to {environment}.yaml"


def test_no_environment_holds_more_than_its_scripts_import() -> None:
    for path in ENVIRONMENTS:
        needed: set[str] = set()
        for script, environment in rules().items():
            if environment == path.stem:
                models = (PACKAGE / "models").glob("[a-z]*.py")
                dynamic = [f"behrt.models.{model.stem}" for model in models]
                extras = dynamic if script in ("finetune", "predict") else []
                for file in files_used(REPOSITORY / "scripts" / f"{script}.py", *extras):
                    needed |= imported(file) if file.suffix == ".py" else set()
        unseen = {"pyarrow"}  # polars loads it by itself
        assert set(listed(path)[1]) <= needed | unseen, path.name


def test_constraints_pin_every_dependency_and_name_no_registry() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pins = pinned("3.12")
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    for requirement in map(Requirement, wanted):
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
    assert "://" not in (REPOSITORY / "constraints.txt").read_text()


def test_the_workflow_alone_can_make_its_provenance_report() -> None:
    """`make demo` asks Snakemake for it in an environment without the checks' packages."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (snakemake,) = [
        requirement
        for requirement in map(Requirement, project["dependencies"])
        if requirement.name == "snakemake"
    ]
    assert "reports" in snakemake.extras
