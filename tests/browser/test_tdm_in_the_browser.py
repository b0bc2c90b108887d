"""A rep at the Ticketing Data Manager, in a real browser: finds, submits, is refused, settles, reverts."""

import datetime as dt

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from contacts.models import Contact, FieldChange, HeldValue, SystemRef
from contacts.models.history import Origin
from contacts.permissions import SystemRight, grant
from contacts.services.corrections import correct
from contacts.services.golden import refresh_golden
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from ticketing.models import WriteBack

from ..factories import (
    NOW,
    MappingFactory,
    PurchaseFactory,
    SystemRefFactory,
    TicketSystemFactory,
    UserFactory,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOADED = "return document.readyState === 'complete'"


@pytest.fixture
def ann():
    """Ann Marlow, known to the Majors and to the Minors."""
    contact = Contact.objects.create(since=NOW)
    known = {"first_name": "Ann", "last_name": "Marlow", "email": "ann@example.org", "country": "GB"}
    for number, (code, ref) in enumerate((("MLB", "2001"), ("MIN", "3004"))):
        system = TicketSystemFactory(code=code, name=f"{code} box office", rank=number, tint=number)
        account = SystemRefFactory(system=system, system_ref=ref, **known)
        MappingFactory(system_ref=account, contact=contact, is_primary=number == 0)
        for week in range(6):
            at = NOW - dt.timedelta(days=7 * week + number)
            PurchaseFactory(system_ref=account, event=f"Home Opener {week + 1}", seats=2, purchased_at=at)
    refresh_golden([contact.pk], now=NOW)
    return contact


@pytest.fixture
def rep(ann):
    """May change accounts of MLB, and only see those of MIN."""
    UserFactory(username="jdiaz", first_name="J.", last_name="Diaz", role=CRM_MANAGERS)
    rep = UserFactory(username="kokafor", first_name="K.", last_name="Okafor", role=SALES_REPS)
    for account in accounts(ann):
        grant(rep, SystemRight.VIEW, on=account.system)
    grant(rep, SystemRight.CHANGE, on=accounts(ann)[0].system)
    return rep


def accounts(contact: Contact) -> list[SystemRef]:
    """MLB's, then MIN's."""
    refs = SystemRef.objects.filter(mapping__contact=contact).select_related("system")
    return list(refs.order_by("system__rank"))


def wait(browser, css: str):
    """The element, once its page has loaded with its scripts."""
    return browser.waits_for(
        lambda driver: driver.execute_script(LOADED) and driver.find_element(By.CSS_SELECTOR, css)
    )


def field(browser, name: str):
    return wait(browser, f"#tdm-{name}")


def type_into(browser, name: str, text: str) -> None:
    box = field(browser, name)
    box.send_keys(Keys.CONTROL + "a" + Keys.NULL, text)


def submit(browser):
    """Press Submit and wait for the page that it leads to."""
    old = wait(browser, "body")
    browser.driver.find_element(By.CSS_SELECTOR, "button[name=submit]").click()
    browser.waits_for(lambda driver: is_gone(old))
    wait(browser, "body")


def is_gone(element) -> bool:
    try:
        return not element.is_enabled()
    except Exception:  # the page it stood on is another now, however the driver says so
        return True


def words(browser) -> str:
    return wait(browser, "#main, main, body").text


@pytest.mark.req("R-MDB-26", "R-MDB-27", "R-SYS-2")
def test_a_rep_with_the_right_submits_and_sees_what_happens_next(browser, rep, ann):
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/")
    button = wait(browser, "button[name=submit]")
    assert button.is_enabled()
    assert "You may change accounts of MLB." in words(browser)

    type_into(browser, "email", "ann.marlow@example.org")
    assert wait(browser, "[data-unsaved]").is_displayed()
    submit(browser)

    assert "E-mail changed." in words(browser)
    assert "to be changed at the source" in words(browser)
    assert "corrected by K. Okafor" in words(browser)
    assert field(browser, "email").get_attribute("value") == "ann.marlow@example.org"
    assert accounts(ann)[0].email == "ann.marlow@example.org"
    assert browser.complaints() == []


@pytest.mark.req("R-MDB-20", "R-MDB-26", "R-MDB-27", "R-MDB-29")
def test_with_the_right_to_see_alone_submit_is_disabled_with_the_reason_beside_it(browser, rep, ann):
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/?account={accounts(ann)[1].pk}")

    assert not wait(browser, "button[name=submit]").is_enabled()
    reason = wait(browser, "[data-reason]")
    assert reason.is_displayed()
    assert reason.text == "You may see but not change accounts of MIN. Ask: J. Diaz."
    assert field(browser, "email").get_attribute("readonly")
    assert len(browser.driver.find_elements(By.CSS_SELECTOR, "button[name=submit]")) == 1


@pytest.mark.req("R-MDB-28", "R-MDB-30")
def test_when_the_right_is_taken_away_the_open_pages_submit_is_refused(browser, rep, ann):
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/")
    type_into(browser, "email", "forged@example.org")
    rep.ticketsystemuserobjectpermission_set.filter(permission__codename=SystemRight.CHANGE).delete()

    submit(browser)

    assert "Nothing was changed. What you typed stands below" in words(browser)
    assert "You may see but not change accounts of MLB. Ask: J. Diaz." in words(browser)
    assert field(browser, "email").get_attribute("value") == "forged@example.org"
    assert [complaint for complaint in browser.complaints() if "403" not in complaint] == []
    assert accounts(ann)[0].email == "ann@example.org"
    assert WriteBack.objects.count() == 0


@pytest.mark.req("R-MDB-14", "R-SYS-2")
def test_a_fan_is_found_and_an_account_changed_by_the_keyboard_alone(browser, rep, ann):
    browser.sign_in(rep)
    browser.open("/admin/")
    wait(browser, "input[type=search]")
    browser.go("gt", "/tdm/")

    browser.search(".tdm-find input[type=search]", "Marlw")
    browser.waits_for(lambda d: "q=Marlw" in d.current_url)
    assert "Nobody is called exactly “Marlw”." in words(browser)
    wait(browser, "table[data-rows]")
    browser.open_first_row()
    wait(browser, ".k-name")
    type_into(browser, "city", "Leeds")
    browser.press(Keys.CONTROL + Keys.ENTER + Keys.NULL)

    browser.waits_for(lambda d: "City changed." in d.find_element(By.TAG_NAME, "body").text)
    assert accounts(ann)[0].city == "Leeds"
    assert browser.complaints() == []


def test_of_two_reps_at_once_the_second_chooses_between_both_values(browser, rep, ann):
    other = UserFactory(username="lreyes", role=SALES_REPS)
    for right in SystemRight:
        grant(other, right, on=accounts(ann)[0].system)
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/")
    type_into(browser, "email", "second@example.org")
    correct(accounts(ann)[0], {"email": "first@example.org"}, seen=None, by=other, now=NOW)

    submit(browser)
    assert "Somebody changed this account while you were at it." in words(browser)
    assert field(browser, "email").get_attribute("value") == "second@example.org"
    wait(browser, "input[name=choose_email][value=theirs]").click()
    submit(browser)

    assert accounts(ann)[0].email == "first@example.org"
    assert "Nothing was changed" in words(browser)


def test_a_wrong_value_is_told_at_its_field_and_what_was_typed_stays(browser, rep, ann):
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/")
    type_into(browser, "phone", "12")
    type_into(browser, "city", "Leeds")
    submit(browser)

    assert wait(browser, "#tdm-phone-error").text.startswith("Nobody could dial this from GB")
    browser.waits_for_focus("[name=phone]")
    assert field(browser, "city").get_attribute("value") == "Leeds"
    assert accounts(ann)[0].city == ""


def test_a_conflict_is_settled_where_it_stands(browser, rep, ann):
    [account, _other] = accounts(ann)
    correct(account, {"email": "ours@example.org"}, seen=None, by=rep, now=NOW)
    HeldValue.objects.update(source_value="theirs@example.org", differs_since=NOW)
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/")
    assert "theirs@example.org" in words(browser)
    old = wait(browser, "button[value^=take]")
    old.click()
    browser.waits_for(lambda driver: is_gone(old))

    assert field(browser, "email").get_attribute("value") == "theirs@example.org"
    assert HeldValue.objects.count() == 0


def test_a_change_is_reverted_from_the_history(browser, rep, ann):
    account = accounts(ann)[0]
    FieldChange.objects.create(
        system_ref=account, field="email", before="old@example.org", after="ann@example.org",
        origin=Origin.BOOKING, at=NOW,
    )  # fmt: skip
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/?account={account.pk}&show=history")
    old = wait(browser, "button[name=change]")
    old.click()
    browser.waits_for(lambda driver: is_gone(old))

    assert "E-mail changed." in words(browser)
    assert accounts(ann)[0].email == "old@example.org"


@pytest.mark.parametrize("width", [480, 1440])
def test_no_page_of_the_tdm_is_wider_than_its_window(browser, rep, ann, width):
    account = accounts(ann)[0]
    correct(account, {"email": f"{'long' * 40}@example.org"}, seen=None, by=rep, now=NOW)
    HeldValue.objects.update(source_value=f"{'theirs' * 30}@example.org", differs_since=NOW)
    WriteBack.objects.create(
        system_ref=account, values={"email": f"{'neu' * 60}@x.example"}, before={"email": ""}, by=rep, at=NOW,
        state=WriteBack.State.REFUSED, reason="The source takes no such address.", settled_at=NOW,
    )  # fmt: skip
    browser.sign_in(rep)
    browser.driver.set_window_size(width, 900)
    page = f"/tdm/{ann.pk}/?account={account.pk}"

    for path in (
        "/tdm/",
        "/tdm/?q=ann",
        page,
        f"{page}&show=history",
        "/tdm/conflicts/",
        "/tdm/write-backs/",
    ):
        browser.open(f"{path}{'&' if '?' in path else '?'}framed={int(width == 480)}")
        wait(browser, "#content")
        wider = browser.driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, path
        if "history" in path or "s/" in path:
            over = "const t = document.querySelector('.k-scroll'); return t.scrollWidth - t.clientWidth"
            assert browser.driver.execute_script(over) <= 0, path
        assert bool(browser.driver.find_elements(By.ID, "nav-sidebar")) == (width == 1440)


def test_slash_searches_where_a_search_can_be_seen_and_else_goes_to_find_a_fan(browser, rep, ann):
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/")
    wait(browser, ".k-name")

    wait(browser, "body").send_keys("gn")
    assert f"/tdm/{ann.pk}/" in browser.driver.current_url
    browser.go("/", "/tdm/")


def test_what_the_clipboard_refuses_is_selected_to_be_copied_by_hand(browser, rep, ann):
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/")
    copy = wait(browser, "[data-copy]")
    browser.driver.execute_cdp_cmd(
        "Browser.setPermission",
        {"permission": {"name": "clipboard-write"}, "setting": "denied"},
    )

    copy.click()

    browser.waits_for(lambda _: wait(browser, "[data-selected]").text == "selected: copy it with Ctrl+C")
    assert browser.driver.execute_script("return String(getSelection())") == str(ann.pk)


def test_a_framed_page_is_named_and_leads_to_the_queues(browser, rep, ann):
    browser.sign_in(rep)
    browser.open(f"/tdm/{ann.pk}/?framed=1")

    assert wait(browser, "h1").get_attribute("textContent") == str(ann.pk)
    ways = browser.driver.find_elements(By.CSS_SELECTOR, ".tdm-frame-nav a")
    assert [way.text for way in ways] == ["Find a fan", "Conflicts", "Write-backs"]
