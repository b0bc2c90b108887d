"""Taking a change of groups back: exactly what was, with what came since left in place (BEYOND 2)."""

import datetime as dt
import json

import pytest

from contacts.models import (
    Contact,
    GoldenPin,
    GroupAlias,
    GroupChange,
    GroupDecision,
    Mapping,
    SystemRef,
)
from contacts.services.decisions import decide, pairs_between
from contacts.services.golden import refresh_golden
from contacts.services.group_requests import (
    CannotRequest,
    file_grouping,
    file_split,
    file_undo,
    file_ungrouping,
)
from contacts.services.group_requests_applied import apply_requests
from contacts.services.group_undo import outlook
from contacts.services.placement import place_new_refs
from contacts.services.primary import choose_primary
from contacts.services.regroup import regroup
from kore_site.roles import ADMINISTRATORS
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory
from ticketing.models import Purchase

from ..factories import PurchaseFactory
from .test_group_requests import NIGHT, group_of, is_whole, person, ref

pytestmark = pytest.mark.django_db


def dump(*, without: SystemRef | None = None) -> str:
    """The tables that a grouping touches, row by row."""
    rows = {
        model.__name__: list(model.objects.order_by("pk").values())
        for model in (Contact, GoldenPin, GroupAlias)
    }
    rows["Mapping"] = list(Mapping.objects.exclude(system_ref=without).order_by("pk").values())
    return json.dumps(rows, default=str, sort_keys=True, indent=1)


def night(nights: int) -> None:
    apply_requests(NOW + nights * NIGHT)
    regroup(now=NOW + nights * NIGHT)


@pytest.fixture
def box():
    return TicketSystemFactory(code="BOX")


@pytest.fixture
def boss(box):
    return UserFactory(username="boss", role=ADMINISTRATORS, is_superuser=True)


ANN = {"first_name": "Ann", "last_name": "Marlow", "email": "ann@example.org"}


@pytest.mark.req("R-CM-25", "R-CM-26", "C-2", "C-17")
def test_an_undo_puts_back_what_was_and_keeps_what_came_since(box, boss):
    one = person(box, "a", "b", **ANN)
    two = person(box, "c", first_name="Bo", last_name="Reyes", email="bo@example.org", city="Leeds")
    regroup(now=NOW)
    choose_primary(one, ref("b"), by=boss, now=NOW)
    GoldenPin.objects.create(contact=two, field="city", system_ref=ref("c"), origin="person", by=boss, at=NOW)
    GroupAlias.objects.create(group_id=77, contact=two, at=NOW)
    PurchaseFactory(system_ref=ref("c"))
    before = dump()

    file_grouping(one, [two], by=boss, now=NOW)
    night(1)
    assert {group_of(number) for number in "abc"} == {one.pk}
    SystemRefFactory(system=box, system_ref="d", **ANN)
    place_new_refs(now=NOW + NIGHT)
    PurchaseFactory(system_ref=ref("c"))
    change = GroupChange.objects.get()
    foretold = outlook(change)
    assert (foretold.added, foretold.revived) == ({one.pk: [ref("d").pk]}, [two.pk])
    file_undo(change, by=boss, now=NOW + NIGHT)
    night(2)

    assert dump(without=ref("d")) == before
    assert group_of("d") == one.pk
    assert Purchase.objects.filter(system_ref__mapping__contact=two).count() == 2
    change.refresh_from_db()
    assert change.undone_by.request.kind == "undo"
    with pytest.raises(CannotRequest, match="undone already"):
        file_undo(change, by=boss, now=NOW)


@pytest.mark.req("R-CM-24")
def test_of_chained_groupings_the_newer_is_undone_first_and_named(box, boss):
    one, two, three = (person(box, number) for number in "abc")
    stages = [dump()]
    for nights, (master, child) in enumerate(((two, one), (three, two)), start=1):
        file_grouping(master, [child], by=boss, now=NOW)
        apply_requests(NOW + nights * NIGHT)
        stages.append(dump())
    older, newer = GroupChange.objects.order_by("pk")

    with pytest.raises(CannotRequest, match=f"Change {newer.pk} came later"):
        file_undo(older, by=boss, now=NOW)
    file_undo(newer, by=boss, now=NOW)
    apply_requests(NOW + 3 * NIGHT)
    assert dump() == stages[1]
    file_undo(older, by=boss, now=NOW)
    apply_requests(NOW + 4 * NIGHT)
    assert dump() == stages[0]
    assert is_whole()


