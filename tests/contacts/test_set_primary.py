"""set_primary: the primary account by command."""

import pytest
from django.core.management import CommandError, call_command

from contacts.models import GoneRef, GroupAlias, Mapping, Move
from contacts.models.mapping import PrimaryBy
from contacts.permissions import SystemRight, grant

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def contact():
    """A Contact of two accounts, of which SYS 1 leads."""
    system = TicketSystemFactory(code="SYS")
    first, second = (SystemRefFactory(system=system, system_ref=number) for number in "12")
    contact = MappingFactory(system_ref=first).contact
    MappingFactory(system_ref=second, contact=contact, is_primary=False)
    return contact


def leader(contact):
    mapping = Mapping.objects.select_related("system_ref").get(contact=contact, is_primary=True)
    return mapping.system_ref.system_ref, mapping.primary_by


@pytest.mark.req("R-MDB-9")
def test_the_named_account_leads_and_again_changes_nothing(contact, capsys):
    for _ in range(2):
        call_command("set_primary", contact.pk, "SYS", "2")

    assert leader(contact) == ("2", PrimaryBy.HAND)
    assert Move.objects.filter(cause="hand_choice", by=None).count() == 2
    assert capsys.readouterr().out.splitlines() == [
        f"SYS 2 leads GroupID {contact.pk}.",
        f"SYS 2 leads already, by hand, GroupID {contact.pk}.",
    ]


@pytest.mark.req("R-MDB-9", "R-MDB-17")
def test_in_somebodys_name_it_needs_their_right(contact):
    rep = UserFactory(username="rep")
    grant(rep, SystemRight.VIEW, on=contact.mappings.first().system_ref.system)

    with pytest.raises(CommandError, match="may not change accounts of SYS") as refusal:
        call_command("set_primary", contact.pk, "SYS", "2", "--by", "rep")
    assert refusal.value.returncode == 1
    assert leader(contact)[0] == "1"

    grant(rep, SystemRight.CHANGE, on=contact.mappings.first().system_ref.system)
    call_command("set_primary", contact.pk, "SYS", "2", "--by", "rep")
    assert Move.objects.filter(cause="hand_choice", by=rep).count() == 2


def test_an_account_gone_at_its_source_does_not_lead_one_that_stands(contact):
    gone = contact.mappings.get(is_primary=False).system_ref
    GoneRef.objects.create(system_ref=gone, reason="missing", noticed_at=NOW)

    with pytest.raises(CommandError, match="gone at its source") as refusal:
        call_command("set_primary", contact.pk, "SYS", "2")
    assert refusal.value.returncode == 1


@pytest.mark.parametrize(
    ("code", "number", "by", "reason"),
    [
        ("SYS", "9", (), "There is no account 9 in SYS."),
        ("XXX", "2", (), "There is no account 2 in XXX."),
        ("SYS", "2", ("--by", "nobody"), "There is no user nobody."),
    ],
)
def test_what_is_not_there_is_named(contact, code, number, by, reason):
    with pytest.raises(CommandError, match=reason) as refusal:
        call_command("set_primary", contact.pk, code, number, *by)
    assert refusal.value.returncode == 2


def test_an_account_of_another_contact_is_refused(contact):
    other = MappingFactory(system_ref__system_ref="7").system_ref

    with pytest.raises(CommandError, match="not of this contact") as refusal:
        call_command("set_primary", contact.pk, other.system.code, "7")
    assert refusal.value.returncode == 1


def test_a_retired_number_says_where_it_leads(contact):
    GroupAlias.objects.create(group_id=10_000, contact=contact, at=NOW)

    with pytest.raises(CommandError, match=f"There is no GroupID 10000. It is {contact.pk} by now.") as no:
        call_command("set_primary", 10_000, "SYS", "2")
    assert no.value.returncode == 2
