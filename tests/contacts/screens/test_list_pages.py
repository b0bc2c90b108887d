"""Pages of lists: every row once, whatever arrives meanwhile; the count as far as it is cheap."""

import pytest
from django.db import connection
from django.urls import reverse

from contacts import list_pages
from contacts.list_pages import ListPages, NoSuchPage, Order, in_words
from contacts.models import Contact, Mapping, SystemRef

from ...factories import NOW, MappingFactory, PurchaseFactory, SystemRefFactory

pytestmark = pytest.mark.django_db

CONTACTS = reverse("admin:contacts_contact_changelist")
REFS = reverse("admin:contacts_systemref_changelist")
PURCHASES = reverse("admin:ticketing_purchase_changelist")


@pytest.fixture
def few_are_counted(monkeypatch):
    """Lists count up to 60 rows, so that 130 are many."""
    monkeypatch.setattr(list_pages, "COUNTED_UP_TO", 60)


def shown(response) -> list[int]:
    return [getattr(row, "pk", None) for row in response.context["cl"].result_list]


def link(response, title: str) -> str:
    """The address behind a word under the list; empty where it is not there."""
    return next((n.address for n in response.context["cl"].page_numbers() if n.title == title), "")


def walk(client, address: str, title: str, start: str = "") -> list[list[int]]:
    """The pages from the first one, or the one asked for, on through the links of this title."""
    pages, query = [], start
    while True:
        response = client.get(address + query)
        pages.append(shown(response))
        query = link(response, title)
        if not query:
            return pages


def flat(pages: list[list[int]]) -> list[int]:
    return [pk for page in pages for pk in page]


@pytest.fixture
def many(mlb, minors) -> list[int]:
    """130 contacts, each with a ref in MLB; their names repeat."""
    contacts = Contact.objects.bulk_create(Contact(since=NOW, last_name=f"Name{n % 3}") for n in range(130))
    for contact in contacts:
        ref = SystemRefFactory(system=mlb, last_name=contact.last_name)
        MappingFactory(system_ref=ref, contact=contact)
    return sorted((contact.pk for contact in contacts), reverse=True)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("query", ["", "?q=name"])
def test_next_leads_through_every_row_once_and_previous_back(as_rep, many, request, counted, query):
    if not counted:
        request.getfixturevalue("few_are_counted")

    forth = walk(as_rep, CONTACTS, "Next", query)
    last = as_rep.get(CONTACTS + link(as_rep.get(CONTACTS + query), "Last"))
    back = walk(as_rep, CONTACTS, "Previous", link(as_rep.get(CONTACTS + query), "Last"))

    assert flat(forth) == many
    assert [len(page) for page in forth] == [50, 50, 30]
    assert shown(last)[-1] == many[-1]
    assert set(flat(back)) == set(many)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize(
    ("title", "ids"),
    [("First", slice(50)), ("1", slice(50)), ("Previous", slice(50)), ("Last", slice(80, 130))],
)
def test_every_link_leads_where_it_says_from_a_page_that_was_turned_to(
    as_rep, many, request, counted, title, ids
):
    if not counted:
        request.getfixturevalue("few_are_counted")
    second = as_rep.get(CONTACTS + link(as_rep.get(CONTACTS), "Next"))

    there = as_rep.get(CONTACTS + link(second, title))

    assert shown(there) == (many[100:] if counted and title == "Last" else many[ids])


@pytest.mark.parametrize("address", [REFS, PURCHASES])
def test_refs_and_purchases_are_turned_in_the_same_way(as_admin, few_are_counted, mlb, address):
    for number in range(70):
        PurchaseFactory(system_ref=SystemRefFactory(system=mlb), purchase_id=str(number), purchased_at=NOW)
    model = SystemRef if address == REFS else PurchaseFactory._meta.model

    pages = walk(as_admin, address, "Next")

    assert flat(pages) == list(model.objects.order_by("-pk").values_list("pk", flat=True))


@pytest.mark.parametrize("order", ["1", "-1", "0"])
@pytest.mark.parametrize("counted", [True, False])
def test_a_sorted_list_is_turned_through_equal_values_too(as_admin, many, request, order, counted):
    if not counted:
        request.getfixturevalue("few_are_counted")

    pages = flat(walk(as_admin, CONTACTS, "Next", f"?o={order}"))

    sign = "-" if order.startswith("-") else ""
    by = (f"{sign}pk",) if order == "0" else (f"{sign}last_name", f"{sign}pk")
    assert pages == list(Contact.objects.order_by(*by).values_list("pk", flat=True))


