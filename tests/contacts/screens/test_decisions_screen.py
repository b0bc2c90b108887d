"""Do-not-group rules on the screen: the list, lifting one and many and taking it back, adding one."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import GroupDecision, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.do_not_group import CannotDecide, never_group
from contacts.services.regroup import regroup
from kore_site.roles import CRM_MANAGERS

from ...factories import NOW, MappingFactory, SystemRefFactory, UserFactory
from .conftest import text_of

pytestmark = pytest.mark.django_db

LIST = "/admin/contacts/groupdecision/"


def placed(system, number: str) -> SystemRef:
    return MappingFactory(system_ref=SystemRefFactory(system=system, system_ref=number)).system_ref


def barred(left, right, *, by, reason="father and son", now=NOW) -> GroupDecision:
    return never_group(left, right, reason=reason, by=by, now=now)


def listed(client, query: str = "") -> list[int]:
    return [rule.pk for rule in client.get(LIST + query).context["cl"].result_list]


def test_the_list_shows_pairs_with_group_ids_author_reason_and_how_they_stand(
    as_manager, manager, mlb, minors
):
    left, right = placed(mlb, "2001"), placed(minors, "3004")
    barred(left, right, by=manager)

    text = text_of(as_manager.get(LIST))

    for said in (
        "MLB",
        "2001",
        "3004",
        str(left.mapping.contact_id),
        "Jo Diaz",
        "2 Mar 2026",
        "father and son",
    ):
        assert said in text
    assert 'aria-label="Lift MLB 2001 and MIN 3004"' in text


def test_rules_are_filtered_and_found_by_system_ref_and_group_id(as_manager, manager, mlb, minors):
    refs = [placed(mlb, str(number)) for number in (2001, 2002, 2003)]
    other = UserFactory(role=CRM_MANAGERS)
    for system in (mlb, minors):
        grant(other, SystemRight.VIEW, on=system)
    mine, theirs = barred(refs[0], refs[1], by=manager), barred(refs[1], refs[2], by=other)
    GroupDecision.objects.filter(pk=theirs.pk).update(until=NOW, lifted_by=manager)

    assert listed(as_manager) == [theirs.pk, mine.pk]
    assert listed(as_manager, "?stands=yes") == [mine.pk]
    assert listed(as_manager, "?stands=no&kind=never") == [theirs.pk]
    must = GroupDecision.objects.create(kind="must", left=refs[0], right=refs[2], since=NOW)
    assert listed(as_manager, "?kind=must") == [must.pk]
    assert listed(as_manager, "?kind=") == [must.pk, theirs.pk, mine.pk]
    assert listed(as_manager, "?author=me") == [mine.pk]
    assert listed(as_manager, "?q=2001") == [mine.pk]
    assert listed(as_manager, "?q=mlb+2003") == [theirs.pk]
    assert listed(as_manager, f"?q={refs[0].mapping.contact_id}") == [mine.pk]
    assert listed(as_manager, "?q=nobody") == []


def test_rules_are_lifted_one_by_one_and_many_at_once_and_that_is_taken_back(as_manager, manager, mlb):
    refs = [placed(mlb, str(number)) for number in range(3)]
    rules = [barred(refs[0], refs[1], by=manager), barred(refs[1], refs[2], by=manager)]
    lift, restore = (
        reverse("admin:contacts_groupdecision_lift"),
        reverse("admin:contacts_groupdecision_restore"),
    )
    back = f"{LIST}?kind=never"

    answer = as_manager.post(lift, {"decision": [rule.pk for rule in rules], "back": back})

    assert answer.url == back
    assert {rule.lifted_by for rule in GroupDecision.objects.all()} == {manager}
    assert not GroupDecision.objects.standing().exists()
    assert "You lifted 2 rules." in text_of(as_manager.get(LIST))

    as_manager.post(restore)
    assert GroupDecision.objects.standing().count() == 2
    assert "You lifted" not in text_of(as_manager.get(LIST))
    contact = refs[0].mapping.contact_id
    answer = as_manager.post(lift, {"decision": rules[0].pk, "contact": contact})
    assert answer.url == f"/admin/contacts/contact/{contact}/change/?panel=groupings"
    assert list(GroupDecision.objects.standing()) == [rules[1]]
    assert "Choose the rules" in text_of(as_manager.post(lift, {}, follow=True))


def test_a_rule_is_added_by_hand_for_two_system_refs_with_its_reason(as_manager, manager, mlb, minors):
    left, right = placed(mlb, "2001"), placed(minors, "2001")
    add = reverse("admin:contacts_groupdecision_add")

    for sent, said in (
        (
            {"left": "2001", "right": "MIN 2001", "reason": "x"},
            "Several have this number: MLB 2001, MIN 2001",
        ),
        ({"left": "MLB 2001", "right": "MLB 9", "reason": "x"}, "No such System Ref"),
        ({"left": "MLB 2001", "right": "mlb 2001", "reason": "x"}, "one and the same"),
        ({"left": "MLB 2001", "right": "MIN 2001", "reason": ""}, "This field is required"),
    ):
        assert said in text_of(as_manager.post(add, sent)), sent
    assert not GroupDecision.objects.exists()

    as_manager.post(add, {"left": "mlb 2001", "right": "MIN 2001", "reason": "father and son"})
    rule = GroupDecision.objects.get()
    assert (rule.kind, rule.left, rule.right, rule.author, rule.reason) == (
        "never",
        left,
        right,
        manager,
        "father and son",
    )
    again = as_manager.post(add, {"left": "MIN 2001", "right": "MLB 2001", "reason": "again"})
    assert "Jo Diaz made this rule on" in text_of(again)


def test_a_rule_takes_the_place_of_the_word_that_they_belong_together(manager, mlb):
    left, right = placed(mlb, "1"), placed(mlb, "2")
    GroupDecision.objects.create(kind="must", left=left, right=right, author=manager, since=NOW)

    barred(right, left, by=manager)

    assert [rule.kind for rule in GroupDecision.objects.standing()] == ["never"]
    with pytest.raises(CannotDecide, match="already"):
        barred(left, right, by=manager)


@pytest.mark.req("R-CM-22")
def test_a_rule_bars_the_indirect_join_as_well_until_it_is_lifted(as_manager, manager, mlb):
    alike = {
        "first_name": "Ann",
        "last_name": "Marlow",
        "email": "ann@marlow.example",
        "phone": "07700900123",
    }
    one, other = (SystemRefFactory(system=mlb, **alike) for _ in range(2))
    rule = barred(one, other, by=manager)
    third = SystemRefFactory(system=mlb, **alike)

    def groups_after(night: int) -> int:
        regroup(now=NOW + dt.timedelta(days=night))
        groups = [SystemRef.objects.get(pk=ref.pk).mapping.contact_id for ref in (one, other, third)]
        assert rule.until or groups[0] != groups[1]
        return len(set(groups))

    assert [groups_after(night) for night in (1, 2, 3)] == [2, 2, 2]

    as_manager.post(reverse("admin:contacts_groupdecision_lift"), {"decision": rule.pk})
    rule.refresh_from_db()
    assert groups_after(4) == 1


@pytest.mark.req("R-CM-27")
def test_a_pair_with_a_hidden_end_is_absent_and_one_who_may_not_group_lifts_nothing(
    client, manager, rep, mlb, minors
):
    shown, hidden = (
        barred(placed(mlb, "1" + system.code), placed(system, "2" + system.code), by=manager)
        for system in (mlb, minors)
    )
    narrow = UserFactory(role=CRM_MANAGERS)
    grant(narrow, SystemRight.VIEW, on=mlb)
    client.force_login(narrow)
    lift, add = reverse("admin:contacts_groupdecision_lift"), reverse("admin:contacts_groupdecision_add")

    assert listed(client) == [shown.pk]
    assert listed(client, "?q=2MIN") == []
    client.post(lift, {"decision": [hidden.pk]})
    refused = client.post(add, {"left": "2MIN", "right": "2MLB", "reason": "x"})
    assert "No such System Ref" in text_of(refused)
    assert GroupDecision.objects.standing().count() == 2

    client.force_login(rep)
    assert {client.get(LIST).status_code, client.get(add).status_code} == {403}
    assert {client.post(lift, {"decision": [shown.pk]}).status_code, client.post(add, {}).status_code} == {
        403
    }
    assert client.post(reverse("admin:contacts_groupdecision_restore")).status_code == 403
    assert client.post(LIST, {}).status_code == 403


def test_the_list_asks_a_constant_number_of_queries(as_manager, manager, mlb):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            as_manager.get(LIST)
        return len(captured)

    refs = [placed(mlb, str(number)) for number in range(4)]
    barred(refs[0], refs[1], by=manager)
    queries()
    one = queries()
    barred(refs[1], refs[2], by=manager)
    barred(refs[2], refs[3], by=manager)

    assert queries() == one
