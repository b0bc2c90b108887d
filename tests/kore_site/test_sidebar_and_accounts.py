"""Which pages each role is offered, and that nobody widens their own rights."""

import datetime as dt
import zoneinfo

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse
from django_q.models import Failure, OrmQ, Schedule, Success

from contacts.models import Case, GroupRequest, Organisation
from contacts.permissions import ADMINISTRATORS, DATA_PROTECTION_OFFICERS, SystemRight, grant
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from kore_site.sidebar import sidebar
from sync.services.schedules import NIGHT

from ..factories import NOW, MappingFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

STEERING = {"Nights", "Organisation", "Requests", "Cases", "Do-not-group rules", "Changes of groups"}
ADMINISTRATION = {"Schedule", "Background tasks"}
SUPERUSERS = {"Users", "Groups"}


def offered_to(user: User, rf, path: str = "/admin/") -> set[str]:
    request = rf.get(path)
    request.user = user
    return {item["title"] for section in sidebar(request) for item in section["items"]}


@pytest.mark.parametrize(
    ("role", "offered", "kept_from"),
    [
        (ADMINISTRATORS, STEERING | ADMINISTRATION, SUPERUSERS),
        (CRM_MANAGERS, STEERING, ADMINISTRATION | SUPERUSERS),
        (SALES_REPS, {"Contacts", "System Refs", "Purchases"}, STEERING | ADMINISTRATION | SUPERUSERS),
        (
            DATA_PROTECTION_OFFICERS,
            {"Contacts", "System Refs", "Purchases"},
            STEERING | ADMINISTRATION | SUPERUSERS,
        ),
    ],
)
def test_the_sidebar_offers_each_role_its_pages_alone(rf, role, offered, kept_from):
    user = UserFactory(role=role)

    titles = offered_to(user, rf)

    assert offered <= titles
    assert not kept_from & titles


def test_every_page_that_the_sidebar_offers_opens(client, rf):
    superuser = UserFactory(is_superuser=True)
    client.force_login(superuser)
    request = rf.get("/admin/")
    request.user = superuser

    for section in sidebar(request):
        for item in section["items"]:
            assert client.get(item["link"], follow=True).status_code == 200, item["title"]


def test_the_sidebar_marks_the_page_where_one_is(rf):
    request = rf.get(reverse("admin:contacts_businessunit_add"))
    request.user = UserFactory(role=ADMINISTRATORS)

    active = [item["title"] for section in sidebar(request) for item in section["items"] if item["active"]]

    assert active == ["Business units"]


@pytest.mark.parametrize("model", [User, Group])
def test_staff_who_are_no_superusers_never_edit_users_or_groups_whatever_they_were_given(client, model):
    user = UserFactory(role=ADMINISTRATORS)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(user)
    name = f"admin:auth_{model._meta.model_name}"
    own = user.pk if model is User else user.groups.get().pk

    answers = [
        client.get(reverse(f"{name}_changelist")),
        client.get(reverse(f"{name}_change", args=[own])),
        client.post(reverse(f"{name}_change", args=[own]), {"is_superuser": "on"}),
        client.post(reverse(f"{name}_add"), {}),
    ]

    assert {answer.status_code for answer in answers} == {403}
    user.refresh_from_db()
    assert not user.is_superuser


def test_nobody_sets_another_users_password_without_being_superuser(client):
    user, other = UserFactory(role=ADMINISTRATORS), UserFactory()
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(user)

    assert client.post(reverse("admin:auth_user_password_change", args=[other.pk]), {}).status_code == 403


def test_a_superuser_edits_users_in_our_look(client):
    client.force_login(UserFactory(is_superuser=True))
    other = UserFactory(role=SALES_REPS)

    assert "Sales rep" in client.get(reverse("admin:auth_user_changelist")).text
    assert client.get(reverse("admin:auth_user_change", args=[other.pk])).status_code == 200


