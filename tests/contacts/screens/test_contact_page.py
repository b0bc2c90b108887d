"""The page of one contact: golden values with their origin, accounts, purchases, history."""

import datetime as dt
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from contacts.models import Contact, FieldChange, GoldenPin, Mapping, Move
from contacts.permissions import SystemRight, grant
from ticketing.models import Purchase

from ...factories import NOW, MappingFactory, PurchaseFactory, SystemRefFactory
from .conftest import refs_of, text_of

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def page(client, contact: Contact, panel: str = "accounts", **asked):
    response = client.get(
        reverse("admin:contacts_contact_change", args=[contact.pk]), {"panel": panel, **asked}
    )
    assert response.status_code == 200
    return response


def lines(response) -> dict[str, tuple]:
    """For each field of the accounts its golden value, then a (value, difference, is_golden) per ref."""
    return {
        line.label: (
            line.golden,
            *((cell.value, str(cell.difference), cell.is_golden) for cell in line.cells),
        )
        for line in response.context["content_of_panel"]["lines"]
    }


@pytest.mark.req("R-MDB-12", "R-CM-1", "R-CM-2", "R-CM-4")
def test_accounts_stand_side_by_side_with_differences_and_the_golden_origin(as_admin, person, mlb, minors):
    contact = person(
        (mlb, {"system_ref": "2001", "first_name": "Ann", "last_name": "Marlow", "phone": "020 7946 0958"}),
        (minors, {"first_name": "A.", "last_name": "Reyes", "phone": "+44 20 7946 0958", "city": "Leeds"}),
    )

    response = page(as_admin, contact)

    shown = lines(response)
    assert shown["first name"] == ("Ann", ("Ann", "same", True), ("A.", "alike", False))
    assert shown["last name"] == ("Marlow", ("Marlow", "same", True), ("Reyes", "other", False))
    assert shown["phone"][2] == ("+44 20 7946 0958", "same", False)
    assert shown["city"] == ("Leeds", ("", "blank", False), ("Leeds", "same", True))
    text = response.content.decode()
    assert f"GroupID {contact.pk}" in text
    assert "Fan ID" in text  # the system's own name for its refs
    assert text.count("</span> primary</span>") == 1


@pytest.mark.req("R-MDB-33")
def test_golden_values_and_the_primary_mark_come_from_visible_refs_alone(as_rep, person, mlb, minors):
    contact = person(
        (minors, {"first_name": "Zachary", "email": "zach@example.org", "spent_total": 7613}),
        (mlb, {"first_name": "Ann", "last_name": "Marlow", "spent_total": 5}),
    )
    GoldenPin.objects.create(
        contact=contact,
        field="first_name",
        system_ref_id=refs_of(contact)[0],
        origin=GoldenPin.Origin.PERSON,
        at=NOW,
    )

    response = page(as_rep, contact)

    assert response.context["name"] == "Ann Marlow"
    assert response.context["content_of_panel"]["spent"] == Decimal(5)
    text = response.content.decode()
    assert not any(word in text for word in ("Zachary", "zach@", ">MIN<", "Minors", "7,613"))
    assert "1 System Ref<" in text
    assert "</span> primary</span>" in text


@pytest.mark.req("R-MDB-34")
@pytest.mark.parametrize("panel", ["accounts", "timeline", "why", "history"])
def test_a_page_reads_the_same_with_and_without_hidden_refs(as_rep, person, mlb, minors, panel):
    alone = person((mlb, {"last_name": "Marlow", "system_ref": "1"}))
    before = text_of(page(as_rep, alone, panel))
    hidden = SystemRefFactory(system=minors, last_name="Marlow")
    Mapping.objects.filter(contact=alone).update(is_primary=False)
    MappingFactory(system_ref=hidden, contact=alone)
    PurchaseFactory(system_ref=hidden)
    FieldChange.objects.create(system_ref=hidden, origin="import", at=NOW)
    ref_id = Mapping.objects.get(contact=alone, is_primary=False).pk
    Move.objects.create(
        system_ref_id=ref_id, from_group=77, to_group=alone.pk, was_primary=True, is_primary=False,
        cause=Move.Cause.JOINED, at=NOW,
    )  # fmt: skip

    assert text_of(page(as_rep, alone, panel)) == before


def test_each_headline_says_where_it_comes_from(as_rep, person, mlb):
    contact = person((mlb, {"email": "ann@example.org", "address1": "12 Quay St", "city": "Leeds"}))
    [ref] = refs_of(contact)
    actor = User.objects.get(username="rep")
    FieldChange.objects.create(system_ref_id=ref, origin="import", at=NOW)
    FieldChange.objects.create(
        system_ref_id=ref, field="email", after="ann@example.org", origin="hand", actor=actor, at=NOW + DAY
    )

    email, address = page(as_rep, contact).context["headlines"]

    assert (email.value, email.ref.pk, email.last_change.actor) == ("ann@example.org", ref, actor)
    assert (address.value, address.last_change.origin) == ("12 Quay St, Leeds", "import")


