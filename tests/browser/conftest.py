"""A real Chromium against the live server."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1440,900",
)


@pytest.fixture(scope="session")
def chromium(live_server) -> Iterator[webdriver.Chrome]:
    """One browser for the whole run, with a profile of its own.

    It needs the server only to be gone before it: else the server's threads would be left with open sockets.
    """
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "SEVERE"})
        driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        yield driver
        with contextlib.suppress(Exception):
            driver.quit()


PATIENCE = 30  # seconds: on a machine that runs other tests on every core, a page may take its time


class Browser:
    """The browser on the live server, signed in as one person."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        self.address = address

    def sign_in(self, user: User) -> None:
        """Take over a session made on the server: the login form has tests of its own."""
        client = Client()
        client.force_login(user)
        self.driver.get(f"{self.address}/admin/login/")
        self.complaints()  # those of the test before, which a slow page may have made at its very end
        self.driver.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value})

    def open(self, path: str) -> None:
        self.driver.get(f"{self.address}{path}")

    def waits_for(self, condition: Callable[[webdriver.Chrome], Any]) -> Any:
        """What the condition gives once it holds: a click returns before its page has come."""
        return WebDriverWait(
            self.driver, PATIENCE, ignored_exceptions=[NoSuchElementException, StaleElementReferenceException]
        ).until(condition)

    def complaints(self) -> list[str]:
        """What the console complained of since the last call, such as a breach of the CSP."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def browser(chromium, live_server) -> Iterator[Browser]:
    """A browser that nobody is signed in to; every test begins without cookies."""
    chromium.delete_all_cookies()
    chromium.set_window_size(1440, 900)
    yield Browser(chromium, live_server.url)
    chromium.get("about:blank")
