"""Shared e-mails, phones and addresses: recognised as households, offices and mailboxes; never joined."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact, Mapping, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.regroup import regroup
from contacts.services.shared_lists import Field, shared_lines
from contacts.services.shared_values import By, Look, sharing_of
from tests.contacts.grouping.refs import grouped
from tests.factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

HOME = {"email": "marlow@home.org", "address1": "12 Quay Street", "postcode": "LS1 4AB"}
FAMILY = [
    {**HOME, "first_name": name, "last_name": "Marlow", "phone": "0113 496 0101"}
    for name in ("Ann", "Tobias", "Xenia")
]
NAMES = [
    ("Ann", "Marlow"), ("Bo", "Okafor"), ("Chidi", "Ezenwa"), ("Dana", "Novak"), ("Kenji", "Watanabe"),
    ("Sofia", "Lindqvist"),
]  # fmt: skip


@pytest.fixture
def manager(db) -> User:
    return UserFactory(is_superuser=True)


@pytest.fixture
def mlb(db):
    return TicketSystemFactory(code="MLB", rank=1)


def alone(system, **values) -> SystemRef:
    """A ref in a Contact of its own."""
    ref = SystemRefFactory(system=system, **values)
    MappingFactory(system_ref=ref, contact=Contact.objects.create(since=NOW), is_primary=True)
    return ref


def sharing(ref: SystemRef, user: User):
    return sharing_of(ref.mapping.contact, [ref], user=User.objects.get(pk=user.pk))


@pytest.mark.slow
@pytest.mark.req("C-5")
def test_a_family_with_one_e_mail_stays_three_people_over_several_nights(mlb):
    other = TicketSystemFactory(code="MIN", rank=2)
    members = [SystemRefFactory(system=mlb, **person) for person in FAMILY]
    for night in range(4):
        regroup(now=NOW, full=night == 3)
        assert Contact.objects.count() == 3
        again = FAMILY[night % 3]  # books once more in the other system: finds its own, and nobody else
        SystemRefFactory(system=other, system_ref=f"again{night}", **again)
    regroup(now=NOW)

    assert Contact.objects.count() == 3
    assert {ref.mapping.contact.first_name for ref in members} == {"Ann", "Tobias", "Xenia"}


@pytest.mark.req("C-5")
@pytest.mark.parametrize("shared", [{"email"}, {"mobile", "phone"}, {"email", "mobile", "phone"}], ids=len)
def test_a_shared_value_alone_joins_nobody_of_a_clearly_different_name(shared):
    values = {"email": "one@house.org", "mobile": "07700 900121", "phone": "0113 496 0202"}
    held = {field: values[field] for field in shared}
    refs = [
        {"first_name": first, "last_name": last, "system_id": place % 3 + 1, **held}
        for place, (first, last) in enumerate(NAMES)
    ]

    assert grouped(*refs) == [{number} for number in range(1, len(refs) + 1)]


def test_a_household_an_office_and_a_mailbox_are_told_apart(mlb, manager):
    ann, tobias, _xenia = [alone(mlb, **person) for person in FAMILY]
    desk = [
        alone(mlb, first_name=first, last_name=last, email="front@acme.org", company="Acme Ltd.")
        for first, last in NAMES[1:3]
    ]
    box = [
        alone(mlb, first_name=first, last_name=last, email="tickets@club.org") for first, last in NAMES[3:5]
    ]

    home = sharing(ann, manager)

    assert [(v.by, v.value, v.look, len(v.people)) for v in home.values] == [
        (By.EMAIL, "marlow@home.org", Look.HOUSEHOLD, 2),
        (By.PHONE, "0113 496 0101", Look.HOUSEHOLD, 2),
        (By.ADDRESS, "12 Quay Street, LS1 4AB", Look.HOUSEHOLD, 2),
    ]
    assert home.people[0].name == tobias.full_name
    assert home.people[0].shares == set(By)
    assert [value.look for value in sharing(desk[0], manager).values] == [Look.OFFICE]
    assert [value.look for value in sharing(box[0], manager).values] == [Look.MAILBOX]


def test_a_crowd_is_no_household_though_some_are_called_alike(mlb, manager):
    for number in range(20):
        alone(
            mlb,
            first_name=f"{NAMES[number % 6][0]}{number}",
            last_name="Lee",
            email="desk@x.org",
            phone="0113 49601",
        )
    ann = alone(mlb, first_name="Ann", last_name="Marlow", email="desk@x.org", phone="0113 49601")

    shown = sharing(ann, manager).values
    listed = [shared_lines(manager, field=field).lines[0] for field in (Field.EMAIL, Field.PHONE)]

    assert [value.look for value in shown] == [line.look for line in listed] == [Look.MAILBOX, Look.OFFICE]
    assert [line.people for line in listed] == [21, 21]


def test_phones_are_one_however_they_are_written_and_alike_names_are_not_a_household(mlb, manager):
    ann = alone(mlb, first_name="Ann", last_name="Marlow", mobile="07700 900123")
    bo = alone(mlb, first_name="Bo", last_name="Okafor", phone="+44 7700 900-123")
    alone(mlb, first_name="A.", last_name="Marlow", mobile="07700900123")
    alone(mlb, first_name="Anne", last_name="Marlow", mobile="07700900123")

    found = sharing(ann, manager)

    assert [(person.contact_id, person.shares) for person in found.people] == [
        (bo.mapping.contact_id, {By.PHONE})
    ]


@pytest.mark.req("R-MDB-34")
def test_only_visible_people_count_on_either_side(mlb, manager):
    hidden = TicketSystemFactory(code="MIN", rank=2)
    rep = UserFactory()
    grant(rep, SystemRight.VIEW, on=mlb)
    ann = alone(mlb, **FAMILY[0])
    alone(hidden, **FAMILY[1])
    alone(hidden, **FAMILY[2])

    assert sharing(ann, rep).people == []
    assert shared_lines(User.objects.get(pk=rep.pk)).lines == []
    assert len(sharing(ann, manager).people) == 2
    assert [line.people for line in shared_lines(manager).lines] == [3]


def test_the_list_has_most_people_first_and_is_paged_and_filtered(mlb, manager, monkeypatch):
    other = TicketSystemFactory(code="MIN", rank=2)
    for person in FAMILY:
        alone(mlb, **person)
    for first, last in NAMES[1:3]:
        alone(
            other,
            first_name=first,
            last_name=last,
            email="front@acme.org",
            company="Acme",
            mobile="07700 900 9",
        )
    for first, last in NAMES[3:5]:
        alone(mlb, first_name=first, last_name=last, email="TICKETS@club.org")
    for _twice in range(2):
        alone(mlb, first_name="Same", last_name="Name", email="same@name.org")  # one name: nobody's household
    monkeypatch.setattr("contacts.services.shared_lists.PER_PAGE", 2)

    first = shared_lines(manager)
    second = shared_lines(manager, after=first.after)

    assert [(line.value.lower(), line.people, line.look) for line in (*first.lines, *second.lines)] == [
        ("marlow@home.org", 3, Look.HOUSEHOLD),
        ("front@acme.org", 2, Look.OFFICE),
        ("tickets@club.org", 2, Look.MAILBOX),
    ]
    assert second.after == ""
    assert "@" not in first.after  # an address holds no personal value
    assert [one.name for one in first.lines[0].named] == ["Ann Marlow", "Tobias Marlow", "Xenia Marlow"]
    assert [line.look for line in shared_lines(manager, look=Look.OFFICE).lines] == [Look.OFFICE]
    assert [line.people for line in shared_lines(manager, systems=[other.pk]).lines] == [2]
    assert [line.people for line in shared_lines(manager, field=Field.PHONE).lines] == [3]
    assert shared_lines(manager, field=Field.MOBILE).lines[0].value == "07700 900 9"


def test_it_asks_one_query_whatever_is_shared(mlb, manager):
    ann = alone(mlb, **FAMILY[0])
    for asked, others in ((1, FAMILY[1:2]), (2, FAMILY[2:] * 3)):
        for number, person in enumerate(others):
            alone(mlb, **person, system_ref=f"{asked}-{number}")
        contact, user = ann.mapping.contact, User.objects.get(pk=manager.pk)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            sharing_of(contact, [ann], user=user)
        assert len(queries) == 1


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor == "sqlite", reason="its plan says less")
def test_who_shares_an_e_mail_is_found_by_index(mlb, manager):
    ann = alone(mlb, **FAMILY[0])
    made = SystemRefFactory.build
    many = [made(system=mlb, email=f"{n}@x.org", phone=f"0113 49{n:05}") for n in range(3000)]
    contacts = Contact.objects.bulk_create(Contact(since=NOW) for _ in many)
    placed = zip(SystemRef.objects.bulk_create(many), contacts, strict=True)
    Mapping.objects.bulk_create(
        Mapping(system_ref=ref, contact=contact, is_primary=True, since=NOW) for ref, contact in placed
    )
    with CaptureQueriesContext(connection) as queries:
        sharing_of(ann.mapping.contact, [ann], user=User.objects.get(pk=manager.pk), kinds=[By.EMAIL])
    found = next(query["sql"] for query in queries if "UPPER" in query["sql"])

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE contacts_systemref; ANALYZE contacts_mapping")
        cursor.execute(f"EXPLAIN {found}")
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "system_ref_by_email" in plan
