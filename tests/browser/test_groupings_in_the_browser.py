"""A manager takes a grouping back from its record, and keeps father and son apart, in a real browser."""

import pytest
from selenium.webdriver.common.by import By

from contacts.models import GroupDecision, GroupRequest
from contacts.permissions import ADMINISTRATORS, SystemRight, grant
from contacts.services.golden import refresh_golden
from contacts.services.group_requests import file_grouping
from contacts.services.group_requests_applied import process_now

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.req("R-CM-22")
def test_a_grouping_is_undone_from_its_record_and_the_rule_it_made_is_lifted_and_taken_back(browser):
    system = TicketSystemFactory(code="MLB", rank=1)
    admin = UserFactory(username="admin", role=ADMINISTRATORS, first_name="Jo", last_name="Diaz")
    grant(admin, SystemRight.VIEW, on=system)
    people = [
        MappingFactory(
            system_ref=SystemRefFactory(system=system, system_ref=number, first_name=name, last_name="Marlow")
        ).contact
        for number, name in (("2001", "Ann"), ("2002", "Anne"))
    ]
    refresh_golden([one.pk for one in people], now=NOW)
    request = file_grouping(people[0], [people[1]], by=admin, now=NOW, reason="She rang us")
    process_now(request, by=None, now=NOW)
    browser.sign_in(admin)

    browser.open(f"/admin/contacts/contact/{people[0].pk}/change/?panel=groupings")
    browser.waits_for(lambda driver: driver.find_element(By.LINK_TEXT, f"{request.change.pk}")).click()
    browser.waits_for(lambda driver: "She rang us" in driver.page_source)
    assert f"GroupID {people[1].pk}" in browser.driver.page_source
    browser.driver.find_element(By.LINK_TEXT, "Undo…").click()
    reason = browser.waits_for(lambda driver: driver.find_element(By.NAME, "reason"))
    assert browser.driver.find_element(By.CSS_SELECTOR, "[name=may_regroup][value=no]").is_selected()
    reason.send_keys("mother and daughter")
    browser.driver.find_element(By.NAME, "now").click()
    browser.waits_for(lambda driver: f"Change {request.change.pk} is undone." in driver.page_source)

    undo = GroupRequest.objects.get(kind="undo")
    assert (undo.state, undo.by, undo.reason) == ("done", admin, "mother and daughter")
    for contact, name in zip(people, ("Ann", "Anne"), strict=True):
        browser.open(f"/admin/contacts/contact/{contact.pk}/change/")
        browser.waits_for(lambda driver, name=name: f"{name} Marlow" in driver.page_source)

    browser.open("/admin/contacts/groupdecision/")
    lift = "[aria-label='Lift MLB 2001 and MLB 2002']"
    browser.waits_for(lambda driver: driver.find_element(By.CSS_SELECTOR, lift)).click()
    browser.waits_for(lambda driver: "You lifted 1 rule." in driver.page_source)
    assert not GroupDecision.objects.standing().filter(kind="never").exists()
    browser.driver.find_element(By.XPATH, "//button[.='Undo']").click()
    browser.waits_for(lambda driver: "1 rule stands again." in driver.page_source)
    assert GroupDecision.objects.standing().get(kind="never").reason == "mother and daughter"
