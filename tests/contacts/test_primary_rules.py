"""Automatic primary rules: which ref leads by them, that hand choices stay, that all stays whole."""

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.exclusive import exclusive
from contacts.invariants import INVARIANTS
from contacts.models import (
    Mapping,
    Move,
    Organisation,
    PrimaryRuleList,
    PrimaryRun,
    QueueObject,
    SystemRef,
)
from contacts.models.mapping import PrimaryBy
from contacts.permissions import ADMINISTRATORS, SystemRight, grant
from contacts.services import primary_rules
from contacts.services.primary import choose_primary
from contacts.services.primary_order import GivenRule, Kind
from contacts.services.primary_rule_list import (
    CannotSaveRules,
    MayNotSaveRules,
    RulesAreOutOfDate,
    save_primary_rules,
)
from contacts.services.primary_rules import (
    APPLYING,
    apply_primary_rules,
    rules_in_force,
    would_change,
)
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory
from tests.factories.primary_rules import contact_of, in_order, leader_of, put_in_force

pytestmark = [pytest.mark.django_db, pytest.mark.req("R-MDB-13")]

LATEST, SPENT, SEASON = (
    GivenRule(kind) for kind in (Kind.LATEST_PURCHASE, Kind.MOST_SPENT, Kind.SEASON_TICKET)
)
LATER = NOW + dt.timedelta(days=1)


def command(*options) -> dict:
    out = StringIO()
    call_command("apply_primary_rules", "--json", *options, stdout=out)
    return json.loads(out.getvalue())


def broken() -> list[str]:
    """Of people's records alone: these refs keep sums without purchases."""
    return [invariant.name for invariant in INVARIANTS if any(invariant.find())]


@pytest.fixture
def systems():
    """Major and Minor; Minor goes first where both brought a person in one run."""
    return TicketSystemFactory(code="MAJ", name="Major", rank=20), TicketSystemFactory(
        code="MIN", name="Minor", rank=10
    )


@pytest.fixture
def pair(systems):
    """A Minor ref that leads a Contact, and its Major one."""
    major, minor = systems
    refs = (
        SystemRefFactory(system=minor, first_name="Mina"),
        SystemRefFactory(system=major, first_name="Maja"),
    )
    return contact_of(*refs), *refs


def test_without_a_rule_nothing_switches_and_nothing_is_written(pair):
    contact, minor, _major = pair
    SystemRef.objects.filter(pk=pair[2].pk).update(spent_total=500, holds_season_ticket=True)

    applied = apply_primary_rules(now=NOW)

    assert (applied.changed, leader_of(contact), PrimaryRun.objects.count()) == (0, minor, 0)


def test_rules_that_are_all_switched_off_switch_nothing(pair, systems):
    put_in_force(replace(in_order(*systems), is_active=False))

    assert command("--dry-run") == {"changed": 0}
    assert command() == {"changed": 0}
    assert leader_of(pair[0]) == pair[1]


def test_a_dry_run_counts_and_changes_nothing(pair, systems):
    put_in_force(in_order(*systems))

    assert command("--dry-run") == {"changed": 1}
    assert (leader_of(pair[0]), PrimaryRun.objects.count()) == (pair[1], 0)


def test_applying_switches_the_primary_with_its_moves_golden_values_and_a_note_for_the_crm(pair, systems):
    contact, minor, major = pair
    version = put_in_force(in_order(*systems))
    Organisation.load()
    Organisation.objects.update(is_crm_connected=True)
    before = Move.objects.count()

    assert command() == {"changed": 1}

    contact.refresh_from_db()
    mapped = Mapping.objects.get(contact=contact, is_primary=True)
    assert (mapped.system_ref, mapped.primary_by, contact.first_name) == (major, PrimaryBy.RULE, "Maja")
    assert Mapping.objects.get(pk=minor.pk).primary_by == PrimaryBy.FIRST_FOUND
    moves = Move.objects.order_by("pk")[before:]
    assert [
        (m.system_ref_id, m.from_group, m.to_group, m.was_primary, m.is_primary, m.cause, m.rule)
        for m in moves
    ] == [
        (minor.pk, contact.pk, contact.pk, True, False, "rule", version.rules.get()),
        (major.pk, contact.pk, contact.pk, False, True, "rule", version.rules.get()),
    ]
    assert list(QueueObject.objects.values_list("record_type", "record_id")) == [("contact", contact.pk)]
    run = PrimaryRun.objects.get()
    assert (run.rule_list, run.total, run.changed) == (version, 1, 1)
    assert broken() == []


