"""A manager writes a rule with the keyboard alone, tries it, and saves it; the console is silent."""

import contextlib
import os

import pytest
from django.db import OperationalError
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from contacts import tasks
from contacts.models import RuleSet, RuleTrial

from ..factories import SystemRefFactory, TicketSystemFactory, UserFactory

TOWNS = (
    ("Durham", "DH"), ("Leeds", "LS"), ("York", "YO"), ("Bath", "BA"), ("Exeter", "EX"), ("Oxford", "OX"),
    ("Hull", "HU"), ("Derby", "DE"), ("Truro", "TR"), ("Luton", "LU"), ("Crewe", "CW"), ("Swansea", "SA"),
)  # fmt: skip

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def shoot(browser, name):
    if folder := os.environ.get("SHOTS"):
        browser.driver.save_screenshot(f"{folder}/{name}.png")


def press(browser, *keys, alt=False):
    actions = ActionChains(browser.driver)
    if alt:
        actions = actions.key_down(Keys.ALT).send_keys(*keys).key_up(Keys.ALT)
    else:
        actions = actions.send_keys(*keys)
    actions.perform()


def focused(browser):
    return browser.driver.switch_to.active_element


def tab_to(browser, wanted):
    """Press Tab until the focus is on what is wanted; gives it back."""
    for _ in range(120):
        press(browser, Keys.TAB)
        if wanted(focused(browser)):
            return focused(browser)
    raise AssertionError("no Tab leads there")


def is_done():
    """The dry run ends while its page looks on; False where that page was just reading."""
    with contextlib.suppress(OperationalError):
        return RuleTrial.objects.update(state=RuleTrial.State.DONE, step=4)
    return False


def titles(browser):
    rules = browser.driver.find_elements(By.CSS_SELECTOR, ".mr-rules .mr-title input")
    return [rule.get_attribute("value") for rule in rules]


def some_people():
    """A dozen companies, each with two people of quite different names in one postcode."""
    club, shop = TicketSystemFactory(code="CLUB", rank=10), TicketSystemFactory(code="SHOP", rank=20)
    for number, (city, area) in enumerate(TOWNS, start=1):
        home = {"company": f"{city} Seats", "city": city, "postcode": f"{area}{number} {number}AA"}
        SystemRefFactory(
            system=club,
            first_name="Ann",
            last_name=f"Mar{city.lower()}",
            phone=f"0191 496 {number:04}",
            **home,
        )
        SystemRefFactory(
            system=shop, first_name="Bo", last_name=f"Oka{city.lower()}", email=f"{city}@example.org", **home
        )


