"""A manager has tonight's plan made, holds a line of it, and finds it held."""

import pytest
from django.utils import timezone
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from contacts.models import HeldLine
from contacts.permissions import SystemRight, grant
from contacts.services.group_requests import file_grouping
from contacts.services.regroup import regroup
from kore_site.roles import CRM_MANAGERS
from sync.models import NightPlan
from sync.services import rehearse_night
from sync.services.plan_night import make_plans

from ..factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory
from ..sync.nights_to_plan import contact_of, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
PLAN = "/admin/sync/nightplan/"


def said(browser) -> str:
    return browser.driver.find_element(By.ID, "content").text


def test_a_manager_has_the_plan_made_holds_a_line_with_the_keyboard_and_lets_it_go(browser, monkeypatch):
    monkeypatch.setattr(rehearse_night, "MOST_SECONDS_EMBEDDED", 600.0)
    manager, system = UserFactory(role=CRM_MANAGERS), TicketSystemFactory(code="MLB")
    grant(manager, SystemRight.VIEW, on=system)
    refs = [SystemRefFactory(system=system, **person(number)) for number in range(3)]
    regroup(now=NOW)
    request = file_grouping(contact_of(refs[0]), [contact_of(refs[1])], by=manager, now=timezone.now())
    SystemRefFactory(system=system, **person(2))
    browser.sign_in(manager)

    browser.open(PLAN)
    assert "No plan has been made yet" in said(browser)
    browser.driver.find_element(By.XPATH, "//button[text()='Make the plan']").click()
    browser.waits_for(lambda _: "waits for the cluster" in said(browser))
    make_plans(clock=timezone.now)
    browser.waits_for(lambda _: f"Request {request.pk}: group" in said(browser))
    boxes = browser.driver.find_elements(By.CSS_SELECTOR, ".np-box")
    assert [box.get_attribute("aria-checked") for box in boxes] == ["false", "false"]

    boxes[0].send_keys(Keys.ENTER)
    browser.waits_for(lambda driver: driver.find_elements(By.CSS_SELECTOR, ".np-box[aria-checked=true]"))
    request.refresh_from_db()
    assert request.state == "held"
    browser.driver.find_element(By.CSS_SELECTOR, ".np-box[aria-checked=false]").click()
    browser.waits_for(lambda driver: len(driver.find_elements(By.CSS_SELECTOR, ".np-held")) == 2)
    assert HeldLine.objects.get().by == manager

    browser.driver.find_element(By.CSS_SELECTOR, ".np-box").click()
    browser.waits_for(lambda driver: len(driver.find_elements(By.CSS_SELECTOR, ".np-held")) == 1)
    request.refresh_from_db()
    assert request.state == "waiting"
    assert NightPlan.objects.count() == 1
    assert browser.complaints() == []
