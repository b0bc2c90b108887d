"""Whatever the engine finds, round after round: ids, primaries, moves, aliases and pins stay right."""

import datetime as dt
from collections import defaultdict

import pyarrow as pa
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.group_plan import Plan
from contacts.models import Contact, GoldenPin, GroupAlias, Mapping, Move, SystemRef
from contacts.models.mapping import PrimaryBy
from contacts.services.check_invariants import check_invariants
from contacts.services.first_placements import write_first_placements
from contacts.services.golden import refresh_golden
from contacts.services.grouping_input import read_input
from contacts.services.regroup_writes import write_changes
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory

pytestmark = pytest.mark.django_db

REFS = 6


class Undone(Exception):
    """Takes an example's rows back."""


def carry_out(groups: dict[int, int], *, at_once: int = 1, pairs=()) -> int:
    """Make the mapping say these groups (ref -> group), some change sets at a time; returns refs changing."""
    given_now = read_input()
    partition = pa.table(
        {
            "ref_id": pa.array(groups.keys(), pa.int64()),
            "group_id": pa.array(groups.values(), pa.int64()),
        }
    )
    with Plan(
        partition, standing=given_now.standing, order=given_now.refs, memory_limit="200MB", threads=1
    ) as plan:
        change_sets = list(plan.change_sets())
        for start in range(0, len(change_sets), at_once):
            write_changes(change_sets[start : start + at_once], pairs=pairs, run=None, now=NOW)
        for placements in plan.first_placements(at_once):
            write_first_placements(placements, run=None, now=NOW)
        return plan.counts.changing_refs


def mapping() -> dict[int, tuple[int, bool]]:
    return {
        ref: (contact, primary)
        for ref, contact, primary in Mapping.objects.values_list("system_ref_id", "contact_id", "is_primary")
    }


def replayed() -> dict[int, tuple[int, bool]]:
    places: dict[int, tuple[int, bool]] = {}
    for ref, source, target, was, now in Move.objects.order_by("pk").values_list(
        "system_ref_id", "from_group", "to_group", "was_primary", "is_primary"
    ):
        assert places.get(ref, (None, False)) == (source, was)
        places[ref] = (target, now)
    return places


def broken() -> list[str]:
    return [verdict.name for verdict in check_invariants() if verdict.broken]


def choose_primary_by_hand(ref_id: int) -> None:
    """What the TDM will do: the chosen ref leads, the former one follows, both moves recorded."""
    chosen = Mapping.objects.get(pk=ref_id)
    former = Mapping.objects.get(contact=chosen.contact_id, is_primary=True)
    if former == chosen:
        Mapping.objects.filter(pk=ref_id).update(primary_by=PrimaryBy.HAND)
        return
    Mapping.objects.filter(pk=former.pk).update(is_primary=False, primary_by=PrimaryBy.FIRST_FOUND)
    Mapping.objects.filter(pk=ref_id).update(is_primary=True, primary_by=PrimaryBy.HAND)
    for mapped, was, now in ((former, True, False), (chosen, False, True)):
        Move.objects.create(
            system_ref_id=mapped.pk,
            from_group=chosen.contact_id,
            to_group=chosen.contact_id,
            was_primary=was,
            is_primary=now,
            cause=Move.Cause.DECISION,
            at=NOW,
        )
    refresh_golden([chosen.contact_id], now=NOW)


def pin(ref_id: int, field: str) -> None:
    contact_id = Mapping.objects.get(pk=ref_id).contact_id
    GoldenPin.objects.update_or_create(
        contact_id=contact_id, field=field, defaults={"system_ref_id": ref_id, "origin": "person", "at": NOW}
    )
    refresh_golden([contact_id], now=NOW)


def expected_ids_and_primaries(
    groups: dict[int, int], before: dict[int, tuple[int, bool]], by_hand: set[int], order: list[int]
) -> dict[frozenset[int], tuple[int | None, int]]:
    """For each group: the GroupID it must have (None: a new one) and its primary, by the rules alone."""
    members = defaultdict(list)
    for ref in order:
        if ref in groups:
            members[groups[ref]].append(ref)
    expected = {}
    for refs in members.values():
        leading = sorted((before[ref][0], ref) for ref in refs if ref in before and before[ref][1])
        hand = [ref for _contact, ref in leading if ref in by_hand]
        survivor = leading[0][0] if leading else None
        primary = hand[0] if hand else leading[0][1] if leading else refs[0]
        expected[frozenset(refs)] = (survivor, primary)
    return expected


