"""Who changes an account, its Contact or its place at the same moment never waits in a ring."""

import threading
from contextlib import closing, contextmanager

import pytest
from django.db import connection, transaction

from contacts.models import Contact, GoneRef, Mapping, SystemRef
from contacts.models.history import Origin
from contacts.permissions import SystemRight, grant
from contacts.services.arrivals import Arrival, admit
from contacts.services.corrections import correct
from contacts.services.crm_fields import edit_crm_fields
from contacts.services.departures import Departure, mark_gone
from contacts.services.golden import refresh_golden
from contacts.services.golden_check import stale_golden
from contacts.services.primary import choose_primary
from contacts.services.systems import add_business_unit

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory
from .test_group_writes import carry_out

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="two connections to a memory do not wait"),
    pytest.mark.django_db(transaction=True),
]

PATIENCE = 30  # seconds, for what takes milliseconds


class Ann:
    """One person with an account in each of two systems, and a rep who may do everything with both."""

    def __init__(self) -> None:
        self.unit = add_business_unit("north")
        box, web = (TicketSystemFactory(code=code, business_unit=self.unit) for code in ("BOX", "WEB"))
        self.box = SystemRefFactory(system=box, system_ref="1", city="Leeds")
        self.web = SystemRefFactory(system=web, system_ref="1")
        self.contact = MappingFactory(system_ref=self.box).contact
        MappingFactory(system_ref=self.web, contact=self.contact, is_primary=False)
        refresh_golden([self.contact.pk], now=NOW)
        self.rep = UserFactory(is_superuser=True)
        for system in (box, web, self.unit.ticket_systems.get(kind="hand")):
            for right in SystemRight:
                grant(self.rep, right, on=system)

    def pulled(self) -> None:
        """The account that does not lead comes in with another city."""
        admit([Arrival(1, "1", city="Hull")], system=self.web.system, way_in=Origin.PULL, now=NOW)

    def corrected(self) -> None:
        """A rep writes another city there."""
        correct(self.web, {"city": "Hull"}, seen=None, by=self.rep, now=NOW)

    def edited(self) -> None:
        """A rep edits the CRM fields."""
        edit_crm_fields(self.contact, {"segment": "VIP"}, unit=self.unit, seen=None, by=self.rep, now=NOW)

    def led(self) -> None:
        """A rep lets that account lead."""
        choose_primary(self.contact, self.web, by=self.rep, now=NOW)

    def gone(self) -> None:
        """The account that leads is gone at its source."""
        mark_gone([Departure(self.box.pk, GoneRef.Reason.MISSING)], now=NOW)

    def parted(self) -> None:
        """A night makes two people of the accounts: the one that does not lead moves."""
        carry_out({self.box.pk: 1, self.web.pk: 2})


@pytest.fixture
def ann():
    return Ann()


class _Doing(threading.Thread):
    """Work over a database connection of its own; `error` is what it raised."""

    def __init__(self, work):
        super().__init__()
        self.work, self.error = work, None

    def run(self):
        with closing(connection):
            try:
                self.work()
            except Exception as error:  # looked at by the test
                self.error = error


@contextmanager
def halted_at(monkeypatch, place, work):
    """Let `work` come to its call of the function at `place`, and go on when the block ends, to its end."""
    there, go_on = threading.Event(), threading.Event()
    module, name = place.rsplit(".", 1)
    real = getattr(__import__(module, fromlist=[name]), name)

    def halting(*given, **options):
        if threading.current_thread() is doing:
            there.set()
            go_on.wait(PATIENCE)
        return real(*given, **options)

    monkeypatch.setattr(place, halting)
    doing = _Doing(work)
    doing.start()
    assert there.wait(PATIENCE)
    try:
        yield
    finally:
        go_on.set()
        doing.join()
    assert doing.error is None


@contextmanager
def not_waiting():
    """A transaction that fails where it waits for another one, its commit included."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '3s'")
        yield


def until_it_waits(doing):
    """Until the work waits for a lock of another transaction, or is done."""
    waits = False
    while doing.is_alive() and not waits:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
            )
            waits = cursor.fetchone()[0] > 0


@pytest.mark.parametrize(
    ("first", "place"),
    [
        (Ann.pulled, "contacts.services.arrivals.refresh_golden"),
        (Ann.corrected, "contacts.services.corrections.refresh_golden"),
    ],
    ids=["a pull", "a correction"],
)
@pytest.mark.parametrize("second", [Ann.led, Ann.edited, Ann.gone], ids=["lead", "CRM fields", "departure"])
def test_who_changes_the_contact_does_not_wait_for_who_changes_one_of_its_accounts(
    ann, monkeypatch, first, place, second
):
    with halted_at(monkeypatch, place, lambda: first(ann)), not_waiting():
        second(ann)

    assert SystemRef.objects.get(pk=ann.web.pk).city == "Hull"
    assert Mapping.objects.filter(contact=ann.contact, is_primary=True).count() == 1
    assert list(stale_golden()) == []


@pytest.mark.parametrize("second", [Ann.pulled, Ann.corrected], ids=["a pull", "a correction"])
def test_an_account_that_changes_while_a_night_moves_it_is_golden_where_it_went(ann, monkeypatch, second):
    doing = _Doing(lambda: second(ann))
    with halted_at(monkeypatch, "contacts.services.regroup_writes.record_changes", ann.parted):
        doing.start()
        until_it_waits(doing)
    doing.join()

    assert doing.error is None
    assert set(Contact.objects.values_list("city", flat=True)) == {"Leeds", "Hull"}
    assert list(stale_golden()) == []


@pytest.mark.parametrize(
    ("first", "place"),
    [
        (Ann.pulled, "contacts.services.arrivals.refresh_golden"),
        (Ann.corrected, "contacts.services.corrections.refresh_golden"),
    ],
    ids=["a pull", "a correction"],
)
def test_a_night_that_meets_an_account_being_changed_moves_it_as_it_stands_then(
    ann, monkeypatch, first, place
):
    night = _Doing(ann.parted)
    with halted_at(monkeypatch, place, lambda: first(ann)):
        night.start()
        until_it_waits(night)
    night.join()

    assert night.error is None
    assert set(Contact.objects.values_list("city", flat=True)) == {"Leeds", "Hull"}
    assert list(stale_golden()) == []


@pytest.mark.parametrize("is_placed_into_one", [True, False], ids=["into a Contact", "into a new one"])
def test_an_account_that_changes_while_it_is_placed_is_golden_at_its_place(
    ann, monkeypatch, is_placed_into_one
):
    new = SystemRefFactory(system=ann.web.system, system_ref="2", phone="")
    night = _Doing(lambda: carry_out({ann.box.pk: 1, ann.web.pk: 1, new.pk: 1 if is_placed_into_one else 2}))
    halted = halted_at(
        monkeypatch,
        "contacts.services.corrections.refresh_golden",
        lambda: correct(new, {"first_name": "Annette"}, seen=None, by=ann.rep, now=NOW),
    )
    with halted:
        night.start()
        until_it_waits(night)
    night.join()

    assert night.error is None
    assert list(stale_golden()) == []
