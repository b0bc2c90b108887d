"""What is submitted of a fan of pretix: written where pretix takes it, a task where it does not."""

import pytest
from django.utils import timezone

from contacts.models import HeldValue, SystemRef
from contacts.permissions import SystemRight, grant
from ticketing.models import PullRun, WriteBack
from ticketing.services.carry_out import carry_out
from ticketing.services.connections import Wanted, save_connection
from ticketing.services.pull import pull
from ticketing.services.submit import submit

from ..factories import NOW, TicketSystemFactory, UserFactory
from .connectors.fake_pretix import TOKEN, customer, fake_pretix, order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_sources")]


@pytest.fixture
def pretix():
    with fake_pretix() as fake:
        fake.customers.append(customer("ANN", name=("Ann", "Marlow"), email="ann@example.org"))
        fake.orders.append(order("BOOK1"))
        yield fake


@pytest.fixture
def connection(pretix):
    wanted = Wanted(
        connector="pretix",
        options={"url": pretix.address, "organizer": "club"},
        secrets={"token": TOKEN, "write_token": TOKEN},
    )
    made = save_connection(TicketSystemFactory(code="PTX"), wanted, by=None, now=NOW)
    pull(made, trigger=PullRun.Trigger.COMMAND, clock=timezone.now, sleep=lambda _: None)
    made.refresh_from_db()
    return made


@pytest.fixture
def rep(connection):
    by = UserFactory()
    for right in SystemRight:
        grant(by, right, on=connection.system)
    return by


def submitted(number, rep, **values):
    ref = SystemRef.objects.get(system_ref=number)
    submit(ref, values, seen=None, by=rep, now=NOW)
    return ref


def states() -> list[tuple]:
    return list(WriteBack.objects.order_by("pk").values_list("state", "values"))


def test_of_a_customer_name_and_contact_are_written_and_the_address_is_a_task(pretix, connection, rep):
    ref = submitted("ANN", rep, email="anne@example.org", phone="+44 113 496 0001", city="York")

    carry_out(connection, clock=lambda: NOW)

    assert states() == [
        ("written", {"email": "anne@example.org", "phone": "+44 113 496 0001"}),
        ("to_do", {"city": "York"}),
    ]
    assert pretix.customers[0]["email"] == "anne@example.org"
    assert pretix.customers[0]["phone"].replace(" ", "") == "+441134960001"
    ref.refresh_from_db()
    assert (ref.email, ref.city) == ("anne@example.org", "York")


def test_of_a_booker_the_address_is_written(pretix, connection, rep):
    submitted("O-cup-BOOK1", rep, city="York")

    carry_out(connection, clock=lambda: NOW)

    assert states() == [("written", {"city": "York"})]
    assert pretix.orders[0]["invoice_address"]["city"] == "York"


def test_what_pretix_keeps_of_a_customer_holds_until_a_pull_brings_it(pretix, connection, rep):
    submitted("ANN", rep, email="anne@example.org")
    carry_out(connection, clock=lambda: NOW)
    assert HeldValue.objects.count() == 1

    pull(connection, trigger=PullRun.Trigger.COMMAND, clock=timezone.now, is_full=True, sleep=lambda _: None)

    assert not HeldValue.objects.exists()
