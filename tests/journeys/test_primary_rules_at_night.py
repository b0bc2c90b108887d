"""BEYOND 9: a rule "Major before Minor" from its dry run through two nights."""

import datetime as dt
import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from contacts.models import Contact, Mapping, Move, SystemRef
from contacts.models.mapping import PrimaryBy
from contacts.services.check_invariants import check_invariants
from contacts.services.primary import choose_primary
from contacts.services.regroup import regroup
from sync.models import NightRun
from sync.services.run_night import run_night

from ..factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory
from ..factories.primary_rules import in_order, put_in_force

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

CONTACTS, BOTH, BY_HAND = 1_000, 300, 10
TOMORROW = NOW + dt.timedelta(days=1)


def arrive(system, people, *, at) -> None:
    SystemRef.objects.bulk_create(
        SystemRef(
            system=system,
            system_ref=f"{system.code}-{person}",
            first_name="Ann",
            last_name=f"Marlow{person}",
            email=f"ann{person}@example.org",
            arrived_at=at,
        )
        for person in people
    )


def command(*options) -> dict:
    out = StringIO()
    call_command("apply_primary_rules", "--json", *options, stdout=out)
    return json.loads(out.getvalue())


def leaders() -> dict[int, str]:
    """Which system leads each Contact."""
    return dict(Mapping.objects.filter(is_primary=True).values_list("contact", "system_ref__system__code"))


def a_night(now) -> NightRun:
    run = run_night(trigger=NightRun.Trigger.COMMAND, now=now, clock=timezone.now)
    assert run.state == "done", list(run.steps.exclude(error="").values_list("name", "error"))
    return run


def switched(run: NightRun) -> dict:
    return run.steps.get(name="Apply primary rules").counts


@pytest.mark.req("R-MDB-11", "R-MDB-13")
def test_major_before_minor_changes_exactly_those_it_counted_and_never_a_hand_choice():
    minor = TicketSystemFactory(code="MIN", name="Minor")
    major = TicketSystemFactory(code="MAJ", name="Major")
    arrive(minor, range(CONTACTS), at=NOW - dt.timedelta(days=2))
    arrive(major, range(BOTH), at=NOW - dt.timedelta(days=1))
    regroup(now=NOW)
    both = list(Contact.objects.filter(mappings__system_ref__system=major).order_by("pk"))
    assert (Contact.objects.count(), len(both), set(leaders().values())) == (CONTACTS, BOTH, {"MIN"})
    manager = UserFactory(is_superuser=True)
    for contact in both[:BY_HAND]:
        choose_primary(contact, contact.mappings.get(is_primary=True).system_ref, by=manager, now=NOW)
    a_night(NOW)
    assert set(leaders().values()) == {"MIN"}  # without a rule nothing switches

    put_in_force(in_order(major, minor))
    before = leaders()

    assert command("--dry-run") == {"changed": BOTH - BY_HAND}
    assert leaders() == before
    assert command() == {"changed": BOTH - BY_HAND}
    expected = before | {contact.pk: "MAJ" for contact in both[BY_HAND:]}
    assert leaders() == expected
    assert command() == {"changed": 0}
    assert command("--dry-run") == {"changed": 0}

    newcomer = SystemRefFactory(
        system=major, first_name="Ann", last_name="Marlow999", email="ann999@example.org", arrived_at=TOMORROW
    )
    run = a_night(TOMORROW)

    assert switched(run) == {"changed": 1}
    home = Mapping.objects.get(pk=newcomer.pk)
    assert (home.is_primary, home.primary_by) == (True, PrimaryBy.RULE)
    assert leaders() == expected | {home.contact_id: "MAJ"}
    by_hand = Mapping.objects.filter(contact__in=both[:BY_HAND], is_primary=True)
    assert set(by_hand.values_list("system_ref__system__code", "primary_by")) == {("MIN", "hand")}
    assert Move.objects.filter(cause="rule").count() == 2 * (BOTH - BY_HAND + 1)

    assert switched(a_night(TOMORROW + dt.timedelta(days=1))) == {"changed": 0}
    assert [verdict.name for verdict in check_invariants() if verdict.broken] == []


def test_when_the_ref_chosen_by_hand_is_split_off_the_rules_decide_over_those_that_remain():
    minor, middle, major = (TicketSystemFactory(name=name) for name in ("Minor", "Middle", "Major"))
    for day, system in enumerate((minor, middle, major)):
        arrive(system, [1], at=NOW - dt.timedelta(days=9 - day))
    put_in_force(in_order(major, middle, minor))
    a_night(NOW)
    chosen = SystemRef.objects.get(system=minor)
    contact = Contact.objects.get()
    choose_primary(contact, chosen, by=UserFactory(is_superuser=True), now=NOW)

    SystemRef.objects.filter(pk=chosen.pk).update(
        first_name="Bela", last_name="Okafor", email="bela@example.org"
    )
    run = a_night(TOMORROW)

    assert switched(run) == {"changed": 1}
    homes = {
        (mapped.system_ref.system.name, mapped.contact_id == contact.pk, mapped.primary_by)
        for mapped in Mapping.objects.filter(is_primary=True).select_related("system_ref__system")
    }
    # The GroupID goes with the ref that leads it (DECISIONS 4), here by hand; a new one takes the others.
    assert homes == {("Minor", True, "hand"), ("Major", False, "rule")}


def test_when_contacts_join_the_hand_choice_leads_though_the_rules_prefer_the_other():
    minor, major = TicketSystemFactory(name="Minor"), TicketSystemFactory(name="Major")
    arrive(major, [1], at=NOW - dt.timedelta(days=9))
    arrive(minor, [2], at=NOW - dt.timedelta(days=8))
    put_in_force(in_order(major, minor))
    a_night(NOW)
    chosen = SystemRef.objects.get(system=minor)
    choose_primary(
        Contact.objects.get(mappings__system_ref=chosen),
        chosen,
        by=None,
        now=NOW,
    )

    SystemRef.objects.filter(pk=chosen.pk).update(last_name="Marlow1", email="ann1@example.org")
    run = a_night(TOMORROW)

    assert switched(run) == {"changed": 0}
    mapped = Mapping.objects.get(is_primary=True)
    assert (mapped.system_ref, mapped.primary_by) == (chosen, PrimaryBy.HAND)
