"""A value that becomes common between two nights: the run freezes a new model, and nothing runs away."""

import pytest

from contacts.grouping.candidates import MOST_HOLDERS
from contacts.grouping.engine import group
from contacts.models import (
    Contact,
    GroupedRef,
    GroupingRun,
    Link,
    Mapping,
    ModelVersion,
    PendingRef,
    SystemRef,
)
from contacts.services.grouping_input import read_input
from contacts.services.grouping_model import active_version, load_model
from contacts.services.placement import place_new_refs
from contacts.services.regroup import regroup
from contacts.services.what_if import what_if
from tests.contacts.test_group_writes import broken
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.req("C-20", "R-CM-1")]

OFFICE = "office@example.org"


@pytest.fixture
def system():
    return TicketSystemFactory(rank=10)


@pytest.fixture
def grouped(system):
    """A club as big as keeps the model when the office's refs come, with one couple of copies, grouped."""
    refs = [
        SystemRefFactory(system=system, last_name=f"Quen{letters(n)}ell") for n in range(2 * MOST_HOLDERS)
    ]
    ann = {"first_name": "Ann", "last_name": "Marlow", "email": "ann@example.org"}
    refs += [SystemRefFactory(system=system, **ann) for _ in range(2)]
    regroup(now=NOW)
    return refs


def letters(number: int) -> str:
    return "".join(chr(97 + number // 26**place % 26) for place in range(3))


def enter_at_the_office(system, count: int = MOST_HOLDERS + 5, **details) -> list[SystemRef]:
    """Refs with the office's e-mail instead of the customer's, and half of the names blank."""
    return [
        SystemRefFactory(
            system=system,
            **{"first_name": f"{letters(n)}o" if n % 2 else "", "email": OFFICE, "city": f"Town {letters(n)}"}
            | details,
        )
        for n in range(count)
    ]


def groups() -> set[frozenset[int]]:
    members: dict[int, set[int]] = {}
    for ref_id, contact_id in Mapping.objects.values_list("pk", "contact_id"):
        members.setdefault(contact_id, set()).add(ref_id)
    return {frozenset(refs) for refs in members.values()}


def groups_of_a_full_run_with(version: ModelVersion) -> set[frozenset[int]]:
    partition = group(read_input().refs, model=load_model(version)).partition.to_pylist()
    members: dict[int, set[int]] = {}
    for row in partition:
        members.setdefault(row["group_id"], set()).add(row["ref_id"])
    return {frozenset(refs) for refs in members.values()}


@pytest.mark.parametrize("full", [False, True])
def test_an_e_mail_that_outgrows_between_two_nights_makes_the_run_a_full_one_with_a_new_model(
    system, grouped, full
):
    first = active_version()
    office = enter_at_the_office(system)

    night = regroup(now=NOW, full=full)

    version, run = active_version(), GroupingRun.objects.order_by("-pk")[0]
    assert (version.number, run.model_version, run.is_full) == (first.number + 1, version, True)
    assert night.outgrown == 1
    assert run.counts["outgrown_keys"] == [["email", len(office)]]
    assert version.reason.startswith(f"One e-mail came to be on {len(office)} different records: too many")
    assert OFFICE not in version.reason
    assert version.bad_keys.filter(kind="email").count() == 1
    assert groups() == groups_of_a_full_run_with(version)
    assert not Link.objects.filter(left__in=office, right__in=office).exists()
    assert Contact.objects.count() == len(grouped) - 1 + len(office)
    assert broken() == []


def test_the_night_after_it_is_a_run_over_the_changes_again(system, grouped):
    enter_at_the_office(system)
    regroup(now=NOW)
    more = enter_at_the_office(system, count=8, last_name="Okafor")

    night = regroup(now=NOW)

    assert not GroupingRun.objects.order_by("-pk")[0].is_full
    assert night.outgrown == 0
    assert "outgrown_keys" not in GroupingRun.objects.order_by("-pk")[0].counts
    assert night.refs == len(more)
    assert ModelVersion.objects.count() == 2


def test_an_e_mail_grows_night_by_night_until_it_is_on_too_many(system, grouped):
    enter_at_the_office(system, count=MOST_HOLDERS - 10)
    regroup(now=NOW)
    before = active_version()
    SystemRef.objects.filter(pk__in=[ref.pk for ref in grouped[:20]]).update(email=OFFICE)

    night = regroup(now=NOW)

    assert night.outgrown == 1
    assert active_version() != before
    assert groups() == groups_of_a_full_run_with(active_version())


def test_a_dry_run_counts_the_same_and_keeps_no_model(system, grouped):
    enter_at_the_office(system)

    dry = regroup(now=NOW, dry_run=True)
    kept = ModelVersion.objects.count()
    night = regroup(now=NOW)

    assert kept == 1
    assert (dry.outgrown, dry.contacts, dry.joined) == (night.outgrown, night.contacts, night.joined)


def test_by_day_others_are_placed_and_those_of_the_outgrown_key_wait_for_the_night(system, grouped):
    office = enter_at_the_office(system)
    ann = SystemRefFactory(system=system, first_name="Ann", last_name="Marlow", email="ann@example.org")

    placed = place_new_refs(now=NOW)

    assert placed == 1
    assert Mapping.objects.get(pk=ann.pk).contact_id == Mapping.objects.get(pk=grouped[-1].pk).contact_id
    assert not Mapping.objects.filter(pk__in=[ref.pk for ref in office]).exists()
    assert PendingRef.objects.count() == len(office) + 1
    regroup(now=NOW)
    assert groups() == groups_of_a_full_run_with(active_version())


def test_what_if_compares_with_what_the_next_run_comes_to(system, grouped):
    enter_at_the_office(system)

    asked = what_if()

    assert (asked.joined, asked.split) == (0, 0)
    assert asked.groups_before == regroup(now=NOW).contacts
    assert ModelVersion.objects.count() == 2
    assert GroupedRef.objects.count() == SystemRef.objects.count()