def test_a_grouping_by_rule_is_undone_and_stays_undone(box, boss):
    one = person(box, "a", **ANN)
    two = person(box, "b", first_name="Ann", last_name="Marlow")
    regroup(now=NOW)
    before = dump()
    SystemRef.objects.filter(pk=ref("b").pk).update(email=ANN["email"])
    regroup(now=NOW + NIGHT)
    assert group_of("b") == one.pk
    change = GroupChange.objects.get()
    assert change.run is not None

    file_undo(change, by=boss, now=NOW)
    for nights in (2, 3, 4):
        night(nights)
        assert (group_of("a"), group_of("b")) == (one.pk, two.pk)
    assert json.loads(dump())["Mapping"] == json.loads(before)["Mapping"]


def test_an_ungrouping_is_undone_with_its_rules(box, boss):
    whole = person(box, "a", "b", "c", **ANN)
    regroup(now=NOW)
    before = json.loads(dump())
    file_ungrouping(whole, by=boss, now=NOW)
    night(1)
    new = {group_of("b"), group_of("c")}
    file_undo(GroupChange.objects.get(), by=boss, now=NOW)
    night(2)

    after = json.loads(dump())
    assert [after[name] for name in ("Contact", "Mapping")] == [
        before[name] for name in ("Contact", "Mapping")
    ]
    assert set(GroupAlias.objects.values_list("group_id", "contact")) == {(old, whole.pk) for old in new}
    assert GroupDecision.objects.standing().filter(kind="never").count() == 0
    night(3)
    assert {group_of(number) for number in "abc"} == {whole.pk}


def test_what_a_rule_parted_and_a_person_put_back_stays_together(box, boss):
    whole = person(box, "a", "b", **ANN)
    regroup(now=NOW)
    SystemRef.objects.filter(pk=ref("b").pk).update(
        first_name="Zoe", last_name="Okafor", email="z@example.org"
    )
    regroup(now=NOW + NIGHT)
    assert group_of("b") != whole.pk
    file_undo(GroupChange.objects.get(), by=boss, now=NOW)
    for nights in (2, 3):
        night(nights)
        assert group_of("a") == group_of("b") == whole.pk


def test_a_ref_that_is_gone_is_told_and_the_rest_goes_back(box, boss):
    one, two, three = (person(box, number) for number in "abc")
    file_grouping(one, [two, three], by=boss, now=NOW)
    apply_requests(NOW)
    gone = ref("c").pk
    SystemRef.objects.filter(pk=gone).delete()
    change = GroupChange.objects.get()
    assert outlook(change).gone == [gone]
    file_undo(change, by=boss, now=NOW)
    apply_requests(NOW)
    assert (group_of("a"), group_of("b")) == (one.pk, two.pk)
    assert not Contact.objects.filter(pk=three.pk).exists()


def test_a_pin_set_since_stays_with_its_ref(box, boss):
    one, two = person(box, "a", "b", city="York"), person(box, "c", city="Leeds")
    file_grouping(one, [two], by=boss, now=NOW)
    apply_requests(NOW + NIGHT)
    late = dt.timedelta(hours=1)
    GoldenPin.objects.create(
        contact=one, field="phone", system_ref=ref("b"), origin="person", at=NOW + NIGHT + late
    )
    file_undo(GroupChange.objects.get(), by=boss, now=NOW)
    apply_requests(NOW + 2 * NIGHT)
    refresh_golden([one.pk, two.pk], now=NOW)
    assert list(GoldenPin.objects.values_list("contact", "field")) == [(one.pk, "phone")]


def never(*numbers: str, by) -> None:
    decide(
        pairs_between([ref(n).pk for n in numbers], [ref(n).pk for n in numbers]),
        GroupDecision.Kind.NEVER,
        by=by,
        now=NOW,
    )


