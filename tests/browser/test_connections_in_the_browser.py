"""A ticketing system connected as an administrator does it: fill in, test, map real rows, pull."""

import sqlite3
from contextlib import closing

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from contacts.models import SystemRef
from contacts.permissions import SystemRight, grant
from ticketing import tasks
from ticketing.models import PullRun, SourceConnection

from ..factories import TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUERY = "SELECT cust_no, fname, mail FROM customers WHERE changed >= :since"


@pytest.fixture
def box_office(settings, tmp_path) -> str:
    """The address of a database with three customers, one with an e-mail address that is none."""
    settings.ALLOW_LOOPBACK_SOURCES = True
    settings.SOURCE_FILE_ROOTS = [tmp_path]
    settings.CREDENTIAL_KEY_FILE = str(tmp_path / "keys")
    path = tmp_path / "box-office.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE customers (cust_no INTEGER, fname TEXT, mail TEXT, changed TEXT)")
        database.executemany(
            "INSERT INTO customers VALUES (?, ?, ?, '2026-03-01 10:00:00')",
            [(7001, "Ann", "ann@example.org"), (7002, "Omar", ""), (7003, "Lena", "no address")],
        )
    return f"sqlite:///{path}"


def press(driver, text: str) -> None:
    driver.find_element(By.XPATH, f"//button[normalize-space()='{text}']").click()


def choose(driver, column: str, ours: str) -> None:
    Select(driver.find_element(By.CSS_SELECTOR, f"select[aria-label='{column} is our']")).select_by_value(
        ours
    )


@pytest.mark.req("R-MDB-1")
def test_an_administrator_connects_a_database_tests_maps_and_pulls_it(browser, box_office):
    system = TicketSystemFactory(code="MLB", name="Majors")
    admin = UserFactory(is_superuser=True)
    for right in SystemRight:
        grant(admin, right, on=system)
    driver = browser.driver
    browser.sign_in(admin)

    browser.open("/admin/ticketing/sourceconnection/")
    driver.find_element(By.LINK_TEXT, "Connect a system").click()
    browser.waits_for(lambda _: driver.find_element(By.PARTIAL_LINK_TEXT, "SQL database")).click()
    browser.waits_for(lambda _: driver.find_element(By.NAME, "option-url")).send_keys(box_office)
    Select(driver.find_element(By.NAME, "system")).select_by_visible_text(str(system))
    driver.find_element(By.NAME, "option-accounts_query").send_keys(QUERY)
    press(driver, "Save and test")
    tested = browser.waits_for(lambda _: driver.find_element(By.ID, "findings-title"))
    findings = driver.find_element(By.ID, "findings").text
    connection = SourceConnection.objects.get()

    assert tested.text == "Test"
    assert "Address and login" in findings
    assert connection.is_paused

    driver.find_element(By.LINK_TEXT, "Mapping").click()
    browser.waits_for(lambda _: driver.find_element(By.ID, "mapped"))
    for column, ours in (("cust_no", "system_ref"), ("fname", "first_name"), ("mail", "email")):
        choose(driver, column, ours)  # faster than the answers come: none may take a choice back
    browser.waits_for(lambda _: "1 would be rejected" in driver.find_element(By.ID, "mapped").text)
    assert "ann@example.org" in driver.find_element(By.ID, "mapped").text
    press(driver, "Save the mapping")
    browser.waits_for(lambda _: SourceConnection.objects.get().mapping)

    browser.open(f"/admin/ticketing/sourceconnection/{connection.pk}/change/")
    press(driver, "Pull now")
    browser.waits_for(lambda _: "A pull of what changed is filed." in driver.page_source)
    tasks.pull(connection_id=connection.pk, trigger=PullRun.Trigger.HAND, by_id=admin.pk)
    browser.waits_for(lambda _: driver.find_elements(By.CSS_SELECTOR, ".cn-runs tbody tr"))
    row = driver.find_element(By.CSS_SELECTOR, ".cn-runs tbody tr").text

    assert "done" in row
    assert SystemRef.objects.filter(system=system).count() == 2
    assert "no address" in driver.find_element(By.ID, "rejected").text
    assert browser.complaints() == []


def test_the_mapping_is_made_with_the_keyboard_alone_and_keeps_the_focus(browser, box_office):
    system = TicketSystemFactory(code="MLB")
    admin = UserFactory(is_superuser=True)
    connection = SourceConnection.objects.create(
        system=system,
        connector="sql_database",
        options={"url": box_office, "accounts_query": QUERY},
        mapping={"accounts": {"cust_no": "system_ref"}},
        hook_key="k",
    )
    driver = browser.driver
    browser.sign_in(admin)
    browser.open(f"/admin/ticketing/sourceconnection/{connection.pk}/mapping/")

    chosen = driver.find_element(By.CSS_SELECTOR, "select[aria-label='mail is our']")
    chosen.send_keys("email")
    browser.waits_for(lambda _: "would be rejected" in driver.find_element(By.ID, "mapped").text)
    focused = driver.switch_to.active_element.get_attribute("aria-label")
    driver.switch_to.active_element.send_keys(Keys.TAB)

    assert focused == "mail is our"
    assert driver.switch_to.active_element.text == "Save the mapping"
    assert browser.complaints() == []
