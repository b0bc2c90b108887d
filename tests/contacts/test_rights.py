"""Rights on ticket systems: asked in one way, held per system."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission

from contacts.models import Contact, FieldChange, SystemRef, TicketSystem
from contacts.permissions import (
    ADMINISTRATORS,
    GROUPS_WITH_EVERY_SYSTEM,
    SystemRight,
    grant,
    holds,
    systems_with,
)
from contacts.services.systems import add_business_unit, add_ticket_system
from ticketing.models import Purchase

from ..factories import (
    NOW,
    MappingFactory,
    PurchaseFactory,
    SystemRefFactory,
    TicketSystemFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.mark.req("R-MDB-16")
def test_visible_to_shows_only_the_systems_granted():
    ours = SystemRefFactory()
    SystemRefFactory()  # another system's: the row that could leak
    rep = UserFactory()
    grant(rep, SystemRight.VIEW, on=ours.system)

    assert list(SystemRef.objects.visible_to(rep)) == [ours]


@pytest.mark.req("R-MDB-16")
def test_every_queryset_of_per_system_rows_shows_only_the_systems_granted():
    ours, theirs = PurchaseFactory(), PurchaseFactory()
    for purchase in (ours, theirs):
        MappingFactory(system_ref=purchase.system_ref)
        FieldChange.objects.create(system_ref=purchase.system_ref, origin="import", at=NOW)
    rep = UserFactory()
    grant(rep, SystemRight.VIEW, on=ours.system)

    assert list(Purchase.objects.visible_to(rep)) == [ours]
    assert list(TicketSystem.objects.visible_to(rep)) == [ours.system]
    assert list(FieldChange.objects.visible_to(rep)) == list(ours.system_ref.changes.all())
    assert list(Contact.objects.visible_to(rep)) == [ours.system_ref.mapping.contact]


@pytest.mark.req("R-MDB-32")
def test_a_contact_with_one_visible_ref_of_two_is_visible_with_that_ref_alone():
    ours = MappingFactory()
    theirs = MappingFactory(contact=ours.contact, is_primary=False)
    rep = UserFactory()
    grant(rep, SystemRight.VIEW, on=ours.system_ref.system)

    [contact] = Contact.objects.visible_to(rep).with_visible_refs(rep)

    assert contact.visible_mappings == [ours]
    assert theirs not in contact.visible_mappings


def test_a_global_grant_opens_no_system():
    SystemRefFactory()
    rep = UserFactory()
    rep.user_permissions.add(Permission.objects.get(codename=SystemRight.VIEW.value))

    assert systems_with(rep, SystemRight.VIEW) == frozenset()


def test_a_grant_to_a_group_reaches_its_members():
    ref = SystemRefFactory()
    group = Group.objects.create(name="Night desk")
    rep = UserFactory()
    rep.groups.add(group)
    grant(group, SystemRight.VIEW, on=ref.system)

    assert list(SystemRef.objects.visible_to(rep)) == [ref]


@pytest.mark.parametrize("nobody", [AnonymousUser(), "disabled superuser"])
def test_nobody_without_an_active_account_sees_anything(nobody):
    SystemRefFactory()
    user = UserFactory(is_superuser=True, is_active=False) if nobody == "disabled superuser" else nobody

    assert not SystemRef.objects.visible_to(user).exists()


@pytest.mark.req("R-MDB-20")
def test_view_and_change_are_separate_and_change_needs_view():
    system = TicketSystemFactory()
    viewer, changer = UserFactory(), UserFactory()
    grant(viewer, SystemRight.VIEW, on=system)
    grant(changer, SystemRight.CHANGE, on=system)

    assert holds(viewer, SystemRight.VIEW, system)
    assert not holds(viewer, SystemRight.CHANGE, system)
    assert not holds(changer, SystemRight.CHANGE, system)


@pytest.mark.parametrize("role", GROUPS_WITH_EVERY_SYSTEM)
def test_administrators_and_officers_hold_every_right_on_a_system_made_later(role):
    user = UserFactory(role=role)

    system = add_ticket_system("LATE", name="Made later", unit=add_business_unit("north"))

    assert holds(user, SystemRight.VIEW, system)
    assert holds(user, SystemRight.CHANGE, system)


@pytest.mark.parametrize("rows", [1, 3])
def test_asking_for_rights_costs_one_query_whatever_the_rows(rows, django_assert_num_queries):
    system = TicketSystemFactory()
    SystemRefFactory.create_batch(rows, system=system)
    rep = UserFactory(role=ADMINISTRATORS)
    grant(rep, SystemRight.VIEW, on=system)

    with django_assert_num_queries(2):  # the grants, the refs
        assert len(SystemRef.objects.visible_to(rep)) == rows
        assert systems_with(rep, SystemRight.VIEW) == {system.pk}
