"""A real browser for the tests of pages: chromium without a window, driven by selenium."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)
PATIENCE = 60
"""Seconds to wait for something on a page: machines are busy."""
PHONE, DESKTOP = (390, 844), (1280, 900)
"""Width and height of a window."""


class Browser:
    """A page as somebody sees and uses it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> Browser:
        """Load a page in a window of this size, in a light or dark desktop."""
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        width, height = size
        metrics = {
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": size == PHONE,
        }
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(url)
        return self

    def all(self, selector: str) -> list[WebElement]:
        """Return the elements that a CSS selector finds now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Return the texts of the elements that a CSS selector finds, all of one moment."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)"
        return list(self.run(script, selector))

    def one(self, selector: str) -> WebElement:
        """Return the element of a CSS selector, once it is on the page and visible."""
        return self.until(
            lambda: next((item for item in self.all(selector) if item.is_displayed()), None),
            selector,
        )

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Return what a condition returns, once that is true."""
        # An element may be replaced while a condition looks at it.
        waiting = WebDriverWait(
            self.driver, PATIENCE, ignored_exceptions=[StaleElementReferenceException]
        )
        return waiting.until(lambda _: condition(), f"{what} is still not there")

    def run(self, script: str, *args: Any) -> Any:
        """Return what JavaScript returns."""
        return self.driver.execute_script(script, *args)

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.run("return document.documentElement.scrollWidth - window.innerWidth"))

    def complaints(self) -> list[str]:
        """Return the errors and warnings of the page since it was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """Return the addresses the page has asked for since it was opened."""
        events = [
            orjson.loads(entry["message"])["message"]
            for entry in self.driver.get_log("performance")
        ]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def picture(self, path: Path) -> Path:
        """Save what the window shows."""
        self.driver.save_screenshot(str(path))
        return path


@pytest.fixture(scope="session")
def started_browser(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One browser for all tests of a process."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not found or not driver:
        assert not os.environ.get("CI"), "chromium and chromedriver are not installed"
        pytest.skip("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    home = tmp_path_factory.mktemp("browser")
    for switch in (*SWITCHES, f"--user-data-dir={home}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options, Service(driver))
    yield made
    made.quit()


@pytest.fixture
def browser(started_browser: webdriver.Chrome) -> Browser:
    """A browser: `browser.open(url)`, then `one(".button").click()`."""
    return Browser(started_browser)


@pytest.fixture(
    params=[(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True)],
    ids=["desktop", "desktop-dark", "phone", "phone-dark"],
)
def window(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How a page is looked at, each way in turn: `browser.open(url, **window)`."""
    size, dark = request.param
    return {"size": size, "dark": dark}
