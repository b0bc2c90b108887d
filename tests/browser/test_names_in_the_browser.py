"""Controls that are pictures alone have names for those who hear the page."""

import pytest
from selenium.webdriver.common.by import By

from contacts.models import Organisation

from ..factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_clock_beside_a_time_and_the_search_everywhere_have_names(browser):
    browser.sign_in(UserFactory(is_superuser=True))
    browser.open(f"/admin/contacts/organisation/{Organisation.load().pk}/change/")

    def called(css: str) -> str:
        """The name once it is set, which is after the clock has come."""
        return browser.waits_for(
            lambda driver: driver.find_element(By.CSS_SELECTOR, css).get_attribute("aria-label")
        )

    names = [called(css) for css in ("[id^=clocklink]", "#command-submit", "#search-input-command")]
    assert names == ["Choose a time", "Search", "Search everywhere"]
    assert browser.complaints() == []
