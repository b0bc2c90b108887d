"""What a grouping run decides, on small sets that show one thing each."""

import json
from datetime import date

import pytest

from benchmarks.matching_cases import read_cases, wrong_cases
from contacts.grouping.engine import group
from contacts.grouping.explain import COMPARISONS
from contacts.grouping.model import Model
from contacts.grouping.records import Decisions, UnusableRefs
from tests.contacts.grouping.refs import MODEL, grouped, run, table, verdicts

ANN = {"first_name": "Ann", "last_name": "Quennell", "email": "ann@example.org"}
BEN = {"first_name": "Ben", "last_name": "Tarrant", "email": "ben@example.org"}


@pytest.mark.req("R-CM-5")
@pytest.mark.req("R-CM-6")
def test_every_matching_case_is_settled_as_a_careful_person_would():
    assert wrong_cases(read_cases()) == []


@pytest.mark.req("R-DOO-11")
def test_e_mails_agree_without_regard_to_case_and_surrounding_blanks():
    assert grouped(ANN, ANN | {"email": " ANN@Example.ORG "}) == [{1, 2}]


@pytest.mark.req("R-CM-6")
def test_a_rare_name_alone_is_not_enough():
    name = {"first_name": "Leopold", "last_name": "Zantzinger"}

    assert grouped(name, name) == [{1}, {2}]


@pytest.mark.req("C-5")
def test_an_e_mail_under_clearly_different_names_waits_for_a_person():
    result = run(ANN, BEN | {"email": "ann@example.org"})

    assert verdicts(result) == [(1, 2, "review", "email", "names")]


@pytest.mark.req("C-5")
def test_an_e_mail_under_two_first_names_without_nicknames_waits_for_a_person_too():
    bethan = {"first_name": "Bethan", "last_name": "Ferrier", "email": "ferriers@example.org"}

    result = run(bethan, bethan | {"first_name": "Declan"})

    assert verdicts(result) == [(1, 2, "review", "email", "names")]


@pytest.mark.req("C-5")
def test_a_blank_name_does_not_bridge_two_people_of_one_e_mail():
    nameless = {"email": "ann@example.org"}

    assert grouped(ANN, BEN | {"email": "ann@example.org"}, nameless, nameless) == [{1}, {2}, {3}, {4}]


@pytest.mark.req("C-5")
def test_an_initial_does_not_bridge_two_people_of_one_e_mail():
    peter = {"first_name": "Peter", "last_name": "Wickham", "email": "wickham@example.org"}

    assert grouped(peter, peter | {"first_name": "Paula"}, peter | {"first_name": "P"}) == [{1}, {2}, {3}]


def test_an_initial_joins_the_one_person_of_an_e_mail_it_fits():
    peter = {"first_name": "Peter", "last_name": "Wickham", "email": "wickham@example.org"}

    assert grouped(peter, peter | {"first_name": "Sandra"}, peter | {"first_name": "P"}) == [{1, 3}, {2}]


@pytest.mark.req("C-20")
def test_blanks_and_placeholders_are_no_evidence():
    junk = {
        "email": "none@none.com",
        "mobile": "0000000000",
        "date_of_birth": date(1900, 1, 1),
        "city": "n/a",
    }
    nulls = dict.fromkeys(("email", "phone", "mobile", "address1", "postcode"))

    assert grouped(junk | {"first_name": "Ann"}, junk | {"first_name": "Ann"}, nulls, nulls) == [
        {1},
        {2},
        {3},
        {4},
    ]


@pytest.mark.req("R-MDB-4")
@pytest.mark.req("R-MDB-5")
def test_a_pair_is_decided_alike_in_one_system_or_in_two():
    one_system = run(ANN, ANN, BEN)
    two_systems = run(ANN, ANN | {"system_id": 2}, BEN | {"system_id": 3})

    assert two_systems == one_system


def test_a_never_pair_is_kept_apart_through_third_refs_too():
    result = run(ANN, ANN, ANN, decisions=Decisions(never=[(3, 1)]))

    assert len(set(result.partition["group_id"].to_pylist())) == 2
    assert (1, 3, "refused", "email", "never") in verdicts(result)


