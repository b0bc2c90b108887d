"""The badge and panel “Household” of a contact, and the list of shared e-mails and phones."""

import pytest
from django.urls import reverse

from contacts.permissions import SystemRight, grant

from .conftest import text_of

pytestmark = pytest.mark.django_db

HOME = {"email": "home@marlow.org", "last_name": "Marlow"}
LIST = "admin:contacts_contact_shared"


@pytest.fixture
def family(person, mlb, minors):
    """Ann and Tobias of MLB and Xenia of the Minors, with one e-mail."""
    return (
        person((mlb, {**HOME, "first_name": "Ann"})),
        person((mlb, {**HOME, "first_name": "Tobias"})),
        person((minors, {**HOME, "first_name": "Xenia"})),
    )


def page(client, contact, **asked) -> str:
    return text_of(client.get(reverse("admin:contacts_contact_change", args=[contact.pk]), asked))


@pytest.mark.req("C-5", "R-MDB-34")
def test_the_contact_says_with_how_many_visible_people_it_shares_an_e_mail(as_rep, as_admin, family):
    ann = family[0]

    assert "shares an e-mail with 2 people" in page(as_admin, ann)
    assert "shares an e-mail with 1 person" in page(as_rep, ann)
    panel = page(as_rep, ann, panel="household")
    assert "Tobias" in panel
    assert "Xenia" not in panel
    assert f"left={ann.pk}&amp;right={family[1].pk}" in panel


def test_a_contact_that_shares_nothing_says_so(as_admin, person, mlb):
    ann = person((mlb, {**HOME, "first_name": "Ann"}))

    assert "shares an e-mail" not in page(as_admin, ann)
    assert "Nothing shared" in page(as_admin, ann, panel="household")


@pytest.mark.req("R-MDB-34")
def test_the_list_shows_whom_the_user_may_see(as_rep, as_admin, rep, minors, family):
    address = reverse(LIST)

    assert [line.people for line in as_admin.get(address).context["page"].lines] == [3]
    assert [line.people for line in as_rep.get(address).context["page"].lines] == [2]
    assert "Xenia" not in text_of(as_rep.get(address))
    assert as_rep.get(address, {"system": "MIN"}).context["page"].lines[0].people == 2  # no such system
    grant(rep, SystemRight.VIEW, on=minors)
    assert [line.people for line in as_rep.get(address).context["page"].lines] == [3]


def test_the_list_filters_and_says_when_nothing_is_left(as_admin, client, family):
    address = reverse(LIST)

    assert "home@marlow.org" in text_of(as_admin.get(address, {"look": "household"}))
    assert "None found" in text_of(as_admin.get(address, {"look": "office"}))
    assert "Nothing shared" in text_of(as_admin.get(address, {"of": "mobile"}))
    assert as_admin.get(address, {"of": "nonsense", "after": "x~y"}).status_code == 200
    assert as_admin.post(address).status_code == 403
    assert client.get(address).status_code == 302


def test_the_list_asks_as_often_for_many_values_as_for_one(
    as_admin, person, mlb, family, django_assert_max_num_queries
):
    with django_assert_max_num_queries(30) as before:
        as_admin.get(reverse(LIST))
    for number in range(3):
        for name in ("Bo", "Chidi"):
            person((mlb, {"first_name": name, "last_name": name, "email": f"{number}@x.org"}))

    with django_assert_max_num_queries(len(before)):
        assert len(as_admin.get(reverse(LIST)).context["page"].lines) == 4
