"""Gone at source: accounts that are missing, merged or erased there, and what follows from it here."""

import datetime as dt

import pytest

from contacts.invariants import INVARIANTS
from contacts.models import (
    FieldChange,
    GoneRef,
    GroupDecision,
    Mapping,
    Move,
    Organisation,
    PrimaryRule,
    PrimaryRuleList,
    QueueObject,
    SystemRef,
)
from contacts.models.group_decision import MERGED_AT_SOURCE
from contacts.models.mapping import PrimaryBy
from contacts.permissions import SystemRight, grant
from contacts.services.departures import Departure, mark_back, mark_gone
from contacts.services.primary import CannotChoosePrimary, choose_primary
from contacts.services.primary_rules import apply_primary_rules
from contacts.services.regroup import regroup
from contacts.services.removal import remove_refs

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.req("R-MDB-7")]

DAY = dt.timedelta(days=1)
LATER = NOW + DAY
Reason = GoneRef.Reason


@pytest.fixture
def system():
    return TicketSystemFactory(code="MLB")


def contact_of(*refs, by=PrimaryBy.FIRST_FOUND):
    """A Contact of these refs, the first leading; its moves as the services write them."""
    first = MappingFactory(system_ref=refs[0], primary_by=by)
    for ref in refs[1:]:
        MappingFactory(system_ref=ref, contact=first.contact, is_primary=False)
    for ref in refs:
        Move.objects.create(
            system_ref=ref,
            to_group=first.contact_id,
            was_primary=False,
            is_primary=ref is refs[0],
            cause=Move.Cause.PLACED,
            at=NOW,
        )
    return first.contact


def refs_of(system, how_many, **values):
    """Refs that were found one day after the other."""
    return [
        SystemRefFactory(system=system, arrived_at=NOW + DAY * number, **values) for number in range(how_many)
    ]


def missing(*refs):
    return mark_gone([Departure(ref.pk, Reason.MISSING) for ref in refs], now=LATER)


def leader(contact):
    return Mapping.objects.get(contact=contact, is_primary=True).system_ref


def broken():
    return [invariant.name for invariant in INVARIANTS if list(invariant.find())]


def changes(ref):
    return list(ref.changes.order_by("pk").values_list("field", "before", "after", "origin"))


def test_a_missing_account_is_marked_once_and_history_says_so(system):
    ref, other = refs_of(system, 2)

    first, again = missing(ref), missing(ref)

    assert (first, again) == ({"missing": 1}, {})
    assert list(GoneRef.objects.values_list("system_ref", "reason", "noticed_at")) == [
        (ref.pk, "missing", LATER)
    ]
    assert changes(ref) == [("at_source", "standing", "missing", "pull")]
    assert list(SystemRef.objects.standing()) == [other]
    assert other.why_unchangeable == ""
    assert ref.why_unchangeable == (
        "Its source does not know it any more since 3 Mar 2026: there is nothing to change there."
    )


def test_an_unknown_ref_is_passed_over(system):
    assert mark_gone([Departure(10**9, Reason.MISSING)], now=NOW) == {}
    assert mark_back([10**9], now=NOW) == 0


def test_its_contact_is_noted_for_the_crms(system):
    Organisation.load()
    Organisation.objects.update(is_crm_connected=True)
    [ref] = refs_of(system, 1)
    contact = contact_of(ref)

    missing(ref)

    assert list(QueueObject.objects.values_list("record_id", flat=True)) == [contact.pk]


@pytest.mark.req("R-MDB-6")
def test_the_primary_moves_on_to_the_first_found_of_those_that_stand(system):
    gone, also_gone, second, third = refs_of(system, 4)
    contact = contact_of(gone, third, second, also_gone)
    missing(also_gone)

    missing(gone)

    assert leader(contact) == second
    moves = Move.objects.filter(cause=Move.Cause.PRIMARY_GONE).order_by("pk")
    assert list(moves.values_list("system_ref", "was_primary", "is_primary")) == [
        (gone.pk, True, False),
        (second.pk, False, True),
    ]
    assert broken() == []


