"""The screen of tonight's plan: who sees which lines, the hold boxes, CSV, and every state of it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import OrmQ

from contacts.exclusive import exclusive
from contacts.models import HeldLine, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.group_requests import file_grouping
from contacts.services.regroup import regroup
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from sync.models import NightPlan, PlanLine
from sync.models.plan import PlanLineRef
from sync.services.plan_night import plan_now
from sync.services.run_night import THE_NIGHT
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

from .nights_to_plan import arrive, contact_of, person

pytestmark = pytest.mark.django_db
LIST, MAKE, HOLD, EXPORT, PROGRESS = (
    reverse(f"admin:sync_nightplan_{name}") for name in ("changelist", "make", "hold", "export", "progress")
)


def manager_of(*systems):
    manager = UserFactory(role=CRM_MANAGERS)
    for system in systems:
        grant(manager, SystemRight.VIEW, on=system)
    return manager


@pytest.fixture
def systems():
    return TicketSystemFactory(code="MLB", name="Majors"), TicketSystemFactory(code="MIN", name="Minors")


@pytest.fixture
def asked_for(systems):
    """A grouping within each system, and one across both."""
    major = arrive(systems[0], *map(person, range(4)))
    minor = arrive(systems[1], *map(person, range(4, 8)))
    regroup(now=NOW)
    pairs = ((major[0], major[1]), (minor[0], minor[1]), (major[2], minor[2]))
    return [file_grouping(contact_of(one), [contact_of(other)], by=None, now=NOW) for one, other in pairs]


def make() -> NightPlan:
    return plan_now(by=None, clock=lambda: NOW)


def test_a_reader_sees_lines_of_which_they_may_see_every_account_and_nothing_of_others(
    client, systems, asked_for
):
    make()
    client.force_login(manager_of(systems[0]))
    seen, exported = client.get(LIST).text, b"".join(client.get(EXPORT)).decode()
    client.force_login(manager_of(*systems))
    everything = client.get(LIST).text

    for text in (seen, exported):
        assert str(asked_for[0].group_id) in text
        assert "MIN" not in text
    assert [f"Request {request.pk}</a>" in seen for request in asked_for] == [True, False, False]
    assert all(f"Request {request.pk}</a>" in everything for request in asked_for)
    assert "1 line<" in seen
    assert "3 lines<" in everything


def test_lines_are_found_by_kind_by_group_id_and_by_what_is_held(client, systems, asked_for):
    SystemRef.objects.filter(system=systems[0]).update(spent_total=5)
    make()
    client.force_login(manager_of(*systems))

    for address, lines in (
        (LIST, 7),
        (f"{LIST}?kind=group", 3),
        (f"{LIST}?kind=sums", 4),
        (f"{LIST}?kind=group&q={asked_for[1].group_id}", 1),
        (f"{LIST}?q=no-number", 0),
        (f"{LIST}?held=1", 0),
        (f"{LIST}?p=99&kind=nonsense", 7),
    ):
        page = client.get(address)
        assert (page.status_code, page.context["page"].paginator.count) == (200, lines)
    client.post(HOLD, {"hold": PlanLine.objects.filter(kind="group").first().pk})
    assert client.get(f"{LIST}?held=1").context["page"].paginator.count == 1


def test_a_line_is_held_and_let_go_by_who_sees_all_of_it_alone(client, systems, asked_for):
    arrive(systems[0], person(0))
    make()
    across = PlanLine.objects.get(request=asked_for[2])
    placed = PlanLine.objects.get(kind="place")
    client.force_login(manager_of(systems[0]))
    assert client.post(HOLD, {"hold": across.pk}).status_code == 404
    assert client.post(HOLD, {"hold": "1 or 1"}).status_code == 404
    assert client.post(HOLD, {"hold": placed.pk}).url == f"{LIST}?#line-{placed.pk}"
    hold = HeldLine.objects.get()
    client.force_login(manager_of(systems[1]))
    assert client.post(HOLD, {"let_hold_go": hold.pk}).status_code == 404
    client.force_login(UserFactory(role=SALES_REPS))
    for address in (LIST, EXPORT, PROGRESS):
        assert client.get(address).status_code == 403
    for address in (HOLD, MAKE, LIST):
        assert client.post(address, {"hold": placed.pk, "let_hold_go": hold.pk}).status_code == 403

    client.force_login(manager_of(*systems))
    client.post(HOLD, {"hold": across.pk})
    asked_for[2].refresh_from_db()
    assert (asked_for[2].state, HeldLine.objects.count()) == ("held", 1)
    assert client.get(LIST).text.count('aria-checked="true"') == 2
    client.post(HOLD, {"let_go": across.pk})
    PlanLine.objects.filter(pk=placed.pk).delete()
    assert "Held, and in no line of this plan" in client.get(LIST).text
    client.post(HOLD, {"let_hold_go": hold.pk})
    asked_for[2].refresh_from_db()
    assert (asked_for[2].state, HeldLine.objects.count()) == ("waiting", 0)


def test_every_state_of_a_plan_is_told(client, systems):
    client.force_login(manager_of(*systems))
    assert "No plan has been made yet" in client.get(LIST).text

    client.post(MAKE)
    client.post(MAKE)
    assert (NightPlan.objects.count(), OrmQ.objects.count()) == (1, 1)
    assert "waits for the cluster" in client.get(LIST).text
    assert (client.get(PROGRESS).status_code, client.get(MAKE).status_code) == (200, 405)

    make()
    assert client.get(PROGRESS).headers["HX-Refresh"] == "true"
    assert "The coming night would change nothing" in client.get(LIST).text
    SystemRefFactory(system=systems[0])
    assert "Something changed since this plan was made" in client.get(LIST).text
    NightPlan.objects.create(state="failed", error="Somebody is at work.", filed_at=NOW)
    assert "The last try came to nothing" in client.get(LIST).text
    with exclusive(THE_NIGHT):
        assert "A night is at work" in client.get(LIST).text
    numbers = {"refs": 9, "joined": 8, "split": 7, "contacts": 6}
    NightPlan.objects.create(
        state="done", filed_at=NOW, made_at=NOW, counts={"why_numbers": "Far too many.", "numbers": numbers}
    )
    assert "Far too many." in client.get(LIST).text
    client.force_login(manager_of(systems[0]))
    assert "The numbers are told to who sees every system" in client.get(LIST).text


def test_the_list_asks_as_much_for_one_line_as_for_three(client, systems, asked_for):
    make()
    manager = manager_of(*systems)
    client.force_login(manager)
    client.get(LIST)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(LIST)
        return len(asked)

    three = queries()
    PlanLineRef.objects.filter(line__request__in=asked_for[1:]).delete()
    PlanLine.objects.filter(request__in=asked_for[1:]).delete()

    assert queries() == three
