"""Two ticketing systems of different makes, pulled, are one person on one page."""

import os

import pytest
from django.core.management import call_command
from django.utils import timezone

from contacts.models import Contact, Mapping
from contacts.services.regroup import regroup
from tests.factories import NOW, TicketSystemFactory, UserFactory
from tests.ticketing.sources import Box, connect
from ticketing.services.connections import Wanted, save_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(settings, tmp_path):
    settings.ALLOW_LOOPBACK_SOURCES = True
    settings.SOURCE_FILE_ROOTS = [tmp_path]
    settings.CREDENTIAL_KEY_FILE = str(tmp_path / "keys")
    (tmp_path / "drop").mkdir()
    return tmp_path


def drop(folder, name: str, text: str) -> None:
    """A file that has lain still for an hour."""
    path = folder / "drop" / name
    path.write_text(text)
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))


@pytest.mark.req("R-MDB-1", "R-MDB-3", "R-MDB-4", "R-MDB-7", "R-MDB-14")
def test_a_fan_known_to_both_is_one_contact_with_both_accounts_and_both_orders(folder, client):
    box = Box(folder / "box.sqlite3")
    connect(box, TicketSystemFactory(code="SQL"), now=NOW)
    box.customer("2001", first_name="Ann", last_name="Marlow", email="ann@example.org", city="Leeds")
    box.sale("S1", "2001", event="Home Opener")
    save_connection(
        TicketSystemFactory(code="FILES"),
        Wanted("file_drop", {"folder": str(folder / "drop")}),
        by=None,
        now=NOW,
    )
    drop(folder, "accounts.csv", "system_ref,first_name,last_name,email\n2001,Ann,Marlow,ann@example.org\n")
    drop(
        folder,
        "purchases.csv",
        "system_ref,purchase_id,event,purchased_at,amount\n2001,P9,Friday Night,2026-02-01 12:00,22.00\n",
    )

    call_command("pull", "SQL")
    call_command("pull", "FILES")
    regroup(now=timezone.now())

    contact = Contact.objects.get()
    leads = Mapping.objects.filter(contact=contact).values_list("system_ref__system__code", "is_primary")
    assert sorted(leads) == [("FILES", False), ("SQL", True)]
    client.force_login(UserFactory(is_superuser=True))
    page = client.get(f"/contact/{contact.pk}/", follow=True).content.decode()
    assert "SQL" in page
    assert "FILES" in page
    timeline = client.get(f"/admin/contacts/contact/{contact.pk}/change/?panel=timeline").content.decode()
    assert "Home Opener" in timeline
    assert "Friday Night" in timeline
