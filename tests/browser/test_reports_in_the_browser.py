"""A manager and a rep at the reports: what each is shown, sorted and filtered, without a complaint."""

import datetime as dt

import pytest
from selenium.webdriver.common.by import By

from contacts.models import Organisation
from contacts.permissions import SystemRight, grant
from contacts.services.golden import refresh_golden
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import NOW, MappingFactory, PurchaseFactory, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def systems():
    """Three orders in one system, two in another that is isolated."""
    ours, theirs = (
        TicketSystemFactory(code=code, tint=tint, is_isolated=bool(tint))
        for tint, code in enumerate(("MLB", "MIN"))
    )
    for system, times in ((ours, 3), (theirs, 2)):
        mapping = MappingFactory(system_ref__system=system, system_ref__first_name=f"Fan of {system.code}")
        refresh_golden([mapping.contact_id], now=NOW)
        for number in range(times):
            bought = NOW - dt.timedelta(days=40 * number)
            PurchaseFactory(system_ref=mapping.system_ref, purchased_at=bought, amount=10 + number)
    return ours, theirs


def texts(browser, selector: str) -> list[str]:
    return [found.text for found in browser.driver.find_elements(By.CSS_SELECTOR, selector)]


@pytest.mark.req("R-MDB-22")
def test_a_rep_reads_totals_over_everything_and_rows_over_their_own(browser, systems):
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=systems[0])
    browser.sign_in(rep)

    browser.open("/admin/")
    browser.driver.find_element(By.CSS_SELECTOR, "a[href='/reports/']").click()
    browser.waits_for(lambda driver: driver.find_element(By.PARTIAL_LINK_TEXT, "By month")).click()

    browser.waits_for(lambda driver: driver.find_element(By.CSS_SELECTOR, ".rp-table"))
    assert texts(browser, ".rp-groups th") == ["", "All systems", "MLB"]
    assert texts(browser, ".rp-table tfoot tr > *") == ["Total", "5", "£54", "3", "£33"]
    assert "MIN" not in browser.driver.page_source
    assert browser.driver.find_elements(By.CSS_SELECTOR, ".rp-chart rect.rp-tone-rest")
    assert browser.complaints() == []


def test_a_manager_sorts_and_filters_and_clears(browser, systems):
    manager = UserFactory(role=CRM_MANAGERS)
    for system in systems:
        grant(manager, SystemRight.VIEW, on=system)
    browser.sign_in(manager)
    browser.open("/reports/months/")
    assert texts(browser, ".rp-table tbody th") == ["Mar 2026", "Jan 2026", "Dec 2025"]

    browser.driver.find_element(By.LINK_TEXT, "Month").click()
    browser.waits_for(lambda driver: driver.find_element(By.CSS_SELECTOR, "[aria-sort=ascending]"))
    assert texts(browser, ".rp-table tbody th") == ["Dec 2025", "Jan 2026", "Mar 2026"]

    browser.driver.find_element(By.CSS_SELECTOR, "#filter_system option[value=MIN]").click()
    browser.driver.find_element(By.CSS_SELECTOR, ".rp-filters button").click()
    browser.waits_for(lambda driver: "system=MIN" in driver.current_url)
    assert texts(browser, ".rp-groups th") == ["", "Chosen systems", "MIN"]

    browser.driver.find_element(By.LINK_TEXT, "Clear").click()
    browser.waits_for(lambda driver: "system=" not in driver.current_url)
    assert texts(browser, ".rp-table tfoot tr > *")[:2] == ["Total", "5"]
    assert browser.complaints() == []


def test_a_withheld_figure_says_so(browser, systems):
    organisation = Organisation.load()
    organisation.smallest_cell = 5
    organisation.save()
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=systems[0])
    browser.sign_in(rep)

    browser.open("/reports/kinds/")

    assert texts(browser, ".rp-table tfoot tr > *")[:3] == ["Total", "3 + <5", "£33 + …"]
    withheld = browser.driver.find_element(By.CSS_SELECTOR, ".rp-table tfoot .rp-withheld")
    assert "withheld" in withheld.get_attribute("title")
    drawn = browser.driver.find_elements(By.CSS_SELECTOR, ".rp-chart g rect.rp-tone-rest")
    assert {float(rest.get_attribute("height")) for rest in drawn} == {0}