def test_a_rule_is_written_tried_and_saved_with_the_keyboard(browser):
    some_people()
    manager = UserFactory(is_superuser=True, username="diaz")
    driver = browser.driver
    browser.sign_in(manager)
    browser.open("/admin/contacts/ruleset/")
    shoot(browser, "rules-editor")

    add = tab_to(browser, lambda it: it.get_attribute("data-add") == "rule")
    press(browser, Keys.ENTER)
    press(browser, "Same company and postcode")
    tab_to(browser, lambda it: it.tag_name == "select" and it.get_attribute("name").endswith("-field"))
    Select(focused(browser)).select_by_visible_text("company")
    tab_to(browser, lambda it: it.get_attribute("data-add") == "criterion")
    press(browser, Keys.ENTER)
    Select(focused(browser)).select_by_visible_text("postcode")
    press(browser, Keys.ARROW_UP, alt=True)
    moved = driver.find_element(By.CSS_SELECTOR, "[data-said]").get_attribute("textContent")
    rule = focused(browser).find_element(By.XPATH, "ancestor::section")
    title = rule.find_element(By.CSS_SELECTOR, ".mr-title input")
    driver.execute_script("arguments[0].focus()", title)
    press(browser, Keys.ARROW_UP, alt=True)
    shoot(browser, "rules-edited")

    assert add.is_displayed()
    assert moved == "Criterion moved, now 1 of 2."
    assert titles(browser)[2:] == ["Same company and postcode", "Same name and business phone"]
    assert focused(browser) == title
    tab_to(browser, lambda it: it.get_attribute("name") == "try")
    press(browser, Keys.ENTER)
    browser.waits_for(lambda _: RuleTrial.objects.exists())
    browser.waits_for(lambda _: "waiting for the cluster" in driver.page_source)
    address = driver.current_url
    browser.driver.get("about:blank")  # in memory, SQLite lets nobody read a table that is written
    tasks.try_rules(trial_id=RuleTrial.objects.get().pk)
    RuleTrial.objects.update(state=RuleTrial.State.RUNNING, step=1)
    browser.driver.get(address)
    browser.waits_for(lambda _: "step 2 of 4: grouping as now in force" in driver.page_source)
    shoot(browser, "rules-running")
    browser.waits_for(lambda _: is_done())
    browser.waits_for(lambda _: "would join" in driver.page_source)
    shoot(browser, "rules-tried")
    tried = driver.find_element(By.CSS_SELECTOR, ".mr-verdict").text
    tab_to(browser, lambda it: it.get_attribute("name") == "note")
    press(browser, "For the company seats.", Keys.ENTER)
    browser.waits_for(lambda _: RuleSet.objects.filter(number=2).exists())
    browser.waits_for(lambda _: "Version 2 is in force" in driver.page_source)
    shoot(browser, "rules-saved")
    browser.open("/admin/contacts/ruleset/versions/")
    shoot(browser, "rules-versions")

    assert tried == "12 groups would join, 0 would split."
    kept = [rule["name"] for rule in RuleSet.objects.get(is_active=True).rules]
    assert kept == ["email", "address", "same_company_and_postcode", "phone"]
    criteria = RuleSet.objects.get(is_active=True).rules[2]["criteria"]
    assert [criterion["field"] for criterion in criteria] == ["postcode", "company"]
    assert browser.complaints() == []


def test_what_is_wrong_stands_beside_the_row_and_rows_come_and_go_with_the_mouse(browser):
    TicketSystemFactory()
    driver = browser.driver
    browser.sign_in(UserFactory(is_superuser=True))
    browser.open("/admin/contacts/ruleset/")

    driver.find_element(By.CSS_SELECTOR, ".mr-rule [data-remove]").click()
    after_removal = titles(browser)
    driver.find_element(By.CSS_SELECTOR, "[data-add=rule]").click()
    press(browser, "Loose")
    row = driver.find_elements(By.CSS_SELECTOR, "[data-row=criterion]")[-1]
    field, comparator = (Select(box) for box in row.find_elements(By.TAG_NAME, "select"))
    threshold = row.find_element(By.CSS_SELECTOR, ".mr-threshold input")
    hidden_at_first = not threshold.is_displayed()
    comparator.select_by_visible_text("alike")
    threshold.clear()
    threshold.send_keys("0.2")
    field.select_by_visible_text("first name")
    driver.find_element(By.NAME, "try").click()
    browser.waits_for(lambda _: driver.find_elements(By.CSS_SELECTOR, ".k-error"))
    shoot(browser, "rules-errors")

    assert after_removal == ["Same name and address", "Same name and business phone"]
    assert hidden_at_first
    said = [error.text for error in driver.find_elements(By.CSS_SELECTOR, ".k-error")]
    assert said == ["Between 0.5 and 1."]
    assert titles(browser) == ["Same name and address", "Same name and business phone", "Loose"]
    assert browser.complaints() == []


def test_the_arrows_of_the_first_and_the_last_row_are_off_and_the_focus_stays_on_the_rule(browser):
    TicketSystemFactory()
    driver = browser.driver
    browser.sign_in(UserFactory(is_superuser=True))
    browser.open("/admin/contacts/ruleset/")

    def arrows():
        return [
            [button.is_enabled() for button in rule.find_elements(By.CSS_SELECTOR, ".mr-head [data-move]")]
            for rule in driver.find_elements(By.CSS_SELECTOR, ".mr-rules > [data-row=rule]")
        ]

    before = arrows()
    driver.find_elements(By.CSS_SELECTOR, ".mr-head [data-move='-1']")[1].click()

    assert before == arrows() == [[False, True], [True, True], [True, False]]
    assert titles(browser)[0] == "Same name and address"
    assert focused(browser).accessible_name == "Move this rule down"
    shoot(browser, "rules-arrows")
    assert browser.complaints() == []
