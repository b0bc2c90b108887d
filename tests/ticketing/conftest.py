"""What tests of pulling share: sources on this machine may be read, and one box office stands ready."""

import pytest
from django.contrib.auth.models import User

from contacts.permissions import SystemRight, grant
from tests.factories import NOW, TicketSystemFactory, UserFactory
from tests.ticketing.box_office import pulled
from tests.ticketing.sources import Box, connect, let_write
from ticketing.models import SourceConnection


@pytest.fixture
def local_sources(settings, tmp_path):
    """Sources in the test's own folder may be read; keys are made there too."""
    settings.ALLOW_LOOPBACK_SOURCES = True
    settings.SOURCE_FILE_ROOTS = [tmp_path]
    settings.CREDENTIAL_KEY_FILE = str(tmp_path / "keys")


@pytest.fixture
def box(tmp_path) -> Box:
    """The empty database of a box office."""
    return Box(tmp_path / "box.sqlite3")


@pytest.fixture
def connection(box) -> SourceConnection:
    """A box office that can be written, with Ann of Leeds, who was pulled."""
    box.customer("C1", first_name="Ann", last_name="Marlow", email="ann@example.org", city="Leeds")
    made = connect(box, TicketSystemFactory(code="BOX"), now=NOW)
    let_write(made, box, now=NOW)
    pulled(made)
    return made


@pytest.fixture
def rep(connection) -> User:
    by = UserFactory()
    for right in SystemRight:
        grant(by, right, on=connection.system)
    return by
