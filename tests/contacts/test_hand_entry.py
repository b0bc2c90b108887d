"""Contacts entered by hand."""

import pytest

from contacts import guards
from contacts.models import Contact, FieldChange, Mapping, Move, SystemRef, TicketSystem
from contacts.models.history import Origin
from contacts.permissions import ADMINISTRATORS, SystemRight, grant
from contacts.services.hand_entry import CannotEnter, MayNotEnter, email_notice, enter_contact
from contacts.services.systems import add_business_unit

from ..factories import NOW, MappingFactory, SystemRefFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.req("R-DOO-14")
def test_a_contact_entered_by_hand_is_placed_at_once_with_history_and_golden_values():
    by = UserFactory(role=ADMINISTRATORS)
    unit = add_business_unit("north")

    contact, notice = enter_contact(
        {"first_name": " Ann ", "last_name": "Marlow", "country": "United Kingdom"}, unit=unit, by=by, now=NOW
    )

    ref = SystemRef.objects.get()
    assert (ref.system.code, ref.system_ref, ref.country) == ("HAND-NORTH", f"H-{ref.pk:06d}", "GB")
    assert (contact.first_name, contact.last_name, contact.email, notice) == ("Ann", "Marlow", "", "")
    assert Mapping.objects.values_list("system_ref", "contact", "is_primary").get() == (
        ref.pk,
        contact.pk,
        True,
    )
    move = Move.objects.get()
    assert (move.cause, move.to_group, move.from_group, move.by) == ("hand_entry", contact.pk, None, by)
    change = FieldChange.objects.get()
    assert (change.field, change.origin, change.actor, change.at) == ("", Origin.HAND, by, NOW)


@pytest.mark.req("R-DOO-10")
def test_an_email_that_a_visible_contact_has_is_taken_with_a_notice():
    by = UserFactory(role=ADMINISTRATORS)
    unit = add_business_unit("north")
    first, _ = enter_contact({"email": "ann@example.org"}, unit=unit, by=by, now=NOW)

    second, notice = enter_contact({"email": " ANN@example.org"}, unit=unit, by=by, now=NOW)

    assert notice == f"This e-mail also belongs to GroupID {first.pk}."
    assert Contact.objects.count() == 2
    assert second.email == "ANN@example.org"


@pytest.mark.req("R-DOO-10")
@pytest.mark.req("R-MDB-16")
def test_the_notice_never_hints_at_a_contact_that_the_user_may_not_see():
    MappingFactory(system_ref=SystemRefFactory(email="ann@example.org"))
    by = UserFactory()

    assert email_notice("ann@example.org", by=by) == ""


@pytest.mark.req("R-MDB-17")
@pytest.mark.parametrize("rights", [[], [SystemRight.VIEW], [SystemRight.CHANGE]])
def test_without_the_right_to_change_the_hand_system_nothing_is_entered(rights):
    unit = add_business_unit("north")
    by = UserFactory()
    for right in rights:
        grant(by, right, on=TicketSystem.objects.get(kind="hand"))

    with pytest.raises(MayNotEnter, match="You may not enter contacts for north"):
        enter_contact({"last_name": "Marlow"}, unit=unit, by=by, now=NOW)

    assert not SystemRef.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "ann@"}, "email"),
        ({"last_name": "Marlow", "date_of_birth": "2090-01-01"}, "date_of_birth"),
        ({"last_name": "x" * 151}, "last_name"),
        ({"last_name": "n/a", "city": "Leeds"}, ""),
        ({}, ""),
    ],
)
def test_what_cannot_be_read_or_identifies_nobody_is_refused_naming_the_field(values, field):
    by = UserFactory(role=ADMINISTRATORS)

    with pytest.raises(CannotEnter) as refusal:
        enter_contact(values, unit=add_business_unit("north"), by=by, now=NOW)

    assert refusal.value.field == field
    assert not SystemRef.objects.exists()


def test_guards_see_what_is_entered_by_hand():
    class Nobody:
        def before(self, rows, *, system, way_in):
            assert way_in == Origin.HAND
            return {0: guards.Verdict("Erased on request.")}

        def after(self, ref_ids, *, system, way_in, now):
            raise AssertionError("nothing was written")

    guard = guards.register(Nobody())
    try:
        with pytest.raises(CannotEnter, match=r"Erased on request\."):
            enter_contact(
                {"last_name": "Marlow"},
                unit=add_business_unit("north"),
                by=UserFactory(role=ADMINISTRATORS),
                now=NOW,
            )
    finally:
        guards.unregister(guard)
