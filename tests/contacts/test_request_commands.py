"""The commands about grouping requests print the request's id and state, and say why they refuse."""

import pytest
from django.core.management import CommandError, call_command

from contacts.models import GroupRequest
from contacts.permissions import SystemRight, grant
from contacts.services.group_requests_applied import apply_requests
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from tests.factories import NOW, TicketSystemFactory, UserFactory

from .test_group_requests import group_of, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def box():
    system = TicketSystemFactory(code="BOX")
    for name, role in (("jdiaz", CRM_MANAGERS), ("rep", SALES_REPS)):
        grant(UserFactory(username=name, role=role), SystemRight.VIEW, on=system)
    return system


def run(capsys, *arguments: object) -> str:
    call_command(*(str(argument) for argument in arguments))
    return capsys.readouterr().out.strip()


def refused(*arguments: object) -> tuple[int, str]:
    with pytest.raises(CommandError) as refusal:
        call_command(*(str(argument) for argument in arguments))
    return refusal.value.returncode, str(refusal.value)


@pytest.mark.req("R-CM-7", "R-CM-18", "R-CM-19", "R-CM-40")
def test_every_request_is_filed_and_settled_by_command(box, capsys):
    one, two = person(box, "1"), person(box, "2")

    def told(*arguments: object) -> str:
        said = run(capsys, *arguments, "--by", "jdiaz")
        number, state = said.split()
        assert GroupRequest.objects.get(pk=number).state == state
        return said

    first = told("group_contacts", one.pk, two.pk).split()[0]
    assert told("withdraw_request", first) == f"{first} withdrawn"
    told("group_contacts", one.pk, two.pk, "--reason", "moved house")
    apply_requests(NOW)
    assert group_of("2") == one.pk
    assert told("undo_grouping", one.pk, "--may-regroup").endswith("waiting")
    apply_requests(NOW)
    assert group_of("2") == two.pk
    told("group_contacts", one.pk, two.pk)
    apply_requests(NOW)
    assert told("ungroup_contact", one.pk, "--may-regroup").endswith("waiting")
    assert GroupRequest.objects.latest("pk").may_regroup


@pytest.mark.req("R-CM-16", "R-CM-17", "R-CM-27")
def test_a_refusal_says_why_and_files_nothing(box):
    one, two = person(box, "1"), person(box, "2")
    assert refused("group_contacts", one.pk, one.pk, "--by", "jdiaz")[0] == 1
    code, why = refused("group_contacts", one.pk, two.pk, "--by", "rep")
    assert (code, "rights" in why) == (1, True)
    assert refused("ungroup_contact", one.pk, "--by", "jdiaz")[0] == 1
    assert refused("ungroup_contact", 999, "--by", "jdiaz") == (2, "There is no GroupID 999.")
    assert refused("group_contacts", one.pk, two.pk, "--by", "nobody") == (2, "There is no user nobody.")
    assert refused("undo_grouping", one.pk, "--by", "jdiaz")[0] == 2
    assert refused("withdraw_request", 999, "--by", "jdiaz")[0] == 2
    assert GroupRequest.objects.count() == 0