def test_a_primary_that_was_chosen_by_hand_moves_on_too(system):
    gone, other = refs_of(system, 2)
    contact = contact_of(gone, other, by=PrimaryBy.HAND)

    missing(gone)

    assert leader(contact) == other
    assert Mapping.objects.get(system_ref=other).primary_by == PrimaryBy.FIRST_FOUND
    assert broken() == []


@pytest.mark.req("R-MDB-9")
def test_with_primary_rules_they_say_who_leads_next(system):
    gone, poor = refs_of(system, 2)
    rich = SystemRefFactory(system=system, spent_total=900, arrived_at=NOW + 9 * DAY)
    contact = contact_of(gone, poor, rich)
    rules = PrimaryRuleList.objects.create(number=1, at=NOW)
    PrimaryRule.objects.create(rule_list=rules, kind=PrimaryRule.Kind.MOST_SPENT, position=1)

    missing(gone)

    assert leader(contact) == rich
    assert apply_primary_rules(now=LATER).changed == 0


def test_rules_never_prefer_a_ref_that_is_gone(system):
    living, gone = refs_of(system, 2)
    SystemRef.objects.filter(pk=gone.pk).update(spent_total=900)
    contact = contact_of(living, gone)
    rules = PrimaryRuleList.objects.create(number=1, at=NOW)
    PrimaryRule.objects.create(rule_list=rules, kind=PrimaryRule.Kind.MOST_SPENT, position=1)
    missing(gone)

    assert apply_primary_rules(now=LATER, dry_run=True).changed == 0
    assert apply_primary_rules(now=LATER).changed == 0
    assert leader(contact) == living
    mark_back([gone.pk], now=LATER)
    assert apply_primary_rules(now=LATER).changed == 1


def test_nobody_lets_an_account_lead_that_is_gone_while_another_stands(system):
    living, gone = refs_of(system, 2)
    contact = contact_of(living, gone)
    manager = UserFactory()
    for right in SystemRight:
        grant(manager, right, on=system)
    missing(gone)

    with pytest.raises(CannotChoosePrimary, match="gone at its source"):
        choose_primary(contact, SystemRef.objects.get(pk=gone.pk), by=manager, now=LATER)


@pytest.mark.req("R-MDB-13")
def test_an_account_that_comes_back_does_not_lead_again_by_itself(system):
    gone, other = refs_of(system, 2)
    contact = contact_of(gone, other)
    missing(gone)

    came = [mark_back([gone.pk], now=LATER), mark_back([gone.pk], now=LATER)]

    assert came == [1, 0]
    assert leader(contact) == other
    assert not GoneRef.objects.exists()
    assert changes(gone)[-1] == ("at_source", "missing", "standing", "pull")
    assert broken() == []


def test_where_nothing_stands_the_primary_stays_until_an_account_comes_back(system):
    first, second = refs_of(system, 2)
    contact = contact_of(first, second)

    missing(first, second)
    while_gone = leader(contact)
    mark_back([second.pk], now=LATER)

    assert (while_gone, leader(contact)) == (first, second)
    assert broken() == []


def test_who_is_merged_belongs_to_the_account_it_lives_on_in_and_the_night_joins_them(system):
    merged, target = refs_of(system, 2)
    contact, kept = contact_of(merged), contact_of(target)

    for _ in range(2):
        mark_gone([Departure(merged.pk, Reason.MERGED, target.pk)], now=NOW - DAY)
    regroup(now=LATER)

    [decision] = GroupDecision.objects.all()
    assert (decision.kind, decision.author, decision.reason) == ("must", None, MERGED_AT_SOURCE)
    assert set(Mapping.objects.values_list("contact", flat=True)) == {min(contact.pk, kept.pk)}
    assert leader(min(contact.pk, kept.pk)) == target  # a ref that is gone leads nothing where one stands
    assert broken() == []


