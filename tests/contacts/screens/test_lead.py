"""The contact page says why the primary leads, lets people choose another, and tells of nothing hidden."""

import pytest
from django.urls import reverse

from contacts.models import Mapping
from contacts.permissions import SystemRight, grant
from contacts.services.primary import choose_primary
from contacts.services.primary_rules import apply_primary_rules

from ...factories import NOW, SystemRefFactory, UserFactory
from ...factories.primary_rules import contact_of, in_order, leader_of, put_in_force

pytestmark = pytest.mark.django_db


@pytest.fixture
def contact(mlb, minors):
    """A Contact of two systems that its Minors ref leads."""
    minor = SystemRefFactory(system=minors, system_ref="3004")
    return contact_of(minor, SystemRefFactory(system=mlb, system_ref="2001"))


def page(client, contact, panel="accounts") -> str:
    address = reverse("admin:contacts_contact_change", args=[contact.pk])
    return client.get(address, {"panel": panel}).content.decode()


def choose(client, contact_id, ref_id, **more):
    return client.post(reverse("choose_primary", args=[contact_id]), {"ref": ref_id, **more})


def ref_in(contact, system):
    return contact.mappings.get(system_ref__system=system).system_ref


def test_a_primary_chosen_by_hand_says_who_chose_it_and_another_that_no_rule_did(as_admin, contact, mlb):
    before = page(as_admin, contact)

    jo = UserFactory(first_name="Jo", last_name="Diaz", is_superuser=True)
    choose_primary(contact, ref_in(contact, mlb), by=jo, now=NOW)

    assert "· no rule chose another" in before
    assert "chosen by hand" not in before
    assert "· chosen by hand, Jo Diaz, " in page(as_admin, contact)
    assert "primary chosen by hand" in page(as_admin, contact, "history")


def test_a_primary_set_by_a_rule_names_the_rule_as_it_was(as_admin, contact, mlb, minors):
    put_in_force(in_order(mlb, minors))
    apply_primary_rules(now=NOW)
    put_in_force()

    assert "by rule “Majors before Minors”" in page(as_admin, contact)
    assert "primary chosen by a rule" in page(as_admin, contact, "history")


@pytest.mark.req("R-MDB-33", "R-MDB-16")
@pytest.mark.parametrize("by_hand", [True, False])
def test_who_sees_one_ref_is_told_of_no_choice(as_rep, contact, mlb, minors, by_hand):
    before = {panel: page(as_rep, contact, panel) for panel in ("accounts", "history")}
    if by_hand:
        chosen = ref_in(contact, mlb)
        choose_primary(contact, chosen, by=UserFactory(is_superuser=True), now=NOW)
    else:
        put_in_force(in_order(mlb, minors))
        apply_primary_rules(now=NOW)

    after = {panel: page(as_rep, contact, panel) for panel in before}

    assert leader_of(contact).system == mlb
    assert all("hosen" not in text and "by rule" not in text for text in after.values())
    assert all("Make primary" not in text for text in after.values())


@pytest.mark.req("R-MDB-33")
def test_who_sees_some_refs_hears_of_a_rule_only_what_those_explain(as_rep, mlb, minors):
    hidden = SystemRefFactory(system=minors)
    first, second = (SystemRefFactory(system=mlb, system_ref=str(n), spent_total=n) for n in (1, 2))
    by_hidden = contact_of(hidden, SystemRefFactory(system=mlb), SystemRefFactory(system=mlb))
    among_visible = contact_of(first, second, SystemRefFactory(system=minors))
    put_in_force(in_order(mlb, minors))
    apply_primary_rules(now=NOW)
    Mapping.objects.filter(pk=first.pk).update(is_primary=False)
    Mapping.objects.filter(pk=second.pk).update(is_primary=True, primary_by="rule")

    # The first found of the visible leads, as it would if there were no other.
    assert "by a rule" not in page(as_rep, by_hidden)
    assert "by a rule" not in page(as_rep, by_hidden, "history")
    assert "by a rule" in page(as_rep, among_visible)
    assert "Minors" not in page(as_rep, among_visible)


@pytest.mark.req("R-MDB-33")
def test_who_does_not_see_every_system_is_told_found_first_and_of_no_rule(as_rep, as_admin, mlb, minors):
    refs = [SystemRefFactory(system=mlb, system_ref=str(n)) for n in (1, 2)]
    contact = contact_of(*refs, SystemRefFactory(system=minors))
    choose_primary(contact, refs[1], by=UserFactory(is_superuser=True), now=NOW)
    choose(as_admin, contact.pk, refs[1].pk, leave="1")
    taken_back = page(as_rep, contact), page(as_admin, contact)
    Mapping.objects.filter(pk=refs[1].pk).update(is_primary=False)
    Mapping.objects.filter(pk=refs[0].pk).update(is_primary=True)

    assert "· found first</span>" in page(as_rep, contact)
    assert "· found first, no rule chose another</span>" in page(as_admin, contact)
    assert ["found first" in text for text in taken_back] == [False, False]
    assert ["no rule chose another" in text for text in taken_back] == [False, True]


@pytest.mark.req("R-MDB-9", "R-MDB-10")
def test_a_rep_who_may_change_a_system_makes_its_account_primary_and_takes_it_back(
    as_rep, rep, contact, mlb, minors
):
    grant(rep, SystemRight.VIEW, on=minors)
    grant(rep, SystemRight.CHANGE, on=mlb)
    major = ref_in(contact, mlb)
    assert page(as_rep, contact).count("Make primary") == 1

    chosen = choose(as_rep, contact.pk, major.pk)

    assert (chosen.status_code, leader_of(contact)) == (302, major)
    shown = page(as_rep, contact)
    assert "chosen by hand" in shown
    assert "Make primary" not in shown
    choose(as_rep, contact.pk, major.pk, leave="1")
    assert Mapping.objects.get(pk=major.pk).primary_by == "first_found"


@pytest.mark.req("R-MDB-17", "R-MDB-28")
def test_a_choice_without_the_right_is_403_and_of_what_is_hidden_404(as_rep, rep, contact, mlb, minors):
    elsewhere = contact_of(SystemRefFactory(system=minors))
    answers = {
        "seen, not to be changed": choose(as_rep, contact.pk, ref_in(contact, mlb).pk),
        "hidden ref": choose(as_rep, contact.pk, ref_in(contact, minors).pk),
        "absent ref": choose(as_rep, contact.pk, 10**17),
        "no ref": choose(as_rep, contact.pk, "x"),
        "hidden contact": choose(as_rep, elsewhere.pk, ref_in(elsewhere, minors).pk),
        "absent contact": choose(as_rep, 10**15, 1),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "seen, not to be changed": 403,
        "hidden ref": 404,
        "absent ref": 404,
        "no ref": 404,
        "hidden contact": 404,
        "absent contact": 404,
    }
    assert leader_of(contact).system == minors


def test_a_choice_is_posted_and_needs_the_role(client, contact, mlb):
    viewer = UserFactory()
    grant(viewer, SystemRight.VIEW, on=mlb)
    grant(viewer, SystemRight.CHANGE, on=mlb)
    client.force_login(viewer)

    address = reverse("choose_primary", args=[contact.pk])

    assert client.get(address).status_code == 405
    assert choose(client, contact.pk, ref_in(contact, mlb).pk).status_code == 403
