"""A manager groups by keyboard alone, ungroups from the menu, and chooses rows of the list with x."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from contacts.models import GroupRequest
from contacts.permissions import SystemRight, grant
from contacts.services.golden import refresh_golden
from kore_site.roles import CRM_MANAGERS

from ..factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory
from ..factories.primary_rules import contact_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


@pytest.fixture
def system():
    return TicketSystemFactory(code="MAJ", name="Major")


@pytest.fixture
def contact(system):
    """Makes a contact with so many refs of this last name."""

    def make(last_name: str, refs: int = 1):
        made = contact_of(
            *(SystemRefFactory(system=system, first_name="Ann", last_name=last_name) for _ in range(refs))
        )
        refresh_golden([made.pk], now=NOW)
        return made

    return make


@pytest.fixture
def manager(system):
    user = UserFactory(role=CRM_MANAGERS, first_name="J.", last_name="Diaz")
    for right in SystemRight:
        grant(user, right, on=system)
    return user


def type_into(browser, *keys: str) -> None:
    """Type wherever the keyboard is."""
    browser.driver.switch_to.active_element.send_keys(*keys)


def comes_to(browser, name: str) -> None:
    """Wait until the page has come on which the keyboard is on the control of this name."""

    def is_there(driver) -> bool:
        control = driver.switch_to.active_element
        return name in (control.get_attribute("name"), control.text)

    browser.waits_for(is_there)


def waiting(browser) -> str:
    """What the waiting box of the contact says, once it is there."""
    return browser.waits_for(lambda d: d.find_element(By.CSS_SELECTOR, ".k-waiting").text)


def press(browser, selector: str) -> None:
    """Reach the control by focus and press Enter on it, as without a mouse."""
    browser.driver.find_element(By.CSS_SELECTOR, selector).send_keys(Keys.ENTER)


@pytest.mark.req("R-CM-7", "R-CM-11", "R-CM-13", "R-CM-14", "R-CM-18")
def test_two_contacts_are_grouped_by_keyboard_from_the_search_to_the_waiting_box(browser, contact, manager):
    master, child = contact("Marlow"), contact("Okafor")
    browser.sign_in(manager)
    browser.open(f"/admin/contacts/contact/{master.pk}/change/")
    browser.complaints()

    press(browser, f"a[href$='/{master.pk}/group/']")
    comes_to(browser, "q")
    type_into(browser, "okafor", Keys.ENTER)
    comes_to(browser, f"Add Group ID {child.pk}")
    type_into(browser, Keys.ENTER)
    comes_to(browser, "Group Contacts")
    type_into(browser, Keys.ENTER)
    comes_to(browser, "Yes, group them tonight")
    assert f"2 Contacts with 2 System Refs become GroupID {master.pk}" in browser.driver.page_source
    assert not GroupRequest.objects.exists()
    type_into(browser, Keys.ENTER)

    assert f"join {child.pk} into this record" in waiting(browser)
    assert "processed overnight, tonight at 02:00 (Europe/London)" in browser.driver.page_source
    press(browser, ".k-waiting button")
    browser.waits_for(lambda d: not d.find_elements(By.CSS_SELECTOR, ".k-waiting"))
    assert GroupRequest.objects.get().state == "withdrawn"
    assert browser.complaints() == []


@pytest.mark.req("R-CM-19")
def test_a_contact_is_ungrouped_from_its_menu(browser, contact, manager):
    made = contact("Marlow", refs=3)
    browser.sign_in(manager)
    browser.open(f"/admin/contacts/contact/{made.pk}/change/")
    browser.complaints()

    press(browser, ".k-menu summary")
    entry = browser.waits_for(lambda d: d.find_element(By.CSS_SELECTOR, ".k-menu[open] li a"))
    assert entry.text == "Ungroup"
    type_into(browser, Keys.TAB)
    type_into(browser, Keys.ENTER)
    comes_to(browser, "Yes, ungroup these 3 tonight")
    type_into(browser, Keys.ENTER)

    assert "ungroup this record: 3 System Refs" in waiting(browser)
    assert GroupRequest.objects.get().may_regroup is False
    assert browser.complaints() == []


def test_rows_of_the_list_are_marked_with_x_and_grouped(browser, contact, manager):
    older, newer = contact("Marlow"), contact("Okafor")
    browser.sign_in(manager)
    browser.open("/admin/contacts/contact/")
    browser.complaints()

    type_into(browser, Keys.ARROW_DOWN)
    type_into(browser, "x")
    type_into(browser, Keys.ARROW_DOWN)
    type_into(browser, "x")
    browser.waits_for(lambda d: "2 chosen" in d.find_element(By.CSS_SELECTOR, "[data-chosen-count]").text)
    press(browser, "button[value=group]")

    browser.waits_for(lambda d: f"{newer.pk}/group/?with={older.pk}" in d.current_url)
    radio = browser.driver.find_element(By.CSS_SELECTOR, f"input[name=master][value='{older.pk}']")
    radio.send_keys(Keys.SPACE)
    browser.waits_for(lambda _: f"become GroupID {older.pk}" in browser.driver.page_source)
    assert browser.complaints() == []
