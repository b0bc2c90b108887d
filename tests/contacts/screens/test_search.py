"""Search: any identifier, in any notation, over visible refs alone."""

import pytest

from contacts.models import Contact, GroupAlias, Move, SystemRef

from ...factories import NOW, UserFactory
from .conftest import refs_of

pytestmark = pytest.mark.django_db


def found(text: str, user) -> list[int]:
    return list(
        Contact.objects.visible_to(user)
        .search(text, user, default_country="GB")
        .order_by("pk")
        .values_list("pk", flat=True)
    )


@pytest.fixture
def ann(person, mlb):
    return person(
        (
            mlb,
            {
                "system_ref": "F-2001",
                "first_name": "Ann",
                "last_name": "Marlow-Ödegård",
                "email": "Ann.Marlow@Example.org",
                "phone": "+44 20 7946 0958",
                "mobile": "07700 900123",
                "external_customer_id": "EXT/77",
            },
        )
    )


@pytest.mark.req("R-CM-1", "R-CM-2", "R-DOO-11")
@pytest.mark.parametrize(
    "text",
    [
        "ann marlow",
        "Marlow  ANN",
        "Marlow, Ann",
        "marl",
        "ödegård",
        "Ödegård",
        "ann.marlow@example.org",
        "  ANN.MARLOW@EXAMPLE.ORG ",
        "+44 20 7946 0958",
        "020 7946 0958",
        "(020) 7946-0958",
        "0044 20 79460958",
        "02079460958",
        "7946 0958",
        "+447700900123",
        "marl 0770",
        "f-2001",
        "EXT/77",
    ],
)
def test_search_finds_a_person_by_any_identifier(ann, person, mlb, rep, text):
    person((mlb, {"first_name": "Bo", "last_name": "Reyes", "phone": "020 7946 0111"}))

    assert found(text, rep) == [ann.pk]


def test_search_finds_the_group_id_first(person, mlb, rep):
    wanted = person((mlb, {"system_ref": "Z"}))
    by_ref = person((mlb, {"system_ref": f"9{wanted.pk}9"}))

    assert found(str(wanted.pk), rep)[0] == wanted.pk
    assert found(f"9{wanted.pk}9", rep) == [by_ref.pk]


def test_two_numbers_in_a_row_may_be_two_words(person, mlb, rep):
    contact = person((mlb, {"system_ref": "4411", "external_customer_id": "8800"}))

    assert found("8800 4411", rep) == [contact.pk]


@pytest.mark.parametrize("text", ["%", "_", "'", '"', "\\", "9" * 40, "+", "()", "²", "%_%' OR 1=1"])
def test_search_takes_any_text_as_text(ann, rep, text):
    assert found(text, rep) == []


@pytest.mark.req("R-MDB-16", "R-MDB-34")
@pytest.mark.parametrize("text", ["hidden", "07700 900999", "MIN-1", "secret@example.org"])
def test_search_does_not_find_by_what_hidden_refs_say(person, mlb, minors, rep, text):
    values = {"system_ref": "MIN-1", "last_name": "Hidden", "mobile": "07700900999"}
    contact = person((minors, {**values, "email": "secret@example.org"}), (mlb, {"last_name": "Marlow"}))

    assert found(text, rep) == []
    assert found(text, UserFactory(is_superuser=True)) == [contact.pk]


@pytest.mark.req("R-CM-26")
def test_a_retired_group_id_finds_its_successor(ann, rep, minors):
    [ref] = refs_of(ann)
    GroupAlias.objects.create(group_id=990_001, contact=ann, at=NOW)
    Move.objects.create(
        system_ref_id=ref, from_group=990_001, to_group=ann.pk, was_primary=True, is_primary=True,
        cause=Move.Cause.JOINED, at=NOW,
    )  # fmt: skip

    assert found("990001", rep) == [ann.pk]


@pytest.mark.req("R-MDB-34")
def test_a_retired_group_id_of_hidden_refs_finds_nothing(ann, rep, minors):
    GroupAlias.objects.create(group_id=990_001, contact=ann, at=NOW)

    assert found("990001", rep) == []


def test_system_refs_are_found_in_the_same_words(ann, rep):
    refs = SystemRef.objects.visible_to(rep)

    assert [str(ref) for ref in refs.search("marlow 020 7946 0958", default_country="GB")] == ["MLB F-2001"]
    assert not refs.search("marlow reyes", default_country="GB").exists()