@pytest.mark.parametrize("order", ["7", "-7"])
def test_refs_without_a_change_of_their_own_stand_where_they_arrived(as_admin, mlb, order, few_are_counted):
    refs = [
        SystemRefFactory(system=mlb, updated_at=NOW.replace(month=1 + n % 5) if n % 2 else None)
        for n in range(70)
    ]

    pages = flat(walk(as_admin, REFS, "Next", f"?o={order}"))

    by_change = sorted(refs, key=lambda ref: (ref.updated_at or ref.arrived_at, ref.pk))
    assert pages == [ref.pk for ref in (reversed(by_change) if order == "-7" else by_change)]


@pytest.mark.parametrize("counted", [True, False])
def test_rows_that_arrive_or_go_meanwhile_move_no_other_to_another_page(as_rep, many, mlb, request, counted):
    if not counted:
        request.getfixturevalue("few_are_counted")
    first = as_rep.get(CONTACTS)
    for _ in range(3):
        MappingFactory(system_ref=SystemRefFactory(system=mlb))
    Mapping.objects.filter(contact=many[49]).delete()  # the row that the next page comes after

    second = as_rep.get(CONTACTS + link(first, "Next"))

    assert shown(second) == many[50:100]


def test_the_exact_group_id_stands_first_once_however_many_are_found(as_rep, many, few_are_counted, mlb):
    wanted = many[100]
    SystemRef.objects.update(first_name=f"No {wanted}")

    pages = walk(as_rep, CONTACTS, "Next", f"?q={wanted}")

    assert pages[0][0] == wanted
    assert sorted(flat(pages), reverse=True) == many


@pytest.mark.parametrize("asked", ["p=0", "p=99", "p=x", "p=9999999999999"])
def test_a_page_that_is_not_there_leads_to_the_first(as_rep, many, asked):
    response = as_rep.get(f"{CONTACTS}?{asked}")

    assert (response.status_code, response.url) == (302, f"{CONTACTS}?e=1")


@pytest.mark.parametrize("asked", ["after=x", "before=", "end=1", f"after={10**30}"])
def test_a_place_that_is_none_shows_a_page_all_the_same(as_rep, many, asked):
    response = as_rep.get(f"{CONTACTS}?{asked}")

    assert response.status_code == 200
    assert set(shown(response)) <= set(many)


@pytest.mark.req("R-MDB-34")
def test_a_hidden_row_marks_a_place_and_says_nothing_of_itself(as_rep, many, minors, few_are_counted):
    hidden = MappingFactory(system_ref=SystemRefFactory(system=minors)).contact

    response = as_rep.get(CONTACTS, {"after": hidden.pk})

    assert shown(response) == many[:50]


def test_counts_are_exact_while_they_are_cheap(as_rep, many, monkeypatch):
    assert "130 contacts" in as_rep.get(CONTACTS).content.decode()

    monkeypatch.setattr(list_pages, "COUNTED_UP_TO", 100)

    assert "100+ contacts" in as_rep.get(CONTACTS).content.decode()
    assert (in_words(99), in_words(10**9)) == ("99", "100+")
    assert in_words(1_234_567, is_estimate=True) == "about 1,230,000"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's estimate")
@pytest.mark.req("R-MDB-16", "R-MDB-34")
def test_whoever_sees_all_is_told_about_how_many_and_nobody_else(as_admin, as_rep, many, few_are_counted):
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE contacts_contact")

    assert "about 130 contacts" in as_admin.get(CONTACTS).content.decode()
    assert "60+ contacts" in as_admin.get(CONTACTS, {"q": "name"}).content.decode()
    assert "60+ contacts" in as_rep.get(CONTACTS).content.decode()


def test_a_page_needs_no_count_of_the_rows_before_it(many, few_are_counted, django_assert_num_queries):
    rows = Contact.objects.filter(pk__gt=0)
    with django_assert_num_queries(2):
        page = ListPages(rows, Order(), per_page=50).page({"after": str(many[99]), "p": "5000"})

    assert (list(page.ids), page.number, page.has_after) == (many[100:], 5000, False)
    with pytest.raises(NoSuchPage):
        ListPages(rows, Order(), per_page=50).page({"p": "5000"})


def test_a_rep_turns_a_long_list_that_nobody_counts(as_rep, few_are_counted, many, minors):
    MappingFactory(system_ref=SystemRefFactory(system=minors), contact=Contact.objects.create(since=NOW))

    first = as_rep.get(CONTACTS)

    assert first.context["cl"].shown_count == "60+"
    assert flat(walk(as_rep, CONTACTS, "Next")) == many
    assert Contact.objects.surely_more_than(129, first.wsgi_request.user)
    assert not Contact.objects.surely_more_than(130, first.wsgi_request.user)
