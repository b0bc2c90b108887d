"""Giving and taking rights: who may, what is kept of it, and that nobody widens their own."""

import ast
import datetime as dt
import threading
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection, transaction
from django.urls import get_resolver
from guardian.admin import GuardedModelAdminMixin

from contacts.models import RightsRecord
from contacts.permissions import (
    ADMINISTRATORS,
    CLUSTER_USER,
    DATA_PROTECTION_OFFICERS,
    GROUPS_WITH_EVERY_SYSTEM,
    SystemRight,
    grant,
    grants_of,
    holds,
    systems_with,
    withdraw,
)
from contacts.services.rights import (
    MayNotGrant,
    RightChange,
    change_rights,
    undo_changes,
    why_not_grantable,
    would_change,
)
from contacts.services.systems import add_business_unit, add_ticket_system
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import NOW, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

VIEW, CHANGE = SystemRight.VIEW, SystemRight.CHANGE
LATER = NOW + dt.timedelta(minutes=5)


@pytest.fixture
def manager():
    return UserFactory(username="jdiaz", first_name="Jo", last_name="Diaz", role=CRM_MANAGERS)


@pytest.fixture
def rep():
    return UserFactory(username="kokafor", first_name="K.", last_name="Okafor", role=SALES_REPS)


def own_rights(holder) -> set[tuple[str, str]]:
    """What somebody holds themselves, as (code, right)."""
    held = grants_of(type(holder)).filter(**{type(holder).__name__.lower(): holder})
    return set(held.values_list("content_object__code", "permission__codename"))


def trail() -> list[tuple[str, str, str, str, str]]:
    return list(
        RightsRecord.objects.order_by("pk").values_list("by_name", "deed", "to_name", "right", "system_code")
    )


@pytest.mark.req("R-MDB-18")
def test_a_manager_who_is_no_superuser_gives_a_rep_a_right_and_it_works(manager, rep):
    mlb = TicketSystemFactory(code="MLB")

    change_rights([RightChange(rep, VIEW, mlb, give=True)], by=manager, now=NOW)

    assert holds(User.objects.get(pk=rep.pk), VIEW, mlb)
    assert trail() == [("Jo Diaz (jdiaz)", "given", "K. Okafor (kokafor)", "view_records", "MLB")]


@pytest.mark.req("R-MDB-20")
def test_giving_change_gives_view_and_taking_view_takes_change(manager, rep):
    mlb = TicketSystemFactory(code="MLB")

    change_rights([RightChange(rep, CHANGE, mlb, give=True)], by=manager, now=NOW)
    given = own_rights(rep)
    change_rights([RightChange(rep, VIEW, mlb, give=False)], by=manager, now=NOW)

    assert given == {("MLB", "view_records"), ("MLB", "change_records")}
    assert own_rights(rep) == set()
    assert [(deed, right) for _, deed, _, right, _ in trail()] == [
        ("given", "view_records"),
        ("given", "change_records"),
        ("taken", "view_records"),
        ("taken", "change_records"),
    ]


def test_taking_change_leaves_view(manager, rep):
    mlb = TicketSystemFactory(code="MLB")
    change_rights([RightChange(rep, CHANGE, mlb, give=True)], by=manager, now=NOW)

    change_rights([RightChange(rep, CHANGE, mlb, give=False)], by=manager, now=NOW)

    assert own_rights(rep) == {("MLB", "view_records")}


def test_giving_what_is_held_changes_nothing_and_keeps_no_record(manager, rep):
    change = RightChange(rep, VIEW, TicketSystemFactory(), give=True)
    change_rights([change], by=manager, now=NOW)

    again = change_rights([change, change], by=manager, now=LATER)

    assert (again.records, again.stale) == ([], [])
    assert RightsRecord.objects.count() == 1


@pytest.mark.req("R-MDB-31")
@pytest.mark.parametrize("give", [True, False])
def test_nobody_changes_their_own_rights(manager, give):
    mlb = TicketSystemFactory(code="MLB")

    with pytest.raises(MayNotGrant, match="nobody grants themselves"):
        change_rights([RightChange(manager, VIEW, mlb, give=give)], by=manager, now=NOW)

    assert own_rights(manager) == set()


