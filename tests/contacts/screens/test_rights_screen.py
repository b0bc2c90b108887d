"""Ticket System User Permission: the matrix, what it saves, its audit trail, and who may open it."""

import csv
import datetime as dt
import io

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from contacts.admin_access import PerSystemAdmin
from contacts.models import RefusedAttempt, RightsRecord, TicketSystem
from contacts.permissions import ADMINISTRATORS, DATA_PROTECTION_OFFICERS, SystemRight, grant, holds
from contacts.services.refused_attempts import keep_attempt
from contacts.services.rights import RightChange, change_rights
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ...factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory
from ..test_rights_given import own_rights

pytestmark = pytest.mark.django_db

VIEW, CHANGE = SystemRight.VIEW, SystemRight.CHANGE
MATRIX = "/admin/contacts/rightsrecord/"


@pytest.fixture
def manager():
    return UserFactory(username="jdiaz", first_name="Jo", last_name="Diaz", role=CRM_MANAGERS)


@pytest.fixture
def okafor():
    return UserFactory(username="kokafor", first_name="K.", last_name="Okafor", role=SALES_REPS)


@pytest.fixture
def as_manager(manager, client):
    client.force_login(manager)
    return client


def said(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def rows(response) -> dict[str, dict[str, str]]:
    """Of each row shown, per system: "v" and "c" own, "(v)" and "(c)" through a group."""
    matrix = response.context["matrix"]
    return {
        row.name: {
            system.code: "".join(
                (box.letter if box.is_own else "") + (f"({box.letter})" if box.through else "")
                for box in row.boxes
                if box.system == system
            )
            for system in matrix.systems
        }
        for row in (*matrix.groups, *matrix.people)
    }


@pytest.mark.req("R-MDB-19")
def test_each_row_is_a_user_or_group_by_system_by_right(as_manager, okafor, mlb, minors):
    reps = Group.objects.get(name=SALES_REPS)
    grant(reps, VIEW, on=mlb)
    grant(okafor, VIEW, on=minors)
    grant(okafor, CHANGE, on=minors)

    page = as_manager.get(MATRIX)

    assert rows(page) == {
        "Administrator": {"MLB": "", "MIN": ""},
        "CRM manager": {"MLB": "", "MIN": ""},
        "Data protection officer": {"MLB": "", "MIN": ""},
        "Sales rep": {"MLB": "v", "MIN": ""},
        "Jo Diaz": {"MLB": "", "MIN": ""},
        "K. Okafor": {"MLB": "(v)", "MIN": "vc"},
    }
    text = page.content.decode()
    assert 'aria-label="K. Okafor: see MLB (also through Sales rep)"' in text
    assert "through Sales rep" in text


@pytest.mark.req("R-MDB-18")
def test_what_a_manager_ticks_is_saved_said_and_kept(as_manager, okafor, mlb, minors):
    grant(okafor, VIEW, on=minors)
    key = f"u{okafor.pk}"

    page = as_manager.post(
        f"{MATRIX}save/",
        {f"seen-{key}": f"{minors.pk}v", "own": [f"{key}-{mlb.pk}-v", f"{key}-{mlb.pk}-c"], "back": "q=oka"},
        follow=True,
    )

    assert page.redirect_chain == [(f"{MATRIX}?q=oka", 302)]
    assert own_rights(okafor) == {("MLB", "view_records"), ("MLB", "change_records")}
    assert said(page) == [
        "Saved: 2 rights were given and 1 right was taken away. It holds from the next click on."
    ]
    assert RightsRecord.objects.filter(by__username="jdiaz").count() == 3


def test_undo_brings_back_what_was_saved_last(as_manager, okafor, mlb):
    grant(okafor, VIEW, on=mlb)
    key = f"u{okafor.pk}"
    as_manager.post(f"{MATRIX}save/", {f"seen-{key}": f"{mlb.pk}v"})
    taken = own_rights(okafor)

    page = as_manager.post(f"{MATRIX}undo/", follow=True)

    assert (taken, own_rights(okafor)) == (set(), {("MLB", "view_records")})
    assert said(page)[-1] == "Undone: 1 right was given. It holds from the next click on."


def test_without_a_save_there_is_nothing_to_undo(as_manager, mlb):
    assert said(as_manager.post(f"{MATRIX}undo/", follow=True)) == ["There is nothing to undo."]


def test_a_page_that_is_no_longer_true_changes_nothing_there_and_says_so(as_manager, okafor, mlb, minors):
    key = f"u{okafor.pk}"
    grant(okafor, VIEW, on=mlb)
    grant(okafor, CHANGE, on=mlb)  # given by another manager since the page was opened

    page = as_manager.post(
        f"{MATRIX}save/",
        {f"seen-{key}": f"{mlb.pk}v", "own": [f"{key}-{minors.pk}-v"]},
        follow=True,
    )

    assert own_rights(okafor) == {
        ("MLB", "view_records"),
        ("MLB", "change_records"),
        ("MIN", "view_records"),
    }
    assert said(page)[-1] == (
        "Somebody else changed these meanwhile, so they stay as they are now: K. Okafor (kokafor) on MLB. "
        "Look again, then decide."
    )


def test_a_bulk_change_is_told_in_numbers_before_it_is_made(as_manager, manager, okafor, mlb, minors):
    reyes = UserFactory(first_name="L.", last_name="Reyes", role=SALES_REPS)
    grant(okafor, VIEW, on=mlb)
    form = {
        "row": [f"u{okafor.pk}", f"u{reyes.pk}", f"u{manager.pk}"],
        "on": [mlb.pk, minors.pk],
        "right": "change",
        "give": "give",
        "who": "chosen",
    }

    told = as_manager.post(f"{MATRIX}bulk/", form)
    before = (own_rights(okafor), own_rights(reyes))
    offered = {key: value for key, value in form.items() if key != "row"} | {
        "row": list(told.context["bulk"].holders)
    }
    as_manager.post(f"{MATRIX}bulk/", offered | {"confirmed": "1"})

    assert before == ({("MLB", "view_records")}, set())
    counts = [(system.code, *figures) for system, *figures in told.context["counts"]]
    assert sorted(counts) == [("MIN", 2, 2, 0), ("MLB", 1, 2, 0)]
    assert told.context["left_out"] == [("Jo Diaz (jdiaz)", "You: nobody grants themselves.")]
    both = {(code, right.value) for code in ("MLB", "MIN") for right in SystemRight}
    assert (own_rights(okafor), own_rights(reyes), own_rights(manager)) == (both, both, set())


def test_a_bulk_change_can_be_made_for_all_rows_shown(as_manager, okafor, mlb):
    as_manager.post(
        f"{MATRIX}bulk/",
        {"shown": [f"u{okafor.pk}"], "who": "shown", "on": mlb.pk, "give": "give", "confirmed": "1"},
    )

    assert own_rights(okafor) == {("MLB", "view_records")}


@pytest.mark.parametrize(
    ("form", "words"),
    [({"row": "u1"}, "Tick at least one system over its column."), ({"on": "1"}, "Tick at least one row.")],
)
def test_a_bulk_change_of_nothing_says_what_is_missing(form, words, as_manager, mlb):
    form = {"on": mlb.pk} if "on" in form else form

    assert said(as_manager.post(f"{MATRIX}bulk/", form, follow=True)) == [words]


@pytest.mark.req("R-MDB-31")
@pytest.mark.parametrize("role", [SALES_REPS, DATA_PROTECTION_OFFICERS])
def test_who_does_not_decide_neither_opens_nor_posts_anything_here(role, client, mlb):
    person = UserFactory(role=role)
    client.force_login(person)
    key = f"u{person.pk}"
    form = {
        f"seen-{key}": "",
        "own": f"{key}-{mlb.pk}-v",
        "row": key,
        "on": mlb.pk,
        "give": "give",
        "confirmed": "1",
    }

    opened = [
        client.get(f"{MATRIX}{page}").status_code for page in ("", "audit/", "audit/export/", "refused/")
    ]
    posted = [client.post(f"{MATRIX}{page}", form).status_code for page in ("save/", "bulk/", "undo/")]

    assert (opened, posted) == ([403] * 4, [403] * 3)
    assert not holds(person, VIEW, mlb)
    assert not RightsRecord.objects.exists()
    assert RefusedAttempt.objects.filter(user=person).count() == 3


@pytest.mark.req("R-MDB-31")
@pytest.mark.parametrize("target", ["self", "own group", "Administrator", "superuser"])
def test_a_forged_tick_on_a_row_that_is_not_to_be_changed_is_refused_whole(
    target, as_manager, manager, okafor, mlb
):
    keys = {
        "self": f"u{manager.pk}",
        "own group": f"g{Group.objects.get(name=CRM_MANAGERS).pk}",
        "Administrator": f"g{Group.objects.get(name=ADMINISTRATORS).pk}",
        "superuser": f"u{UserFactory(is_superuser=True).pk}",
    }
    key, other = keys[target], f"u{okafor.pk}"

    answer = as_manager.post(
        f"{MATRIX}save/",
        {
            f"seen-{key}": "",
            f"seen-{other}": "",
            "own": [f"{key}-{mlb.pk}-v", f"{other}-{mlb.pk}-v"],
        },
    )

    assert answer.status_code == 403
    assert own_rights(okafor) == set()
    assert not RightsRecord.objects.exists()


def test_rows_one_may_not_change_are_text_with_the_reason(as_manager, manager, mlb):
    UserFactory(is_superuser=True, username="root")

    page = as_manager.get(MATRIX).content.decode()

    assert "You: nobody grants themselves. Ask: root." in page
    assert "Your group: nobody grants themselves. Ask: root." in page
    assert f'value="u{manager.pk}-' not in page
    assert f"seen-u{manager.pk}" not in page


def test_a_superuser_may_open_it_and_changes_the_roles_that_hold_everything(as_admin, mlb):
    key = f"g{Group.objects.get(name=ADMINISTRATORS).pk}"

    as_admin.post(f"{MATRIX}save/", {f"seen-{key}": "", "own": f"{key}-{mlb.pk}-v"})

    assert own_rights(Group.objects.get(name=ADMINISTRATORS)) == {("MLB", "view_records")}


def test_people_are_found_by_name_role_and_by_what_exceeds_their_groups(as_manager, okafor, mlb):
    reyes = UserFactory(first_name="L.", last_name="Reyes", role=DATA_PROTECTION_OFFICERS)
    grant(Group.objects.get(name=SALES_REPS), VIEW, on=mlb)
    grant(okafor, VIEW, on=mlb)  # which the group gives anyway
    grant(reyes, VIEW, on=mlb)
    officers = Group.objects.get(name=DATA_PROTECTION_OFFICERS).pk

    found = {
        asked: [row.name for row in as_manager.get(f"{MATRIX}?{asked}").context["matrix"].people]
        for asked in ("q=oka", "q=k.+oka", f"role={officers}", "show=different", "q=nobody", "p=99&q=%00x")
    }

    assert found == {
        "q=oka": ["K. Okafor"],
        "q=k.+oka": ["K. Okafor"],
        f"role={officers}": ["L. Reyes"],
        "show=different": ["L. Reyes"],
        "q=nobody": [],
        "p=99&q=%00x": [],
    }


def test_the_matrix_costs_the_same_queries_for_forty_people_and_twelve_systems(
    as_manager, django_assert_max_num_queries
):
    systems = [TicketSystemFactory()]
    UserFactory(role=SALES_REPS)
    asked = []
    for more_systems, more_people in ((0, 0), (11, 44)):
        systems += TicketSystemFactory.create_batch(more_systems)
        for person in UserFactory.create_batch(more_people, role=SALES_REPS):
            grant(person, VIEW, on=systems[-1])
        with django_assert_max_num_queries(20) as queries:
            page = as_manager.get(MATRIX)
        asked.append(len(queries))

    assert len(page.context["matrix"].people) == 40
    assert asked[0] == asked[1]


def test_two_people_of_one_name_are_told_apart_by_their_user_names(as_manager):
    for username in ("abert01", "abert02"):
        UserFactory(username=username, first_name="Anna", last_name="Bert", role=SALES_REPS)
    TicketSystemFactory()  # without one there is no matrix

    text = as_manager.get(MATRIX).text

    for username in ("abert01", "abert02"):
        assert f'<span class="rm-user" title="{username}">{username}</span>' in text


def test_the_audit_trail_shows_a_system_by_its_badge(as_manager, manager, okafor, mlb):
    change_rights([RightChange(okafor, VIEW, mlb, give=True)], by=manager, now=NOW)

    assert '<span class="k-badge-code">MLB</span>' in as_manager.get(f"{MATRIX}audit/").text


def test_the_audit_trail_tells_each_change_with_author_and_time_and_is_searched(
    as_manager, manager, okafor, mlb, minors
):
    for system, minutes in ((mlb, 1), (minors, 2)):
        change_rights(
            [RightChange(okafor, VIEW, system, give=True)],
            by=manager,
            now=NOW + dt.timedelta(minutes=minutes),
        )

    found = {
        asked: [record.system_code for record in as_manager.get(f"{MATRIX}audit/?{asked}").context["page"]]
        for asked in ("", "person=okafor", "person=reyes", "by=jo+diaz", "by=okafor", "system=MLB")
    }

    assert found == {
        "": ["MIN", "MLB"],
        "person=okafor": ["MIN", "MLB"],
        "person=reyes": [],
        "by=jo+diaz": ["MIN", "MLB"],
        "by=okafor": [],
        "system=MLB": ["MLB"],
    }


def test_the_audit_trail_is_exported_as_it_is_searched(as_manager, manager, okafor, mlb, minors):
    manager.first_name = "=Jo"  # a name that a spreadsheet would take for a formula
    manager.save()
    for system in (mlb, minors):
        change_rights([RightChange(okafor, VIEW, system, give=True)], by=manager, now=NOW)

    answer = as_manager.get(f"{MATRIX}audit/export/?system=MLB")

    lines = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert lines == [
        ["at", "by", "deed", "to", "right", "system"],
        ["2026-03-02 12:00:00+0000", "'=Jo Diaz (jdiaz)", "gave", "K. Okafor (kokafor)", "view", "MLB"],
    ]


@pytest.mark.parametrize("page", ["audit/", "refused/"])
def test_a_list_costs_the_same_queries_for_three_lines_as_for_one(
    page, as_manager, manager, okafor, django_assert_max_num_queries
):
    asked = []
    for count in (1, 2):
        for _ in range(count):
            change_rights([RightChange(okafor, VIEW, TicketSystemFactory(), give=True)], by=manager, now=NOW)
            keep_attempt(user_id=okafor.pk, method="POST", path="/x/", status=403, now=NOW)
        with django_assert_max_num_queries(12) as queries:
            as_manager.get(f"{MATRIX}{page}")
        asked.append(len(queries))

    assert asked[0] == asked[1]


def test_refused_attempts_are_listed_newest_first(as_manager, okafor):
    for minutes, status in ((1, 403), (2, 404)):
        keep_attempt(
            user_id=okafor.pk,
            method="POST",
            path=f"/tdm/{minutes}/",
            status=status,
            now=NOW + dt.timedelta(minutes=minutes),
        )

    page = as_manager.get(f"{MATRIX}refused/?person=okafor")

    assert [(attempt.path, attempt.status) for attempt in page.context["page"]] == [
        ("/tdm/2/", 404),
        ("/tdm/1/", 403),
    ]


@pytest.mark.req("R-MDB-30")
def test_a_right_that_is_taken_away_is_gone_at_the_next_click_of_an_open_session(as_manager, okafor, mlb):
    ref = MappingFactory(system_ref__system=mlb).system_ref
    for right in SystemRight:
        grant(okafor, right, on=mlb)
    session = Client()
    session.force_login(okafor)
    address, form = reverse("admin:contacts_systemref_change", args=[ref.pk]), {"first_name": "Zed"}
    before = session.get(address)
    key = f"u{okafor.pk}"

    seen = f"{mlb.pk}v {mlb.pk}c"
    as_manager.post(f"{MATRIX}save/", {f"seen-{key}": seen, "own": f"{key}-{mlb.pk}-v"})
    refused, still_seen = session.post(address, form), session.get(address)
    as_manager.post(f"{MATRIX}save/", {f"seen-{key}": f"{mlb.pk}v"})
    hidden = session.get(address)

    statuses = [answer.status_code for answer in (before, refused, still_seen, hidden)]
    assert statuses == [200, 403, 200, 404]


@pytest.mark.req("R-MDB-30")
def test_a_user_who_is_disabled_is_out_at_the_next_click(as_rep, rep, mlb):
    SystemRefFactory(system=mlb)
    before = as_rep.get("/admin/contacts/systemref/").status_code
    rep.is_active = False
    rep.save()

    after = as_rep.get("/admin/contacts/systemref/")

    assert before == 200
    assert (after.status_code, after.headers["Location"]) == (
        302,
        "/admin/login/?next=/admin/contacts/systemref/",
    )


@pytest.mark.req("R-MDB-16")
def test_every_screen_of_per_system_rows_derives_from_one_base():
    per_system = {
        model._meta.label
        for model in admin.site._registry
        if hasattr(model._default_manager.all(), "visible_to")
    }
    served = {
        model._meta.label for model, page in admin.site._registry.items() if isinstance(page, PerSystemAdmin)
    }

    assert TicketSystem._meta.label in per_system
    assert per_system <= served
