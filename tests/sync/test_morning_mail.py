"""The morning report by e-mail: once, to who may see the nights, in ids and counts that they may see."""

import datetime as dt

import pytest
from django.core import mail
from django.urls import reverse

from contacts.models import GroupRequest, RequestRef
from contacts.permissions import SystemRight, grant
from contacts.services.held_lines import hold
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from sync.services.morning_mail import mail_reports
from tests.factories import NOW, MappingFactory, TicketSystemFactory, UserFactory
from tests.factories.nights import NightRunFactory, NightStepFactory

pytestmark = pytest.mark.django_db
MORNING = NOW + dt.timedelta(hours=1)


def manager_of(*systems, email="boss@example.org"):
    manager = UserFactory(role=CRM_MANAGERS, email=email)
    for system in systems:
        grant(manager, SystemRight.VIEW, on=system)
    return manager


def settled(state: str, *refs, outcome: str = "") -> GroupRequest:
    at = None if state == "held" else NOW + dt.timedelta(seconds=1)
    request = GroupRequest.objects.create(
        kind="group",
        state=state,
        group_id=refs[0].mapping.contact_id,
        filed_at=NOW,
        settled_at=at,
        outcome=outcome,
    )
    for ref in refs:
        RequestRef.objects.create(
            request=request, system_ref=ref, group_id=request.group_id, is_open=at is None
        )
    return request


@pytest.fixture
def systems():
    return TicketSystemFactory(code="MLB"), TicketSystemFactory(code="MIN")


@pytest.fixture
def night(systems):
    """A night with a request done, failed and held in one system, and one done in the other."""
    run = NightRunFactory(started_at=NOW, finished_at=NOW + dt.timedelta(minutes=2))
    counts = {"requests_done": 2, "requests_failed": 1}
    NightStepFactory(run=run, name="Apply requests", counts=counts)
    NightStepFactory(run=run, name="Group System Refs", counts={"joined": 4321})
    details = {"first_name": "Jane", "last_name": "Marlow", "email": "jane@marlow.example"}
    mine = [MappingFactory(system_ref__system=systems[0], **_of(details)).system_ref for _ in range(4)]
    other = MappingFactory(system_ref__system=systems[1]).system_ref
    run.told = [
        settled("done", mine[0]), settled("failed", mine[1], outcome="It changed since."),
        settled("held", mine[2]), settled("done", other),
    ]  # fmt: skip
    hold([mine[3].pk], kind="regroup", by=manager_of(*systems, email=""), now=NOW)
    return run


def _of(details: dict) -> dict:
    return {f"system_ref__{name}": value for name, value in details.items()}


def test_the_report_goes_out_once_to_who_may_see_the_nights_and_tells_each_what_they_may_see(night, systems):
    manager_of(*systems)
    manager_of(systems[0], email="part@example.org")
    UserFactory(role=SALES_REPS, email="rep@example.org")
    UserFactory(role=CRM_MANAGERS, email="left@example.org", is_active=False)

    assert [mail_reports(now=MORNING), mail_reports(now=MORNING)] == [2, 0]

    letters = {letter.to[0]: letter for letter in mail.outbox}
    assert set(letters) == {"boss@example.org", "part@example.org"}
    whole, part = (letters[f"{name}@example.org"].body for name in ("boss", "part"))
    done, failed, held, hidden = night.told
    assert letters["boss@example.org"].subject == "Night of 2 March 2026: done"
    for text in (
        f"{failed.pk} group GroupID {failed.group_id}: It changed since.",
        "1 request failed:",
        "1 request held:",
        "1 line of the plan is held.",
        "(Europe/London)",
        f"/admin/sync/nightrun/{night.pk}/",
    ):
        assert text in whole
        assert text in part
    assert "2 requests done:" in whole
    assert "4,321" in whole
    assert "1 request done:" in part
    for text in ("4,321", f"GroupID {hidden.group_id}"):
        assert text not in part
    for value in ("Jane", "Marlow", "marlow.example"):
        assert value not in whole + part


def test_a_mail_server_that_fails_is_tried_again_and_an_old_night_is_no_news(
    night, systems, settings, caplog
):
    manager_of(*systems)
    settings.EMAIL_BACKEND = "tests.sync.test_morning_mail.Away"

    assert mail_reports(now=MORNING) == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert mail_reports(now=MORNING + dt.timedelta(days=2)) == 0
    assert mail_reports(now=MORNING) == 1
    night.refresh_from_db()
    assert night.told_at == MORNING


class Away:
    """A mail server that is away."""

    def __init__(self, **_options):
        """As every backend."""

    def send_messages(self, _messages):
        raise ConnectionRefusedError


@pytest.mark.req("R-MDB-16")
def test_the_nights_page_tells_requests_that_the_reader_may_see(client, night, systems):
    address = reverse("admin:sync_nightrun_change", args=[night.pk])
    done, failed, held, hidden = night.told
    client.force_login(manager_of(systems[0]))
    page = client.get(address).text

    for request in (done, failed, held):
        assert f"request {request.pk}</a>" in page
    assert "It changed since." in page
    assert f"request {hidden.pk}</a>" not in page


def test_what_was_held_after_the_night_is_no_news_of_it_and_the_mail_leads_to_the_report(
    night, systems, settings
):
    held = night.told[2]
    GroupRequest.objects.filter(pk=held.pk).update(held_at=night.finished_at + dt.timedelta(seconds=1))
    settings.CSRF_TRUSTED_ORIGINS = ["https://kore.example.org"]
    manager_of(*systems)
    mail_reports(now=MORNING)

    text = mail.outbox[0].body
    assert "request held" not in text
    assert f"The whole report: https://kore.example.org/admin/sync/nightrun/{night.pk}/" in text
