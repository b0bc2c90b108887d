"""Related names: the other people on an account are kept and found, and take no part in anything else."""

import datetime as dt
import io

import pytest
from django.core.management import call_command
from django.db import connection

from contacts import search_index
from contacts.importers import IMPORTERS
from contacts.models import (
    Contact,
    Job,
    PendingRef,
    QueueObject,
    RelatedName,
    RelatedNamePrint,
    SystemRef,
    SystemRefPrint,
)
from contacts.models.history import Origin
from contacts.permissions import SystemRight, grant
from contacts.services.imports import ImportOptions, admit_chunk, open_import
from contacts.services.related_names import NameLine, admit_related_names, assess_related_names

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(days=1)


@pytest.fixture
def system():
    return TicketSystemFactory(code="TM")


def admitted(system, *rows, **more):
    return admit_related_names(rows, system=system, way_in=Origin.PULL, now=NOW, **more)


def counts(result):
    return {name: count for name, count in result.counts.items() if count}


def names(ref):
    return sorted(ref.related_names.values_list("name_id", "first_name", "email"))


def found(text, user):
    return set(Contact.objects.search(text, user, default_country="GB").values_list("pk", flat=True))


@pytest.mark.req("R-CM-2")
@pytest.mark.parametrize("is_indexed", [False, True])
@pytest.mark.parametrize(
    "text", ["odegård", "KIRSTEN", "kirsten@example.org", "+44 7700 900123", "900123", "kirsten marlow"]
)
def test_a_search_for_a_related_name_finds_the_account_and_its_contact(system, text, is_indexed):
    ref = SystemRefFactory(system=system, last_name="Marlow")
    placed = MappingFactory(system_ref=ref)
    SystemRefFactory(system=system, last_name="Okafor")
    if is_indexed:
        search_index.index_arrivals()
    user = UserFactory(is_superuser=True)

    admitted(
        system,
        NameLine(
            2,
            ref.system_ref,
            "2",
            "spouse",
            "",
            "Kirsten",
            "Ødegård",
            "kirsten@example.org",
            "",
            "07700 900123",
        ),
        NameLine(3, ref.system_ref, "3", "child", last_name="Odegård"),
    )

    assert set(SystemRef.objects.search(text, default_country="GB")) == {ref}
    assert found(text, user) == {placed.contact_id}
    at_once = Contact.objects.search_at_once(text, user, default_country="GB")
    assert set(at_once.values_list("pk", flat=True)) == {placed.contact_id}


@pytest.mark.req("R-MDB-16")
def test_nobody_finds_or_sees_the_related_names_of_a_system_that_is_not_theirs(system):
    hidden, ours = SystemRefFactory(system=system), SystemRefFactory()
    contact = MappingFactory(system_ref=hidden).contact
    MappingFactory(system_ref=ours, contact=contact, is_primary=False)
    admitted(system, NameLine(2, hidden.system_ref, "2", first_name="Kirsten"))
    rep = UserFactory()
    grant(rep, SystemRight.VIEW, on=ours.system)

    assert list(RelatedName.objects.visible_to(rep)) == []
    assert found("kirsten", rep) == set()


def test_a_later_row_changes_a_name_blanks_say_nothing_and_an_older_one_is_left_out(system):
    ref = SystemRefFactory(system=system)
    row = NameLine(2, ref.system_ref, "2", first_name="Kirsten", email="k@example.org", updated_at=NOW)
    first = admitted(system, row)

    again = admitted(system, row)
    blank = admitted(system, row._replace(first_name="", email="kirsten@example.org", updated_at=LATER))
    older = admitted(system, row)

    assert [counts(each) for each in (first, again, blank, older)] == [
        {"created": 1},
        {"unchanged": 1},
        {"changed": 1},
        {"unchanged": 1},
    ]
    assert names(ref) == [("2", "Kirsten", "kirsten@example.org")]
    assert set(SystemRef.objects.search("kirsten@example.org", default_country="GB")) == {ref}
    assert not SystemRef.objects.search(" k@example.org", default_country="GB").exists()


def test_the_same_name_id_on_two_accounts_is_two_people(system):
    ann, bo = SystemRefFactory(system=system), SystemRefFactory(system=system)

    result = admitted(
        system,
        NameLine(2, ann.system_ref, "2", first_name="Kirsten"),
        NameLine(3, bo.system_ref, "2", first_name="Olu"),
    )

    assert counts(result) == {"created": 2}
    assert (names(ann), names(bo)) == ([("2", "Kirsten", "")], [("2", "Olu", "")])


def test_rows_of_one_name_in_one_chunk_are_folded_and_say_the_same_when_they_come_again(system):
    ref = SystemRefFactory(system=system)
    rows = [
        NameLine(2, ref.system_ref, "2", first_name="Kirsten"),
        NameLine(3, ref.system_ref, "2", first_name="Kirstin", email="k@example.org"),
    ]

    first, again = admitted(system, *rows), admitted(system, *rows)

    assert (counts(first), counts(again)) == ({"created": 1, "unchanged": 1}, {"unchanged": 2})
    assert names(ref) == [("2", "Kirstin", "k@example.org")]


