"""An import as a manager sees it: upload, check, confirm, done."""

import os

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from contacts import tasks
from contacts.importers import IMPORTERS
from contacts.models import Job, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services import jobs
from contacts.services.imports import ImportOptions

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


@pytest.mark.req("D-21")
def test_rejected_rows_are_corrected_by_the_keyboard_and_sent_again(browser, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "files"
    system = TicketSystemFactory(code="TM", name="Ticketmaster")
    manager = UserFactory(is_superuser=True)
    for right in SystemRight:
        grant(manager, right, on=system)
    job = brought(system, manager)
    driver = browser.driver

    browser.sign_in(manager)
    browser.open(f"/admin/contacts/job/{job.pk}/change/")
    first = browser.waits_for_focus("[autofocus]")
    shoot(browser, "rejected")
    was = (first.get_attribute("value"), driver.find_element(By.NAME, "send").is_enabled())
    first.send_keys("example.org", Keys.ENTER)
    second = driver.switch_to.active_element
    second.send_keys(Keys.ARROW_DOWN, Keys.ARROW_UP)
    column_kept = driver.switch_to.active_element == second
    second.clear()
    second.send_keys("2001-05-04")
    offered = driver.find_element(By.NAME, "send").text
    shoot(browser, "corrected")
    driver.find_element(By.NAME, "send").click()
    browser.waits_for(lambda _: Job.objects.count() == 2)
    tasks.check_import(job_id=Job.objects.latest("pk").pk)
    confirm = browser.waits_for(lambda _: driver.find_elements(By.NAME, "confirm"))[0]
    shoot(browser, "corrections")
    told = confirm.text
    browser.open(f"/admin/contacts/job/{job.pk}/change/")
    shoot(browser, "sent")

    assert was == ("ann0@", False)
    assert column_kept
    assert (offered, told) == ("Send 2 corrected rows again", "Write 2 rows")
    assert driver.page_source.count("sent again in") == 2
    assert browser.complaints() == []


def brought(system, by):
    """An import that is done, a few of whose rows were not taken."""
    rows = []
    for number in range(40):
        email = f"ann{number}@" if number % 5 == 0 else f"ann{number}@example.org"
        born = "4 May 01" if number % 7 == 3 else ("2031-01-01" if number == 12 else "1980-02-28")
        rows.append(
            f"{1000 + number},Ms,Ann,Marlow-{number},{email},020 7946 09{number:02},Leeds,LS1 4DY,GB,{born}"
        )
    header = "system_ref,title,first_name,last_name,email,phone,city,postcode,country,date_of_birth"
    job = jobs.file_import(
        SimpleUploadedFile("fans.csv", "\n".join([header, *rows]).encode()),
        importer=IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS],
        system=system,
        options=ImportOptions(),
        by=by,
        now=timezone.now(),
    )
    tasks.check_import(job_id=job.pk)
    job.refresh_from_db()
    jobs.confirm_import(job, by=by, now=timezone.now())
    tasks.write_import(job_id=job.pk)
    return job