def test_applying_again_changes_nothing_but_its_own_record(pair, systems):
    put_in_force(in_order(*systems))
    command()
    moves = Move.objects.count()

    assert command() == {"changed": 0}
    assert Move.objects.count() == moves


@pytest.mark.req("R-MDB-11")
def test_a_hand_choice_stays_whatever_the_rules_say(pair, systems):
    contact, minor, _major = pair
    choose_primary(contact, minor, by=UserFactory(is_superuser=True), now=NOW)
    put_in_force(in_order(*systems))

    found = would_change(rules_in_force().rules)

    assert (found.changed, found.kept, found.kept_by_rule) == (0, 1, {0: 1})
    assert command() == {"changed": 0}
    assert Mapping.objects.get(pk=minor.pk).primary_by == PrimaryBy.HAND


def test_the_first_rule_that_tells_two_refs_apart_decides_and_a_tie_goes_to_the_next():
    one, other = TicketSystemFactory(), TicketSystemFactory()
    poor = SystemRefFactory(system=one, spent_total=5)
    rich = SystemRefFactory(system=one, spent_total=50)
    elsewhere = SystemRefFactory(system=other, spent_total=500)
    contact = contact_of(poor, rich, elsewhere)
    put_in_force(in_order(one, other), SPENT)

    command()

    assert leader_of(contact) == rich
    assert Move.objects.filter(cause="rule").first().rule.position == 2


def test_a_system_that_the_order_does_not_name_comes_behind(systems):
    major, minor = systems
    elsewhere, here = SystemRefFactory(), SystemRefFactory(system=minor)
    contact = contact_of(elsewhere, here)
    put_in_force(in_order(major, minor))

    command()

    assert leader_of(contact) == here


def test_the_latest_purchase_leads_and_none_comes_last():
    never, early, late = (
        SystemRefFactory(last_purchased_at=at) for at in (None, NOW, NOW + dt.timedelta(seconds=1))
    )
    contact = contact_of(never, early, late)
    put_in_force(LATEST)

    command()

    assert leader_of(contact) == late


def test_the_holder_of_a_season_ticket_leads():
    none, season = SystemRefFactory(), SystemRefFactory(holds_season_ticket=True)
    contact = contact_of(none, season)
    put_in_force(SEASON)

    command()

    assert leader_of(contact) == season


def test_of_several_that_are_preferred_alike_the_first_found_leads():
    leader = SystemRefFactory()
    later = SystemRefFactory(holds_season_ticket=True, arrived_at=LATER)
    earlier = SystemRefFactory(holds_season_ticket=True)
    contact = contact_of(leader, later, earlier)
    put_in_force(SEASON)

    command()

    assert leader_of(contact) == earlier


def test_where_no_rule_tells_a_difference_the_primary_stays_even_if_another_was_found_earlier():
    earlier, leader = SystemRefFactory(), SystemRefFactory(arrived_at=LATER)
    contact = contact_of(earlier, leader, primary=leader)
    put_in_force(LATEST, SPENT, SEASON)

    assert command() == {"changed": 0}
    assert leader_of(contact) == leader


def test_a_rule_that_is_switched_off_moves_nothing_back_though_others_go_on(pair, systems):
    contact, _minor, major = pair
    rule = in_order(*systems)
    put_in_force(rule, SEASON)
    command()
    put_in_force(replace(rule, is_active=False), SEASON)

    assert command() == {"changed": 0}
    assert leader_of(contact) == major


def test_only_one_process_applies_at_a_time(pair, systems):
    put_in_force(in_order(*systems))

    with exclusive(APPLYING), pytest.raises(CommandError, match="Applying the primary rules is running"):
        command()


def test_a_contact_that_changes_after_it_was_found_is_asked_again(pair, systems, monkeypatch):
    contact, minor, _major = pair
    put_in_force(in_order(*systems))
    found = primary_rules._contacts_to_change

    def find_and_lose_the_race(rules):
        ids = found(rules)
        choose_primary(contact, minor, by=UserFactory(is_superuser=True), now=NOW)
        return ids

    monkeypatch.setattr(primary_rules, "_contacts_to_change", find_and_lose_the_race)

    assert command() == {"changed": 0}
    assert leader_of(contact) == minor
    assert broken() == []


