"""The documentation: it builds without a warning, and its links lead somewhere."""

import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from behrt import configuration
from behrt.version import VERSION

REPOSITORY = Path(__file__).parents[1]
BESIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md")
"""Pages outside the site."""


def test_the_site_has_no_dead_link(tmp_path: Path) -> None:
    """Sphinx warns of dead links, missing anchors, and unknown keys of the configuration."""
    command = [sys.executable, "-m", "sphinx", "--builder", "dummy", "--quiet"]
    done = subprocess.run(
        [*command, "--fail-on-warning", "--keep-going", "docs", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_examples_of_configuration_are_valid() -> None:
    """Each block of YAML in a page, as a file that overrides the defaults."""
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    schema = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
    found = 0
    for page in [*(REPOSITORY / "docs").glob("*.md"), *map(REPOSITORY.joinpath, BESIDE)]:
        for block in re.findall("```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            given = deepcopy(config)
            update_config(given, yaml.safe_load(block))
            configuration.read(given, schema)
            found += 1
    assert found > 3


def test_the_version_is_stated_once_and_agrees() -> None:
    """The code has it; the citation and the changelog name the same one."""
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == VERSION
    changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d\S*) - (\d{4}-\d\d-\d\d)$", changes, re.M)
    assert released[0] == (VERSION, citation["date-released"].isoformat())


def slug(heading: str) -> str:
    """Return the anchor of a heading, as code hosts and the site make it."""
    plain = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@pytest.mark.parametrize("name", BESIDE)
def test_links_of_pages_outside_the_site_lead_somewhere(name: str) -> None:
    page = REPOSITORY / name
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for address in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", address):
            continue
        path, _, anchor = address.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), address
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            assert anchor in map(slug, headings), address