def test_a_name_on_an_unknown_account_is_rejected_with_the_reason(system):
    SystemRefFactory(system_ref="77")  # another system's

    result = admitted(system, NameLine(5, "77", "2", first_name="Kirsten"))

    assert counts(result) == {"rejected": 1}
    [refusal] = result.refusals
    assert (refusal.line, refusal.column, refusal.value) == (5, "system_ref", "77")
    assert refusal.reason == "TM has no such System Ref; bring System Refs in first."


def test_assessing_counts_the_same_and_writes_nothing(system):
    ref = SystemRefFactory(system=system)
    rows = [NameLine(2, ref.system_ref, "2", first_name="Kirsten"), NameLine(3, "no", "2")]

    would = assess_related_names(rows, system=system, way_in=Origin.IMPORT)

    assert counts(would) == {"created": 1, "rejected": 1}
    assert not RelatedName.objects.exists()


@pytest.mark.req("R-MDB-5")
def test_related_names_take_no_part_in_grouping_golden_values_or_notes(system):
    placed = MappingFactory(system_ref=SystemRefFactory(system=system, first_name="Ann"))
    PendingRef.objects.all().delete()

    admitted(
        system, NameLine(2, placed.system_ref.system_ref, "2", first_name="Kirsten", email="k@example.org")
    )

    placed.contact.refresh_from_db()
    assert (placed.contact.first_name, placed.contact.email) == ("", "")
    assert not PendingRef.objects.exists()
    assert not QueueObject.objects.exists()


@pytest.mark.parametrize("overwrites", [False, True])
def test_a_blank_overwrites_where_the_system_is_configured_so_and_the_file_has_the_column(system, overwrites):
    system.blanks_overwrite = overwrites
    ref = SystemRefFactory(system=system)
    row = NameLine(2, ref.system_ref, "2", first_name="Kirsten", email="k@example.org", role="spouse")
    admitted(system, row)

    admitted(system, row._replace(email="", role=""), blanking=("first_name", "email"))

    [name] = ref.related_names.all()
    assert (name.first_name, name.email, name.role) == (
        "Kirsten",
        "" if overwrites else "k@example.org",
        "spouse",
    )


FILE = "system_ref,name_id,first_name\n1,1,Ann\n1,2,Bo\n2,1,Cy\n"


def bring(system, text):
    file = open_import(
        io.BytesIO(text.encode()),
        importer=IMPORTERS[Job.Kind.IMPORT_RELATED_NAMES],
        system=system,
        options=ImportOptions(),
        now=NOW,
    )
    read, total = 0, {}
    for chunk in file.chunks():
        read += chunk.read
        result = admit_chunk(chunk, importer=file.importer, system=system, now=NOW)
        total = {name: total.get(name, 0) + count for name, count in counts(result).items()}
    return total, read


@pytest.mark.req("D-18")
def test_of_a_file_of_names_that_comes_again_only_the_changed_row_is_read(system):
    for number in "12":
        SystemRefFactory(system=system, system_ref=number)
    first = bring(system, FILE)

    again = bring(system, FILE)
    changed = bring(system, FILE.replace("Bo", "Bob"))
    RelatedName.objects.filter(first_name="Cy").update(first_name="Cyd")
    touched = bring(system, FILE.replace("Bo", "Bob"))

    assert first == ({"created": 3}, 3)
    assert again == ({"unchanged": 3}, 0)
    assert changed == ({"changed": 1, "unchanged": 2}, 1)
    assert touched == ({"changed": 1, "unchanged": 2}, 1)


def test_a_system_ref_that_gets_another_number_takes_the_prints_of_its_names_away(system):
    for number in "12":
        SystemRefFactory(system=system, system_ref=number)
    bring(system, FILE)

    SystemRef.objects.filter(system_ref="1").update(system_ref="11")

    assert RelatedNamePrint.objects.count() == 1
    assert bring(system, FILE) == ({"rejected": 2, "unchanged": 1}, 2)


def test_names_do_not_spoil_what_is_known_of_the_rows_of_their_account(system):
    ref = SystemRefFactory(system=system)
    SystemRefPrint.objects.create(owner=ref, print="0" * 32)

    admitted(system, NameLine(2, ref.system_ref, "2", first_name="Kirsten"))

    assert SystemRefPrint.objects.filter(owner=ref).exists()


def test_the_command_brings_a_file_of_related_names_in(system, tmp_path, capsys):
    SystemRefFactory(system=system, system_ref="1"), SystemRefFactory(system=system, system_ref="2")
    file = tmp_path / "names.csv"
    file.write_text(FILE)

    call_command("import_related_names", str(file), system="TM")

    assert "3 created" in capsys.readouterr().out
    assert RelatedName.objects.count() == 3


def test_every_trigger_on_the_system_refs_stands_after_the_migrations():
    expected = {
        "contacts_ref_drops_print",
        "contacts_ref_drops_name_prints",
        "contacts_ref_pending_on_insert",
        "contacts_ref_pending_on_update",
        "ticketing_ref_drops_prints",
    }
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        standing = {name for (name,) in cursor.fetchall()}

    assert expected <= standing
