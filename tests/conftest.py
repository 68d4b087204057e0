"""Settings and fixtures of all tests."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from behrt.sequences.vocabulary import Vocabulary

# A test must not fail because the machine is busy; and most properties fail within few examples.
settings.register_profile("quick", deadline=None, max_examples=40)
settings.load_profile("quick")


def _chromium() -> tuple[str, str]:
    """Return the paths of chromium and its driver; install them where that is possible."""
    programs = ("chromium", "chromedriver")
    if not all(map(shutil.which, programs)):
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip("chromium is not installed, and installing it needs root and apt")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        packages = ["--no-install-recommends", "chromium", "chromium-driver"]
        for command in (["update"], ["install", "--yes", *packages]):
            done = subprocess.run(
                ["apt-get", "--quiet", *command], env=quiet, capture_output=True, check=False
            )
            if done.returncode:
                pytest.skip(f"apt-get {command[0]} failed: no network?")
    browser, driver = map(shutil.which, programs)
    if browser is None or driver is None:
        pytest.skip("apt has no chromium here")
    return browser, driver


@pytest.fixture(scope="session")
def started_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser that resolves no host and logs every request and console message."""
    program, driver = _chromium()
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(option)
    options.add_argument("--window-size=1400,1000")
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    downloads: Path = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


@pytest.fixture
def browser(started_browser: webdriver.Chrome) -> webdriver.Chrome:
    """The browser, without the page, requests and messages of an earlier test."""
    started_browser.get("about:blank")
    for log in ("browser", "performance"):
        started_browser.get_log(log)
    return started_browser


@pytest.fixture
def vocabulary() -> Vocabulary:
    """Return twelve diseases in three chapters."""
    names = tuple(f"Disease {i:02d}" for i in range(12))
    return Vocabulary(names, tuple(f"Chapter {i % 3}" for i in range(12)))
