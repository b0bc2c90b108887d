"""Finding a fan in the TDM: by anything known, nearly as written, and by nothing hidden."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import CrmDetails
from contacts.models.near_names import distance, one_slip, slips_between
from contacts.permissions import SystemRight, grant

from ...factories import NOW, PurchaseFactory
from .conftest import account_of, rep_of

pytestmark = pytest.mark.django_db

FIND = "/tdm/"


def found(client, text="", **asked) -> list[str]:
    return [fan.name for fan in client.get(FIND, {"q": text, **asked}).context["fans"]]


@pytest.fixture
def ann(person, mlb):
    known = {
        "first_name": "Ann",
        "last_name": "Marlow",
        "email": "ann@example.org",
        "phone": "+44 20 7946 0958",
    }
    return person((mlb, {**known, "system_ref": "F-2001"}))


@pytest.mark.req("R-SYS-2")
@pytest.mark.parametrize(
    "text", ["Marlow", "marlow ann", "ann@example.org", "020 7946 0958", "F-2001", "f-2001", "arlo"]
)
def test_a_fan_is_found_by_any_identifier(as_rep, ann, text):
    assert found(as_rep, text) == ["Ann Marlow"]


def test_a_fan_is_found_by_group_id(as_rep, ann):
    assert found(as_rep, str(ann.pk)) == ["Ann Marlow"]


@pytest.mark.req("R-SYS-2")
@pytest.mark.parametrize("text", ["MLB F-2001", "mlb f-2001", "f2001", "F2001", "mlb F2001"])
def test_an_identifier_is_found_as_the_screens_print_it_and_as_people_say_it(as_rep, ann, text):
    assert found(as_rep, text) == ["Ann Marlow"]


@pytest.mark.parametrize("text", ["GroupID {}", "groupid {}", "#{}"])
def test_a_group_id_is_found_as_it_is_printed(as_rep, ann, person, mlb, text):
    person((mlb, {"first_name": "Bo", "last_name": "Reyes", "external_customer_id": str(ann.pk)}))

    assert found(as_rep, text.format(ann.pk)) == ["Ann Marlow"]


def test_a_system_ref_with_its_systems_code_is_looked_for_in_that_system_alone(
    as_rep, rep, ann, person, mlb, minors
):
    grant(rep, SystemRight.VIEW, on=minors)
    person((minors, {"first_name": "Bo", "last_name": "Reyes", "system_ref": "F-2001"}))

    assert found(as_rep, "MIN F-2001") == ["Bo Reyes"]
    assert found(as_rep, "MLB F-2001") == ["Ann Marlow"]


@pytest.mark.req("R-MDB-32")
def test_the_code_of_a_hidden_system_is_a_word_like_any_other(as_rep, ann, minors):
    assert found(as_rep, f"{minors.code} F-2001") == found(as_rep, "NONE F-2001") == []


def test_whoever_has_the_whole_e_mail_comes_first(as_rep, ann, person, mlb):
    for number in range(3):
        person((mlb, {"first_name": f"Near{number}", "email": f"ann@example.org{'x' * (number + 1)}"}))

    assert found(as_rep, "Ann@Example.org")[0] == "Ann Marlow"


@pytest.mark.parametrize("text", ["Marlw", "Ane Marlow", "Malrow", "Ann Marlowe", "Mxrlow", "anm marlow"])
def test_a_name_nearly_as_written_is_offered_where_nobody_is_called_exactly_so(
    as_rep, ann, person, mlb, text
):
    person((mlb, {"first_name": "Bo", "last_name": "Reyes"}))

    response = as_rep.get(FIND, {"q": text})

    assert [fan.name for fan in response.context["fans"]] == ["Ann Marlow"]
    assert response.context["found"].is_near
    assert "Nobody is called exactly" in response.content.decode()


def test_nothing_near_is_offered_where_an_exact_name_is_found(as_rep, ann, person, mlb):
    person((mlb, {"first_name": "Ann", "last_name": "Marlowe"}), (mlb, {}))

    assert found(as_rep, "marlowe") == ["Ann Marlowe"]


@pytest.mark.parametrize("text", ["Quigley", "marlw@example.org", "F-2002", "99999999999999999999", "%", "'"])
def test_what_is_near_no_name_finds_nobody(as_rep, ann, text):
    assert found(as_rep, text) == []


@pytest.mark.req("R-MDB-16", "R-MDB-32")
@pytest.mark.parametrize("text", ["Okafor", "Okafro", "hidden@example.org", "H-1"])
def test_a_hidden_account_is_found_neither_exactly_nor_nearly(as_rep, person, mlb, minors, text):
    hidden = {"last_name": "Okafor", "email": "hidden@example.org", "system_ref": "H-1"}
    person((mlb, {"first_name": "Ann"}), (minors, hidden))
    person((minors, hidden | {"system_ref": "H-2"}))

    assert found(as_rep, text) == []


def test_filters_narrow_by_system_season_spend_and_owner(as_rep, rep, person, mlb, minors):
    grant(rep, SystemRight.VIEW, on=minors)
    ann = person((mlb, {"first_name": "Ann", "spent_total": 900}), (minors, {"spent_total": 200}))
    bo = person((minors, {"first_name": "Bo", "spent_total": 50}))
    PurchaseFactory(system_ref=account_of(ann, mlb), event_on=dt.date(2025, 5, 1))
    PurchaseFactory(system_ref=account_of(bo, minors), purchased_at=NOW)
    CrmDetails.objects.create(system_ref=account_of(bo, minors), owner=rep, at=NOW)

    assert found(as_rep, system="MLB") == ["Ann"]
    assert found(as_rep, season="2025") == ["Ann"]
    assert found(as_rep, season="2026") == ["Bo"]
    assert found(as_rep, least="1000") == ["Ann"]
    assert found(as_rep, most="1000") == ["Bo"]
    assert found(as_rep, "ann", least="1000") == ["Ann"]
    assert found(as_rep, "ann", most="1000") == []
    assert found(as_rep, owner="me") == ["Bo"]
    assert found(as_rep, owner=str(rep.pk), system="MLB") == []


@pytest.mark.req("R-MDB-16", "R-MDB-33")
def test_filters_count_visible_accounts_alone(as_rep, rep, person, mlb, minors):
    ann = person((mlb, {"first_name": "Ann", "spent_total": 10}), (minors, {"spent_total": 5000}))
    PurchaseFactory(system_ref=account_of(ann, minors), event_on=dt.date(2024, 5, 1))
    CrmDetails.objects.create(system_ref=account_of(ann, minors), owner=rep, at=NOW)

    response = as_rep.get(FIND, {"least": "1000"})

    assert [list(response.context[name]) for name in ("fans", "owners")] == [[], []]
    assert found(as_rep, season="2024") == found(as_rep, owner="me") == found(as_rep, system="MIN") == []
    assert found(as_rep, most="10") == ["Ann"]
    [fan] = as_rep.get(FIND, {"q": "ann"}).context["fans"]
    assert (fan.spent, [text for _system, text in fan.accounts]) == (10, [account_of(ann, mlb).system_ref])


def test_before_anything_is_asked_the_contacts_opened_last_are_offered(as_rep, ann, person, mlb):
    bo = person((mlb, {"first_name": "Bo"}))
    for contact in (ann, bo):
        as_rep.get(f"/tdm/{contact.pk}/")

    response = as_rep.get(FIND)

    assert response.context["found"] is None
    assert [fan.name for fan in response.context["recent"]] == ["Bo", "Ann Marlow"]


@pytest.mark.parametrize(
    "asked", [{"q": "Ann"}, {"q": "Marlw"}, {"q": "F-1"}, {}, {"system": "MLB", "least": "0", "owner": "me"}]
)
def test_a_search_costs_a_restricted_rep_at_most_twelve_queries_however_many_are_found(
    client, person, mlb, minors, asked
):
    client.force_login(rep_of("reader", mlb))
    costs = []
    for count in (1, 3):
        for _ in range(count):
            fan = person((minors, {}), (mlb, {"first_name": "Ann", "last_name": "Marlow"}))
            CrmDetails.objects.create(
                system_ref=account_of(fan, mlb), owner=rep_of(f"owner{fan.pk}", mlb), at=NOW
            )
            client.get(f"/tdm/{fan.pk}/")
        client.get(FIND, asked)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(FIND, asked).status_code == 200
        costs.append(len(captured))

    assert costs[0] == costs[1] <= 12, costs


@pytest.mark.parametrize(
    "asked",
    [
        {"least": "x"},
        {"most": "NaN"},
        {"least": "1e-99999", "most": "1e99999"},
        {"season": "9" * 5000},
        {"season": "0000"},
        {"owner": "-1"},
        {"owner": "9" * 30},
        {"p": "0", "q": "a"},
        {"q": "a\x00b"},
        {"q": "\x00", "system": "\x00"},
        {"q": "word " * 3000},
        {"q": "x" * 5000},
    ],
)
def test_a_mistyped_address_is_answered_all_the_same(as_rep, ann, asked):
    assert as_rep.get(FIND, asked).status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [
        ("marlow", "marlow", 0),
        ("marlw", "marlow", 1),
        ("malrow", "marlow", 1),
        ("ane", "ann", 1),
        ("", "ab", 2),
    ],
)
def test_slips_of_the_finger_are_counted(one, other, slips):
    assert slips_between(one, other) == slips_between(other, one) == slips


def test_every_typed_word_needs_a_counterpart_in_the_name():
    assert distance(["ane", "marlow"], ["ann", "marlow"]) == 1
    assert distance(["ane", "okafor"], ["ann", "marlow"]) is None
    assert distance(["marlow"], []) is None


def test_one_slip_is_a_letter_exchanged_left_out_too_many_or_swapped_with_the_next():
    assert one_slip("ab") == {
        (" ab ",),
        (" ", "b "), (" a", " "),
        (" ", "ab "), (" a", "b "), (" ab", " "),
        (" b ",), (" a ",),
        (" ba ",),
    }  # fmt: skip
