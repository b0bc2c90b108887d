"""A value that became common since the model was frozen: the engine says so before it makes the pairs."""

import pytest

from contacts.grouping.candidates import MOST_GROWTH, MOST_HOLDERS, OutgrownKeys
from contacts.grouping.engine import group
from contacts.grouping.model import freeze_model
from contacts.grouping.records import Decisions
from tests.contacts.grouping.refs import table

OFFICE = "office@example.org"


def letters(number: int) -> str:
    return "".join(chr(97 + number // 26**place % 26) for place in range(3))


def people(count: int, **details: object) -> list[dict[str, object]]:
    """People who have nothing in common but these details."""
    return [
        {"first_name": f"{letters(n)}o", "last_name": f"Q{letters(n)[::-1]}ell", "postcode": f"LS{n} 1AA"}
        | details
        for n in range(count)
    ]


def frozen_for(count: int, **details: object):
    return freeze_model(table(*people(count, **details)), version=1, hash_key=b"secret")


@pytest.mark.req("C-20")
def test_an_e_mail_that_became_common_is_refused_and_its_holders_are_named():
    model = frozen_for(MOST_HOLDERS, email=OFFICE)

    with pytest.raises(OutgrownKeys) as refusal:
        group(table(*people(MOST_HOLDERS + 1, email=OFFICE), {"last_name": "Reyes"}), model=model)

    assert refusal.value.keys == [("email", MOST_HOLDERS + 1)]
    assert refusal.value.ref_ids == frozenset(range(1, MOST_HOLDERS + 2))


def test_as_many_as_the_freeze_lets_pass_and_any_number_of_copies_are_no_cause():
    model = frozen_for(10, email=OFFICE)
    refs = table(*people(MOST_HOLDERS, email=OFFICE), *people(1, email=OFFICE) * 100)

    assert group(refs, model=model).partition.num_rows == MOST_HOLDERS + 100


def test_records_kept_apart_by_a_decision_are_not_counted_as_different_ones():
    model = frozen_for(10, email=OFFICE)
    copies = table(*people(1, email=OFFICE) * (2 * MOST_HOLDERS))
    apart = Decisions(never=[(n, n + 1) for n in range(1, 2 * MOST_HOLDERS)])

    assert group(copies, model=model, decisions=apart).partition.num_rows == 2 * MOST_HOLDERS


def test_a_key_that_is_only_searched_by_may_grow_as_much_as_all_refs_may():
    model = frozen_for(10, postcode="LS1 4AB", last_name="Marlow")
    most = MOST_GROWTH * MOST_HOLDERS

    fits = group(table(*people(most, postcode="LS1 4AB", last_name="Marlow")), model=model)
    with pytest.raises(OutgrownKeys) as refusal:
        group(table(*people(most + 1, postcode="LS1 4AB", last_name="Marlow")), model=model)

    assert fits.partition.num_rows == most
    assert set(refusal.value.keys) == {("postcode_last", most + 1), ("house_last", most + 1)}


def test_a_model_of_these_refs_fits_them_though_blanked_values_leave_them_with_fewer_details():
    # Without the e-mail little is known of each, so that other kinds of key come to hold for them.
    bare = [
        {
            "first_name": f"{letters(n)}o",
            "last_name": f"Q{letters(n)[::-1]}ell",
            "city": "Leeds",
            "email": OFFICE,
        }
        for n in range(30 * MOST_HOLDERS)
    ]
    refs = table(*bare, *({"postcode": "LS1 4AB"} | row for row in bare))
    model = freeze_model(refs, version=1, hash_key=b"secret")

    assert group(refs, model=model).partition.num_rows == refs.num_rows
