"""What the pages tell of an account beside its own values: other people on it, and that it is gone."""

import datetime as dt
import re
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import GoneRef, Mapping, RelatedName, SystemRef
from contacts.services.departures import Departure, mark_back, mark_gone

from ...factories import NOW
from .conftest import refs_of, text_of

pytestmark = pytest.mark.django_db
LATER = NOW + dt.timedelta(days=10)


def words(response) -> str:
    """What a reader reads of the page."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", text_of(response))).split())


def contact_page(client, contact, panel="accounts"):
    return words(client.get(reverse("admin:contacts_contact_change", args=[contact.pk]), {"panel": panel}))


def ref_page(client, ref_id):
    return words(client.get(reverse("admin:contacts_systemref_change", args=[ref_id])))


def named(ref_id, number, first_name, **more):
    return RelatedName.objects.create(
        system_ref_id=ref_id, name_id=str(number), first_name=first_name, **more
    )


def refs_listed(client, **asked):
    page = client.get(reverse("admin:contacts_systemref_changelist"), asked)
    return {ref.pk for ref in page.context["cl"].result_list}


def test_the_other_people_on_an_account_stand_beneath_it(as_admin, person, mlb, minors):
    contact = person((mlb, {"first_name": "Ann"}), (minors, {"first_name": "Ann"}))
    ref = refs_of(contact)[0]
    named(ref, 2, "Kirsten", last_name="Marlow", role="spouse", email="kirsten@example.org")

    page = contact_page(as_admin, contact)

    assert "also on this account" in page
    assert "Kirsten Marlow spouse" in page
    own = ref_page(as_admin, ref)
    assert "Also on this account 1" in own
    assert "kirsten@example.org" in own


def test_of_many_people_some_are_named_and_the_page_leads_to_the_others(as_admin, person, mlb):
    contact = person((mlb, {"first_name": "Ann"}))
    for number in range(8):
        named(refs_of(contact)[0], number, f"Name{number}")

    assert "and 3 more" in contact_page(as_admin, contact)


@pytest.mark.req("R-MDB-33")
def test_people_on_accounts_of_hidden_systems_are_not_told_of(as_rep, person, mlb, minors):
    contact = person((mlb, {"first_name": "Ann"}), (minors, {"first_name": "Ann"}))
    hidden = SystemRef.objects.get(system=minors)
    named(hidden.pk, 2, "Zachary")

    page = contact_page(as_rep, contact)

    assert "Zachary" not in page
    assert "also on this account" not in page


def test_a_page_asks_as_often_for_one_person_on_an_account_as_for_three(as_admin, person, mlb, minors):
    one = person((mlb, {"first_name": "Ann"}), (minors, {"first_name": "Ann"}))
    three = person((mlb, {"first_name": "Bo"}), (minors, {"first_name": "Bo"}))
    named(refs_of(one)[0], 1, "Kirsten")
    for number, ref in enumerate([*refs_of(three), refs_of(three)[0]]):
        named(ref, number, "Olu")
    mark_gone(
        [Departure(ref, GoneRef.Reason.MISSING) for ref in (refs_of(one)[0], *refs_of(three))], now=LATER
    )
    for contact in (one, three, one):  # who was looked at last is remembered
        contact_page(as_admin, contact)

    with CaptureQueriesContext(connection) as first:
        contact_page(as_admin, one)
    contact_page(as_admin, three)
    with CaptureQueriesContext(connection) as second:
        contact_page(as_admin, three)

    assert len(second) == len(first)


def test_the_pages_say_since_when_an_account_is_gone_and_why_nothing_can_be_changed(
    as_admin, person, mlb, minors
):
    contact = person((mlb, {"first_name": "Ann"}), (minors, {"first_name": "Ann"}))
    gone, standing = refs_of(contact)
    mark_gone([Departure(gone, GoneRef.Reason.MISSING)], now=LATER)

    page, own = contact_page(as_admin, contact), ref_page(as_admin, gone)

    why = "Its source does not know it any more since 12 Mar 2026: there is nothing to change there."
    assert "gone at source since 12 Mar 2026" in page
    assert why in page
    assert "gone at source since 12 Mar 2026" in own
    assert why in own
    assert "at source" not in ref_page(as_admin, standing)


def test_the_account_that_leads_after_one_is_gone_says_why_it_leads(as_admin, person, mlb, minors):
    contact = person((mlb, {"arrived_at": NOW}), (minors, {"arrived_at": LATER}))
    gone = Mapping.objects.get(contact=contact, is_primary=True).system_ref_id

    mark_gone([Departure(gone, GoneRef.Reason.MISSING)], now=LATER)

    page = contact_page(as_admin, contact)
    assert "found first of those still there" in page
    assert page.count("Make primary") == 0  # what is gone is not offered
    history = contact_page(as_admin, contact, "history")
    assert "primary gone at its source" in history
    assert "at its source there gone connector" in history


def test_a_merged_account_names_the_one_it_lives_on_in_and_an_erased_one_says_so(as_admin, person, mlb):
    merged, erased = (person((mlb, {})) for _ in range(2))
    target = SystemRef.objects.get(pk=refs_of(person((mlb, {"system_ref": "2001"})))[0])

    mark_gone(
        [
            Departure(refs_of(merged)[0], GoneRef.Reason.MERGED, target.pk),
            Departure(refs_of(erased)[0], GoneRef.Reason.ERASED),
        ],
        now=LATER,
    )

    assert f"merged into {target}" in contact_page(as_admin, merged)
    assert "erased at its source" in contact_page(as_admin, erased)


def test_the_list_of_system_refs_is_filtered_by_who_is_gone(as_admin, person, mlb):
    here, gone = (refs_of(person((mlb, {})))[0] for _ in range(2))
    mark_gone([Departure(gone, GoneRef.Reason.MISSING)], now=LATER)

    assert refs_listed(as_admin, source="gone") == {gone}
    assert refs_listed(as_admin, source="standing") == {here}
    assert refs_listed(as_admin) == {here, gone}
    mark_back([gone], now=LATER)
    assert refs_listed(as_admin, source="gone") == set()
