"""People at the screens of connections, and a ticketing database in a file to connect."""

import sqlite3
from contextlib import closing

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from contacts.models import TicketSystem
from contacts.permissions import ADMINISTRATORS, SystemRight, grant
from kore_site.roles import CRM_MANAGERS

from ...factories import TicketSystemFactory, UserFactory

LIST = "/admin/ticketing/sourceconnection/"
QUERY = "SELECT cust_no, fname, mail FROM customers WHERE changed >= :since"


@pytest.fixture(autouse=True)
def sources_of_this_machine(settings, tmp_path):
    settings.ALLOW_LOOPBACK_SOURCES = True
    settings.SOURCE_FILE_ROOTS = [tmp_path]
    settings.CREDENTIAL_KEY_FILE = str(tmp_path / "keys")


@pytest.fixture
def box_office(tmp_path) -> str:
    """The address of a database with three customers, one with an e-mail address that is none."""
    path = tmp_path / "box-office.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE customers (cust_no INTEGER, fname TEXT, mail TEXT, changed TEXT)")
        database.executemany(
            "INSERT INTO customers VALUES (?, ?, ?, '2026-03-01 10:00:00')",
            [(7001, "Ann", "ann@example.org"), (7002, "Omar", ""), (7003, "Lena", "no address")],
        )
    return f"sqlite:///{path}"


@pytest.fixture
def mlb(db) -> TicketSystem:
    return TicketSystemFactory(code="MLB", name="Majors", rank=1)


@pytest.fixture
def minors(db) -> TicketSystem:
    return TicketSystemFactory(code="MIN", name="Minors", rank=2)


@pytest.fixture
def manager(mlb) -> User:
    """A CRM manager who may see and change the records of MLB, and of no other system."""
    return manager_of(mlb, *SystemRight)


@pytest.fixture
def as_manager(manager) -> Client:
    return client_of(manager)


@pytest.fixture
def as_admin(mlb, minors) -> Client:
    """An administrator, who holds every right on both systems."""
    for right in SystemRight:
        for system in (mlb, minors):
            grant(Group.objects.get(name=ADMINISTRATORS), right, on=system)
    return client_of(UserFactory(username="admin", role=ADMINISTRATORS))


@pytest.fixture
def as_superuser(db) -> Client:
    """Somebody who sees every system there is."""
    return client_of(UserFactory(is_superuser=True))


def manager_of(system: TicketSystem, *rights: SystemRight) -> User:
    """A CRM manager with these rights on one system."""
    user = UserFactory(role=CRM_MANAGERS)
    for right in rights:
        grant(user, right, on=system)
    return user


def client_of(user: User) -> Client:
    """A browser that this person is signed in to."""
    client = Client()
    client.force_login(user)
    return client


def settings_given(**changes) -> dict[str, str]:
    """A filled-in form of a SQL database."""
    return {
        "option-url": "sqlite:////nowhere/source.db",
        "option-accounts_query": QUERY,
        "every_minutes_amount": "2",
        "every_minutes_unit": "hours",
        "overlap_minutes_amount": "90",
        "overlap_minutes_unit": "minutes",
        "list_hours_amount": "1",
        "list_hours_unit": "days",
        "full_days": "7",
        "most_rows": "1000000",
        "statement_seconds_amount": "5",
        "statement_seconds_unit": "minutes",
        **changes,
    }
