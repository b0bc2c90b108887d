"""System Refs corrected by hand."""

import pytest

from contacts.models import Contact, FieldChange, GoneRef, HeldValue, SystemRef
from contacts.models.history import Origin
from contacts.permissions import SystemRight, grant
from contacts.services.corrections import CannotCorrect, MayNotCorrect, Overtaken, correct, return_to_source
from contacts.services.golden import refresh_golden
from contacts.services.typed_values import Wrong

from ..factories import NOW, MappingFactory, UserFactory

pytestmark = pytest.mark.django_db


def _account(**details):
    mapping = MappingFactory()
    SystemRef.objects.filter(pk=mapping.system_ref.pk).update(**details)
    refresh_golden([mapping.contact.pk], now=NOW)
    by = UserFactory()
    for right in SystemRight:
        grant(by, right, on=mapping.system_ref.system)
    return SystemRef.objects.get(pk=mapping.system_ref.pk), by


def test_a_correction_writes_the_ref_its_history_and_the_golden_value():
    ref, by = _account(first_name="Ann", email="old@example.org")

    correct(ref, {"email": " new@example.org "}, seen={"email": "old@example.org"}, by=by, now=NOW)

    assert SystemRef.objects.get().email == Contact.objects.get().email == "new@example.org"
    [change] = FieldChange.objects.all()
    assert (change.field, change.before, change.after) == ("email", "old@example.org", "new@example.org")
    assert (change.origin, change.actor) == (Origin.HAND, by)
    assert HeldValue.objects.values_list("field", "source_value").get() == ("email", "old@example.org")


def test_doing_it_again_changes_nothing():
    ref, by = _account(first_name="Ann")
    for _ in range(2):
        correct(ref, {"first_name": "Anne"}, seen=None, by=by, now=NOW)

    assert FieldChange.objects.count() == HeldValue.objects.count() == 1


def test_a_field_left_as_it_was_seen_keeps_what_somebody_else_wrote():
    ref, by = _account(first_name="Ann", last_name="Marlow")
    SystemRef.objects.update(last_name="Marlowe")

    correct(
        ref,
        {"first_name": "Anne", "last_name": "Marlow"},
        seen={"first_name": "Ann", "last_name": "Marlow"},
        by=by,
        now=NOW,
    )

    assert SystemRef.objects.values_list("first_name", "last_name").get() == ("Anne", "Marlowe")


def test_the_second_of_two_who_change_one_field_is_shown_both_values():
    ref, by = _account(first_name="Ann", city="Leeds")
    SystemRef.objects.update(first_name="Anna")

    with pytest.raises(Overtaken) as refusal:
        correct(
            ref,
            {"first_name": "Anne", "city": "York"},
            seen={"first_name": "Ann", "city": "Leeds"},
            by=by,
            now=NOW,
        )

    assert refusal.value.theirs == {"first_name": "Anna"}
    assert SystemRef.objects.values_list("first_name", "city").get() == ("Anna", "Leeds")


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "ann"), ("phone", "12"), ("country", "Nowhere"), ("date_of_birth", "2999-01-01")],
)
def test_what_cannot_be_is_refused_by_its_field(field, value):
    ref, by = _account(country="GB")

    with pytest.raises(Wrong) as wrong:
        correct(ref, {field: value}, seen=None, by=by, now=NOW)

    assert list(wrong.value.errors) == [field]
    assert not FieldChange.objects.exists()


@pytest.mark.req("R-MDB-17", "R-MDB-26", "R-MDB-28")
def test_without_the_right_to_change_nothing_is():
    ref, _by = _account(first_name="Ann")
    looker = UserFactory()
    grant(looker, SystemRight.VIEW, on=ref.system)

    with pytest.raises(MayNotCorrect):
        correct(ref, {"first_name": "Anne"}, seen=None, by=looker, now=NOW)

    assert SystemRef.objects.get().first_name == "Ann"


def test_what_is_gone_at_its_source_is_not_corrected():
    ref, by = _account(first_name="Ann")
    GoneRef.objects.create(system_ref=ref, reason="missing", noticed_at=NOW)

    with pytest.raises(CannotCorrect, match="does not know it any more"):
        correct(ref, {"first_name": "Anne"}, seen=None, by=by, now=NOW)


def test_a_ref_returns_to_its_source_where_the_persons_value_still_stands():
    ref, by = _account(first_name="Ann", city="Leeds")
    correct(ref, {"first_name": "Anne", "city": "York"}, seen=None, by=by, now=NOW)
    correct(ref, {"city": "Hull"}, seen=None, by=by, now=NOW)

    return_to_source(
        ref,
        {"first_name": "Ann", "city": "Leeds"},
        instead_of={"first_name": "Anne", "city": "York"},
        now=NOW,
    )

    assert SystemRef.objects.values_list("first_name", "city").get() == ("Ann", "Hull")
    assert list(HeldValue.objects.values_list("field", flat=True)) == ["city"]


def test_all_that_cannot_be_taken_is_said_at_once_and_what_kind_of_date_is_wanted_without_words_of_imports():
    ref, by = _account()

    with pytest.raises(Wrong) as refusal:
        correct(
            ref,
            {"email": "nonsense", "phone": "12", "country": "FR", "date_of_birth": "20 May"},
            seen=None,
            by=by,
            now=NOW,
        )

    assert set(refusal.value.errors) == {"email", "phone", "date_of_birth"}
    assert refusal.value.errors["phone"].startswith("Nobody could dial this from FR")
    assert refusal.value.errors["date_of_birth"] == "It is not a date in ISO form; write 1980-02-28."
    assert not FieldChange.objects.exists()
