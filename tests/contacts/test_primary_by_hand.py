"""A person chooses which System Ref leads a Contact, and takes the choice back."""

import pytest

from contacts.invariants import INVARIANTS
from contacts.models import GoneRef, Mapping, Move, SystemRef
from contacts.models.mapping import PrimaryBy
from contacts.permissions import SystemRight, grant
from contacts.services.primary import (
    CannotChoosePrimary,
    MayNotChoosePrimary,
    choose_primary,
    leave_primary_to_rules,
)
from contacts.services.primary_rules import apply_primary_rules
from kore_site.roles import SALES_REPS
from tests.factories import NOW, SystemRefFactory, UserFactory
from tests.factories.primary_rules import contact_of, in_order, leader_of, put_in_force

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair():
    """A Contact with the ref that leads it and another."""
    first, second = SystemRefFactory(phone="1"), SystemRefFactory(phone="2")
    return contact_of(first, second), first, second


def rep_of(*refs, rights=tuple(SystemRight)):
    rep = UserFactory(role=SALES_REPS)
    for ref in refs:
        for right in rights:
            grant(rep, right, on=ref.system)
    return rep


def broken() -> list[str]:
    return [invariant.name for invariant in INVARIANTS if any(invariant.find())]


@pytest.mark.req("R-MDB-9", "R-MDB-12")
def test_the_chosen_ref_leads_and_supplies_the_main_details_and_the_moves_say_who_chose(pair):
    contact, first, second = pair
    rep = rep_of(first, second)

    assert choose_primary(contact, second, by=rep, now=NOW)

    contact.refresh_from_db()
    mapped = Mapping.objects.get(contact=contact, is_primary=True)
    assert (mapped.system_ref, mapped.primary_by, contact.phone) == (second, PrimaryBy.HAND, "2")
    told = Move.objects.filter(cause="hand_choice").order_by("pk")
    assert list(told.values_list("system_ref", "was_primary", "is_primary", "by")) == [
        (first.pk, True, False, rep.pk),
        (second.pk, False, True, rep.pk),
    ]
    assert broken() == []


@pytest.mark.req("R-MDB-10")
def test_the_choice_for_one_contact_touches_no_other(pair):
    contact, first, second = pair
    like_first, like_second = (SystemRefFactory(system=ref.system) for ref in (first, second))
    other = contact_of(like_first, like_second)

    choose_primary(contact, second, by=rep_of(first, second), now=NOW)

    assert leader_of(other) == like_first


def test_choosing_again_changes_nothing_and_choosing_the_leader_marks_it(pair):
    contact, first, second = pair
    rep = rep_of(first, second)

    assert choose_primary(contact, first, by=rep, now=NOW)
    assert not choose_primary(contact, first, by=rep, now=NOW)

    mapped = Mapping.objects.get(contact=contact, is_primary=True)
    assert (mapped.system_ref, mapped.primary_by) == (first, PrimaryBy.HAND)
    assert Move.objects.filter(cause="hand_choice").count() == 1
    assert broken() == []


@pytest.mark.req("R-MDB-17")
@pytest.mark.parametrize("rights", [(), (SystemRight.VIEW,), (SystemRight.CHANGE,)])
def test_without_the_right_to_change_the_refs_system_nobody_chooses_it(pair, rights):
    contact, first, second = pair
    rep = rep_of(second, rights=rights)
    grant(rep, SystemRight.VIEW, on=first.system)

    with pytest.raises(MayNotChoosePrimary):
        choose_primary(contact, second, by=rep, now=NOW)

    assert leader_of(contact) == first


@pytest.mark.req("R-MDB-17", "R-MDB-34")
@pytest.mark.parametrize("carry_out", [choose_primary, leave_primary_to_rules])
def test_who_sees_one_account_takes_the_lead_from_no_hidden_one(pair, carry_out):
    contact, first, second = pair
    alone = contact_of(like_second := SystemRefFactory(system=second.system))
    rep = rep_of(second)

    for shown, ref in ((contact, second), (alone, like_second)):
        with pytest.raises(MayNotChoosePrimary, match="nothing to choose from"):
            carry_out(shown, ref, by=rep, now=NOW)

    assert leader_of(contact) == first
    assert not Move.objects.exclude(cause="placed").exists()


@pytest.mark.req("R-MDB-34")
def test_an_account_gone_at_its_source_is_refused_alike_whatever_is_hidden_beside_it(pair):
    _contact, first, second = pair
    rep = rep_of(first, second)
    said = []
    for hidden in ([], [SystemRefFactory()]):
        here = [SystemRefFactory(system=ref.system) for ref in (first, second)]
        contact = contact_of(*here, *hidden)
        for ref in here:
            GoneRef.objects.create(system_ref=ref, reason=GoneRef.Reason.MISSING, noticed_at=NOW)
        for ref in here:
            with pytest.raises(CannotChoosePrimary) as refusal:
                choose_primary(contact, SystemRef.objects.get(pk=ref.pk), by=rep, now=NOW)
            said.append(str(refusal.value))

    assert set(said) == {"This account is gone at its source; only one that stands there can be chosen."}


def test_a_ref_that_has_left_the_contact_is_refused(pair):
    contact, *_refs = pair
    elsewhere = SystemRefFactory()

    with pytest.raises(CannotChoosePrimary, match="not of this contact any more"):
        choose_primary(contact, elsewhere, by=UserFactory(is_superuser=True), now=NOW)


def test_a_choice_taken_back_leaves_the_lead_to_the_rules(pair):
    contact, first, second = pair
    rep = rep_of(first, second)
    put_in_force(in_order(second.system, first.system))
    choose_primary(contact, first, by=rep, now=NOW)
    assert apply_primary_rules(now=NOW).changed == 0

    assert leave_primary_to_rules(contact, first, by=rep, now=NOW)

    assert leader_of(contact) == first
    assert not leave_primary_to_rules(contact, first, by=rep, now=NOW)
    assert apply_primary_rules(now=NOW).changed == 1
    assert leader_of(contact) == second
    assert broken() == []
