"""A CRM manager at the screen of rights: finds a rep, takes a right, brings it back, views as them."""

import pytest
from django.test import Client
from django.urls import reverse
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from contacts.models import SystemRef
from contacts.permissions import SystemRight, grant, holds
from kore_site.roles import CRM_MANAGERS, SALES_REPS, apply_roles

from ..factories import MappingFactory, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MATRIX = "/admin/contacts/rightsrecord/"


@pytest.fixture
def systems():
    apply_roles()  # a test that may commit begins with empty tables
    return [
        TicketSystemFactory(code=code, name=name) for code, name in (("MLB", "Majors"), ("MIN", "Minors"))
    ]


@pytest.fixture
def manager(systems):
    user = UserFactory(username="jdiaz", first_name="Jo", last_name="Diaz", role=CRM_MANAGERS)
    for system in systems:
        for right in SystemRight:
            grant(user, right, on=system)
    return user


@pytest.fixture
def rep(systems):
    user = UserFactory(username="kokafor", first_name="K.", last_name="Okafor", role=SALES_REPS)
    for right in SystemRight:
        grant(user, right, on=systems[0])
    UserFactory(username="lreyes", first_name="L.", last_name="Reyes", role=SALES_REPS)
    return user


def box(driver, name: str):
    return driver.find_element(By.CSS_SELECTOR, f"input[aria-label='{name}']")


def save_button(driver):
    return driver.find_element(By.CSS_SELECTOR, "[data-save]")


@pytest.mark.req("R-MDB-18")
@pytest.mark.req("R-MDB-30")
def test_a_manager_takes_the_change_right_and_the_reps_open_session_is_refused_until_undo(
    browser, manager, rep, systems
):
    ref = MappingFactory(system_ref__system=systems[0], system_ref__first_name="Ann").system_ref
    session = Client()
    session.force_login(rep)
    address = reverse("admin:contacts_systemref_change", args=[ref.pk])
    driver = browser.driver
    browser.sign_in(manager)

    browser.open(MATRIX)
    driver.find_element(By.NAME, "q").send_keys("okafor", Keys.ENTER)
    browser.waits_for(lambda _: "Reyes" not in driver.page_source and "Okafor" in driver.page_source)
    assert not save_button(driver).is_enabled()
    box(driver, "K. Okafor: change MLB").click()
    assert save_button(driver).text == "Save 1 change"
    save_button(driver).click()
    browser.waits_for(lambda _: "1 right was taken away" in driver.page_source)
    refused = session.post(address, {"first_name": "Zed"}).status_code
    may_not = not holds(type(rep).objects.get(pk=rep.pk), SystemRight.CHANGE, systems[0])

    driver.find_element(By.XPATH, "//button[normalize-space()='Undo']").click()
    browser.waits_for(lambda _: "Undone: 1 right was given" in driver.page_source)

    assert (refused, may_not) == (403, True)
    assert holds(type(rep).objects.get(pk=rep.pk), SystemRight.CHANGE, systems[0])
    assert SystemRef.objects.get(pk=ref.pk).first_name == "Ann"
    assert browser.complaints() == []


def test_the_matrix_is_worked_with_the_keyboard_alone(browser, manager, rep, systems):
    driver = browser.driver
    browser.sign_in(manager)
    browser.open(f"{MATRIX}?q=okafor")

    box(driver, "K. Okafor: see MLB").send_keys(Keys.ARROW_RIGHT, Keys.NULL)
    assert driver.switch_to.active_element.get_attribute("aria-label") == "K. Okafor: change MLB"
    driver.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    driver.switch_to.active_element.send_keys(Keys.SPACE)  # without view there is no change
    assert not box(driver, "K. Okafor: change MLB").is_selected()
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.waits_for(lambda _: "2 rights were taken away" in driver.page_source)

    assert not holds(type(rep).objects.get(pk=rep.pk), SystemRight.VIEW, systems[0])
    assert browser.complaints() == []


def test_a_right_for_many_is_confirmed_in_numbers(browser, manager, rep, systems):
    driver = browser.driver
    browser.sign_in(manager)
    browser.open(f"{MATRIX}?q=okafor")

    box(driver, "Choose every row").click()
    box(driver, "For many: Minors").click()
    driver.find_element(By.CSS_SELECTOR, "[data-bulk]").click()
    told = browser.waits_for(lambda _: driver.find_element(By.ID, "bulk-title")).text
    driver.find_element(By.NAME, "confirmed").click()
    browser.waits_for(lambda _: "1 right was given" in driver.page_source)

    assert told == "Give view to 1 person on 1 system?"
    assert holds(type(rep).objects.get(pk=rep.pk), SystemRight.VIEW, systems[1])
    assert browser.complaints() == []


def test_a_manager_looks_with_the_reps_rights_and_comes_back(browser, manager, rep, systems):
    theirs = MappingFactory(system_ref__system=systems[1]).contact_id
    driver = browser.driver
    browser.sign_in(manager)
    browser.open(f"{MATRIX}?q=okafor")

    driver.find_element(By.CSS_SELECTOR, "button[aria-label='View as K. Okafor']").click()
    banner = browser.waits_for(lambda _: driver.find_element(By.CSS_SELECTOR, ".k-viewing-as"))
    assert "You look with the rights of K. Okafor; nothing can be changed." in banner.text
    complaints = browser.complaints()
    browser.open(f"/contact/{theirs}/")
    assert "There is nothing here for you" in driver.page_source
    browser.open("/admin/")
    driver.find_element(By.CSS_SELECTOR, ".k-viewing-as button").click()
    browser.waits_for(lambda _: driver.current_url.endswith(MATRIX))

    assert driver.find_elements(By.CSS_SELECTOR, ".k-viewing-as") == []
    browser.open(f"/contact/{theirs}/")
    assert driver.current_url.endswith(f"/admin/contacts/contact/{theirs}/change/")
    assert complaints == []
