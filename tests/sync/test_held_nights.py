"""A held night on the screens: why, what is to blame for whom, and the button that lets it go on."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import OrmQ

from contacts.group_brake import Blame, Example, Held
from contacts.models import GroupingRun, ModelVersion
from contacts.permissions import DATA_PROTECTION_OFFICERS, SystemRight, grant, systems_with
from contacts.services.brake import name_blames
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from sync.models import NightRun
from sync.services.release_night import RELEASE_TASK, MayNotRelease, release_grouping, release_night
from sync.services.request_night import NIGHT_TASK

from ..factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory
from ..factories.nights import NightRunFactory, NightStepFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:sync_nightrun_changelist")
HELD = reverse("admin:sync_nightrun_held")
OVERVIEW = reverse("admin:index")
SHARED = {"first_name": "Pat", "last_name": "Stanley", "email": "pat.stanley@gmail.example"}


def page_of(run: NightRun) -> str:
    return reverse("admin:sync_nightrun_change", args=[run.pk])


def go_on_of(run: NightRun) -> str:
    return reverse("admin:sync_nightrun_go_on", args=[run.pk])


@pytest.fixture
def systems():
    return TicketSystemFactory(code="MLB"), TicketSystemFactory(code="MIN")


@pytest.fixture
def held_night(systems):
    """Held for two refs, one in each system, that stand for five hundred."""
    refs = [SystemRefFactory(system=system, **SHARED) for system in systems]
    ref_ids = [ref.pk for ref in refs]
    held = Held(
        established=900, joined=0, may_join=50, too_large=1, largest=500, may_hold=30, alike=0,
        blames=[Blame("email", "email", 500, ref_ids, [system.pk for system in systems])],
        examples=[Example(500, 0, ref_ids, [system.pk for system in systems])],
    )  # fmt: skip
    version = ModelVersion.objects.create(number=1, population=1, settings={}, created_at=NOW)
    grouping = GroupingRun.objects.create(
        model_version=version, started_at=NOW, finished_at=NOW, held=held.as_json()
    )
    run = NightRunFactory(state="held", held_grouping=grouping)
    NightStepFactory(run=run, name="Group System Refs", state="held", error=held.reasons[0], seconds=5)
    NightStepFactory(run=run, name="Check invariants", state="waiting")
    return run


def manager_of(*systems):
    manager = UserFactory(role=CRM_MANAGERS)
    for system in systems:
        grant(manager, SystemRight.VIEW, on=system)
    return manager


@pytest.mark.req("D-26")
def test_a_held_night_says_why_and_names_the_value_to_who_may_see_all_who_hold_it(
    client, held_night, systems
):
    client.force_login(manager_of(*systems))

    page = client.get(page_of(held_night)).text
    asked = client.get(go_on_of(held_night)).text

    for shown in (
        "Held by the brake",
        "more than 30 System Refs, the largest 500",
        SHARED["email"],
        "Not run",
    ):
        assert shown in page
    for shown in (SHARED["email"], "Stanley", "MLB", "MIN", "500 System Refs, 2 of them shown"):
        assert shown in asked


@pytest.mark.req("R-MDB-16")
def test_who_may_not_see_a_system_that_holds_the_value_sees_no_value_and_no_ref(client, held_night, systems):
    client.force_login(manager_of(systems[0]))

    pages = client.get(page_of(held_night)).text

    assert "500" in pages
    for hidden in (SHARED["email"], "Stanley", "MIN"):
        assert hidden not in pages


def test_the_nights_and_the_overview_show_a_held_night_to_those_who_may_let_it_go_on(client, held_night):
    client.force_login(UserFactory(role=CRM_MANAGERS))

    assert all("The night is held" in client.get(address).text for address in (LIST, OVERVIEW))


def test_others_see_nothing_of_it(client, held_night):
    for role in (SALES_REPS, DATA_PROTECTION_OFFICERS):
        client.force_login(UserFactory(role=role))

        assert "The night is held" not in client.get(OVERVIEW).text
        assert client.get(go_on_of(held_night)).status_code == 403
        assert client.post(go_on_of(held_night)).status_code == 403
    assert not OrmQ.objects.exists()


@pytest.mark.req("R-MDB-16")
def test_nobody_lets_go_on_what_joins_records_of_systems_that_they_may_not_see(client, held_night, systems):
    manager = manager_of(systems[0])
    client.force_login(manager)
    grouping = held_night.held_grouping

    page = client.get(page_of(held_night)).text
    with pytest.raises(MayNotRelease):
        release_night(held_night, by=manager, now=NOW)
    with pytest.raises(MayNotRelease):
        release_grouping(grouping, by=manager, now=NOW)

    assert "who sees every system may let it go on" in page
    assert client.get(go_on_of(held_night)).status_code == 403
    assert client.post(go_on_of(held_night)).status_code == 403
    assert client.post(HELD, {"grouping": grouping.pk}).status_code == 403
    grouping.refresh_from_db()
    assert grouping.accepted_at is None
    assert not OrmQ.objects.exists()


@pytest.mark.req("R-MDB-16")
def test_what_lies_wholly_in_hidden_systems_is_left_out_of_the_blames(held_night, systems):
    grouping = held_night.held_grouping

    seen = [
        name_blames(grouping, systems=systems_with(user, SystemRight.VIEW))
        for user in (manager_of(TicketSystemFactory()), manager_of(systems[0]))
    ]

    assert [len(blames) for blames in seen] == [0, 1]


def test_let_go_on_files_it_for_the_cluster_and_a_second_time_says_so(client, held_night, systems):
    manager = manager_of(*systems)
    client.force_login(manager)

    first = client.post(go_on_of(held_night), follow=True).text
    second = client.post(go_on_of(held_night), follow=True).text

    assert [task.task["func"] for task in OrmQ.objects.all()] == [RELEASE_TASK]
    assert "goes on as soon as the cluster takes it" in first
    assert "Somebody has let it go on already" in second
    assert f"by {manager.username}" in second
    assert "waits for the cluster" in client.get(LIST).text


def test_a_night_that_another_has_superseded_cannot_be_let_go_on(client, held_night, systems):
    NightRunFactory()
    client.force_login(manager_of(*systems))

    assert "superseded" in client.get(page_of(held_night)).text
    assert "Another run came to an end since" in client.get(go_on_of(held_night)).text
    assert "Run the night again" in client.post(go_on_of(held_night), follow=True).text
    assert "The night is held" not in client.get(LIST).text
    assert not OrmQ.objects.exists()


def test_there_is_nothing_to_let_go_on_in_a_night_that_is_not_held(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))

    assert client.get(go_on_of(NightStepFactory().run)).status_code == 404


@pytest.fixture
def held_by_command(held_night):
    """The same, held in a run by command: no night is held for it."""
    grouping = held_night.held_grouping
    held_night.delete()
    return grouping


def test_a_run_by_command_that_is_held_says_why_and_is_let_go_on_by_a_night(client, held_by_command, systems):
    manager = manager_of(*systems)
    client.force_login(manager)
    banners = [client.get(address).text for address in (LIST, OVERVIEW)]
    page = client.get(HELD).text

    answer = client.post(HELD, {"grouping": held_by_command.pk}, follow=True).text
    again = client.post(HELD, {"grouping": held_by_command.pk}, follow=True).text

    assert all("A grouping run by command is held" in banner for banner in banners)
    assert all(said in page for said in ("the largest 500", SHARED["email"], "Same e-mail"))
    assert "A night does it as soon as the cluster takes it" in answer
    assert "Somebody has let it go on already" in again
    held_by_command.refresh_from_db()
    assert held_by_command.accepted_by == manager
    assert [task.task["func"] for task in OrmQ.objects.all()] == [NIGHT_TASK]


def test_only_the_run_that_was_shown_is_let_go_on(client, held_by_command, systems):
    client.force_login(manager_of(*systems))

    answer = client.post(HELD, {"grouping": held_by_command.pk + 1}, follow=True).text

    assert "Another run came to an end since" in answer
    assert not OrmQ.objects.exists()


def test_a_held_night_is_let_go_on_by_its_own_page_alone(client, held_night):
    client.force_login(UserFactory(role=CRM_MANAGERS))

    assert "A grouping run by command is held" not in client.get(LIST).text
    assert "No grouping run by command is held" in client.get(HELD).text


def test_others_are_refused_a_held_run_by_command(client, held_by_command):
    for role in (SALES_REPS, DATA_PROTECTION_OFFICERS):
        client.force_login(UserFactory(role=role))

        assert "is held" not in client.get(OVERVIEW).text
        assert client.get(HELD).status_code == 403
        assert client.post(HELD, {"grouping": held_by_command.pk}).status_code == 403
    assert not OrmQ.objects.exists()


@pytest.mark.parametrize("blames", [1, 3])
def test_a_held_nights_page_takes_the_same_queries_for_one_blame_and_for_three(
    client, held_night, blames, systems
):
    client.force_login(manager_of(*systems))
    client.get(page_of(held_night))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(page_of(held_night))
        return len(captured)

    for_one = queries()
    grouping = held_night.held_grouping
    more = [SystemRefFactory(system=systems[0], email=f"shared{n}@example.org").pk for n in range(blames - 1)]
    grouping.held["blames"] += [
        {"rule": "email", "field": "email", "refs": 9, "ref_ids": [pk], "system_ids": []} for pk in more
    ]
    grouping.save()

    assert queries() == for_one