@pytest.mark.req("R-MDB-31")
def test_nobody_changes_the_rights_of_a_group_they_are_in(manager):
    managers = Group.objects.get(name=CRM_MANAGERS)

    with pytest.raises(MayNotGrant, match="Your group"):
        change_rights([RightChange(managers, VIEW, TicketSystemFactory(), give=True)], by=manager, now=NOW)

    assert own_rights(managers) == set()


@pytest.mark.req("R-MDB-31")
@pytest.mark.parametrize("role", [SALES_REPS, DATA_PROTECTION_OFFICERS])
def test_who_does_not_decide_about_rights_gives_none(role, rep):
    with pytest.raises(MayNotGrant, match="Your role"):
        change_rights(
            [RightChange(rep, VIEW, TicketSystemFactory(), give=True)], by=UserFactory(role=role), now=NOW
        )

    assert own_rights(rep) == set()


def test_a_disabled_manager_gives_none(manager, rep):
    manager.is_active = False
    manager.save()

    with pytest.raises(MayNotGrant):
        change_rights([RightChange(rep, VIEW, TicketSystemFactory(), give=True)], by=manager, now=NOW)


@pytest.mark.parametrize("role", GROUPS_WITH_EVERY_SYSTEM)
def test_groups_that_hold_every_system_are_changed_by_superusers_alone(role, manager):
    group, mlb = Group.objects.get(name=role), TicketSystemFactory(code="MLB")
    change = RightChange(group, VIEW, mlb, give=True)

    with pytest.raises(MayNotGrant, match="only superusers"):
        change_rights([change], by=manager, now=NOW)
    change_rights([change], by=UserFactory(is_superuser=True, role=role), now=NOW)

    assert own_rights(group) == {("MLB", "view_records")}


def test_superusers_disabled_people_and_the_cluster_are_not_to_be_given_rights(manager):
    people = [
        UserFactory(is_superuser=True),
        UserFactory(is_active=False),
        User.objects.get(username=CLUSTER_USER),
    ]

    reasons = [why_not_grantable(person, by=manager) for person in people]

    assert reasons == [
        "A superuser holds every right.",
        "Disabled: no right has an effect.",
        "The background cluster: nobody signs in.",
    ]


def test_where_one_change_is_refused_none_is_made(manager, rep):
    mlb = TicketSystemFactory()

    with pytest.raises(MayNotGrant):
        change_rights(
            [RightChange(rep, VIEW, mlb, give=True), RightChange(manager, VIEW, mlb, give=True)],
            by=manager,
            now=NOW,
        )

    assert own_rights(rep) == set()
    assert not RightsRecord.objects.exists()


def test_what_another_manager_changed_meanwhile_is_left_alone_and_the_rest_goes_on(manager, rep):
    mlb, minors = TicketSystemFactory(code="MLB"), TicketSystemFactory(code="MIN")
    both = frozenset({VIEW, CHANGE})
    grant(rep, VIEW, on=mlb)  # both were seen; another manager has taken CHANGE since
    stale = RightChange(rep, VIEW, mlb, give=False, seen=both)

    outcome = change_rights(
        [stale, RightChange(rep, VIEW, minors, give=True, seen=frozenset())], by=manager, now=NOW
    )

    assert outcome.stale == [stale]
    assert own_rights(rep) == {("MLB", "view_records"), ("MIN", "view_records")}


def test_what_another_manager_did_already_is_no_conflict(manager, rep):
    mlb = TicketSystemFactory(code="MLB")
    grant(rep, VIEW, on=mlb)

    outcome = change_rights([RightChange(rep, VIEW, mlb, give=True, seen=frozenset())], by=manager, now=NOW)

    assert (outcome.records, outcome.stale) == ([], [])