rounds = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), min_size=REFS, max_size=REFS),  # the engine's group of each ref
        st.integers(2, REFS),  # how many refs have arrived by then
        st.sets(st.integers(0, REFS - 1), max_size=2),  # primaries chosen by hand after the round
        st.sets(st.tuples(st.integers(0, REFS - 1), st.sampled_from(["email", "last_name"])), max_size=2),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.slow
@pytest.mark.req(
    "R-MDB-6", "R-MDB-7", "R-MDB-8", "R-MDB-11", "R-MDB-13", "R-CM-3", "R-CM-26", "D-4", "D-5", "D-7", "C-8"
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=rounds, at_once=st.integers(1, 3))
def test_every_rule_holds_whatever_the_engine_finds_round_after_round(rounds, at_once):
    try:
        with transaction.atomic():
            run_rounds(rounds, at_once)
            raise Undone
    except Undone:
        pass


def run_rounds(rounds, at_once):
    systems = [TicketSystemFactory(rank=rank) for rank in (20, 10)]
    refs: list[SystemRef] = []
    highest_ever = max(Contact.objects.values_list("pk", flat=True), default=0)
    arrived = 0
    for labels, count, by_hand, pins in rounds:
        for n in range(arrived, max(arrived, count)):
            refs.append(
                SystemRefFactory(
                    system=systems[n % 2],
                    arrived_at=NOW + dt.timedelta(days=n // 3),
                    email=f"{n}@x.org" if n % 3 else "",
                    last_name=f"Name{n}",
                )
            )
        arrived = len(refs)
        first_of: dict[int, int] = {}
        groups = {
            ref.pk: first_of.setdefault(label, ref.pk) for ref, label in zip(refs, labels, strict=False)
        }
        order = list(SystemRef.objects.first_found().values_list("pk", flat=True))
        before = mapping()
        chosen = set(Mapping.objects.filter(primary_by=PrimaryBy.HAND).values_list("pk", flat=True))
        expected = expected_ids_and_primaries(groups, before, chosen, order)

        carry_out(groups, at_once=at_once)

        after = mapping()
        assert set(after) == set(groups)
        found = defaultdict(set)
        for ref, (contact, _primary) in after.items():
            found[contact].add(ref)
        assert {frozenset(members) for members in found.values()} == set(expected)
        for contact, members in found.items():
            survivor, primary = expected[frozenset(members)]
            assert contact == survivor if survivor else contact > highest_ever
            assert {ref for ref in members if after[ref][1]} == {primary}
        highest_ever = max(highest_ever, *found)
        assert replayed() == after
        assert broken() == []
        for number, contact in GroupAlias.objects.values_list("group_id", "contact_id"):
            left = Move.objects.filter(from_group=number).values_list("system_ref_id", flat=True)
            assert contact in {after[ref][0] for ref in left}
        moves = Move.objects.count()
        assert carry_out(groups, at_once=at_once) == 0
        assert (mapping(), Move.objects.count()) == (after, moves)
        for n in by_hand:
            if n < arrived:
                choose_primary_by_hand(refs[n].pk)
        for n, field in pins:
            if n < arrived:
                pin(refs[n].pk, field)


def three_refs() -> list[int]:
    system = TicketSystemFactory()
    return [SystemRefFactory(system=system, system_ref=name).pk for name in "abc"]


@pytest.mark.req("R-MDB-7", "R-MDB-8")
def test_the_first_found_of_one_batch_leads_whatever_the_order_of_its_rows():
    late_rank, early_rank = TicketSystemFactory(rank=20), TicketSystemFactory(rank=10)
    by_rank = SystemRefFactory(system=late_rank, system_ref="1", created_at=NOW - dt.timedelta(days=9))
    undated = SystemRefFactory(system=early_rank, system_ref="1")
    newer = SystemRefFactory(system=early_rank, system_ref="2", created_at=NOW)
    first = SystemRefFactory(system=early_rank, system_ref="3", created_at=NOW - dt.timedelta(days=1))
    later_run = SystemRefFactory(system=early_rank, system_ref="0", arrived_at=NOW + dt.timedelta(hours=1))
    everyone = [by_rank, undated, newer, first, later_run]

    carry_out({ref.pk: by_rank.pk for ref in everyone})

    assert [ref.pk for ref in everyone if ref.mapping.is_primary] == [first.pk]
    assert [ref.pk for ref in SystemRef.objects.first_found()] == [
        ref.pk for ref in (first, newer, undated, by_rank, later_run)
    ]


@pytest.mark.req("D-4")
def test_new_group_ids_rise_in_the_order_in_which_people_were_found():
    system = TicketSystemFactory()
    third, first, second = (
        SystemRefFactory(system=system, arrived_at=NOW + dt.timedelta(days=day)).pk for day in (3, 1, 2)
    )

    carry_out({third: third, first: first, second: second}, at_once=2)

    places = mapping()
    assert places[first][0] < places[second][0] < places[third][0]


@pytest.mark.req("R-CM-26", "D-4")
def test_after_a_split_an_alias_leads_to_the_part_its_refs_live_in():
    a, b, c = three_refs()
    carry_out({a: a, b: b, c: c})
    number_of_b = mapping()[b][0]
    carry_out({a: a, b: a, c: a})

    carry_out({a: a, b: b, c: a})

    assert list(GroupAlias.objects.filter(group_id=number_of_b).values_list("contact_id", flat=True)) == [
        mapping()[b][0]
    ]


@pytest.mark.req("R-CM-26")
def test_a_retired_id_whose_refs_went_to_several_contacts_leads_to_all_of_them():
    a, b, c = three_refs()
    carry_out({a: a, b: b, c: b})
    old = mapping()[b][0]

    carry_out({a: a, b: a, c: c})

    places = mapping()
    led_to = GroupAlias.objects.filter(group_id=old).values_list("contact_id", flat=True)
    assert set(led_to) == {places[a][0], places[c][0]}


@pytest.mark.req("D-7")
def test_a_pin_leaves_with_its_ref_and_yields_to_one_that_stands():
    a, b, c = three_refs()
    carry_out({a: a, b: b, c: b})
    pin(a, "email")
    pin(c, "email")
    pin(c, "last_name")

    carry_out({a: a, b: b, c: a})

    home = mapping()[a][0]
    assert set(GoldenPin.objects.values_list("contact_id", "field", "system_ref_id")) == {
        (home, "email", a),
        (home, "last_name", c),
    }
    assert sorted(Move.objects.filter(system_ref=c).latest("pk").pins) == ["email", "last_name"]


@pytest.mark.req("D-7")
def test_a_pin_that_leaves_for_a_new_contact_decides_there():
    a, b, c = three_refs()
    SystemRef.objects.filter(pk=b).update(last_name="Found first")
    SystemRef.objects.filter(pk=c).update(last_name="Pinned")
    carry_out({a: a, b: a, c: a})
    pin(c, "last_name")

    carry_out({a: a, b: b, c: b})

    assert Contact.objects.get(mappings=c).last_name == "Pinned"


@pytest.mark.parametrize(
    ("pairs", "causes"),
    [((), ["split", "joined"]), ("never", ["decision", "decision"])],
)
@pytest.mark.req("D-5", "D-6")
def test_a_move_says_whether_the_night_or_a_person_caused_it(pairs, causes):
    a, b, c = three_refs()
    carry_out({a: a, b: a, c: c})
    decided = {(a, b), (b, c)} if pairs else set()

    carry_out({a: a, b: b, c: c}, pairs=decided - {(b, c)})
    carry_out({a: a, b: c, c: c}, pairs=decided - {(a, b)})

    moved = Move.objects.filter(system_ref__in=(b, c), from_group__isnull=False, pk__gt=3)
    assert [move.cause for move in moved.order_by("pk") if move.from_group != move.to_group] == causes


def test_a_ref_that_changed_places_since_the_plan_waits_with_its_whole_circle():
    a, b, c = three_refs()
    carry_out({a: a, b: b, c: c})
    given_now = read_input()
    partition = pa.table({"ref_id": [a, b, c], "group_id": [a, a, c]})
    newcomer = SystemRefFactory()
    home = mapping()[b][0]
    with Plan(
        partition, standing=given_now.standing, order=given_now.refs, memory_limit="200MB", threads=1
    ) as plan:
        change_sets = list(plan.change_sets())
    Mapping.objects.create(system_ref=newcomer, contact_id=home, since=NOW)
    stands = mapping()

    waiting = write_changes(change_sets, pairs=(), run=None, now=NOW)

    assert (waiting, mapping()) == ({a, b}, stands)