def test_a_run_that_is_cut_off_leaves_all_whole_and_the_next_does_the_rest(systems, monkeypatch):
    major, minor = systems
    contacts = [contact_of(SystemRefFactory(system=minor), SystemRefFactory(system=major)) for _n in range(5)]
    put_in_force(in_order(major, minor))
    monkeypatch.setattr(primary_rules, "CONTACTS_AT_ONCE", 2)

    def die(done, _total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_primary_rules(now=NOW, progress=die)

    cut_off = PrimaryRun.objects.get()
    assert (cut_off.total, cut_off.changed, cut_off.finished_at) == (5, 4, None)
    assert broken() == []
    assert apply_primary_rules(now=LATER).changed == 1
    assert {leader_of(contact).system for contact in contacts} == {major}


def test_the_number_of_queries_does_not_grow_with_the_contacts(systems):
    major, minor = systems
    put_in_force(in_order(major, minor))

    def contacts(count):
        for _n in range(count):
            contact_of(SystemRefFactory(system=minor), SystemRefFactory(system=major))

    counted = []
    for count in (1, 3):
        contacts(count)
        with CaptureQueriesContext(connection) as captured:
            assert would_change(rules_in_force().rules).changed == count
            apply_primary_rules(now=NOW)
        counted.append(len(captured))

    assert counted[0] == counted[1]


def test_examples_are_of_every_rule_and_no_more_than_asked(systems):
    major, minor = systems
    for _n in range(4):
        contact_of(SystemRefFactory(system=minor), SystemRefFactory(system=major))
    for _n in range(2):
        contact_of(SystemRefFactory(), SystemRefFactory(holds_season_ticket=True))

    found = would_change([in_order(major, minor), replace(SPENT, is_active=False), SEASON], examples=3)

    assert (found.changed, found.by_rule) == (6, {0: 4, 2: 2})
    assert [example.rule for example in found.examples] == [0, 0, 2]
    assert {example.now.system for example in found.examples[:2]} == {major}


# ---- making rules ----


def manager_of(*systems, role=CRM_MANAGERS):
    user = UserFactory(role=role)
    for system in systems:
        grant(user, SystemRight.VIEW, on=system)
    return user


def test_a_manager_who_sees_every_system_makes_a_version_and_the_former_is_kept(systems):
    manager = manager_of(*systems)
    first = save_primary_rules([in_order(*systems)], based_on=0, by=manager, now=NOW)

    second = save_primary_rules([SEASON, in_order(*systems)], based_on=1, by=manager, now=LATER)

    assert [(v.number, v.by, v.at) for v in (first, second)] == [(1, manager, NOW), (2, manager, LATER)]
    assert [(rule.kind, rule.systems) for rule in rules_in_force().rules] == [
        (Kind.SEASON_TICKET, ()),
        (Kind.SYSTEM_ORDER, (systems[0].pk, systems[1].pk)),
    ]
    assert first.rules.count() == 1


def test_saving_what_stands_makes_no_version(systems):
    standing = put_in_force(in_order(*systems), SPENT)

    assert put_in_force(in_order(*systems), SPENT) == standing
    assert PrimaryRuleList.objects.count() == 1


def test_who_saves_upon_an_older_version_is_told_who_was_first(systems):
    put_in_force(SPENT, by=manager_of(*systems))

    with pytest.raises(RulesAreOutOfDate, match="saved version 1 while you were editing"):
        save_primary_rules([SEASON], based_on=0, by=manager_of(*systems), now=NOW)


@pytest.mark.req("R-MDB-16")
@pytest.mark.parametrize("role", [CRM_MANAGERS, SALES_REPS, ADMINISTRATORS])
def test_nobody_makes_rules_who_may_not_see_every_system_or_not_steer(systems, role):
    hidden = TicketSystemFactory()
    user = manager_of(*systems, *([hidden] if role == SALES_REPS else []), role=role)

    with pytest.raises(MayNotSaveRules):
        save_primary_rules([SEASON], based_on=0, by=user, now=NOW)


def test_a_list_that_makes_no_sense_is_refused_with_the_rule_that_is_wrong(systems):
    major, minor = systems
    wrong = {
        "Choose the system that goes first.": (SEASON, GivenRule(Kind.SYSTEM_ORDER)),
        "A system stands twice in this order.": (SEASON, in_order(major, minor, major)),
        "This order names a system that does not exist.": (
            SEASON,
            GivenRule(Kind.SYSTEM_ORDER, (987654321,)),
        ),
        "This rule stands in the list already.": (SEASON, SEASON),
    }

    refused = {}
    for reason, rules in wrong.items():
        with pytest.raises(CannotSaveRules) as refusal:
            put_in_force(*rules)
        refused[str(refusal.value)] = refusal.value.place
        assert str(refusal.value) == reason

    assert set(refused.values()) == {1}
    with pytest.raises(CannotSaveRules, match="At most 20 rules"):
        put_in_force(*[SEASON] * 21)


# ---- whatever refs and rules there are ----


REFS = st.lists(
    st.tuples(
        st.integers(0, 2),  # system
        st.sampled_from([None, 0, 1]),  # latest purchase, in days
        st.sampled_from([Decimal("-5.50"), Decimal(0), Decimal("0.10"), Decimal(30)]),
        st.booleans(),  # season ticket
        st.integers(0, 1),  # arrived, in days
    ),
    min_size=2,
    max_size=5,
)
RULES = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.permutations([0, 1, 2]).map(lambda order: tuple(order[:2]))),
        st.tuples(st.sampled_from([Kind.LATEST_PURCHASE, Kind.MOST_SPENT, Kind.SEASON_TICKET]), st.just(())),
    ),
    min_size=1,
    max_size=3,
    unique=True,
)