def test_undo_puts_back_exactly_what_was_given_and_taken(manager, rep):
    mlb, minors = TicketSystemFactory(code="MLB"), TicketSystemFactory(code="MIN")
    grant(rep, VIEW, on=mlb)
    grant(rep, CHANGE, on=mlb)
    grant(rep, VIEW, on=minors)
    before = own_rights(rep)
    wanted = [RightChange(rep, VIEW, mlb, give=False), RightChange(rep, CHANGE, minors, give=True)]
    saved = change_rights(wanted, by=manager, now=NOW)

    undone = undo_changes([record.pk for record in saved.records], by=manager, now=LATER)

    assert own_rights(rep) == before
    assert (undone.given, undone.taken, undone.stale) == (2, 1, [])


def test_undo_leaves_alone_what_was_changed_since(manager, rep):
    mlb = TicketSystemFactory(code="MLB")
    saved = change_rights([RightChange(rep, VIEW, mlb, give=True)], by=manager, now=NOW)
    other = UserFactory(role=CRM_MANAGERS)
    change_rights([RightChange(rep, CHANGE, mlb, give=True)], by=other, now=NOW)

    undone = undo_changes([record.pk for record in saved.records], by=manager, now=LATER)

    assert own_rights(rep) == {("MLB", "view_records"), ("MLB", "change_records")}
    assert [change.right for change in undone.stale] == [VIEW]


def test_nobody_undoes_what_another_did(manager, rep):
    mlb = TicketSystemFactory(code="MLB")
    saved = change_rights([RightChange(rep, VIEW, mlb, give=True)], by=manager, now=NOW)

    undone = undo_changes(
        [record.pk for record in saved.records], by=UserFactory(role=CRM_MANAGERS), now=LATER
    )

    assert (undone.records, own_rights(rep)) == ([], {("MLB", "view_records")})


def test_what_would_change_is_told_and_nothing_done(rep):
    mlb = TicketSystemFactory(code="MLB")

    told = would_change([RightChange(rep, CHANGE, mlb, give=True)])

    assert told == [(rep, mlb, VIEW, True), (rep, mlb, CHANGE, True)]
    assert own_rights(rep) == set()


def test_a_bulk_change_costs_the_same_queries_for_three_people_as_for_one(manager, django_assert_num_queries):
    mlb = TicketSystemFactory()
    manager.has_perm("contacts.grant_rights")  # a request has asked this before

    for people in (UserFactory.create_batch(1), UserFactory.create_batch(3)):
        wanted = [RightChange(person, CHANGE, mlb, give=True) for person in people]
        with django_assert_num_queries(8):  # savepoint, lock, held, two permissions, two writes, release
            change_rights(wanted, by=manager, now=NOW)


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor == "sqlite", reason="two connections to a memory do not wait")
@pytest.mark.django_db(transaction=True)
def test_a_second_manager_waits_for_the_first_and_finds_the_right_given(rep):
    mlb = TicketSystemFactory()
    first, second = UserFactory(is_superuser=True), UserFactory(is_superuser=True)
    wanted = [RightChange(rep, CHANGE, mlb, give=True)]
    said = []

    def caller():
        try:
            said.append(change_rights(wanted, by=second, now=NOW).records)
        except Exception as error:  # shown by the assertion below
            said.append(error)
        finally:
            connection.close()

    late = threading.Thread(target=caller)
    with transaction.atomic():
        change_rights(wanted, by=first, now=NOW)
        late.start()
        while not _somebody_waits():
            assert late.is_alive()
    late.join()

    assert said == [[]]
    assert set(RightsRecord.objects.values_list("by", "right")) == {
        (first.pk, right.value) for right in SystemRight
    }
    assert RightsRecord.objects.count() == 2


