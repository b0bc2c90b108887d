"""The screen “Why not?”: who may open it, what it shows, how it is walked."""

import pytest
from django.urls import reverse

from contacts.models import Contact, GroupDecision
from contacts.permissions import SystemRight, grant, withdraw
from contacts.services.regroup import regroup

from ...factories import NOW, SystemRefFactory
from .conftest import text_of

pytestmark = pytest.mark.django_db

ANN = {"first_name": "Ann", "last_name": "Marlow", "email": "home@marlow.org", "city": "Leeds"}
BO = {"first_name": "Bo", "last_name": "Okafor", "email": "home@marlow.org", "city": "Leeds"}
ADDRESS = "admin:contacts_contact_why_not"


@pytest.fixture
def two(mlb, minors) -> tuple[Contact, Contact]:
    """Ann of MLB, and Bo of the Minors with the same e-mail."""
    refs = SystemRefFactory(system=mlb, **ANN), SystemRefFactory(system=minors, **BO)
    regroup(now=NOW)
    ann, bo = (Contact.objects.get(mappings__system_ref=ref) for ref in refs)
    return ann, bo


def ask(client, **asked):
    return client.get(reverse(ADDRESS), asked)


def test_the_failing_condition_is_named_with_both_values_and_what_would_join_them(as_admin, two):
    ann, bo = two

    text = " ".join(text_of(ask(as_admin, left=ann.pk, right=bo.pk)).split())

    assert "“Same e-mail” would hold, but the names do not agree: Ann Marlow and Bo Okafor." in text
    assert "If the last name and the first name were equal" in text
    assert "rule 1, “Same e-mail”, would hold." in text
    assert f"{reverse('admin:contacts_contact_group', args=[ann.pk])}?with={bo.pk}" in text
    assert f"{reverse('admin:contacts_reviewanswer_changelist')}?left={ann.pk}&amp;right={bo.pk}" in text
    assert text.count("Versus a stranger") == 1


@pytest.mark.req("R-MDB-32", "R-MDB-34")
def test_a_contact_that_may_not_be_seen_is_absent_word_for_word(as_rep, rep, minors, two):
    ann, bo = two
    unknown = ask(as_rep, left=ann.pk, right=999_999)

    hidden = ask(as_rep, left=ann.pk, right=bo.pk)

    assert (hidden.status_code, text_of(hidden)) == (404, text_of(unknown).replace("999999", str(bo.pk)))
    assert ask(as_rep, left="x").status_code == 404
    grant(rep, SystemRight.VIEW, on=minors)
    assert ask(as_rep, left=ann.pk, right=bo.pk).status_code == 200
    withdraw(rep, SystemRight.VIEW, on=minors)
    assert ask(as_rep, left=ann.pk, right=bo.pk).status_code == 404


def test_a_rep_without_the_right_sees_the_way_by_hand_disabled_with_the_reason(as_rep, rep, minors, two):
    grant(rep, SystemRight.VIEW, on=minors)

    text = text_of(ask(as_rep, left=two[0].pk, right=two[1].pk))

    assert "Grouping needs a right of its own." in text
    assert "?with=" not in text


def test_a_picker_finds_by_any_identifier_what_may_be_seen(as_rep, two):
    ann, bo = two

    found = ask(as_rep, find_left="home@marlow.org")
    nobody = ask(as_rep, left=ann.pk, find_right=BO["last_name"])

    assert [one.contact for one in found.context["pickers"][0].found] == [ann]
    assert f'href="?left={ann.pk}"' in text_of(found)
    assert nobody.context["pickers"][1].found == []
    assert "Nobody is found" in text_of(nobody)
    assert "Choose two Contacts" in text_of(ask(as_rep))


def test_a_do_not_group_rule_is_shown_to_who_may_see_both_ends(as_admin, two):
    refs = sorted(ref.pk for contact in two for ref in contact.mappings.all())
    GroupDecision.objects.create(
        kind="never", left_id=refs[0], right_id=refs[1], reason="neighbours", since=NOW
    )

    text = " ".join(text_of(ask(as_admin, left=two[0].pk, right=two[1].pk)).split())

    assert "A do-not-group rule keeps them apart." in text
    assert "“neighbours”" in text
    assert "<b>First</b> the do-not-group rule would have to be lifted; then:" in text


def test_only_who_may_look_is_answered_and_nothing_is_taken(as_admin, client, two):
    assert as_admin.post(reverse(ADDRESS)).status_code == 403
    assert client.get(reverse(ADDRESS)).status_code == 302
    same = ask(as_admin, left=two[0].pk, right=two[0].pk)
    assert "Both are the same Contact" in text_of(same)


def test_it_asks_as_often_for_many_refs_as_for_few(as_admin, mlb, two, django_assert_max_num_queries):
    ann, bo = two
    for number in range(3):
        SystemRefFactory(system=mlb, **ANN, system_ref=f"more{number}")
    regroup(now=NOW)

    with django_assert_max_num_queries(40):
        assert ask(as_admin, left=ann.pk, right=bo.pk).status_code == 200
