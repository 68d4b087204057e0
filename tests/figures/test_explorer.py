"""The explorer: its content, and its behaviour in a real browser without a network."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from behrt.evaluation.recalibration import Recalibration
from behrt.figures.explorer import future_data, packed, page
from behrt.interpretation.predictions import History, explain
from behrt.learning.examples import Examples
from behrt.learning.futures import Futures
from behrt.learning.words import Words
from behrt.models.behrt import Behrt
from behrt.sequences.vocabulary import Vocabulary
from behrt.settings.behrt import Settings

NAMES = ("Asthma", "<b>Bold</b> & 'quoted' \"name\"", "Gout", "</script><script>x", "Stroke_NOS")
WORDS = Vocabulary(NAMES, ("Lungs", "A & B", "Joints", "Lungs", "Vessels"))
SHAPE = {"hidden": 12, "layers": 2, "heads": 3, "intermediate": 16, "max_length": 40}
LINE = Recalibration(0.8, (-0.4,) * len(NAMES), 0.1)
FACTS = {
    "run": "a <run>", "model": "behrt", "readout": "cls", "task": "T2", "protocol": "strict",
    "window": "in the next 6 months", "seed": 7, "steps": 64, "diagnoses": [4, 9],
    "most_visits": 9, "tuning_patients": 1234, "slope": 0.8, "spread": 0.1,
}  # fmt: skip


def examples() -> Examples:
    """Return two patients: four visits, and six."""
    visits = [[0, 1], [2], [0, 3], [4], [1], [1], [2, 4], [0], [3], [1, 2]]
    codes = [code for visit in visits for code in visit]
    return Examples(
        subject_id=np.array([81234567, 87654321]),
        sex=np.array([1, 2], dtype=np.int8),
        follow_up_start=np.zeros(2, dtype=np.int32),
        visit_offsets=np.array([0, 4, 10]),
        visit_day=np.arange(10, dtype=np.int32),
        visit_age=np.array([400, 407, 430, 431, 700, 703, 790, 791, 800, 850], dtype=np.int16),
        code_offsets=np.cumsum([0, *map(len, visits)]),
        codes=np.array(codes, dtype=np.int16),
        label_offsets=np.array([0, 1, 1]),
        labels=np.array([2], dtype=np.int16),
        known_offsets=np.array([0, 5, 10]),
        known=np.array([0, 1, 2, 3, 4] * 2, dtype=np.int16),
        n_diseases=len(NAMES),
    )


def histories(readout: str) -> list[History]:
    torch.manual_seed(1)
    settings = Settings(**SHAPE, readout=readout)  # type: ignore[arg-type]
    model = Behrt(settings, len(NAMES)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)
    scores = np.array([[0.5, 0.02, 0.3, 0.1, 0.2], [0.1, 0.9, 0.3, 0.4, 0.2]])
    return explain(model, settings, examples(), scores, LINE, 4)


@pytest.fixture(scope="module")
def shown() -> list[History]:
    return histories("cls")


def write(histories: list[History], path: Path, **facts: Any) -> Path:
    text = page(histories, WORDS, [0.1, 0.0, None, 0.05, 0.01], {**FACTS, **facts})
    path.write_text(text, encoding="utf-8")
    return path


# --- What it holds ----------------------------------------------------------------------------


def test_a_byte_keeps_a_weight() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(30), (2, 3)).astype(np.float32)
    stored = np.frombuffer(base64.b64decode(packed(weights)), dtype=np.uint8)
    back = (stored.reshape(weights.shape) / 255) ** 2
    assert (np.abs(back - weights) <= np.sqrt(weights) / 255 + 1e-5).all()


def test_predictions_are_the_likeliest_recalibrated(shown: list[History]) -> None:
    first = shown[0].predictions
    assert [prediction.disease for prediction in first] == [0, 2, 4, 3]
    assert first[0].risk == pytest.approx(1 / (1 + np.exp(0.4)))
    assert [prediction.observed for prediction in first] == [False, True, False, False]
    assert all(prediction.known for prediction in first)
    assert shown[0].read == 0
    masked = histories("mask")[0]
    assert masked.read == len(masked.words.tokens) - 2


def test_the_page_is_complete_in_itself_and_names_nobody(
    shown: list[History], tmp_path: Path
) -> None:
    text = write(shown, tmp_path / "a.html").read_text()
    assert text == write(shown, tmp_path / "b.html").read_text()
    assert "81234567" not in text
    assert "87654321" not in text
    assert "a &lt;run&gt;" in text
    assert "<b>Bold" not in text
    assert text.count("</script>") == 2
    sources = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", text)
    assert all(source.startswith("data:") for source in sources), sources
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}


def test_a_dozen_patients_of_the_paper_s_model_stay_small(shown: list[History]) -> None:
    """6 layers, 12 heads, and the longest histories that rules/pages.smk lets through."""
    length = 1 + 16 + 14 + 2
    words = Words(
        np.array([0, length]),
        np.full(length, 5, dtype=np.int64),
        np.full(length, 700, dtype=np.int64),
        np.zeros(length, dtype=np.int64),
    )
    weights = np.full((6, 12, length, length), 1 / length, dtype=np.float32)
    predictions = shown[0].predictions * 3
    long = [
        replace(prediction, contributions=np.full(length, -1.2345)) for prediction in predictions
    ]
    history = History(1, words, 0, weights, tuple(long))
    assert len(page([history] * 12, WORDS, [0.0] * 5, FACTS).encode()) < 3e6


def futures_of_both() -> list[dict[str, Any]]:
    """Return what the page shows of two futures of each patient, of whom one dies."""
    futures = Futures(
        patient=np.array([0, 0, 1, 1]),
        death=np.array([np.inf, 800.0, np.inf, np.inf]),
        row=np.array([0, 0, 0, 1, 2]),
        day=np.array([375, 375, 3000, 400, 10]),
        disease=np.array([1, 3, 3, 3, 0]),
    )
    known = np.array([[True, True, False, False, False], [True, False, False, False, False]])
    start, ages = np.zeros(2, dtype=np.int64), np.array([600, 700])
    return future_data(futures, start, known, ages, 2)


FUTURES = {**FACTS, "foreseeing": "delphi", "futures": 2}


def test_futures_are_shares_of_new_diseases_and_visits_by_age() -> None:
    found = futures_of_both()
    assert found[0]["death"] == [0, 0] + [0.5] * 8
    assert [one["disease"] for one in found[0]["diseases"]] == [3, 2]
    assert found[0]["diseases"][0]["shares"] == [0] + [1] * 9
    assert found[0]["samples"] == [
        [{"age": 612, "diseases": [1, 3]}, {"age": 698, "diseases": [3]}],
        [{"age": 613, "diseases": [3]}, {"age": 626, "diseases": None}],
    ]


# --- In a browser -----------------------------------------------------------------------------


def links(browser: webdriver.Chrome) -> dict[tuple[int, int], float]:
    """Return the weight of each link in the drawing."""
    script = "return [...document.querySelectorAll('#history .link')].map(l => ({...l.dataset}))"
    drawn: list[dict[str, str]] = browser.execute_script(script)
    return {(int(d["from"]), int(d["to"])): float(d["weight"]) for d in drawn}


def expected(
    weights: np.ndarray, chosen: list[int], looks: bool, most: int
) -> dict[tuple[int, int], float]:
    pairs = [
        (one, other) if looks else (other, one)
        for one in chosen
        for other in range(len(weights))
        if other != one
    ]
    strongest = sorted(pairs, key=lambda pair: -weights[pair])[:most]
    return {pair: float(weights[pair]) for pair in strongest}


def press(browser: webdriver.Chrome, group: str, value: str) -> None:
    control = browser.find_element(By.CSS_SELECTOR, f"#{group} input[value='{value}']")
    control.find_element(By.XPATH, "..").click()


def same(drawn: dict[tuple[int, int], float], wanted: dict[tuple[int, int], float]) -> bool:
    """Return whether the links are the wanted ones, but for ties within a byte's error."""
    least = min(wanted.values())
    return len(drawn) == len(wanted) and all(
        abs(weight - wanted.get(pair, least)) < 0.01 for pair, weight in drawn.items()
    )