def rank(ref: SystemRef, rules) -> tuple:
    """How the rules put a ref: the lower leads. Said in Python, to hold the SQL against."""
    found = []
    for rule in rules:
        if rule.kind == Kind.SYSTEM_ORDER:
            found.append(
                rule.systems.index(ref.system_id) if ref.system_id in rule.systems else len(rule.systems)
            )
        elif rule.kind == Kind.LATEST_PURCHASE:
            found.append(-ref.last_purchased_at.timestamp() if ref.last_purchased_at else 0)
        elif rule.kind == Kind.MOST_SPENT:
            found.append(-ref.spent_total)
        else:
            found.append(not ref.holds_season_ticket)
    return tuple(found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(refs=REFS, rules=RULES, leader=st.integers(0, 4), by_hand=st.booleans())
def test_whatever_the_refs_and_rules_the_best_leads_or_the_hand_choice_and_again_nothing_changes(
    refs, rules, leader, by_hand
):
    systems = [TicketSystemFactory(rank=n) for n in range(3)]
    made = [
        SystemRefFactory(
            system=systems[system],
            last_purchased_at=None if bought is None else NOW + dt.timedelta(days=bought),
            spent_total=spent,
            holds_season_ticket=season,
            arrived_at=NOW + dt.timedelta(days=arrived),
        )
        for system, bought, spent, season, arrived in refs
    ]
    primary = made[leader % len(made)]
    contact = contact_of(*made, primary=primary, by_hand=by_hand)
    given_rules = [
        in_order(*(systems[n] for n in order)) if kind == "order" else GivenRule(kind)
        for kind, order in rules
    ]
    put_in_force(*given_rules)

    would = would_change(given_rules).changed
    changed = apply_primary_rules(now=NOW).changed

    stored = list(SystemRef.objects.filter(mapping__contact=contact).first_found())
    best = min(rank(ref, given_rules) for ref in stored)
    expected = next(ref for ref in stored if rank(ref, given_rules) == best)
    if by_hand or rank(primary, given_rules) == best:
        expected = primary
    assert leader_of(contact) == expected
    assert would == changed == (expected != primary)
    assert apply_primary_rules(now=NOW).changed == 0
    assert Mapping.objects.filter(contact=contact, is_primary=True).count() == 1
    assert broken() == []
    _forget(contact)


def _forget(contact) -> None:
    """Examples share a database: each leaves nothing for the next to count."""
    refs = list(Mapping.objects.filter(contact=contact).values_list("system_ref", flat=True))
    SystemRef.objects.filter(pk__in=refs).delete()
    contact.delete()
