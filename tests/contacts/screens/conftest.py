"""People at the screen, and the contacts they look at."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contacts.models import Contact, Mapping, TicketSystem
from contacts.permissions import SystemRight, grant
from contacts.services.golden import refresh_golden
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ...factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory


@pytest.fixture
def mlb(db) -> TicketSystem:
    return TicketSystemFactory(code="MLB", name="Majors", rank=1, ref_label="Fan ID")


@pytest.fixture
def minors(db) -> TicketSystem:
    return TicketSystemFactory(code="MIN", name="Minors", rank=2)


@pytest.fixture
def rep(mlb) -> User:
    """A sales rep who may see the records of MLB, and of no other system."""
    user = UserFactory(username="rep", role=SALES_REPS)
    grant(user, SystemRight.VIEW, on=mlb)
    return user


@pytest.fixture
def as_rep(rep, client) -> Client:
    client.force_login(rep)
    return client


@pytest.fixture
def manager(mlb, minors) -> User:
    """Jo Diaz, a CRM manager who may see the records of both systems."""
    user = UserFactory(username="jdiaz", first_name="Jo", last_name="Diaz", role=CRM_MANAGERS)
    for system in (mlb, minors):
        grant(user, SystemRight.VIEW, on=system)
    return user


@pytest.fixture
def as_manager(manager) -> Client:
    client = Client()
    client.force_login(manager)
    return client


@pytest.fixture
def as_admin(db) -> Client:
    admin = Client()
    admin.force_login(UserFactory(username="admin", is_superuser=True))
    return admin


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


def text_of(response) -> str:
    """The page without the CSRF token, which differs from call to call."""
    return re.sub(r'(?<=name="csrfmiddlewaretoken" value=")\w+', "", response.content.decode())


def refs_of(contact: Contact) -> list[int]:
    """Ids of the contact's refs, the primary first."""
    return list(
        Mapping.objects.filter(contact=contact).order_by("-is_primary", "pk").values_list("pk", flat=True)
    )