def test_a_decision_that_two_never_belong_together_outweighs_a_merge(system):
    merged, target = refs_of(system, 2)
    never = GroupDecision.objects.create(
        kind=GroupDecision.Kind.NEVER, left=merged, right=target, author=UserFactory(), since=NOW
    )

    counts = mark_gone([Departure(merged.pk, Reason.MERGED, target.pk)], now=NOW)

    assert counts == {"merged": 1}
    assert list(GroupDecision.objects.all()) == [never]
    assert GoneRef.objects.get().merged_into == target


def test_a_merge_that_is_undone_lifts_its_decision_and_no_other(system):
    merged, also, target = refs_of(system, 3)
    mark_gone([Departure(ref.pk, Reason.MERGED, target.pk) for ref in (merged, also)], now=NOW)

    mark_back([merged.pk], now=LATER)

    standing = GroupDecision.objects.standing().values_list("left", "right")
    assert list(standing) == [(also.pk, target.pk)]


def test_a_target_in_another_system_or_the_account_itself_is_none(system):
    one, two = refs_of(system, 2)
    elsewhere = SystemRefFactory()

    mark_gone(
        [Departure(one.pk, Reason.MERGED, elsewhere.pk), Departure(two.pk, Reason.MERGED, two.pk)], now=NOW
    )

    assert set(GoneRef.objects.values_list("reason", "merged_into")) == {("merged", None)}
    assert not GroupDecision.objects.exists()


def test_a_better_reason_replaces_missing_and_missing_replaces_none(system):
    ref, target = refs_of(system, 2)

    told = [
        mark_gone([Departure(ref.pk, Reason.MISSING)], now=NOW),
        mark_gone([Departure(ref.pk, Reason.MERGED, target.pk)], now=LATER),
        mark_gone([Departure(ref.pk, Reason.MISSING)], now=LATER),
        mark_gone([Departure(ref.pk, Reason.ERASED)], now=LATER),
    ]

    assert told == [{"missing": 1}, {"merged": 1}, {}, {"erased": 1}]
    gone = GoneRef.objects.get()
    assert (gone.reason, gone.merged_into, gone.noticed_at) == ("erased", None, NOW)
    assert [change[1:3] for change in changes(ref)] == [
        ("standing", "missing"),
        ("missing", "merged"),
        ("merged", "erased"),
    ]


def test_a_removed_primary_is_followed_by_a_ref_that_stands(system):
    removed, gone, living = refs_of(system, 3)
    contact = contact_of(removed, gone, living)
    missing(gone)

    remove_refs([removed.pk], now=LATER)

    assert leader(contact) == living
    assert broken() == []


def test_the_first_placement_lets_no_ref_lead_that_is_gone(system):
    values = {"first_name": "Kirsten", "last_name": "Marlow", "email": "kirsten.marlow@example.org"}
    gone, living = refs_of(system, 2, **values)
    missing(gone)

    regroup(now=LATER)

    assert Mapping.objects.values("contact").distinct().count() == 1
    assert Mapping.objects.get(is_primary=True).system_ref == living
    assert broken() == []


@pytest.mark.req("R-MDB-16")
def test_only_who_may_see_its_system_learns_that_an_account_is_gone(system):
    [ref] = refs_of(system, 1)
    missing(ref)

    assert list(GoneRef.objects.visible_to(UserFactory())) == []
    assert not FieldChange.objects.visible_to(UserFactory()).exists()


def test_marking_costs_the_same_queries_for_one_account_and_for_three(system, django_assert_max_num_queries):
    one, *three = refs_of(system, 4)
    for ref in (one, *three):
        contact_of(ref, SystemRefFactory(system=system, arrived_at=NOW + 30 * DAY))

    with django_assert_max_num_queries(40) as first:
        missing(one)
    with django_assert_max_num_queries(40) as second:
        missing(*three)

    assert len(second) == len(first)