def test_a_must_pair_joins_people_who_have_nothing_in_common():
    assert grouped(ANN, BEN, decisions=Decisions(must=[(2, 1)])) == [{1, 2}]


def test_a_must_pair_overrides_birth_dates_but_not_a_never_pair():
    old, young = ANN | {"date_of_birth": date(1950, 2, 3)}, ANN | {"date_of_birth": date(1984, 9, 17)}

    assert grouped(old, young) == [{1}, {2}]
    assert grouped(old, young, decisions=Decisions(must=[(1, 2)])) == [{1, 2}]
    assert grouped(old, young, decisions=Decisions(must=[(1, 2)], never=[(1, 2)])) == [{1}, {2}]


@pytest.mark.req("C-13")
def test_an_excluded_system_joins_within_itself_only_whatever_a_person_decided():
    result = run(
        ANN,
        ANN | {"system_id": 2},
        ANN | {"system_id": 2},
        ANN | {"system_id": 3},
        excluded_systems=[2],
        decisions=Decisions(must=[(1, 2)]),
    )

    assert result.partition["group_id"].to_pylist() == [1, 2, 2, 1]
    assert (1, 2, "refused", "person", "excluded") in verdicts(result)


def test_birth_dates_that_cannot_be_one_persons_part_a_chain_at_its_weakest_link():
    chain = [
        ANN | {"date_of_birth": date(1950, 2, 3), "mobile": "07700 900100"},
        ANN | {"mobile": "07700 900100"},
        ANN | {"date_of_birth": date(1984, 9, 17)},
    ]

    assert grouped(*chain) == [{1, 2}, {3}]


def test_one_person_typed_a_hundred_times_is_one_group():
    assert grouped(*[ANN] * 100) == [set(range(1, 101))]


def test_more_members_than_a_person_has_records_are_not_one_group():
    many = [ANN | {"city": f"Town {chr(97 + n % 26)}{chr(97 + n // 26)}"} for n in range(50)]

    result = run(*many)

    sizes = [result.partition["group_id"].to_pylist().count(n) for n in range(1, 51)]
    assert max(sizes) == 40
    assert {link[4] for link in verdicts(result) if link[2] == "refused"} == {"size"}


def test_an_e_mail_that_too_many_records_share_is_ignored_and_reported():
    crowd = [
        {
            "first_name": f"F{chr(97 + n % 26)}{chr(98 + n // 26)}x",
            "last_name": "Smith",
            "email": "office@example.org",
        }
        for n in range(70)
    ]

    result = run(*crowd, ANN | {"email": "office@example.org"}, ANN | {"email": "office@example.org"})

    assert result.poisoned.to_pylist() == [{"kind": "email", "holders": 71}]
    assert "joined" not in {link[2] for link in verdicts(result)}


def test_row_order_does_not_matter():
    refs = table(
        ANN, BEN, ANN | {"last_name": ""}, BEN | {"first_name": "B"}, ANN | {"mobile": "07700900100"}
    )

    backwards = group(refs.take([4, 3, 2, 1, 0]), model=MODEL)

    assert backwards == group(refs, model=MODEL)


def test_no_refs_and_one_ref_are_grouped_too():
    assert group(table(), model=MODEL).partition.to_pylist() == []
    assert grouped(ANN) == [{1}]


def test_a_ref_id_given_twice_is_refused():
    with pytest.raises(UnusableRefs, match="same ref_id"):
        group(table(ANN | {"ref_id": 7}, BEN | {"ref_id": 7}), model=Model.preset(10))


def test_a_missing_column_is_refused():
    with pytest.raises(UnusableRefs, match="lack the column city"):
        group(table(ANN).drop_columns(["city"]), model=MODEL)


def test_two_address_lines_in_either_order_are_one_house():
    person = {"first_name": "Ella", "last_name": "Crouchley", "city": "Urangan", "postcode": "4655"}
    pair = [
        person | {"address1": "3 Tieve Tara", "address2": "Wybalena Grove"},
        person | {"address1": "3 Wybalena Grove", "postcode": "4656"},
    ]

    evidence = json.loads(run(*pair).links["evidence"][0].as_py())

    levels = {c.key: c.level(number) for c, (number, *_) in zip(COMPARISONS, evidence, strict=True)}
    assert levels["address"].label == "same address line"
