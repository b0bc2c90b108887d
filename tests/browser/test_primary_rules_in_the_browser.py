"""A manager puts rules in order by keyboard, sees what would change, saves, and chooses a primary by hand."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from contacts.permissions import SystemRight, grant
from contacts.services.primary_order import Kind
from contacts.services.primary_rules import rules_in_force
from kore_site.roles import CRM_MANAGERS

from ..factories import SystemRefFactory, TicketSystemFactory, UserFactory
from ..factories.primary_rules import contact_of, leader_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


@pytest.fixture
def systems():
    return TicketSystemFactory(code="MAJ", name="Major"), TicketSystemFactory(code="MIN", name="Minor")


@pytest.fixture
def manager(systems):
    user = UserFactory(role=CRM_MANAGERS)
    for system in systems:
        for right in SystemRight:
            grant(user, right, on=system)
    return user


def said(browser) -> str:
    return browser.driver.find_element(By.ID, "content").text


def press(browser, value) -> None:
    """Reach the button by focus and press Enter on it, as without a mouse."""
    button = browser.driver.find_element(By.CSS_SELECTOR, f"button[value='{value}']:not(.k-hidden-text)")
    button.send_keys(Keys.ENTER)


def rows(browser, count) -> list[str]:
    """The rules on the page in their order, once there are so many."""
    found = "tbody th.k-strong"
    browser.waits_for(lambda d: len(d.find_elements(By.CSS_SELECTOR, found)) == count)
    return [row.text for row in browser.driver.find_elements(By.CSS_SELECTOR, found)]


def test_rules_are_ordered_tried_and_saved_by_keyboard_alone(browser, systems, manager):
    major, minor = systems
    contact = contact_of(SystemRefFactory(system=minor), SystemRefFactory(system=major))
    browser.sign_in(manager)
    browser.open("/admin/contacts/primaryrulelist/")
    browser.complaints()

    press(browser, "add-season_ticket")
    rows(browser, 1)
    press(browser, "add-system_order")
    assert rows(browser, 2) == ["Season ticket", "Order of the systems"]
    for number, system in enumerate(systems):
        places = browser.driver.find_elements(By.NAME, "system-1")
        Select(places[number]).select_by_visible_text(system.name)
    press(browser, "up-1")
    browser.waits_for(lambda _: rows(browser, 2)[:1] == ["Order of the systems"])
    assert browser.driver.find_element(By.CSS_SELECTOR, "[autofocus]").get_attribute("value") == "down-0"
    press(browser, "try")
    browser.waits_for(lambda _: "Major before Minor" in said(browser))
    assert f"{contact.pk}" in said(browser)
    assert rules_in_force().number == 0

    browser.driver.find_element(By.NAME, "tonight").send_keys(Keys.ENTER)
    browser.waits_for(lambda _: "Version 1 is in force" in browser.driver.page_source)

    assert [(rule.kind, rule.systems) for rule in rules_in_force().rules] == [
        (Kind.SYSTEM_ORDER, (major.pk, minor.pk)),
        (Kind.SEASON_TICKET, ()),
    ]
    assert browser.complaints() == []


def test_a_primary_is_chosen_by_hand_on_the_contact_page(browser, systems, manager):
    major, minor = systems
    chosen = SystemRefFactory(system=major)
    contact = contact_of(SystemRefFactory(system=minor), chosen)
    browser.sign_in(manager)
    browser.open(f"/admin/contacts/contact/{contact.pk}/change/")
    browser.complaints()

    browser.driver.find_element(By.XPATH, "//button[text()='Make primary']").click()

    browser.waits_for(lambda _: "chosen by hand" in said(browser))
    assert leader_of(contact) == chosen
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [1440, 420])
def test_the_button_for_more_places_stands_beside_the_last_place(browser, systems, manager, width):
    for number in range(4):
        further = TicketSystemFactory(name=f"A system of quite some name {number}")
        for right in SystemRight:
            grant(manager, right, on=further)
    browser.driver.set_window_size(width, 900)
    browser.sign_in(manager)
    browser.open("/admin/contacts/primaryrulelist/")

    press(browser, "add-system_order")
    rows(browser, 1)

    places = browser.driver.find_elements(By.NAME, "system-0")
    more = browser.driver.find_element(By.CSS_SELECTOR, "button[value='more-0']")
    assert len(places) < 6
    assert abs(more.rect["y"] - places[-1].rect["y"]) < 5
