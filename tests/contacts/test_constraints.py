"""What must never be true, the database refuses."""

import pytest
from django.db import IntegrityError, transaction

from contacts.models import (
    BusinessUnit,
    GroupAlias,
    GroupDecision,
    Link,
    ModelVersion,
    Organisation,
    SystemRef,
    TicketSystem,
)

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory

pytestmark = pytest.mark.django_db


def refused(make) -> bool:
    with transaction.atomic():
        try:
            make()
        except IntegrityError:
            transaction.set_rollback(True)
            return True
    return False


@pytest.mark.req("R-MDB-2")
@pytest.mark.req("R-CM-3")
def test_an_account_number_is_unique_inside_its_system_and_only_there():
    ref = SystemRefFactory(system_ref="2001")

    SystemRefFactory(system_ref="2001")  # another system's 2001 is another person

    assert refused(lambda: SystemRefFactory(system=ref.system, system_ref="2001"))


@pytest.mark.req("R-MDB-6")
@pytest.mark.req("R-CM-3")
def test_a_ref_belongs_to_one_contact_at_a_time():
    mapping = MappingFactory()

    assert refused(lambda: MappingFactory(system_ref=mapping.system_ref))


@pytest.mark.req("R-MDB-6")
def test_a_contact_never_has_two_primaries():
    mapping = MappingFactory()
    MappingFactory(contact=mapping.contact, is_primary=False)

    assert refused(lambda: MappingFactory(contact=mapping.contact, is_primary=True))


def test_a_ref_without_an_identifier_is_refused():
    assert refused(lambda: SystemRefFactory(system_ref=""))


def test_a_business_unit_has_one_hand_system():
    hand = TicketSystemFactory(kind=TicketSystem.Kind.HAND)

    assert refused(lambda: TicketSystemFactory(kind=TicketSystem.Kind.HAND, business_unit=hand.business_unit))
    assert BusinessUnit.objects.count() == 1


def test_there_is_one_organisation():
    Organisation.load()

    assert refused(lambda: Organisation.objects.create(pk=2))


@pytest.mark.parametrize("model", [GroupDecision, Link])
def test_a_pair_is_named_one_way_and_once(model):
    left, right = SystemRefFactory(), SystemRefFactory()

    assert refused(lambda: _pair(model, right, left))
    _pair(model, left, right)
    assert refused(lambda: _pair(model, left, right))


def test_a_lifted_decision_makes_room_for_another():
    left, right = SystemRefFactory(), SystemRefFactory()
    GroupDecision.objects.create(kind="never", left=left, right=right, since=NOW, until=NOW)

    GroupDecision.objects.create(kind="must", left=left, right=right, since=NOW)

    assert GroupDecision.objects.standing().count() == 1


def test_a_contact_is_no_alias_of_itself():
    contact = MappingFactory().contact

    assert refused(lambda: GroupAlias.objects.create(group_id=contact.pk, contact=contact, at=NOW))


def test_the_search_text_holds_names_mail_and_the_digits_of_phones():
    ref = SystemRefFactory(
        system_ref="A-7",
        first_name="Ann",
        last_name="Marlow",
        email="ann@example.org",
        phone="+44 (0)20-7946 0000",
    )

    assert SystemRef.objects.get(pk=ref.pk).search_text.split() == [
        "A-7",
        "ANN",
        "MARLOW",
        "ANN@EXAMPLE.ORG",
        "4402079460000",
    ]


def _pair(model, left, right):
    if model is GroupDecision:
        return GroupDecision.objects.create(kind="must", left=left, right=right, since=NOW)
    return Link.objects.create(
        left=left,
        right=right,
        decision="joined",
        weight=1,
        household=1,
        evidence="[]",
        model_version=_version(),
    )


def _version():
    return ModelVersion.objects.get_or_create(
        number=1, defaults={"population": 1, "settings": {}, "created_at": NOW}
    )[0]
