"""The pages of a run: what they have, and in a real browser: no request, no error, no overflow."""

import base64
import json
import os
import re
from pathlib import Path

import polars as pl
import pytest
from selenium import webdriver

from .conftest import TINY, Copy
from .test_run import TARGETS

pytestmark = pytest.mark.workflow

HOSTILE = "<script>alert(1)</script>"

PAGES = ["report.html", "figures/embedding_map.html", "figures/explorer.html", "provenance.html"]

CONTROLS = "button, summary, select, input, a, [role=button]"
# Clicks a control, unless it leads to another file. Returns the address that it leads to, and
# whether the page still shows something: an error in a React page removes its content.
CLICK = """
const control = document.querySelectorAll(arguments[0])[arguments[1]];
const leads = control.href && (control.href.baseVal ?? control.href);
const here = location.href.split("#")[0];
const elsewhere = leads && !leads.startsWith(here) && !leads.startsWith("javascript:");
if (!elsewhere) {
  const click = new MouseEvent("click", {bubbles: true, cancelable: true, view: window});
  control.dispatchEvent(click);
}
const content = document.getElementById("app") ?? document.body;
return [elsewhere ? leads : null, content.childElementCount > 0];
"""


@pytest.fixture(scope="module")
def results(tiny: Copy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run, with Snakemake's report, in which the name of a disease is HTML."""
    copy = tiny.copy(tmp_path_factory.mktemp("pages") / "copy")
    table = copy.results / "tables" / "diseases.csv"
    when = table.stat()
    name = pl.read_csv(table)["disease"][0]
    table.write_text(table.read_text().replace(name, HOSTILE))
    os.utime(table, ns=(when.st_atime_ns, when.st_mtime_ns))
    offline = dict.fromkeys(["http_proxy", "https_proxy", "all_proxy"], "http://127.0.0.1:9")
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in offline.items():
            patch.setenv(variable, value)
            patch.setenv(variable.upper(), value)
        copy.snakemake("--report", "results/test/provenance.html", *TINY)
    return copy.results


def test_the_report_has_the_targets_and_nothing_else(results: Path) -> None:
    page = (results / "provenance.html").read_text()
    assert len(page) < 50e6
    (listed,) = re.findall(r"var results = (\{.*\})", page)
    assert sorted(json.loads(listed)) == sorted(f"results/test/{name}" for name in TARGETS)


def test_a_name_reaches_the_report_as_data(results: Path) -> None:
    page = (results / "provenance.html").read_text()
    assert HOSTILE not in page
    table = (results / "tables" / "diseases.csv").read_bytes()
    assert HOSTILE.encode() in table
    assert base64.b64encode(table).decode() in page


@pytest.mark.browser
@pytest.mark.parametrize("page", PAGES)
def test_every_control_works_without_a_network(
    browser: webdriver.Chrome, results: Path, page: str
) -> None:
    address = (results / page).as_uri()
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    for width in (400, 1280):
        browser.set_window_size(width, 900)
        browser.get(address)
        if page != "provenance.html":  # its layout is Snakemake's
            assert_no_overflow(browser)
    browser.execute_script("window.opened = []; window.open = (...all) => opened.push(all)")
    clicked = 0
    # A click may show further controls: those of provenance.html are its menus.
    while clicked < min(count(browser), 100):
        leads, shown = browser.execute_script(CLICK, CONTROLS, clicked)
        assert leads is None or leads.startswith(("file:", "data:", "blob:")), leads
        assert shown, "the page is empty"
        clicked += 1
    assert clicked > 5
    if page != "provenance.html":
        assert_no_overflow(browser)
    assert browser.execute_script("return window.opened") == []
    # Snakemake's page warns of its style sheets.
    harmless = {"INFO", "WARNING"} if page == "provenance.html" else {"INFO"}
    entries = browser.get_log("browser")
    assert [entry for entry in entries if entry["level"] not in harmless] == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert address in asked
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked), asked


def count(browser: webdriver.Chrome) -> int:
    found: int = browser.execute_script(
        "return document.querySelectorAll(arguments[0]).length", CONTROLS
    )
    return found


def assert_no_overflow(browser: webdriver.Chrome) -> None:
    wide = "const root = document.documentElement; return [root.scrollWidth, root.clientWidth]"
    content, window = browser.execute_script(wide)
    assert content <= window, f"{content} px of content in a window of {window} px"


@pytest.mark.browser
def test_every_link_of_the_provenance_report_opens(
    browser: webdriver.Chrome, results: Path
) -> None:
    """Snakemake makes a switch of a label with two values, for each of the other labels' values."""
    browser.get((results / "provenance.html").as_uri())
    categories = browser.execute_script("return categories")
    entries = browser.execute_script("return results")
    assert "Start here" in categories
    for category, groups in categories.items():
        for paths in groups.values():
            labels = [entries[path]["labels"] for path in paths]
            assert len({tuple(sorted(one.items())) for one in labels}) == len(labels), category
            for key in labels[0]:
                values = [one.get(key) for one in labels]
                if len(set(values)) == 2 and values.count(values[0]) * 2 == len(values):
                    others = [{k: v for k, v in one.items() if k != key} for one in labels]
                    assert all(others.count(one) == 2 for one in others), (category, labels)
