"""An import as a manager sees it: upload, check, confirm, done."""

import os

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from contacts import tasks
from contacts.models import Job, SystemRef
from contacts.permissions import SystemRight, grant

from ..factories import TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def shoot(browser, name):
    if folder := os.environ.get("SHOTS"):
        browser.driver.save_screenshot(f"{folder}/{name}.png")


@pytest.mark.req("D-21")
def test_a_manager_brings_a_file_in_watching_it_and_the_console_is_silent(browser, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "files"
    system = TicketSystemFactory(code="TM", name="Ticketmaster")
    manager = UserFactory(is_superuser=True)
    for right in SystemRight:
        grant(manager, right, on=system)
    path = tmp_path / "fans.csv"
    rows = "".join(f"{n},Ann,Marlow,{'ann' if n % 7 else 'ann@example.org'},Leeds\n" for n in range(60))
    path.write_text(f"system_ref,first_name,last_name,email,shoes\n{rows}", encoding="utf-8")
    driver = browser.driver

    browser.sign_in(manager)
    browser.open("/admin/contacts/job/add/")
    shoot(browser, "upload")
    Select(driver.find_element(By.NAME, "system")).select_by_visible_text(str(system))
    driver.find_element(By.NAME, "import_file").send_keys(str(path))
    driver.find_element(By.XPATH, "//button[text()='Check the file']").click()
    browser.waits_for(lambda _: Job.objects.exists())  # a click returns before the server has taken the form
    shoot(browser, "waiting")
    tasks.check_import(job_id=Job.objects.get().pk)
    confirm = browser.waits_for(lambda _: driver.find_elements(By.NAME, "confirm"))[0]
    shoot(browser, "checked")
    offered = confirm.text
    confirm.click()
    browser.waits_for(lambda _: not Job.objects.filter(state=Job.State.CHECKED).exists())
    tasks.write_import(job_id=Job.objects.get().pk)
    browser.waits_for(lambda _: "The first rows as they were read" in driver.page_source)
    shoot(browser, "done")
    browser.open("/admin/contacts/job/")
    shoot(browser, "list")

    assert offered == "Write 9 rows"
    assert SystemRef.objects.count() == 9
    assert "fans.csv" in driver.page_source
    assert browser.complaints() == []
