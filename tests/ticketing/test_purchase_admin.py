"""Purchases in the admin: read-only, over visible systems, at a constant cost."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.permissions import ADMINISTRATORS, SystemRight, grant
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import PurchaseFactory, SystemRefFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:ticketing_purchase_changelist")


def rep_seeing(*systems):
    rep = UserFactory(role=SALES_REPS)
    for system in systems:
        grant(rep, SystemRight.VIEW, on=system)
    return rep


def listed(client, **query):
    return list(client.get(LIST, query).context["cl"].result_list)


@pytest.mark.req("R-MDB-16")
def test_only_purchases_of_visible_systems_are_listed_searched_and_opened(client):
    ours, theirs = PurchaseFactory(purchase_id="P-1"), PurchaseFactory(purchase_id="P-2")
    client.force_login(rep_seeing(ours.system))

    assert listed(client) == [ours]
    assert listed(client, q="P-") == [ours]
    assert listed(client, q=theirs.system_ref.system_ref) == []
    assert theirs.system.code not in client.get(LIST).text
    assert listed(client, system=theirs.system.code) == []
    pages = [reverse("admin:ticketing_purchase_change", args=[pk]) for pk in (ours.pk, theirs.pk, 4711)]
    assert [client.get(page).status_code for page in pages] == [200, 404, 404]


@pytest.mark.parametrize("role", [ADMINISTRATORS, CRM_MANAGERS, SALES_REPS])
def test_nobody_adds_changes_or_deletes_a_purchase_by_hand(client, role):
    purchase = PurchaseFactory()
    user = UserFactory(role=role)
    for right in SystemRight:
        grant(user, right, on=purchase.system)
    client.force_login(user)

    assert client.get(reverse("admin:ticketing_purchase_add")).status_code == 403
    page = reverse("admin:ticketing_purchase_change", args=[purchase.pk])
    assert client.post(page, {"amount": 1}).status_code == 403
    assert client.post(reverse("admin:ticketing_purchase_delete", args=[purchase.pk])).status_code == 403


def test_purchases_are_found_by_their_id_and_by_the_system_ref(client):
    ref = SystemRefFactory(system_ref="FAN-77")
    wanted = PurchaseFactory(system_ref=ref, purchase_id="ORDER-9")
    PurchaseFactory(system_ref__system=ref.system)
    client.force_login(rep_seeing(ref.system))

    assert listed(client, q="order-9") == [wanted]
    assert listed(client, q="fan-77") == [wanted]


def test_purchases_are_filtered_by_system_year_kind_and_status(client, settings):
    new_years_eve = dt.datetime(2025, 12, 31, 23, 30, tzinfo=dt.UTC)
    wanted = PurchaseFactory(purchased_at=new_years_eve, kind="season", status="paid")
    others = [
        PurchaseFactory(),
        PurchaseFactory(system_ref=wanted.system_ref, purchased_at=new_years_eve + dt.timedelta(hours=1)),
        PurchaseFactory(system_ref=wanted.system_ref, purchased_at=new_years_eve, kind="single"),
        PurchaseFactory(
            system_ref=wanted.system_ref, purchased_at=new_years_eve, kind="season", status="refunded"
        ),
    ]
    client.force_login(rep_seeing(wanted.system, others[0].system))

    found = listed(client, system=wanted.system.code, year=2025, kind__exact="season", status__exact="paid")

    assert found == [wanted]


@pytest.mark.parametrize("year", ["x", "0", "99999", "-1", "²"])
def test_a_year_that_is_none_filters_nothing(client, year):
    purchase = PurchaseFactory()
    client.force_login(rep_seeing(purchase.system))

    assert client.get(LIST, {"year": year}).status_code == 200


def test_the_list_of_purchases_takes_the_same_queries_for_one_and_for_three(client):
    first = PurchaseFactory()
    client.force_login(rep_seeing(first.system))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(LIST)
        return len(captured)

    queries()
    for_one = queries()
    PurchaseFactory.create_batch(2, system_ref__system=first.system)

    assert queries() == for_one
