"""A rep at the keyboard: finds a person, opens the page, sees why the accounts are one person."""

import json

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from contacts.grouping.comparisons import COMPARISONS
from contacts.grouping.model import Model
from contacts.models import Contact, Link, ModelVersion
from contacts.permissions import SystemRight, grant
from contacts.services.golden import refresh_golden
from kore_site.roles import SALES_REPS

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory
from .conftest import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ann():
    contact = Contact.objects.create(since=NOW)
    known = {
        "first_name": "Ann",
        "last_name": "Marlow",
        "phone": "+44 20 7946 0958",
        "email": "ann@example.org",
    }
    refs = [
        SystemRefFactory(system=TicketSystemFactory(code=code, tint=tint), system_ref=f"{code}-1", **known)
        for tint, code in enumerate(("MLB", "MIN"))
    ]
    for number, ref in enumerate(refs):
        MappingFactory(system_ref=ref, contact=contact, is_primary=number == 0)
    refresh_golden([contact.pk], now=NOW)
    settings = json.loads(Model.preset(100_000).to_json())
    version = ModelVersion.objects.create(number=1, population=100_000, settings=settings, created_at=NOW)
    Link.objects.create(
        left=refs[0],
        right=refs[1],
        decision=Link.Decision.JOINED,
        rule="email",
        weight=20,
        household=9,
        evidence=json.dumps([[len(comparison.levels) - 1, 5.0, 2.0] for comparison in COMPARISONS]),
        model_version=version,
    )
    return contact


@pytest.fixture
def rep(ann):
    rep = UserFactory(username="rep", role=SALES_REPS)
    for mapping in ann.mappings.select_related("system_ref__system"):
        grant(rep, SystemRight.VIEW, on=mapping.system_ref.system)
    return rep


def wait(driver, css: str):
    """The element, once its page has loaded with its scripts: before, a key would go nowhere."""
    loaded = "return document.readyState === 'complete'"
    try:
        return WebDriverWait(driver, PATIENCE).until(
            lambda d: d.execute_script(loaded) and d.find_element(By.CSS_SELECTOR, css)
        )
    except TimeoutException:
        here = driver.switch_to.active_element.tag_name
        text = driver.find_element(By.TAG_NAME, "body").text
        pytest.fail(f"No {css} at {driver.current_url}, focus on {here}:\n{text}")


@pytest.mark.req("R-CM-1", "R-MDB-14")
def test_a_rep_finds_a_person_by_phone_and_sees_why_together_with_the_keyboard_alone(browser, rep, ann):
    MappingFactory(system_ref=SystemRefFactory(system=ann.mappings.first().system_ref.system))
    driver = browser.driver
    browser.sign_in(rep)
    browser.open("/admin/")
    wait(driver, "input[type=search]")

    browser.go("gc", "/admin/contacts/contact/")
    wait(driver, "table[data-rows]")
    browser.search(".k-search input[type=search]", "(020) 7946-0958")
    browser.waits_for(lambda d: "q=" in d.current_url)
    wait(driver, "table[data-rows]")

    assert [
        row.text.split()[0] for row in driver.find_elements(By.CSS_SELECTOR, "table[data-rows] tbody tr")
    ] == [str(ann.pk)]

    browser.open_first_row()
    assert wait(driver, ".k-name").text == "Ann Marlow"
    driver.find_element(By.LINK_TEXT, "Why together").send_keys(Keys.ENTER)
    wait(driver, "svg.k-why line")

    assert "The e-mail is the same and the names agree." in driver.find_element(By.ID, "content").text
    assert len(driver.find_elements(By.CSS_SELECTOR, ".k-why-dot")) == 2
    assert browser.complaints() == []


def test_the_question_mark_shows_the_keys_and_a_filter_is_sent_when_chosen(browser, rep, ann):
    driver = browser.driver
    browser.sign_in(rep)
    browser.open("/admin/contacts/contact/")
    wait(driver, "table[data-rows]")

    driver.find_element(By.CSS_SELECTOR, "table[data-rows] a").send_keys("?")
    assert "search" in wait(driver, "#k-help[open]").text
    browser.press(Keys.ESCAPE)
    driver.find_element(By.CSS_SELECTOR, "select[name=systems] option[value=one]").click()

    browser.waits_for(lambda d: "systems=one" in d.current_url)
    assert "No contact matches" in wait(driver, ".k-empty").text


@pytest.mark.parametrize("width", [480, 1440])
def test_lists_are_dense_and_pages_never_wider_than_the_window(browser, rep, ann, width):
    driver = browser.driver
    system = ann.mappings.first().system_ref.system
    for _ in range(50):
        MappingFactory(system_ref=SystemRefFactory(system=system, first_name="Bo", last_name="Reyes"))
    browser.sign_in(rep)
    driver.set_window_size(width, 900)

    browser.open("/admin/contacts/contact/")
    rows = driver.find_elements(By.CSS_SELECTOR, "table[data-rows] tbody tr")
    whole = [
        row
        for row in rows
        if row.rect["y"] + row.rect["height"] <= driver.execute_script("return innerHeight")
    ]
    paths = ["", *(f"{ann.pk}/change/?panel={panel}" for panel in ("accounts", "timeline", "why", "history"))]

    assert len(whole) >= (16 if width == 1440 else 8)
    for path in paths:
        browser.open(f"/admin/contacts/contact/{path}")
        assert driver.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0, path