def last_change() -> GroupChange:
    return GroupChange.objects.latest("pk")


@pytest.mark.req("R-CM-17")
def test_no_request_goes_over_a_rule_that_a_person_made(box, boss):
    whole = person(box, "a", "b", "c", **ANN)
    other = person(box, "x")
    regroup(now=NOW)
    file_ungrouping(whole, by=boss, now=NOW, may_regroup=True)
    night(1)
    never("a", "b", by=boss)
    with pytest.raises(CannotRequest, match="BOX a and BOX b never belong together"):
        file_undo(last_change(), by=boss, now=NOW)
    night(2)  # a and c, or b and c, come together again
    pair = Contact.objects.get(pk=group_of("c"))
    assert pair.mappings.count() == 2
    here = sorted(pair.mappings.values_list("system_ref__system_ref", flat=True))
    never(*here, by=boss)
    with pytest.raises(CannotRequest, match="never belong together"):
        file_grouping(other, [pair], by=boss, now=NOW)
    assert GroupDecision.objects.standing().filter(kind="never").count() == 2
    assert night(3) is None
    assert is_whole()


def test_what_was_ungrouped_for_a_night_and_grouped_by_hand_is_undone(box, boss):
    whole = person(box, "a", "b", **ANN)
    regroup(now=NOW)
    file_ungrouping(whole, by=boss, now=NOW, may_regroup=True)
    night(1)
    one, other = Contact.objects.order_by("pk")
    file_grouping(one, [other], by=boss, now=NOW)
    night(2)
    assert group_of("a") == group_of("b")
    file_undo(last_change(), by=boss, now=NOW)
    for nights in (3, 4):
        night(nights)
        assert group_of("a") != group_of("b")
    assert is_whole()


def test_a_change_that_joined_and_parted_is_undone_to_the_groups_before(box, boss):
    bo = {"first_name": "Bo", "last_name": "Reyes", "email": "bo@example.org"}
    one, two = person(box, "a", "b", **ANN), person(box, "c", "d", **bo)
    regroup(now=NOW)
    SystemRef.objects.filter(pk=ref("b").pk).update(**bo)
    regroup(now=NOW + NIGHT)
    assert group_of("b") == two.pk
    assert (last_change().is_join, last_change().is_split) == (True, True)
    file_undo(last_change(), by=boss, now=NOW)
    for nights in (2, 3):
        night(nights)
        assert [group_of(number) for number in "abcd"] == [one.pk, one.pk, two.pk, two.pk]
    assert is_whole()


def test_an_undone_ungrouping_holds_although_the_records_changed_since(box, boss):
    whole = person(box, "a", "b", **ANN)
    regroup(now=NOW)
    file_ungrouping(whole, by=boss, now=NOW, may_regroup=True)
    night(1)
    SystemRef.objects.filter(pk=ref("b").pk).update(
        first_name="Zoe", last_name="Okafor", email="z@example.org"
    )
    file_undo(last_change(), by=boss, now=NOW)
    for nights in (2, 3):
        night(nights)
        assert group_of("a") == group_of("b") == whole.pk


def test_undoing_in_reverse_lifts_what_the_first_undo_kept_apart(box, boss):
    whole = person(box, "a", "b", **ANN)
    regroup(now=NOW)
    file_ungrouping(whole, by=boss, now=NOW, may_regroup=True)
    night(1)
    ungrouped = last_change()
    night(2)
    regrouped = last_change()
    assert regrouped != ungrouped
    file_undo(regrouped, by=boss, now=NOW)
    night(3)
    file_undo(ungrouped, by=boss, now=NOW)
    for nights in (4, 5):
        night(nights)
        assert group_of("a") == group_of("b") == whole.pk
    assert is_whole()


def test_a_split_that_would_keep_together_what_a_rule_parts_is_refused(box, boss):
    whole = person(box, "a", "b", "c", **ANN)
    regroup(now=NOW)
    never("b", "c", by=boss)
    with pytest.raises(CannotRequest, match="BOX b and BOX c"):
        file_split(whole, [[ref("b").pk, ref("c").pk]], by=boss, now=NOW)
