"""add_ticket_system and grant_right: the commands a deployment begins with."""

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from contacts.models import TicketSystem
from contacts.permissions import SystemRight, holds

from ..factories import TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.req("R-CM-4")
def test_a_system_is_added_with_everything_the_command_says_of_it():
    call_command(
        "add_ticket_system", "MIN", "Minor League", "--kind", "file", "--business-unit", "minor",
        "--rank", "20", "--isolated", "--calls-refs", "Fan ID", "--no-cross-matching",
    )  # fmt: skip

    system = TicketSystem.objects.get(code="MIN")
    assert (system.name, system.kind, system.business_unit.code, system.rank) == (
        "Minor League",
        "file",
        "minor",
        20,
    )
    assert (system.is_isolated, system.ref_label, system.is_matched_across) == (True, "Fan ID", False)


def test_a_new_business_unit_gets_its_hand_system_once():
    call_command("add_ticket_system", "A", "First", "--business-unit", "north")
    call_command("add_ticket_system", "B", "Second", "--business-unit", "north")

    hand = TicketSystem.objects.filter(business_unit__code="north", kind="hand")
    assert [system.code for system in hand] == ["HAND-NORTH"]


@pytest.mark.parametrize(("code", "reason"), [("MLB", "already exists"), ("no blanks", "Letters, digits")])
def test_a_code_that_is_taken_or_malformed_is_refused_with_the_reason_and_leaves_nothing(code, reason):
    TicketSystemFactory(code="MLB")

    with pytest.raises(CommandError, match=reason):
        call_command("add_ticket_system", code, "Again", "--business-unit", "fresh")

    assert not TicketSystem.objects.filter(business_unit__code="fresh").exists()


def test_granting_change_brings_view_along():
    system, rep = TicketSystemFactory(code="MLB"), UserFactory(username="rep")

    call_command("grant_right", "rep", "MLB", "change")

    assert holds(rep, SystemRight.CHANGE, system)


def test_granting_to_a_group_reaches_its_members_and_view_is_not_change():
    system, rep = TicketSystemFactory(code="MLB"), UserFactory(role="Sales rep")

    call_command("grant_right", "Sales rep", "MLB", "view")

    assert holds(rep, SystemRight.VIEW, system)
    assert not holds(rep, SystemRight.CHANGE, system)


@pytest.mark.parametrize("words", [("nobody", "MLB"), ("Sales rep", "NONE")])
def test_an_unknown_user_or_system_is_a_usage_error(words):
    TicketSystemFactory(code="MLB")
    Group.objects.get(name="Sales rep")

    with pytest.raises(CommandError) as refusal:
        call_command("grant_right", *words, "view")

    assert refusal.value.returncode == 2
