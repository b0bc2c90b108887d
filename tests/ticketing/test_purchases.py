"""Purchases that come in, and the sums that System Refs keep of them."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts import guards
from contacts.models import Organisation, QueueObject
from contacts.services.arrivals import Refusal
from ticketing.models import Purchase
from ticketing.services.purchases import BoughtLine, admit_purchases, assess_purchases

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(days=1)


def line(purchase_id="P1", *, ref="1", at=NOW, amount="50", currency="GBP", status="paid", **more):
    return BoughtLine(
        2,
        ref,
        purchase_id,
        purchased_at=at,
        amount=Decimal(amount),
        currency=currency,
        status=status,
        **more,
    )


def counts(admitted):
    return {name: count for name, count in admitted.counts.items() if count}


@pytest.fixture
def ref():
    return SystemRefFactory(system_ref="1")


def bring(ref, *rows):
    admitted = admit_purchases(rows, system=ref.system, now=NOW)
    ref.refresh_from_db()
    return admitted


def test_a_line_without_kind_seats_status_or_currency_is_one_paid_single_ticket(ref):
    bring(ref, BoughtLine(2, "1", "P1", purchased_at=NOW, amount=Decimal("12.50")))

    assert Purchase.objects.values_list("kind", "seats", "status", "currency", "amount").get() == (
        "single",
        1,
        "paid",
        "GBP",
        Decimal("12.50"),
    )


def test_bringing_the_same_lines_again_writes_nothing(ref):
    rows = [line("P1"), line("P2", kind="season", event="Opener", event_on=dt.date(2026, 4, 1), seats=2)]
    bring(ref, *rows)
    Organisation.load()

    with CaptureQueriesContext(connection) as queries:
        admitted = admit_purchases(rows, system=ref.system, now=LATER)

    assert counts(admitted) == {"unchanged": 2}
    assert [q["sql"] for q in queries if not q["sql"].startswith(("SELECT", "SAVEPOINT", "RELEASE"))] == []


@pytest.mark.req("D-20")
@pytest.mark.parametrize(
    ("rows", "spent"),
    [
        ([line("P1", amount="50"), line("P2", amount="20.10")], "70.10"),
        ([line("P1", amount="50", status="refunded")], "0"),
        ([line("P1", amount="50"), line("P2", amount="-50", status="refunded")], "0"),
        ([line("P1", amount="50", status="reserved"), line("P2", amount="9", status="cancelled")], "0"),
        ([line("P1", amount="50"), line("P2", amount="70", currency="EUR")], "50"),
    ],
    ids=["paid", "refunded in place", "refund as a line of its own", "never paid", "another currency"],
)
def test_spent_is_paid_less_refunded_in_the_organisations_currency(ref, rows, spent):
    bring(ref, *rows)

    assert ref.spent_total == Decimal(spent)


def test_the_latest_paid_line_and_a_paid_season_ticket_are_kept_on_the_ref(ref):
    bring(ref, line("P1"), line("P2", at=LATER, status="reserved"), line("P3", kind="season"))

    assert (ref.last_purchased_at, ref.holds_season_ticket) == (NOW, True)

    bring(ref, line("P3", kind="season", status="refunded"))

    assert (ref.last_purchased_at, ref.holds_season_ticket, ref.spent_total) == (NOW, False, 50)


def test_a_line_that_moves_to_another_ref_leaves_the_sums_of_both_true(ref):
    other = SystemRefFactory(system=ref.system, system_ref="2")
    bring(ref, line("P1"))

    admitted = bring(ref, line("P1", ref="2"))

    other.refresh_from_db()
    assert counts(admitted) == {"changed": 1}
    assert (ref.spent_total, ref.last_purchased_at, other.spent_total) == (0, None, 50)


@pytest.mark.req("R-MDB-2")
def test_the_same_purchase_id_in_two_systems_is_two_purchases(ref):
    other = SystemRefFactory(system_ref="1")

    bring(ref, line("P1"))
    bring(other, line("P1", amount="7"))

    assert set(Purchase.objects.values_list("system_ref", "amount")) == {(ref.pk, 50), (other.pk, 7)}


def test_an_unknown_system_ref_is_rejected_with_the_reason_and_the_rest_goes_in(ref):
    SystemRefFactory(system_ref="9")  # another system's: no help

    admitted = bring(ref, line("P1", ref="9"), line("P2"))

    assert counts(admitted) == {"created": 1, "rejected": 1}
    assert admitted.refusals == [
        Refusal(
            2, "system_ref", "9", f"{ref.system.code} has no such System Ref; bring System Refs in first."
        )
    ]


def test_of_a_line_that_comes_twice_the_later_wins_and_the_same_file_again_changes_nothing(ref):
    lines = [line("P1", amount="1"), line("P1", amount="2")]

    first, again = bring(ref, *lines), bring(ref, *lines)

    assert counts(first) == {"created": 1, "unchanged": 1}
    assert counts(again) == {"unchanged": 2}
    assert ref.spent_total == 2


def test_purchases_pass_the_same_guards_as_system_refs(ref):
    class Doorkeeper:
        told = []

        def before(self, rows, *, system, way_in):
            return {
                n: guards.Verdict("Erased.", True) for n, row in enumerate(rows) if row.purchase_id == "P1"
            }

        def after(self, ref_ids, *, system, way_in, now):
            self.told += ref_ids

    guard = guards.register(Doorkeeper())
    try:
        admitted = bring(ref, line("P1"), line("P2"))
    finally:
        guards.unregister(guard)

    assert counts(admitted) == {"created": 1, "held": 1}
    assert guard.told == [ref.pk]


def test_the_contact_of_changed_sums_is_noted_for_the_crms(ref):
    Organisation.objects.update_or_create(pk=1, defaults={"is_crm_connected": True})
    mapping = MappingFactory(system_ref=ref)

    bring(ref, line("P1"))

    assert QueueObject.objects.get().record_id == mapping.contact_id


def test_assessing_counts_and_writes_nothing(ref):
    would = assess_purchases([line("P1"), line("P2", ref="9")], system=ref.system, way_in="import")

    assert counts(would) == {"created": 1, "rejected": 1}
    assert not Purchase.objects.exists()


@pytest.mark.parametrize("lines", [1, 3])
def test_sums_cost_the_same_whatever_the_lines(lines, django_assert_num_queries):
    system = TicketSystemFactory()
    for number in range(lines):
        SystemRefFactory(system=system, system_ref=str(number))
    Organisation.load()
    rows = [line(f"P{number}", ref=str(number)) for number in range(lines)]

    with django_assert_num_queries(14):
        admit_purchases(rows, system=system, now=NOW)