@pytest.mark.parametrize("model", [Success, Failure, OrmQ, Schedule])
def test_background_tasks_are_read_by_administrators_and_written_by_nobody(client, model):
    page = admin.site._registry[model]
    lists = reverse(f"admin:django_q_{model._meta.model_name}_changelist")

    for role, status in ((ADMINISTRATORS, 200), (CRM_MANAGERS, 403), (SALES_REPS, 403)):
        client.force_login(UserFactory(role=role))
        assert client.get(lists).status_code == status, role

    client.force_login(UserFactory(is_superuser=True))
    assert client.get(lists).status_code == 200
    request = client.get(lists).wsgi_request
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


def test_a_schedule_is_shown_but_cannot_be_pointed_at_another_function(client):
    schedule = Schedule.objects.create(name="night", func="sync.tasks.run_night", schedule_type="D")
    client.force_login(UserFactory(is_superuser=True))
    address = reverse("admin:django_q_schedule_change", args=[schedule.pk])

    assert client.get(address).status_code == 200
    assert client.post(address, {"func": "os.system"}).status_code == 403


LIMITS = {"brake_share": 5, "brake_floor": 50, "brake_size": 30, "smallest_cell": 0}


def test_the_organisations_list_leads_to_its_form_and_saving_says_when_the_next_night_begins(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))
    form = reverse("admin:contacts_organisation_change", args=[Organisation.SINGLE])
    assert client.get(reverse("admin:contacts_organisation_changelist")).url == form

    page = client.post(
        form,
        {
            "name": "Northside",
            "time_zone": "America/New_York",
            "default_country": "US",
            "currency": "USD",
            "night_at": "03:30",
            **LIMITS,
        },
        follow=True,
    )

    organisation = Organisation.load()
    assert (organisation.name, organisation.time_zone, organisation.night_at) == (
        "Northside",
        "America/New_York",
        dt.time(3, 30),
    )
    assert "03:30 (America/New_York)" in page.text
    night = Schedule.objects.get(name=NIGHT)
    begins = night.next_run.astimezone(zoneinfo.ZoneInfo("America/New_York"))
    assert (begins.hour, begins.minute) == (3, 30)


@pytest.mark.parametrize(
    ("field", "value"), [("time_zone", "Mars/Olympus"), ("currency", "ZZZ"), ("default_country", "XX")]
)
def test_the_organisation_takes_only_what_the_standards_know(client, field, value):
    client.force_login(UserFactory(role=CRM_MANAGERS))
    given = {
        "name": "Northside",
        "time_zone": "Europe/London",
        "default_country": "GB",
        "currency": "GBP",
        "night_at": "02:00",
        **LIMITS,
    }

    page = client.post(
        reverse("admin:contacts_organisation_change", args=[Organisation.load().pk]), given | {field: value}
    )

    assert list(page.context["adminform"].form.errors) == [field]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("brake_share", "0", "A whole number of percent, from 1 to 100."),
        ("brake_share", "101", "A whole number of percent, from 1 to 100."),
        ("brake_share", "five", "A whole number of percent, from 1 to 100."),
        ("brake_floor", "-1", "A whole number of Contacts, 0 or more."),
        ("brake_size", "1", "A whole number of System Refs, 2 or more."),
        ("brake_size", "", "A whole number of System Refs, 2 or more."),
        ("smallest_cell", "1001", "A whole number, from 0 to 1,000; 0 tells every figure."),
        ("night_at", "25:00", "A time of day, such as 02:00."),
        ("service_desk", "the desk", "An e-mail address, such as desk@example.org."),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_sentence(client, field, value, said):
    client.force_login(UserFactory(role=CRM_MANAGERS))
    given = {"name": "Northside", "time_zone": "Europe/London", "default_country": "GB", "currency": "GBP"}

    page = client.post(
        reverse("admin:contacts_organisation_change", args=[Organisation.load().pk]),
        given | {"night_at": "02:00", **LIMITS, field: value},
    )

    assert page.context["adminform"].form.errors == {field: [said]}
    assert said in page.text


