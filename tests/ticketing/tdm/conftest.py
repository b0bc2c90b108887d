"""Reps at the TDM, and the fans they look after."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contacts.models import Contact, SystemRef, TicketSystem
from contacts.permissions import SystemRight, grant
from contacts.services.golden import refresh_golden
from kore_site.roles import SALES_REPS

from ...factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory


@pytest.fixture
def mlb(db) -> TicketSystem:
    return TicketSystemFactory(code="MLB", name="Majors", rank=1, tint=1)


@pytest.fixture
def minors(db) -> TicketSystem:
    return TicketSystemFactory(code="MIN", name="Minors", rank=2, tint=2)


@pytest.fixture
def rep(mlb) -> User:
    """A sales rep who may see and change accounts of MLB, and of no other system."""
    return rep_of("rep", mlb)


@pytest.fixture
def as_rep(rep, client) -> Client:
    client.force_login(rep)
    return client


def rep_of(name: str, *systems: TicketSystem, may_change: bool = True) -> User:
    """A sales rep with these rights on the systems."""
    user = UserFactory(username=name, role=SALES_REPS)
    for system in systems:
        grant(user, SystemRight.VIEW, on=system)
        if may_change:
            grant(user, SystemRight.CHANGE, on=system)
    return user


@pytest.fixture
def person() -> Callable[..., Contact]:
    """Makes a contact from (system, values) pairs; the first is the primary. Its golden values are stored."""

    def make(*refs: tuple[TicketSystem, dict]) -> Contact:
        contact = Contact.objects.create(since=NOW)
        for number, (system, values) in enumerate(refs):
            ref = SystemRefFactory(system=system, **values)
            MappingFactory(system_ref=ref, contact=contact, is_primary=number == 0)
        refresh_golden([contact.pk], now=NOW)
        contact.refresh_from_db()
        return contact

    return make


def account_of(contact: Contact, system: TicketSystem) -> SystemRef:
    """The contact's account in the system."""
    return SystemRef.objects.get(mapping__contact=contact, system=system)
