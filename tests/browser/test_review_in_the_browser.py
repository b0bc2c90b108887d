"""A manager reviews by keyboard alone, takes an answer back, and answers the safe ones in one go."""

import pytest
from selenium.webdriver.common.by import By

from contacts.models import GroupDecision, GroupRequest, ReviewAnswer

from ..factories import TicketSystemFactory
from ..factories.review import link, placed, reviewer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

QUEUE = "/admin/contacts/reviewanswer/"
SAFE_LEVELS = {"first": (6, 3.0, 1.0), "email": (4, 8.0, 1.0)}


@pytest.fixture
def systems():
    return TicketSystemFactory(code="MLB", name="Majors", rank=1), TicketSystemFactory(code="MIN", rank=2)


@pytest.fixture
def dee(systems):
    return reviewer(*systems)


def pairs(systems, *weights) -> list[tuple[int, int]]:
    """A pair of contacts for each weight."""
    made = []
    for weight in weights:
        one, other = (placed(system, first_name="Ann", last_name="Lee") for system in systems)
        link(one, other, weight, levels=SAFE_LEVELS)
        made.append((one.pk, other.pk))
    return made


def press(browser, key) -> None:
    browser.driver.find_element(By.TAG_NAME, "body").send_keys(key)


def asks(browser, numbers) -> None:
    """Wait until this pair is asked about."""
    browser.waits_for(
        lambda d: (
            tuple(
                int(d.find_element(By.CSS_SELECTOR, f"[data-review] [name={side}]").get_attribute("value"))
                for side in ("left", "right")
            )
            == numbers
        )
    )


def test_three_pairs_are_answered_and_one_taken_back_by_keyboard_alone(browser, systems, dee):
    first, second, third = pairs(systems, 9.0, 8.0, 7.0)
    browser.sign_in(dee)
    browser.open(QUEUE)
    browser.complaints()

    asks(browser, first)
    press(browser, "s")
    asks(browser, second)
    press(browser, "d")
    asks(browser, third)
    press(browser, "u")
    asks(browser, second)
    press(browser, "l")
    asks(browser, third)
    press(browser, "d")
    browser.waits_for(lambda d: "Nothing to review" in d.page_source)

    given = ReviewAnswer.objects.standing().order_by("pk").values_list("answer", flat=True)
    assert list(given) == ["same", "later", "different"]
    assert GroupRequest.objects.get().group_id == first[0]
    assert GroupDecision.objects.standing().count() == 1
    assert browser.complaints() == []


def test_the_safe_ones_are_answered_together_but_for_the_one_that_is_left_out(browser, systems, dee):
    first, second, third = pairs(systems, 5.5, 5.4, 5.3)
    browser.sign_in(dee)
    browser.open(f"{QUEUE}safe/")
    browser.complaints()
    button = browser.waits_for(lambda d: d.find_element(By.CSS_SELECTOR, "[data-count]"))
    browser.waits_for(lambda _: button.text == "Same for all 3 chosen")

    box = f"input[aria-label='{second[0]} and {second[1]}']"
    browser.driver.find_element(By.CSS_SELECTOR, box).click()
    browser.waits_for(lambda _: button.text == "Same for all 2 chosen")
    button.click()

    browser.waits_for(lambda d: "2 pairs will be grouped tonight" in d.page_source)
    assert {request.group_id for request in GroupRequest.objects.all()} == {first[0], third[0]}
    assert browser.complaints() == []