@pytest.mark.parametrize("role", [SALES_REPS, DATA_PROTECTION_OFFICERS])
def test_the_organisation_is_not_open_to_those_who_do_not_steer(client, role):
    client.force_login(UserFactory(role=role))

    assert client.get(reverse("admin:contacts_organisation_changelist")).status_code == 403


def test_a_disabled_user_is_signed_out_of_every_page(client):
    user = UserFactory(role=ADMINISTRATORS)
    grant(user, SystemRight.VIEW, on=TicketSystemFactory())
    client.force_login(user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    for name in ("index", "sync_nightrun_changelist", "contacts_ticketsystem_changelist"):
        assert client.get(reverse(f"admin:{name}")).status_code == 302, name


@pytest.mark.req("R-MDB-24")
@pytest.mark.parametrize(
    ("isolated", "locks", "said"),
    [
        (0, True, "No system is isolated, so CRM fields are open"),
        (2, True, "2 systems are isolated, so CRM fields are locked for everybody"),
        (1, False, "1 system is isolated, but the lock is lifted"),
    ],
)
def test_the_organisation_says_what_isolation_does_now_and_who_changed_the_lock(
    client, isolated, locks, said
):
    manager = UserFactory(role=CRM_MANAGERS)
    client.force_login(manager)
    for _ in range(isolated):
        TicketSystemFactory(is_isolated=True)
    Organisation.load()
    Organisation.objects.update(locks_crm_fields=locks)
    form = reverse("admin:contacts_organisation_change", args=[Organisation.SINGLE])
    given = {"name": "Northside", "time_zone": "Europe/London", "default_country": "GB", "currency": "GBP"}

    shown = client.get(form)
    turned = {} if locks else {"locks_crm_fields": "on"}
    client.post(form, {**given, "night_at": "02:00", **LIMITS, **turned})

    assert said in shown.text
    assert Organisation.load().locks_crm_fields is not locks
    [entry] = LogEntry.objects.all()
    assert entry.user == manager
    assert "Lock CRM fields" in entry.get_change_message()


@pytest.mark.req("R-CM-40")
def test_what_waits_is_counted_beside_the_pages_of_grouping_over_what_one_may_see(client, rf):
    ours, theirs = TicketSystemFactory(), TicketSystemFactory()
    manager = UserFactory(role=CRM_MANAGERS)
    grant(manager, SystemRight.VIEW, on=ours)
    for system, state in ((ours, "waiting"), (ours, "held"), (ours, "done"), (theirs, "waiting")):
        ref = MappingFactory(system_ref__system=system).system_ref
        settled = NOW if state == "done" else None
        request = GroupRequest.objects.create(
            kind="ungroup", state=state, group_id=1, filed_at=NOW, settled_at=settled
        )
        request.refs.create(system_ref=ref, group_id=1, is_open=settled is None)
    for state in ("open", "solved"):
        case = Case.objects.create(title="Odd", group_id=1, at=NOW, state=state)
        case.refs.create(system_ref=MappingFactory(system_ref__system=ours).system_ref)

    def badges(user: User, path: str) -> dict[str, int]:
        request = rf.get(path)
        request.user = User.objects.get(pk=user.pk)
        items = [item for section in sidebar(request) for item in section["items"]]
        return {item["title"]: item["badge"] for item in items if "badge" in item}

    assert badges(manager, "/admin/") == {"Requests": 2, "Cases": 1}
    assert badges(manager, "/admin/contacts/groupdecision/") == {"Requests": 2, "Cases": 1}
    assert badges(manager, "/admin/contacts/contact/") == {}
    assert badges(UserFactory(role=SALES_REPS), "/admin/") == {}
    client.force_login(manager)
    page = client.get("/admin/")
    assert (page.context["grouping"].waiting, page.context["grouping"].held) == (1, 1)
    assert "Grouping: waits for tonight" in page.content.decode()
