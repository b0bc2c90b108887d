"""The sums behind reports: by local month, season and kind, in both databases; kept where they are dear."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ticketing.models import KeptReport
from ticketing.services import kept_reports
from ticketing.services.kept_reports import (
    FIGURES,
    NEWCOMERS,
    RECORDS,
    SALES,
    Question,
    answer,
    forget,
    refresh_reports,
)
from ticketing.services.report_sums import (
    Asked,
    Buyer,
    Newcomers,
    Part,
    Sale,
    newcomers,
    other_sums,
    sales,
    top_buyers,
)

from ...factories import NOW, MappingFactory, PurchaseFactory, SystemRefFactory, TicketSystemFactory

pytestmark = pytest.mark.django_db

LONDON = ZoneInfo("Europe/London")
LATE = dt.datetime(2026, 6, 30, 23, 30, tzinfo=dt.UTC)  # already July in London


@pytest.fixture
def system():
    return TicketSystemFactory(code="MLB")


@pytest.fixture
def dear(monkeypatch):
    """Everything takes long."""
    monkeypatch.setattr(kept_reports, "DEAR_SECONDS", 0.0)


def test_a_month_is_the_organisations_and_not_greenwichs(system):
    ref = SystemRefFactory(system=system)
    PurchaseFactory(system_ref=ref, purchased_at=LATE, amount=Decimal("10.10"))
    PurchaseFactory(system_ref=ref, purchased_at=LATE + dt.timedelta(days=1), amount=Decimal("0.20"))

    assert sales([system.pk], Asked(), LONDON) == [Sale("2026-07", system.pk, "GBP", 2, 2, Decimal("10.30"))]


def test_sums_are_paid_less_refunded_by_currency_and_lines_are_the_paid_ones(system):
    ref = SystemRefFactory(system=system)
    PurchaseFactory(system_ref=ref, amount=100)
    PurchaseFactory(system_ref=ref, amount=-30, status="refunded")
    PurchaseFactory(system_ref=ref, amount=500, status="refunded")
    PurchaseFactory(system_ref=ref, amount=500, status="reserved")
    PurchaseFactory(system_ref=ref, amount=7, currency="USD")

    assert sorted(sales([system.pk], Asked(), LONDON)) == [
        Sale("2026-03", system.pk, "GBP", 1, 2, Decimal(70)),
        Sale("2026-03", system.pk, "USD", 1, 1, Decimal(7)),
    ]
    assert sales([system.pk], Asked(status="reserved"), LONDON) == [
        Sale("2026-03", system.pk, "GBP", 1, 1, Decimal(500))
    ]


def test_a_season_is_the_year_of_the_event_else_of_the_purchase(system):
    ref = SystemRefFactory(system=system)
    new_year = dt.datetime(2025, 12, 31, 23, 30, tzinfo=dt.UTC)
    PurchaseFactory(system_ref=ref, purchased_at=new_year, event_on=dt.date(2027, 1, 2))
    PurchaseFactory(system_ref=ref, purchased_at=new_year)

    parts = {sale.part for sale in sales([system.pk], Asked(by=Part.SEASON), LONDON)}

    assert parts == {"2027", "2025"}
    assert sales([system.pk], Asked(by=Part.KIND, season=2027), LONDON) == [
        Sale("single", system.pk, "GBP", 1, 1, Decimal(50))
    ]


def test_a_period_begins_and_ends_with_local_months(system):
    ref = SystemRefFactory(system=system)
    PurchaseFactory(system_ref=ref, purchased_at=LATE)

    july = Asked(first=dt.date(2026, 7, 1), until=dt.date(2026, 8, 1))
    june = Asked(first=dt.date(2026, 6, 1), until=dt.date(2026, 7, 1))

    assert [sale.part for sale in sales([system.pk], july, LONDON)] == ["2026-07"]
    assert sales([system.pk], june, LONDON) == []


def test_a_person_is_new_once_over_all_systems_that_are_asked(system):
    other = TicketSystemFactory()
    ours = MappingFactory(system_ref__system=system)
    theirs = MappingFactory(system_ref__system=other, contact=ours.contact, is_primary=False)
    PurchaseFactory(system_ref=theirs.system_ref, purchased_at=NOW - dt.timedelta(days=60))
    PurchaseFactory(system_ref=ours.system_ref)
    PurchaseFactory(system_ref=ours.system_ref)
    PurchaseFactory(system_ref=SystemRefFactory(system=system))  # of nobody yet: it waits for the night
    PurchaseFactory(system_ref=theirs.system_ref, purchased_at=NOW - dt.timedelta(days=90), status="reserved")

    both = newcomers([system.pk, other.pk], Asked(), LONDON)

    assert sorted(both) == [Newcomers("2026-01", 1, 1), Newcomers("2026-03", 1, 0)]
    assert newcomers([system.pk], Asked(), LONDON) == [Newcomers("2026-03", 1, 1)]
    since_march = Asked(first=dt.date(2026, 3, 1))
    assert newcomers([system.pk, other.pk], since_march, LONDON) == [Newcomers("2026-03", 1, 0)]
    assert newcomers([], Asked(), LONDON) == []


def test_top_buyers_are_ranked_by_what_they_spent_in_these_systems(system):
    small, large = (MappingFactory(system_ref__system=system) for _ in range(2))
    PurchaseFactory(system_ref=small.system_ref, amount=Decimal("10.10"))
    PurchaseFactory(system_ref=small.system_ref, amount=900, currency="USD")
    PurchaseFactory(system_ref=large.system_ref, amount=Decimal("20.20"))
    PurchaseFactory(system_ref=large.system_ref, amount=Decimal("0.10"))

    found = top_buyers([system.pk], Asked(), LONDON, currency="GBP", most=50)

    assert found == [
        Buyer(large.contact_id, Decimal("20.30"), 2),
        Buyer(small.contact_id, Decimal("10.10"), 1),
    ]
    beside = other_sums([small.contact_id, large.contact_id], [system.pk], Asked(), LONDON, but="GBP")
    assert beside == {small.contact_id: [("USD", Decimal(900))]}


def test_dear_sums_are_kept_and_told_as_of_when(system, dear):
    contact = MappingFactory(system_ref__system=system)
    PurchaseFactory(system_ref=contact.system_ref)
    later = NOW + dt.timedelta(hours=3)
    for name in (SALES, NEWCOMERS, FIGURES, RECORDS):
        question = Question(name, (system.pk,), "Europe/London")
        counted = answer(question, now=NOW)
        PurchaseFactory(system_ref=contact.system_ref)

        kept = answer(question, now=later)

        assert (kept.as_of, kept.is_kept, kept.rows) == (NOW, True, counted.rows)
        forget([question])
        assert answer(question, now=later).as_of == later


def test_sums_that_are_quickly_counted_are_counted_at_each_look_until_the_night_keeps_them(system):
    ref = MappingFactory(system_ref__system=system).system_ref
    elsewhere = MappingFactory().system_ref
    narrower = {name: Question(name, (system.pk,), "Europe/London") for name in (SALES, NEWCOMERS, FIGURES)}
    for number in (1, 2):
        for bought in (ref, elsewhere):
            PurchaseFactory(system_ref=bought)
        looked = {name: answer(question, now=NOW) for name, question in narrower.items()}
        assert looked[SALES].rows[0].lines == number
        assert not looked[SALES].is_kept
    tomorrow = NOW + dt.timedelta(days=1)

    refresh_reports(tomorrow, lambda done, total: None)
    PurchaseFactory(system_ref=ref)

    for name, question in narrower.items():
        found = answer(question, now=tomorrow + dt.timedelta(hours=3))
        assert (found.is_kept, found.as_of) == (True, looked[name].as_of if name == FIGURES else tomorrow)
    assert answer(narrower[SALES], now=tomorrow + dt.timedelta(hours=3)).rows[0].lines == 2


def test_the_night_keeps_nothing_of_what_holds_nothing_so_first_records_are_seen_at_once(system):
    refresh_reports(NOW, lambda done, total: None)
    assert not KeptReport.objects.filter(until__gt=NOW).exists()
    PurchaseFactory(system_ref=SystemRefFactory(system=system))

    assert answer(Question(SALES, (system.pk,), "Europe/London"), now=NOW).rows[0].lines == 1


def test_a_filter_that_is_quickly_counted_leaves_nothing_to_the_night(system):
    PurchaseFactory(system_ref=SystemRefFactory(system=system))

    answer(Question(SALES, (system.pk,), "Europe/London", Asked(kind="single")), now=NOW)

    assert not KeptReport.objects.exists()


def test_the_night_counts_anew_what_was_looked_at_lately_and_drops_the_rest(system, dear):
    PurchaseFactory(system_ref=MappingFactory(system_ref__system=system).system_ref)
    TicketSystemFactory()
    lately = Question(SALES, (system.pk,), "Europe/London")
    filtered = Question(SALES, (system.pk,), "Europe/London", Asked(kind="season"))
    long_ago = Question(NEWCOMERS, (system.pk,), "Europe/London")
    answer(long_ago, now=NOW - dt.timedelta(days=30))
    for question in (lately, filtered):
        answer(question, now=NOW - dt.timedelta(days=1))

    refresh_reports(NOW, lambda done, total: None)

    kept = dict(KeptReport.objects.filter(until__gt=NOW).values_list("key", "as_of"))
    assert kept[lately.key] == NOW
    assert filtered.key not in kept
    assert long_ago.key not in kept
    assert len(kept) == 8  # and what whoever sees every system opens first


def test_a_look_keeps_sums_in_the_next_nights(system, dear):
    question = Question(SALES, (system.pk,), "Europe/London")
    answer(question, now=NOW)

    answer(question, now=NOW + dt.timedelta(days=1))

    assert KeptReport.objects.get(key=question.key).asked_on == (NOW + dt.timedelta(days=1)).date()
