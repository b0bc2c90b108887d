"""Who does not see the primary is shown one leader everywhere: on pages, in exports, reports and values."""

import csv
import datetime as dt
import io

import pytest
from django.urls import reverse

from contacts.models import Contact, GoneRef
from contacts.permissions import SystemRight, grant
from contacts.services.departures import Departure, mark_gone
from contacts.services.exports import contact_lines
from contacts.services.leaders import first_found, leader_first, leader_of
from kore_site.roles import SALES_REPS

from ..factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory
from ..factories.primary_rules import contact_of

pytestmark = [pytest.mark.django_db, pytest.mark.req("R-MDB-16", "R-MDB-33")]

DAY = dt.timedelta(days=1)


@pytest.fixture
def early():
    """A system of low rank whose accounts are found first."""
    return TicketSystemFactory(code="EARLY", rank=3)


@pytest.fixture
def late():
    return TicketSystemFactory(code="LATE", rank=2)


@pytest.fixture
def hidden():
    return TicketSystemFactory(code="HIDDEN", rank=1)


@pytest.fixture
def rep(early, late):
    """Sees two systems of three."""
    user = UserFactory(role=SALES_REPS)
    for system in (early, late):
        grant(user, SystemRight.VIEW, on=system)
    return user


@pytest.fixture
def pair(early, late):
    """Makes the two accounts of a person that the rep sees: LATE goes before EARLY by rank."""

    def make(number):
        return (
            SystemRefFactory(system=early, system_ref=f"E{number}", phone="1", arrived_at=NOW - DAY),
            SystemRefFactory(system=late, system_ref=f"L{number}", phone="2", arrived_at=NOW),
        )

    return make


def seen_by(user, contact):
    [loaded] = Contact.objects.filter(pk=contact.pk).with_visible_refs(user)
    return loaded.visible_mappings


def exported(user, contact):
    [line] = contact_lines(Contact.objects.filter(pk=contact.pk), user=user)
    return line


def shown(client, contact, address="admin:contacts_contact_change", **asked) -> str:
    return client.get(reverse(address, args=[contact.pk]), asked).content.decode()


def test_a_hidden_primary_changes_the_order_of_the_accounts_nowhere(rep, pair, hidden, client):
    known_elsewhere = contact_of(SystemRefFactory(system=hidden), *pair(1))
    known_here_alone = contact_of(*pair(2))
    client.force_login(rep)

    lists = client.post(reverse("admin:contacts_contact_export"), {"format": 0, "resource": 0})
    rows = csv.DictReader(io.StringIO(b"".join(lists.streaming_content).decode("utf-8-sig")))

    assert {row["group_id"]: (row["systems"], row["system_refs"]) for row in rows} == {
        str(known_elsewhere.pk): ("EARLY; LATE", "EARLY E1; LATE L1"),
        str(known_here_alone.pk): ("EARLY; LATE", "EARLY E2; LATE L2"),
    }
    for contact, (first, second) in {known_elsewhere: ("E1", "L1"), known_here_alone: ("E2", "L2")}.items():
        page = client.get(reverse("admin:contacts_contact_change", args=[contact.pk]))
        assert [ref.system_ref for ref in page.context["shown"].refs.values()] == [first, second]
        tabs = client.get(reverse("tdm:contact", args=[contact.pk])).context["tabs"]
        assert [(tab.ref.system_ref, tab.is_primary) for tab in tabs] == [(first, True), (second, False)]


def test_the_primary_leads_where_it_is_seen_and_the_first_found_elsewhere(rep, pair, hidden):
    early, late = pair(1)
    contact = contact_of(SystemRefFactory(system=hidden), early, late)
    chosen = contact_of(*(refs := pair(2)), primary=refs[1])

    assert [m.system_ref for m in leader_first(seen_by(rep, contact))] == [early, late]
    assert [m.system_ref for m in leader_first(seen_by(rep, chosen))] == [refs[1], refs[0]]
    assert leader_of(seen_by(UserFactory(is_superuser=True), contact)).system_ref.system == hidden


def test_where_the_first_found_is_gone_values_and_marks_follow_the_account_that_stands(
    rep, pair, hidden, client
):
    early, late = pair(1)
    contact = contact_of(SystemRefFactory(system=hidden, phone="3"), early, late)
    GoneRef.objects.create(system_ref=early, reason=GoneRef.Reason.MISSING, noticed_at=NOW)
    client.force_login(rep)

    seen = seen_by(rep, contact)

    assert (leader_of(seen).system_ref, first_found(seen).system_ref) == (late, early)
    page = client.get(reverse("admin:contacts_contact_change", args=[contact.pk])).context["shown"]
    assert (page.leader.system_ref, page.golden["phone"].value) == (late, "2")
    [row] = client.get(reverse("admin:contacts_contact_changelist")).context["cl"].rows
    line = exported(rep, contact)
    assert (row.values["phone"], line.values["phone"], line.system_refs) == ("2", "2", "LATE L1; EARLY E1")


def test_that_a_primary_is_gone_stands_in_the_history_of_those_alone_who_see_every_system(
    rep, pair, hidden, client
):
    first, second = pair(1)
    contact = contact_of(first, second)
    mark_gone([Departure(first.pk, GoneRef.Reason.MISSING)], now=NOW)
    told = {}

    for name, user in {"rep": rep, "superuser": UserFactory(is_superuser=True)}.items():
        client.force_login(user)
        told[name] = "primary gone at its source" in shown(client, contact, panel="history")

    assert told == {"rep": False, "superuser": True}


def test_the_best_buyers_are_known_in_the_same_order(rep, pair, hidden):
    known_elsewhere = contact_of(SystemRefFactory(system=hidden), *pair(1))
    known_here_alone = contact_of(*pair(2))

    lines = [exported(rep, contact) for contact in (known_elsewhere, known_here_alone)]

    assert [line.systems for line in lines] == ["EARLY; LATE"] * 2


def test_what_leads_is_loaded_with_the_accounts(rep, pair, hidden, django_assert_num_queries):
    contact = contact_of(SystemRefFactory(system=hidden), *pair(1))
    mappings = seen_by(rep, contact)

    with django_assert_num_queries(0):
        leader_first(mappings)