def test_a_page_of_one_blank_ref_and_one_of_forty_refs_both_stand(as_admin, person, mlb):
    blank = person((mlb, {}))
    many = person(*((mlb, {"last_name": "Marlow" * 20, "system_ref": f"R{n}"}) for n in range(40)))

    for contact, count in ((blank, 1), (many, 40)):
        for panel in ("accounts", "timeline", "why", "history"):
            assert len(page(as_admin, contact, panel).context["shown"].refs) == count


@pytest.mark.parametrize("refs", [2, 4])
@pytest.mark.parametrize(
    ("panel", "queries"),
    [("accounts", 21), ("timeline", 17), ("why", 18), ("groupings", 17), ("history", 17)],
)
def test_a_page_costs_the_same_queries_whatever_the_refs(
    as_rep, person, mlb, refs, panel, queries, django_assert_num_queries
):
    contact = person(*((mlb, {"last_name": "Marlow"}) for _ in range(refs)))
    PurchaseFactory.create_batch(refs, system_ref_id=refs_of(contact)[0], system=mlb)

    with django_assert_num_queries(queries):
        page(as_rep, contact, panel)


def test_an_unknown_panel_is_not_found(as_rep, person, mlb):
    contact = person((mlb, {}))

    assert as_rep.get(f"/admin/contacts/contact/{contact.pk}/change/?panel=secrets").status_code == 404


class TestTimeline:
    @pytest.mark.req("R-MDB-14")
    def test_shows_purchases_of_every_visible_system_by_season_with_subtotals(
        self, client, rep, person, mlb, minors
    ):
        hidden = SystemRefFactory().system
        grant(rep, SystemRight.VIEW, on=minors)
        contact = person((mlb, {}), (minors, {}), (hidden, {}))
        ours, theirs, secret = Mapping.objects.filter(contact=contact).order_by("pk")
        spring, last_year = dt.date(2026, 4, 1), dt.date(2025, 4, 1)
        bought = [
            PurchaseFactory(system_ref=ours.system_ref, event_on=spring, amount=120),
            PurchaseFactory(system_ref=theirs.system_ref, event_on=spring, amount=88, currency="EUR"),
            PurchaseFactory(
                system_ref=ours.system_ref, event_on=spring, amount=50, status=Purchase.Status.REFUNDED
            ),
            PurchaseFactory(system_ref=ours.system_ref, event_on=last_year, amount=30),
        ]
        PurchaseFactory(system_ref=secret.system_ref, event_on=spring, amount=999)
        client.force_login(rep)

        seasons = page(client, contact, "timeline").context["content_of_panel"]["seasons"]

        assert [(season.year, set(season.purchases)) for season in seasons] == [
            (2026, set(bought[:3])),
            (2025, {bought[3]}),
        ]
        assert [[(s.system.code, s.currency, s.amount) for s in season.subtotals] for season in seasons] == [
            [("MLB", "GBP", Decimal(120)), ("MIN", "EUR", Decimal(88))],
            [("MLB", "GBP", Decimal(30))],
        ]

    def test_is_turned_page_by_page_with_whole_subtotals(self, as_rep, person, mlb):
        contact = person((mlb, {}))
        PurchaseFactory.create_batch(
            55, system_ref_id=refs_of(contact)[0], system=mlb, amount=1, event_on=dt.date(2026, 4, 1)
        )

        first = page(as_rep, contact, "timeline").context["content_of_panel"]
        second = page(as_rep, contact, "timeline", page="2").context["content_of_panel"]

        assert [len(content["seasons"][0].purchases) for content in (first, second)] == [50, 5]
        assert second["seasons"][0].subtotals[0].amount == Decimal(55)
        assert (first["older"], second["older"], second["newer"]) == (2, 0, 1)


class TestHistory:
    def test_shows_changes_with_before_after_actor_and_origin(self, as_rep, rep, person, mlb):
        contact = person((mlb, {}))
        [ref] = refs_of(contact)
        FieldChange.objects.create(system_ref_id=ref, origin="import", at=NOW)
        FieldChange.objects.create(
            system_ref_id=ref,
            field="email",
            before="a@x",
            after="b@x",
            origin="hand",
            actor=rep,
            at=NOW + DAY,
        )

        shown = page(as_rep, contact, "history").context["content_of_panel"]["lines"]

        assert [(line.what, line.before, line.after, line.by) for line in shown] == [
            ("e-mail", "a@x", "b@x", "rep, by hand"),
            ("came in", "", "", "import"),
        ]

    @pytest.mark.req("R-MDB-34")
    def test_tells_of_a_joining_only_where_the_user_sees_whom_with(
        self, as_rep, as_admin, person, mlb, minors
    ):
        contact = person((minors, {}), (mlb, {}))
        hidden, ours = refs_of(contact)
        for ref, was, cause in ((hidden, None, "placed"), (ours, None, "placed"), (ours, 500, "joined")):
            Move.objects.create(
                system_ref_id=ref, from_group=was, to_group=contact.pk if was or ref == hidden else 500,
                was_primary=False, is_primary=False, cause=cause, at=NOW,
            )  # fmt: skip

        def said(client):
            return sorted(
                line.what for line in page(client, contact, "history").context["content_of_panel"]["lines"]
            )

        assert said(as_rep) == ["placed for the first time"]
        assert said(as_admin) == [
            "joined by the night",
            "placed for the first time",
            "placed for the first time",
        ]