def _somebody_waits() -> bool:
    """Whether anybody on this server waits for what another holds; read live, also within a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[0]


def test_withdraw_is_the_counterpart_of_grant(rep):
    mlb = TicketSystemFactory()

    assert [grant(rep, VIEW, on=mlb), grant(rep, VIEW, on=mlb)] == [True, False]
    assert [withdraw(rep, VIEW, on=mlb), withdraw(rep, VIEW, on=mlb)] == [True, False]
    assert systems_with(rep, VIEW) == frozenset()


@pytest.mark.parametrize("to_group", [True, False])
@pytest.mark.parametrize("right", SystemRight)
def test_a_global_permission_of_the_same_name_opens_no_system(right, to_group):
    mlb, rep = TicketSystemFactory(), UserFactory()
    permission = Permission.objects.get(codename=right.value)
    if to_group:
        group = Group.objects.create(name="Night desk")
        group.permissions.add(permission)
        rep.groups.add(group)
    else:
        rep.user_permissions.add(permission)

    assert not holds(rep, right, mlb)
    assert systems_with(rep, right) == frozenset()


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["MLB", "change"], [("given", "view_records"), ("given", "change_records")]),
        (["MLB", "view"], [("given", "view_records")]),
    ],
)
def test_what_the_command_gives_is_kept_as_given_on_the_command_line(words, kept, rep):
    TicketSystemFactory(code="MLB")

    call_command("grant_right", rep.username, *words)
    call_command("grant_right", rep.username, *words)  # again: nothing more

    assert [(by, deed, right) for by, deed, _, right, _ in trail()] == [
        ("command line", deed, right) for deed, right in kept
    ]


def test_the_command_takes_a_right_away(rep, capsys):
    mlb = TicketSystemFactory(code="MLB")
    grant(rep, VIEW, on=mlb)

    call_command("grant_right", rep.username, "MLB", "view", "--take")

    assert own_rights(rep) == set()
    assert capsys.readouterr().out == "kokafor may no longer see its records in MLB.\n"


def test_what_a_new_system_brings_along_is_kept_too():
    add_ticket_system("LATE", name="Made later", unit=add_business_unit("north"))

    records = RightsRecord.objects.filter(system_code="LATE")
    assert sorted(records.values_list("by_name", "to_name", "right")) == [
        ("by role, with the system", f"group {role}", right.value)
        for role in sorted([ADMINISTRATORS, DATA_PROTECTION_OFFICERS])
        for right in sorted(SystemRight)
    ]


def test_the_trail_keeps_names_when_people_and_systems_go(manager, rep):
    mlb = TicketSystemFactory(code="MLB")
    change_rights([RightChange(rep, VIEW, mlb, give=True)], by=manager, now=NOW)

    mlb.delete()
    rep.delete()
    manager.delete()

    assert trail() == [("Jo Diaz (jdiaz)", "given", "K. Okafor (kokafor)", "view_records", "MLB")]


# What may name guardian's tables and its verbs: the models themselves, and the one door to them.
DOORS_TO_GUARDIAN = {
    "contacts/permissions.py",
    "contacts/models/ticket_system.py",
    "contacts/models/__init__.py",
}
# Who may give without asking who gives: the service that asks, and the demonstration, which hires its people.
GIVE_UNASKED = {"kore_site/demo/staff.py"}


def _product() -> dict[str, ast.Module]:
    root = Path(settings.BASE_DIR)
    return {
        str(path.relative_to(root)): ast.parse(path.read_text(encoding="utf-8"))
        for app in ("contacts", "ticketing", "gdpr", "sync", "kore_site")
        for path in (root / app).rglob("*.py")
        if "migrations" not in path.parts
    }


def _files_naming(*names: str) -> set[str]:
    """The modules that use, import or define one of the names."""
    return {
        file
        for file, tree in _product().items()
        for node in ast.walk(tree)
        if getattr(node, "id", getattr(node, "attr", getattr(node, "name", None))) in names
    }


def _files_that_grant() -> set[str]:
    return {
        file
        for file, tree in _product().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "contacts.permissions"
        and {alias.name for alias in node.names} & {"grant", "withdraw"}
    }


@pytest.mark.req("R-MDB-31")
def test_nobody_but_the_rights_service_writes_rights():
    tables = ("TicketSystemUserObjectPermission", "TicketSystemGroupObjectPermission")

    assert _files_naming("assign_perm", "remove_perm", *tables) <= DOORS_TO_GUARDIAN
    assert _files_that_grant() <= GIVE_UNASKED


@pytest.mark.req("R-MDB-31")
def test_no_screen_of_guardians_is_reachable():
    assert [page for page in admin.site._registry.values() if isinstance(page, GuardedModelAdminMixin)] == []
    assert "permissions" not in str(list(get_resolver().reverse_dict.keys()))
