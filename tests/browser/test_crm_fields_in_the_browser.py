"""CRM fields in Chromium: by keyboard, with both values where somebody was faster, as text while locked."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from contacts.models import Contact, TicketSystem
from contacts.permissions import SystemRight, grant
from contacts.services.crm_fields import edit_crm_fields
from contacts.services.golden import refresh_golden
from contacts.services.systems import add_business_unit
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ann():
    unit = add_business_unit("north", name="North Club")
    system = TicketSystemFactory(code="MLB", business_unit=unit)
    ref = SystemRefFactory(
        system=system, first_name="Ann", last_name="Marlow", city="Leeds", phone="0113 496 0001"
    )
    contact = MappingFactory(system_ref=ref).contact
    refresh_golden([contact.pk], now=NOW)
    return contact


@pytest.fixture
def rep(ann):
    rep = UserFactory(username="rep", first_name="Luis", last_name="Reyes", role=SALES_REPS)
    for system in TicketSystem.objects.all():
        for right in SystemRight:
            grant(rep, right, on=system)
    return rep


def panel(browser, contact) -> None:
    browser.open(f"/admin/contacts/contact/{contact.pk}/change/?panel=crm")
    browser.waits_for(lambda d: d.execute_script("return document.readyState") == "complete")


def field(browser, name):
    return browser.driver.find_element(By.NAME, name)


def write(browser, name: str, text: str) -> None:
    field(browser, name).send_keys(Keys.CONTROL + "a" + Keys.NULL, text)


@pytest.mark.req("R-MDB-25")
def test_a_rep_writes_owner_segment_and_phone_and_sends_with_enter(browser, rep, ann):
    browser.sign_in(rep)
    panel(browser, ann)

    Select(field(browser, "owner")).select_by_visible_text("Luis Reyes")
    write(browser, "segment", "Gold")
    write(browser, "phone", "0113 496 0002")
    field(browser, "phone").send_keys(Keys.ENTER)

    said = browser.waits_for(
        lambda d: "Saved: owner, segment and phone" in d.find_element(By.ID, "main").text
    )
    assert said
    head = browser.driver.find_element(By.CSS_SELECTOR, ".k-who").text
    assert "Owner: Luis Reyes" in head
    assert "Segment: Gold" in head
    assert "0113 496 0002" in head
    assert browser.complaints() == []


def test_where_somebody_was_faster_both_values_stand_and_saving_again_keeps_ones_own(browser, rep, ann):
    browser.sign_in(rep)
    panel(browser, ann)
    unit = TicketSystem.objects.get(kind="hand").business_unit
    boss = UserFactory(is_superuser=True)
    edit_crm_fields(ann, {"city": "York"}, unit=unit, seen=None, by=boss, now=NOW)

    write(browser, "city", "Hull")
    field(browser, "save").click()
    theirs = browser.waits_for(lambda d: d.find_element(By.CSS_SELECTOR, ".k-theirs"))
    assert theirs.text == "Now there: York"
    assert field(browser, "city").get_attribute("value") == "Hull"
    field(browser, "save").click()

    assert browser.waits_for(lambda d: "Saved: city" in d.find_element(By.ID, "main").text)
    assert Contact.objects.get(pk=ann.pk).city == "Hull"


@pytest.mark.req("R-MDB-23", "R-MDB-24")
@pytest.mark.parametrize("width", [480, 1440])
def test_while_locked_fields_are_text_until_a_manager_lifts_it(browser, rep, ann, width):
    TicketSystem.objects.filter(code="MLB").update(is_isolated=True)
    manager = UserFactory(first_name="Kim", last_name="Okafor", role=CRM_MANAGERS)
    driver = browser.driver
    driver.set_window_size(width, 900)
    browser.sign_in(rep)
    panel(browser, ann)

    text = driver.find_element(By.ID, "main").text
    assert "Kim Okafor may lift this under Organisation." in text
    assert driver.find_elements(By.CSS_SELECTOR, "#content input:not([type=hidden]), #content textarea") == []
    assert driver.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
    browser.sign_in(manager)
    browser.open("/admin/contacts/organisation/1/change/")
    lock = browser.waits_for(lambda d: d.find_element(By.NAME, "locks_crm_fields"))
    lock.send_keys(Keys.SPACE, Keys.ENTER)
    browser.waits_for(lambda d: "was changed successfully" in d.find_element(By.ID, "main").text)
    browser.sign_in(rep)
    panel(browser, ann)

    assert field(browser, "phone").get_attribute("value") == "0113 496 0001"
    assert driver.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
    assert browser.complaints() == []
