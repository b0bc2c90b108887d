"""Why not?, by keyboard alone: two Contacts are found, the answer is read, and the way by hand is taken."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from contacts.models import Contact
from contacts.permissions import SystemRight, grant
from contacts.services.regroup import regroup
from kore_site.roles import CRM_MANAGERS

from ..factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


@pytest.mark.req("R-CM-6", "C-5")
def test_two_contacts_are_found_and_told_apart_by_keyboard(browser):
    systems = TicketSystemFactory(code="MAJ", name="Major"), TicketSystemFactory(code="MIN", name="Minor")
    home = {"email": "home@marlow.org", "city": "Leeds", "postcode": "LS1 4AB"}
    ann = SystemRefFactory(system=systems[0], first_name="Ann", last_name="Marlow", **home)
    bo = SystemRefFactory(system=systems[1], first_name="Bo", last_name="Okafor", **home)
    regroup(now=NOW)
    left, right = (Contact.objects.get(mappings__system_ref=ref).pk for ref in (ann, bo))
    manager = UserFactory(role=CRM_MANAGERS)
    for system in systems:
        grant(manager, SystemRight.VIEW, on=system)
    browser.sign_in(manager)

    browser.open("/admin/contacts/contact/why-not/")
    for side, text, number in (("left", "Ann Marlow", left), ("right", "Okafor", right)):
        field = browser.waits_for(lambda d, side=side: d.find_element(By.ID, f"find-{side}"))
        field.send_keys(text, Keys.ENTER)
        found = browser.waits_for(lambda d: d.find_element(By.CSS_SELECTOR, ".wn-choice"))
        assert str(number) in found.text
        found.send_keys(Keys.ENTER)
        browser.waits_for(lambda d, asked=f"{side}={number}": asked in d.current_url)

    reason = browser.waits_for(lambda d: d.find_element(By.CSS_SELECTOR, ".wn-reason").text)
    assert reason == "“Same e-mail” would hold, but the names do not agree: Ann Marlow and Bo Okafor."
    browser.driver.find_element(By.LINK_TEXT, "Group these two").send_keys(Keys.ENTER)
    browser.waits_for(lambda d: f"/{left}/group/?with={right}" in d.current_url)
    assert browser.complaints() == []
