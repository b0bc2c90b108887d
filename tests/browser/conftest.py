"""A real Chromium against the live server."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
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


_LOADED = "return document.readyState === 'complete'"
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
        """What the condition gives once it holds: a click returns before its page has come.

        By then the page has its scripts too: before, they hear no key and no choice.
        """

        def holds(driver: webdriver.Chrome) -> Any:
            given = condition(driver)
            return given if given and driver.execute_script(_LOADED) else False

        return WebDriverWait(
            self.driver, PATIENCE, ignored_exceptions=[NoSuchElementException, StaleElementReferenceException]
        ).until(holds)

    # By keyboard, as a person does it who looks where the focus is

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def has_focus(self, css: str) -> bool:
        return bool(self.driver.execute_script("return document.activeElement?.matches(arguments[0])", css))

    def waits_for_focus(self, css: str) -> Any:
        """The element, once it has the focus: a page gives it when it is drawn, which may be later."""
        self.waits_for(lambda _: self.has_focus(css))
        return self.driver.switch_to.active_element

    def go(self, keys: str, path: str) -> None:
        """Leave the search, which a page begins in, and press two keys until they lead there."""
        for _ in range(6):
            self.press(Keys.ESCAPE, keys)
            with contextlib.suppress(TimeoutException):
                WebDriverWait(self.driver, 5).until(lambda d: d.current_url.endswith(path))
                break
        self.waits_for(lambda d: d.current_url.endswith(path))

    def search(self, css: str, text: str) -> None:
        """Press the slash until the search has the focus, type until it holds the text, then Enter."""
        everything = Keys.CONTROL + "a" + Keys.NULL

        def holds_the_text(_driver: webdriver.Chrome) -> bool:
            if not self.has_focus(css):
                self.press("/")
                return False
            self.driver.switch_to.active_element.send_keys(everything, text)
            return bool(self.driver.switch_to.active_element.get_attribute("value") == text)

        self.waits_for(holds_the_text)
        self.press(Keys.ENTER)

    def open_first_row(self) -> None:
        """Press the arrow until a row is marked, then Enter."""

        def is_marked(driver: webdriver.Chrome) -> Any:
            return driver.find_elements(By.CSS_SELECTOR, "tr.k-here") or self.press(Keys.ARROW_DOWN)

        self.waits_for(is_marked)
        self.press(Keys.ENTER)

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
