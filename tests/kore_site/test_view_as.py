"""View as this user: read-only, never wider than one's own rights, kept in the audit trail."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from contacts.models import RefusedAttempt, RightsRecord
from contacts.permissions import SystemRight, grant, withdraw
from contacts.services.viewing_as import why_not_view_as
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import MappingFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

BANNER = "You look with the rights of <b>K. Okafor</b>"


@pytest.fixture
def mlb():
    return TicketSystemFactory(code="MLB")


@pytest.fixture
def minors():
    return TicketSystemFactory(code="MIN")


@pytest.fixture
def manager(mlb, minors):
    """Sees both systems."""
    user = UserFactory(username="jdiaz", first_name="Jo", last_name="Diaz", role=CRM_MANAGERS)
    for system in (mlb, minors):
        for right in SystemRight:
            grant(user, right, on=system)
    return user


@pytest.fixture
def rep(mlb):
    """Sees MLB alone."""
    user = UserFactory(username="kokafor", first_name="K.", last_name="Okafor", role=SALES_REPS)
    grant(user, SystemRight.VIEW, on=mlb)
    return user


@pytest.fixture
def as_manager(manager, client) -> Client:
    client.force_login(manager)
    return client


def test_the_manager_sees_what_the_rep_sees_and_the_banner_on_every_page(as_manager, rep, mlb, minors):
    ours, theirs = MappingFactory(system_ref__system=mlb), MappingFactory(system_ref__system=minors)

    as_manager.post(f"/view-as/{rep.pk}/")
    statuses = [as_manager.get(f"/contact/{one.contact_id}/").status_code for one in (ours, theirs)]

    assert statuses == [302, 404]
    for page in ("/admin/", "/admin/contacts/contact/", f"/admin/contacts/contact/{ours.contact_id}/change/"):
        assert BANNER in as_manager.get(page).content.decode(), page
    assert as_manager.get("/admin/contacts/rightsrecord/").status_code == 403


def test_the_look_is_kept_once_with_the_real_names(as_manager, rep):
    as_manager.post(f"/view-as/{rep.pk}/")
    as_manager.get("/admin/")

    assert list(RightsRecord.objects.values_list("deed", "by_name", "to_name")) == [
        ("viewed_as", "Jo Diaz (jdiaz)", "K. Okafor (kokafor)")
    ]


def test_nothing_can_be_changed_meanwhile_and_the_attempt_names_the_real_person(
    as_manager, manager, rep, mlb
):
    grant(rep, SystemRight.CHANGE, on=mlb)
    ours = MappingFactory(system_ref__system=mlb)
    as_manager.post(f"/view-as/{rep.pk}/")

    addresses = [
        "/admin/refresh/",
        f"/contact/{ours.contact_id}/primary/",
        f"/view-as/{rep.pk}/",
        "/admin/password_change/",
        f"/admin/contacts/systemref/{ours.system_ref_id}/change/",
    ]
    answers = [as_manager.post(address) for address in addresses]

    assert [answer.status_code for answer in answers] == [403] * len(addresses)
    assert "Nothing was changed." in answers[0].content.decode()
    assert [attempt.user_id for attempt in RefusedAttempt.objects.all()] == [manager.pk] * len(addresses)


def test_stopping_gives_the_manager_their_own_rights_back(as_manager, rep, minors):
    theirs = MappingFactory(system_ref__system=minors)
    as_manager.post(f"/view-as/{rep.pk}/")

    stopped = as_manager.post("/view-as/stop/")

    assert stopped.headers["Location"] == "/admin/contacts/rightsrecord/"
    assert as_manager.get(f"/contact/{theirs.contact_id}/").status_code == 302
    assert BANNER not in as_manager.get("/admin/").content.decode()


def test_signing_out_is_possible_and_ends_it(as_manager, manager, rep):
    as_manager.post(f"/view-as/{rep.pk}/")

    assert as_manager.post("/admin/logout/").status_code == 200
    as_manager.force_login(manager)
    assert BANNER not in as_manager.get("/admin/").content.decode()


def test_it_ends_at_the_next_request_when_the_manager_loses_the_right(as_manager, manager, rep):
    as_manager.post(f"/view-as/{rep.pk}/")
    manager.groups.set([Group.objects.get(name=SALES_REPS)])

    page = as_manager.get("/admin/").content.decode()

    assert BANNER not in page
    assert "You look with your own rights again." in page


def test_it_ends_when_the_other_may_suddenly_do_more(as_manager, manager, rep, minors):
    as_manager.post(f"/view-as/{rep.pk}/")
    withdraw(manager, SystemRight.CHANGE, on=minors)
    grant(rep, SystemRight.VIEW, on=minors)
    still = as_manager.get("/admin/").content.decode()
    grant(rep, SystemRight.CHANGE, on=minors)

    assert BANNER in still
    assert BANNER not in as_manager.get("/admin/").content.decode()


def test_it_ends_when_the_other_is_disabled(as_manager, rep):
    as_manager.post(f"/view-as/{rep.pk}/")
    rep.is_active = False
    rep.save()

    assert BANNER not in as_manager.get("/admin/").content.decode()


def test_nobody_looks_with_wider_rights_than_their_own(manager, rep, mlb):
    elsewhere = UserFactory(role=SALES_REPS)
    grant(elsewhere, SystemRight.VIEW, on=TicketSystemFactory())
    changer = UserFactory(role=SALES_REPS)
    grant(changer, SystemRight.VIEW, on=mlb)
    grant(changer, SystemRight.CHANGE, on=mlb)
    withdraw(manager, SystemRight.CHANGE, on=mlb)
    administrator = UserFactory(role="Administrator")
    nosy = UserFactory(role=SALES_REPS)
    nosy.user_permissions.add(Permission.objects.get(codename="view_logentry"))

    reasons = {
        person: why_not_view_as(person, by=manager)
        for person in (
            rep,
            elsewhere,
            changer,
            administrator,
            nosy,
            UserFactory(is_superuser=True),
            UserFactory(is_active=False),
            UserFactory(is_staff=False),
            manager,
        )
    }

    assert list(reasons.values()) == [
        "",
        "They see records of a system whose records you do not see.",
        "They change records of a system whose records you do not change.",
        "Their role may do more than yours.",
        "Their role may do more than yours.",
        "Nobody looks with a superuser's rights.",
        "Disabled: sees nothing.",
        "Has no access to these screens.",
        "That is you.",
    ]


def test_a_forged_start_is_refused_and_nothing_kept(as_manager):
    superuser = UserFactory(is_superuser=True)

    assert as_manager.post(f"/view-as/{superuser.pk}/").status_code == 403
    assert BANNER not in as_manager.get("/admin/").content.decode()
    assert not RightsRecord.objects.exists()


@pytest.mark.req("R-MDB-31")
@pytest.mark.parametrize("role", [SALES_REPS, "Data protection officer"])
def test_a_rep_or_an_officer_looks_with_nobodys_rights(role, rep, client):
    client.force_login(UserFactory(role=role))

    statuses = {client.post(f"/view-as/{pk}/").status_code for pk in (rep.pk, 987654321)}

    assert statuses == {403}


def test_a_session_that_passes_to_another_does_not_look_on(as_manager, rep):
    as_manager.post(f"/view-as/{rep.pk}/")
    as_manager.force_login(UserFactory(role=CRM_MANAGERS))

    assert BANNER not in as_manager.get("/admin/").content.decode()


def test_who_looks_with_their_own_rights_pays_no_query_for_it(as_manager, django_assert_num_queries):
    with django_assert_num_queries(3):  # the session, the user, the organisation
        as_manager.get("/view-as/stop/")
