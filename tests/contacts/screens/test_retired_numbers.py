"""A retired GroupID wherever somebody still has it: search, its page, the TDM; and after an undo."""

import pytest
from django.urls import reverse

from contacts.models import Contact, GroupChange
from contacts.permissions import SystemRight, grant
from contacts.services.group_requests import file_undo, file_ungrouping
from contacts.services.group_requests_applied import process_now
from kore_site.roles import CRM_MANAGERS

from ...factories import NOW, UserFactory
from .conftest import text_of
from .test_group_changes import grouped

pytestmark = [pytest.mark.django_db, pytest.mark.req("R-CM-26")]


@pytest.fixture
def manager(mlb, client):
    user = UserFactory(role=CRM_MANAGERS)
    grant(user, SystemRight.VIEW, on=mlb)
    client.force_login(user)
    return user


def addresses(group_id: int) -> list[str]:
    """The contact's page, its lasting address, and the TDM."""
    return [
        reverse("admin:contacts_contact_change", args=[group_id]),
        reverse("contact", args=[group_id]),
        reverse("tdm:contact", args=[group_id]),
    ]


def test_it_leads_to_its_successor_and_lives_again_after_an_undo(client, manager, person, mlb):
    ann, anne = person((mlb, {"first_name": "Ann"})), person((mlb, {"first_name": "Anne"}))
    change = grouped(ann, anne, by=manager)

    page, lasting, tdm = (client.get(address).url for address in addresses(anne.pk))
    assert {page, lasting} == {addresses(ann.pk)[0]}
    assert tdm == addresses(ann.pk)[2]
    found = client.get(f"/admin/contacts/contact/?q={anne.pk}").context["cl"].rows
    assert [row.contact.pk for row in found] == [ann.pk]
    assert client.post(addresses(anne.pk)[0]).status_code == 404

    process_now(file_undo(change, by=manager, now=NOW), by=None, now=NOW)
    assert client.get(addresses(anne.pk)[0]).status_code == 200
    assert client.get(addresses(anne.pk)[1]).url == addresses(anne.pk)[0]


def test_it_lists_its_successors_once_they_were_parted(client, manager, person, mlb):
    ann, anne = (person((mlb, {"first_name": name}), (mlb, {})) for name in ("Ann", "Anne"))
    grouped(ann, anne, by=manager)
    request = file_ungrouping(ann, by=manager, now=NOW)
    process_now(request, by=None, now=NOW)
    assert GroupChange.objects.count() == 2

    answers = [client.get(address) for address in addresses(anne.pk)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    lines = answers[0].context["lines"]
    assert len(lines) == 2
    assert {line.contact.pk for line in lines} <= set(Contact.objects.values_list("pk", flat=True))
    assert all(len(line.came) == 1 for line in lines)
    for answer in answers:
        assert "Anne" in text_of(answer)
        assert "MLB" in text_of(answer)


def test_one_that_was_never_given_out_is_not_there(client, manager):
    assert [client.get(address).status_code for address in addresses(880_000)] == [404, 404, 404]
    for strange in ("abc", "9" * 40):
        assert client.get(f"/admin/contacts/contact/{strange}/change/").status_code == 404
