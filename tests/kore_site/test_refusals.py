"""Every refused write is kept: who, which door, which record, and nothing of what was sent."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import resolve

from contacts.models import RefusedAttempt
from contacts.permissions import SystemRight, grant
from contacts.services import refused_attempts
from contacts.services.refused_attempts import keep_attempt, prune_attempts
from kore_site.refusals import door_of
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import NOW, MappingFactory, UserFactory

pytestmark = pytest.mark.django_db

ABSENT = 987654321


@pytest.fixture
def rep():
    return UserFactory(role=SALES_REPS)


def attempts() -> list[tuple[int, str, str, int]]:
    return list(RefusedAttempt.objects.order_by("pk").values_list("user_id", "method", "path", "status"))


@pytest.mark.req("R-MDB-28")
def test_a_forged_write_is_refused_kept_and_logged_and_nothing_changed(rep, client, caplog):
    theirs = MappingFactory(system_ref__first_name="Ann")
    grant(rep, SystemRight.VIEW, on=theirs.system_ref.system)
    client.force_login(rep)
    address = f"/admin/contacts/systemref/{theirs.system_ref_id}/change/"

    response = client.post(f"{address}?first_name=Zed", {"first_name": "Zed"})

    theirs.system_ref.refresh_from_db()
    assert response.status_code == 403
    assert theirs.system_ref.first_name == "Ann"
    assert attempts() == [(rep.pk, "POST", address, 403)]
    assert f"Refused with 403: user {rep.pk}, POST {address}" in caplog.text
    assert "Zed" not in "".join(record.getMessage() for record in caplog.records if "kore" in record.name)


def test_a_write_to_what_is_hidden_or_absent_is_kept_alike(rep, client):
    hidden = MappingFactory()
    client.force_login(rep)

    for pk in (hidden.contact_id, ABSENT):
        client.post(f"/contact/{pk}/primary/", {"ref": "1"})

    assert attempts() == [
        (rep.pk, "POST", f"/contact/{pk}/primary/", 404) for pk in (hidden.contact_id, ABSENT)
    ]


def test_looking_at_what_is_refused_is_no_attempt_to_write(rep, client):
    client.force_login(rep)

    statuses = [client.get("/admin/auth/user/").status_code, client.get("/nowhere/").status_code]

    assert statuses == [403, 404]
    assert attempts() == []


def test_who_is_not_signed_in_is_not_kept(client):
    assert client.post("/nowhere/ann@example.org/").status_code == 404
    assert attempts() == []


def test_a_write_without_its_token_is_kept(rep):
    client = Client(enforce_csrf_checks=True)
    client.force_login(rep)

    assert client.post("/admin/refresh/").status_code == 403
    assert attempts() == [(rep.pk, "POST", "/admin/refresh/", 403)]


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("/nowhere/ann@example.org/", "(no such address)"),
        ("/admin/nowhere/ann@example.org/", "(no such address)"),
        ("/admin/contacts/contact/ann@example.org/change/", "/admin/contacts/contact/…/change/"),
    ],
)
def test_what_somebody_wrote_into_the_address_is_not_kept(address, kept, client):
    manager = UserFactory(role=CRM_MANAGERS)
    client.force_login(manager)

    assert client.post(address).status_code == 404
    assert attempts() == [(manager.pk, "POST", kept, 404)]


def test_a_door_holds_the_ids_of_its_address():
    assert door_of(resolve("/contact/100231/primary/")) == "/contact/100231/primary/"


def test_attempts_are_forgotten_after_ninety_days_and_beyond_the_most_kept(rep, monkeypatch):
    monkeypatch.setattr(refused_attempts, "MOST_KEPT", 2)
    for days in (91, 89, 3, 2):
        keep_attempt(user_id=rep.pk, method="POST", path="/", status=403, now=NOW - dt.timedelta(days=days))

    assert prune_attempts(now=NOW) == 2
    assert list(RefusedAttempt.objects.order_by("pk").values_list("at", flat=True)) == [
        NOW - dt.timedelta(days=3),
        NOW - dt.timedelta(days=2),
    ]


@pytest.mark.req("R-MDB-31")
@pytest.mark.parametrize("page", ["user", "group"])
@pytest.mark.parametrize("role", [SALES_REPS, CRM_MANAGERS, "Administrator", "Data protection officer"])
def test_no_role_reaches_users_or_groups_even_with_the_permission(role, page, client):
    person = UserFactory(role=role)
    person.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(person)
    target = person.pk if page == "user" else person.groups.get().pk

    answers = [
        client.post(address, {"is_superuser": "on", "user_permissions": "1", "permissions": "1"})
        for address in (
            f"/admin/auth/{page}/{target}/change/",
            f"/admin/auth/{page}/add/",
            f"/admin/auth/{page}/{target}/delete/",
            f"/admin/auth/{page}/",
        )
    ]

    person.refresh_from_db()
    assert [answer.status_code for answer in answers] == [403] * 4
    assert not person.is_superuser
