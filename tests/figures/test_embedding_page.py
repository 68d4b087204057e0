"""The interactive map: what it shows, what it hides, and that it loads nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from behrt.disclosure import Rules
from behrt.figures.embedding_page import describe, prevalence, render
from behrt.sequences.vocabulary import Vocabulary

NAMES = ("Asthma", "Fever & <b>chills</b>", "Gout", "Itch </script><script>", "Stroke", "Ulcer")
WORDS = Vocabulary(NAMES, ("Lung", "Whole body", "Joints", "Skin", "Brain", "Skin"))
PATIENTS = np.array([500, 200, 90, 4, 0, 997])
TOTAL = 1000


@pytest.fixture(scope="module")
def page() -> str:
    random = np.random.default_rng(2)
    diseases = describe(
        random.normal(size=(6, 2)), WORDS, PATIENTS, TOTAL, random.normal(size=(6, 4)), 10, Rules(5)
    )
    return render(diseases, WORDS, PATIENTS, TOTAL, "simulated", "strict", 2020)


class Loads(HTMLParser):
    """What the markup of a page loads or leads to, and its inline data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.policy = ""
        self.scripts: dict[str, str] = {}
        self._inside: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        loading = {"src", "href", "srcset", "action", "data", "poster", "background", "ping"}
        self.addresses += [f"{tag} {values[name]}" for name in loading & set(values)]
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        self._inside = (
            (values.get("id") or f"script {len(self.scripts)}") if tag == "script" else None
        )

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data


def test_nothing_is_loaded_and_nothing_can_be(page: str) -> None:
    loads = Loads(page)
    assert loads.addresses == []
    directives = dict(part.strip().split(" ", 1) for part in loads.policy.split(";"))
    assert directives.pop("default-src") == "'none'"
    sources = {source for value in directives.values() for source in value.split()}
    assert sources <= {"'none'", "'unsafe-inline'", "data:", "blob:"}
    style = "".join(re.findall(r"<style>(.*?)</style>", page, re.S))
    assert "@import" not in style
    assert "url(" not in style
    own = [text for name, text in loads.scripts.items() if "plotly.js v" not in text[:200]]
    assert len(own) == 3
    assert not any("://" in text for text in own)


def test_every_disease_is_there(page: str) -> None:
    scripts = Loads(page).scripts
    diseases = json.loads(scripts["diseases"])
    assert [disease["name"] for disease in diseases] == [*NAMES]
    traces = json.loads(scripts["figure"])["data"]
    drawn = sorted(index for trace in traces for index in trace.get("customdata", []))
    assert drawn == [*range(len(NAMES))]
    hovers = {
        index: text
        for trace in traces
        for index, text in zip(trace.get("customdata", []), trace.get("hovertext", []), strict=True)
    }
    assert hovers[0].startswith("<b>Asthma</b><br>Lung<br>Prevalence: 50 %<br>Nearest:")
    assert "Fever &amp; &lt;b&gt;chills" in hovers[1]


def test_a_rare_disease_tells_nothing_of_its_patients(page: str) -> None:
    diseases = json.loads(Loads(page).scripts["diseases"])
    assert diseases[3]["prevalence"] == "fewer than 5 training patients"
    assert diseases[3]["neighbours"] == diseases[4]["neighbours"] == []
    for disease in diseases:
        assert not {3, 4} & {index for index, _ in disease["neighbours"]}
    assert len(diseases[0]["neighbours"]) == 3


@pytest.mark.parametrize(
    ("patients", "threshold", "shown"),
    [
        (0, 5, "no training patient"),
        (4, 5, "fewer than 5 training patients"),
        (5, 5, "0.7 %"),  # 5 to 9 patients
        (9, 5, "0.7 %"),
        (123, 5, "12 %"),
        (996, 5, "all but fewer than 5 training patients"),
        (1000, 5, "100 %"),
        (1, 0, "0.1 %"),
    ],
)
def test_a_prevalence_in_words(patients: int, threshold: int, shown: str) -> None:
    assert prevalence(patients, TOTAL, Rules(threshold)) == shown


@pytest.mark.browser
def test_a_disease_is_found_by_its_name_and_its_neighbours(
    browser: webdriver.Chrome, page: str, tmp_path: Path
) -> None:
    (tmp_path / "map.html").write_text(page, encoding="utf-8")
    browser.get((tmp_path / "map.html").as_uri())
    browser.find_element(By.ID, "search").send_keys("chills fev")
    (match,) = browser.find_elements(By.CSS_SELECTOR, "#matches button")
    match.click()
    assert browser.find_element(By.CSS_SELECTOR, "#details h2").text == NAMES[1]
    near = browser.find_elements(By.CSS_SELECTOR, "#details ol button")
    assert len(near) == 3
    name = near[0].text.splitlines()[0]
    near[0].click()
    assert browser.find_element(By.CSS_SELECTOR, "#details h2").text == name
    assert browser.find_elements(By.CSS_SELECTOR, "#map .scatterlayer .point")


@pytest.mark.browser
def test_the_map_is_wide_on_a_narrow_screen(browser: webdriver.Chrome, tmp_path: Path) -> None:
    chapters = tuple(f"Musculoskeletal system and connective tissue {i:02d}" for i in range(16))
    words = Vocabulary(tuple(f"Disease {i}" for i in range(16)), chapters)
    random, patients = np.random.default_rng(2), np.full(16, 500)
    places, embeddings = random.normal(size=(16, 2)), random.normal(size=(16, 4))
    diseases = describe(places, words, patients, TOTAL, embeddings, 10, Rules(5))
    page = render(diseases, words, patients, TOTAL, "simulated", "strict", 2020)
    (tmp_path / "map.html").write_text(page, encoding="utf-8")
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get((tmp_path / "map.html").as_uri())
        plot = browser.find_element(By.CSS_SELECTOR, "#map .nsewdrag").size
        assert min(plot["width"], plot["height"]) > 300
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