@pytest.mark.browser
@pytest.mark.parametrize("readout", ["cls", "mask"])
def test_picks_are_followed_offline(
    browser: webdriver.Chrome, tmp_path: Path, readout: str
) -> None:
    shown = histories(readout)
    path = write(shown, tmp_path / "explorer.html", readout=readout)
    browser.get_log("performance")
    browser.get(path.as_uri())
    assert Select(browser.find_element(By.ID, "patient")).options[1].text == (
        "2: woman, 6 visits, age 58–70"
    )

    # at first: what the predictions are read from, last layer, mean of heads
    first = shown[0]
    assert same(links(browser), expected(first.attention[1].mean(0), [first.read], True, 15))
    # another patient, visit, layer, head and direction
    Select(browser.find_element(By.ID, "patient")).select_by_value("1")
    second = shown[1]
    assert same(links(browser), expected(second.attention[1].mean(0), [second.read], True, 15))
    press(browser, "layer", "0")
    press(browser, "head", "2")
    Select(browser.find_element(By.ID, "visit")).select_by_value("5")
    at_six = [
        i
        for i, (token, visit) in enumerate(
            zip(second.words.tokens, second.words.visits, strict=True)
        )
        if visit == 5 and token >= 5
    ]
    assert len(at_six) == 2
    assert same(links(browser), expected(second.attention[0, 2], at_six, True, 15))
    press(browser, "direction", "to")
    assert same(links(browser), expected(second.attention[0, 2], at_six, False, 15))
    assert not browser.find_element(By.ID, "layer-note").is_displayed()
    press(browser, "layer", "1")
    assert browser.find_element(By.ID, "layer-note").is_displayed()

    # by keyboard: the first visit, fewer links, a disease
    visit = browser.find_element(By.CSS_SELECTOR, "#history [data-visit='1']")
    visit.send_keys(Keys.ARROW_LEFT)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert Select(browser.find_element(By.ID, "visit")).first_selected_option.text.startswith(
        "visit 1,"
    )
    browser.find_element(By.ID, "strongest").send_keys(Keys.HOME)
    assert len(links(browser)) == 1
    buttons = browser.find_elements(By.CSS_SELECTOR, "#predictions button")
    assert [int(button.get_attribute("data-disease") or -1) for button in buttons] == [
        prediction.disease for prediction in second.predictions
    ]
    buttons[1].send_keys(Keys.ENTER)
    chosen = second.predictions[1]
    pressed = browser.find_elements(By.CSS_SELECTOR, "#predictions [aria-pressed='true']")
    assert [button.get_attribute("data-disease") for button in pressed] == [str(chosen.disease)]
    assert f"{100 * chosen.risk:.0f} %" in pressed[0].text
    discs = browser.find_elements(By.CSS_SELECTOR, "#history .disc")
    felt = np.flatnonzero(np.abs(chosen.contributions) >= 0.05)
    assert [int(disc.get_attribute("data-word") or -1) for disc in discs] == felt.tolist()
    rises = {int(d.get_attribute("data-word") or -1): d.get_attribute("fill") for d in discs}
    assert rises == {
        word: "#b35806" if chosen.contributions[word] > 0 else "#542788" for word in felt.tolist()
    }

    # names are text, never markup; everything drawn has a name for a screen reader
    browser.find_element(By.ID, "previous").click()
    assert NAMES[1] in browser.find_element(By.ID, "history").text
    assert not browser.find_elements(
        By.CSS_SELECTOR, "main b b, #history b, #predictions button > b"
    )
    picture = browser.find_element(By.CSS_SELECTOR, "#history svg")
    assert "patient 1" in (picture.get_attribute("aria-label") or "")

    severe = [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"]
    assert severe == []
    messages = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    asked = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert path.as_uri() in asked
    assert all(url.startswith(("file://", "data:")) for url in asked), asked


@pytest.mark.browser
def test_futures_are_beside_the_risks(
    browser: webdriver.Chrome, shown: list[History], tmp_path: Path
) -> None:
    path = tmp_path / "explorer.html"
    assert "Sampled futures" not in page(shown, WORDS, [0.1] * 5, FACTS)
    path.write_text(page(shown, WORDS, [0.1] * 5, FUTURES, futures_of_both()))
    browser.get(path.as_uri())
    rows = browser.find_elements(By.CSS_SELECTOR, "#incidence tbody tr")
    assert rows[0].text == "Death 0.0 % 50 % 50 %"
    assert rows[1].text == f"{NAMES[3]} 0.0 % 100 % 100 %"
    samples = browser.find_elements(By.CSS_SELECTOR, "#samples details")
    assert [one.text for one in samples] == ["Future 1: visits 2", "Future 2: visits 1, then death"]
    samples[1].find_element(By.TAG_NAME, "summary").click()
    assert samples[1].text.splitlines()[1:] == [f"age 51: {NAMES[3]}", "age 52: death"]
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []
