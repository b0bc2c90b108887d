"""A manager asks for a night, follows one as it runs, and finds the overview's figures."""

import pytest
from django.utils import timezone
from django_q.models import OrmQ
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from contacts.group_brake import Blame, Example, Held
from contacts.models import GroupingRun, ModelVersion
from contacts.permissions import SystemRight, grant
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from sync.models import NightRun
from sync.services.release_night import RELEASE_TASK

from ..factories import MappingFactory, SystemRefFactory, UserFactory
from ..factories.nights import NightRunFactory, NightStepFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


def said(browser) -> str:
    return browser.driver.find_element(By.ID, "content").text


@pytest.mark.req("R-SYS-4")
def test_a_manager_runs_the_night_and_follows_it_without_a_reload(browser):
    manager = UserFactory(role=CRM_MANAGERS)
    mapping = MappingFactory()
    grant(manager, SystemRight.VIEW, on=mapping.system_ref.system)
    browser.sign_in(manager)

    browser.open("/admin/sync/nightrun/")
    browser.driver.find_element(By.LINK_TEXT, "Run the night now").click()
    browser.waits_for(
        lambda driver: driver.find_element(By.XPATH, "//button[text()='Run the night']")
    ).click()
    browser.waits_for(lambda _: "waits for the cluster" in said(browser))
    assert OrmQ.objects.count() == 1

    run = NightRunFactory(state="running", started_at=timezone.now())
    step = NightStepFactory(
        run=run, name="Group System Refs", state="running", done=1, total=4, started_at=timezone.now()
    )
    browser.open(f"/admin/sync/nightrun/{run.pk}/change/")
    assert "25 %" in said(browser)

    type(step).objects.update(state="done", done=4, counts={"joined": 1234})
    NightRun.objects.update(state="done", finished_at=timezone.now())
    browser.waits_for(lambda _driver: "1,234" in said(browser))
    assert "25 %" not in said(browser)
    assert browser.complaints() == []


def test_a_manager_sees_why_the_night_is_held_and_lets_it_go_on(browser):
    manager = UserFactory(role=CRM_MANAGERS)
    ref = SystemRefFactory(email="pat.stanley@gmail.example")
    grant(manager, SystemRight.VIEW, on=ref.system)
    held = Held(
        established=900, joined=0, may_join=50, too_large=1, largest=500, may_hold=30, alike=0,
        blames=[Blame("email", "email", 500, [ref.pk], [ref.system_id])],
        examples=[Example(500, 0, [ref.pk], [ref.system_id])],
    )  # fmt: skip
    grouping = GroupingRun.objects.create(
        model_version=ModelVersion.objects.create(
            number=1, population=1, settings={}, created_at=timezone.now()
        ),
        started_at=timezone.now(),
        finished_at=timezone.now(),
        held=held.as_json(),
    )
    run = NightRunFactory(state="held", held_grouping=grouping)
    NightStepFactory(run=run, name="Group System Refs", state="held", error=held.reasons[0])
    browser.sign_in(manager)
    browser.complaints()

    browser.open("/admin/sync/nightrun/")
    browser.driver.find_element(By.LINK_TEXT, "See why").click()
    browser.waits_for(lambda _: "pat.stanley@gmail.example" in said(browser))
    browser.driver.find_element(By.LINK_TEXT, "Let it go on …").click()
    browser.waits_for(lambda driver: driver.find_element(By.XPATH, "//button[text()='Let it go on']")).click()

    browser.waits_for(lambda _: "Held, and let go on" in said(browser))
    assert f"by {manager.username}" in said(browser)
    assert [task.task["func"] for task in OrmQ.objects.all()] == [RELEASE_TASK]
    assert browser.complaints() == []


def test_the_overview_draws_itself_without_breaking_the_content_policy(browser):
    manager = UserFactory(role=CRM_MANAGERS)
    mappings = MappingFactory.create_batch(3)
    for mapping in mappings:
        grant(manager, SystemRight.VIEW, on=mapping.system_ref.system)
    NightStepFactory(counts={"joined": 5, "split": 2})
    browser.sign_in(manager)
    browser.complaints()

    browser.open("/admin/")

    assert "Overlap between systems" in said(browser)
    bars = browser.driver.find_elements(By.CSS_SELECTOR, ".ov-bars .ov-joined")
    assert [bar.size["height"] > 0 for bar in bars] == [True]
    assert browser.complaints() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_rep_searches_from_the_first_page_and_lands_in_the_tdm(browser, theme):
    rep = UserFactory(role=SALES_REPS)
    mapping = MappingFactory(system_ref__last_name="Marlow")
    grant(rep, SystemRight.VIEW, on=mapping.system_ref.system)
    browser.sign_in(rep)
    browser.driver.execute_script("localStorage.setItem('adminTheme', JSON.stringify(arguments[0]))", theme)

    browser.open("/admin/")
    search = browser.driver.find_element(By.NAME, "q")
    assert search.get_attribute("autofocus")
    search.send_keys("marlow", Keys.ENTER)

    browser.waits_for(lambda driver: "/tdm/" in driver.current_url)
    browser.waits_for(lambda _: str(mapping.contact_id) in said(browser))
