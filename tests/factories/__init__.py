"""Factories that build only what is asked; a test shows the data it is about."""

import datetime as dt

import factory
from django.contrib.auth.models import Group, User
from factory.django import DjangoModelFactory

from contacts.models import (
    BusinessUnit,
    Contact,
    Mapping,
    SystemRef,
    TicketSystem,
)
from ticketing.models import Purchase

NOW = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    is_staff = True

    @factory.post_generation
    def role(self, create, extracted, **kwargs):
        if extracted:
            self.groups.add(Group.objects.get(name=extracted))


class BusinessUnitFactory(DjangoModelFactory):
    class Meta:
        model = BusinessUnit

    code = factory.Sequence(lambda n: f"unit{n}")
    name = factory.LazyAttribute(lambda unit: unit.code.title())


class TicketSystemFactory(DjangoModelFactory):
    class Meta:
        model = TicketSystem

    code = factory.Sequence(lambda n: f"SYS{n}")
    name = factory.LazyAttribute(lambda system: f"System {system.code}")
    business_unit = factory.SubFactory(BusinessUnitFactory)


class SystemRefFactory(DjangoModelFactory):
    """A System Ref that no run has placed yet."""

    class Meta:
        model = SystemRef

    system = factory.SubFactory(TicketSystemFactory)
    system_ref = factory.Sequence(lambda n: str(1000 + n))
    arrived_at = NOW


class MappingFactory(DjangoModelFactory):
    """A System Ref placed as the primary one of a Contact of its own, unless told otherwise."""

    class Meta:
        model = Mapping

    system_ref = factory.SubFactory(SystemRefFactory)
    contact = factory.LazyAttribute(lambda mapping: Contact.objects.create(since=NOW))
    is_primary = True
    since = NOW


class PurchaseFactory(DjangoModelFactory):
    class Meta:
        model = Purchase

    system_ref = factory.SubFactory(SystemRefFactory)
    system = factory.LazyAttribute(lambda purchase: purchase.system_ref.system)
    purchase_id = factory.Sequence(lambda n: f"P{n}")
    purchased_at = NOW
    amount = 50
    currency = "GBP"
