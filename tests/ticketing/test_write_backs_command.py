"""write_backs: what was submitted, listed by state without a value."""

import json

import pytest
from django.core.management import CommandError, call_command

from ticketing.models import WriteBack

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

State = WriteBack.State


@pytest.fixture
def ref():
    system = TicketSystemFactory(code="BOX")
    return MappingFactory(system_ref=SystemRefFactory(system=system, system_ref="C1")).system_ref


def write_back(ref, state, **more):
    settled = None if state in (State.WAITING, State.TO_DO) else NOW
    return WriteBack.objects.create(
        system_ref=ref,
        values={"email": "new@example.org", "city": "York"},
        before={"email": "old@example.org", "city": "Leeds"},
        state=state,
        at=NOW,
        settled_at=settled,
        **more,
    )


def asked(capsys, *options) -> dict:
    call_command("write_backs", "--json", *options)
    return json.loads(capsys.readouterr().out)


def test_each_is_listed_under_its_state_with_its_fields_and_never_a_value(ref, capsys):
    rep = UserFactory(username="rep")
    waiting = write_back(ref, State.WAITING, by=rep, attempts=2, reason="Nobody answers.")
    refused = write_back(ref, State.REFUSED, reason="It is full.")
    write_back(ref, State.DROPPED)

    told = asked(capsys)

    assert {state: [item["id"] for item in items] for state, items in told.items()} == {
        "waiting": [waiting.pk],
        "written": [],
        "refused": [refused.pk],
        "to_do": [],
    }
    assert told["waiting"][0] == {
        "id": waiting.pk,
        "group_id": ref.mapping.contact_id,
        "system": "BOX",
        "system_ref": "C1",
        "fields": ["city", "email"],
        "state": "waiting",
        "reason": "Nobody answers.",
        "by": "rep",
        "at": "2026-03-02T12:00:00+00:00",
        "attempts": 2,
        "settled_at": None,
    }
    assert "example.org" not in json.dumps(told)


def test_nothing_submitted_is_four_empty_lists(db, capsys):
    assert asked(capsys) == {"waiting": [], "written": [], "refused": [], "to_do": []}


def test_of_one_system_and_in_one_state(ref, capsys):
    mine = write_back(ref, State.DROPPED)
    write_back(SystemRefFactory(), State.DROPPED)

    told = asked(capsys, "--system", "BOX", "--state", "dropped")

    assert [(state, [item["id"] for item in items]) for state, items in told.items()] == [
        ("dropped", [mine.pk])
    ]


def test_people_read_it_by_state(ref, capsys):
    write_back(ref, State.REFUSED, reason="It is full.", by=UserFactory(username="rep"))

    call_command("write_backs")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "waiting: 0"
    [line] = [line for line in lines if "BOX C1" in line]
    assert line.split(maxsplit=1)[1].split("BOX C1")[1].strip() == "city, email  by rep  It is full."


def test_a_system_that_is_not_there_is_named():
    with pytest.raises(CommandError, match="There is no ticket system XXX") as refusal:
        call_command("write_backs", "--system", "XXX")
    assert refusal.value.returncode == 2


def test_the_number_of_queries_does_not_hang_on_the_number_of_lines(ref, django_assert_num_queries, capsys):
    for _ in range(3):
        write_back(ref, State.WAITING)

    with django_assert_num_queries(1):
        asked(capsys)
