"""The list of contacts: what it shows, to whom, and at what cost."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.permissions import SystemRight, grant
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ...factories import NOW, UserFactory

LIST = reverse("admin:contacts_contact_changelist")


def rows(response) -> list:
    return response.context["cl"].rows


def ids(response) -> list[int]:
    return [row.contact.pk for row in rows(response)]


@pytest.mark.req("R-MDB-16", "R-MDB-32")
def test_the_list_shows_only_contacts_with_a_visible_ref_and_counts_only_those(as_rep, person, mlb, minors):
    ours = person((mlb, {"last_name": "Marlow"}))
    person((minors, {"last_name": "Okafor"}))

    response = as_rep.get(LIST)

    assert ids(response) == [ours.pk]
    assert "Okafor" not in response.content.decode()
    assert response.context["cl"].result_count == 1


@pytest.mark.req("R-MDB-33", "D-10")
def test_a_row_shows_golden_values_badges_and_sums_over_visible_refs_alone(as_rep, person, mlb, minors):
    person(
        (minors, {"last_name": "Hidden", "phone": "0999", "spent_total": 900, "last_purchased_at": NOW}),
        (mlb, {"first_name": "Ann", "last_name": "Marlow", "spent_total": 40}),
        (mlb, {"first_name": "Anne", "last_name": "Marlow", "spent_total": 2}),
    )

    [row] = rows(as_rep.get(LIST))

    assert row.name == "Ann Marlow"
    assert row.phone == ""
    assert [(system.code, count) for system, count in row.badges] == [("MLB", "×2")]
    assert (row.spent, row.last_purchased_at, row.refs) == (Decimal(42), None, 2)


def test_someone_who_sees_every_system_gets_the_stored_values_and_may_sort_by_them(as_admin, person, mlb):
    zoe = person((mlb, {"last_name": "Zoeller"}))
    abel = person((mlb, {"last_name": "Abel"}))

    assert ids(as_admin.get(LIST)) == [abel.pk, zoe.pk]
    assert ids(as_admin.get(LIST, {"o": "1"})) == [abel.pk, zoe.pk]
    assert ids(as_admin.get(LIST, {"o": "-1"})) == [zoe.pk, abel.pk]


@pytest.mark.req("R-MDB-33", "D-10")
def test_nobody_else_may_sort_by_stored_values_whatever_the_address_says(as_rep, person, mlb, minors):
    first = person((minors, {"last_name": "Abel"}), (mlb, {}))
    second = person((minors, {"last_name": "Zoeller"}), (mlb, {}))

    for order in ("1", "-1", "2", "-2"):
        assert ids(as_rep.get(LIST, {"o": order})) == [second.pk, first.pk]


@pytest.mark.req("R-MDB-33")
@pytest.mark.parametrize("lookup", ["email__startswith", "mappings__system_ref", "last_name", "pk__in"])
def test_an_address_cannot_feel_its_way_to_hidden_values(as_rep, person, mlb, lookup):
    person((mlb, {"last_name": "Marlow"}))

    assert as_rep.get(LIST, {lookup: "1"}).status_code == 400


@pytest.mark.parametrize(
    "asked", [{}, {"q": "ann"}, {"q": "ann marlow", "system": "MLB"}, {"bought": "never"}]
)
@pytest.mark.parametrize(("who", "most"), [("superuser", 10), (CRM_MANAGERS, 11), (SALES_REPS, 11)])
@pytest.mark.parametrize("sees_all", [True, False])
def test_the_list_costs_eleven_queries_at_most_whatever_the_rows(
    client, person, mlb, minors, who, most, sees_all, asked
):
    user = UserFactory(is_superuser=True) if who == "superuser" else UserFactory(role=who)
    for system in (mlb, minors) if sees_all else (mlb,):
        grant(user, SystemRight.VIEW, on=system)
    costs = []

    for count in (1, 49):
        for number in range(count):
            person(
                (mlb, {"first_name": "Ann", "last_name": f"Marlow{number}"}), (minors, {"first_name": "Anne"})
            )
        client.force_login(user)
        with CaptureQueriesContext(connection) as queries:
            response = client.get(LIST, asked)
        costs.append((len(rows(response)), len(queries)))

    cost = costs[0][1]
    assert costs == [(1, cost), (50, cost)]
    assert cost <= most


class TestFilters:
    @pytest.fixture
    def people(self, person, mlb, minors):
        return {
            "one": person((mlb, {"email": "one@example.org", "last_purchased_at": NOW})),
            "both": person((mlb, {}), (minors, {"email": "both@example.org", "last_purchased_at": NOW})),
        }

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({"system": "MIN"}, ["both"]),
            ({"systems": "one"}, ["one"]),
            ({"systems": "several"}, ["both"]),
            ({"systems": "refs"}, ["both"]),
            ({"email": "yes"}, ["both", "one"]),
            ({"email": "no"}, []),
            ({"bought": "ever"}, ["both", "one"]),
            ({"bought": "never"}, []),
            ({"bought": "1"}, []),
        ],
    )
    def test_filters_over_all_refs_for_those_who_see_them(self, as_admin, people, asked, found):
        assert ids(as_admin.get(LIST, asked)) == [people[name].pk for name in found]

    @pytest.mark.req("R-MDB-16", "R-MDB-34")
    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({"system": "MIN"}, []),
            ({"unit": "hidden-unit"}, []),
            ({"systems": "one"}, ["both", "one"]),
            ({"systems": "several"}, []),
            ({"systems": "refs"}, []),
            ({"email": "yes"}, ["one"]),
            ({"email": "no"}, ["both"]),
            ({"bought": "ever"}, ["one"]),
            ({"bought": "never"}, ["both"]),
        ],
    )
    def test_filters_ask_visible_refs_alone(self, as_rep, people, minors, asked, found):
        minors.business_unit.code = "hidden-unit"
        minors.business_unit.save()

        response = as_rep.get(LIST, asked)

        assert ids(response) == [people[name].pk for name in found]
        assert "Minors" not in response.content.decode()

    def test_a_unit_shows_the_contacts_of_its_systems(self, client, people, mlb, minors, rep):
        grant(rep, SystemRight.VIEW, on=minors)
        client.force_login(rep)

        assert ids(client.get(LIST, {"unit": minors.business_unit.code})) == [people["both"].pk]
