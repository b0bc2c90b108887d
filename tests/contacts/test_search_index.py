"""The search reads an index that the database keeps, and finds the same on both databases."""

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts import search_index
from contacts.models import Contact, Mapping, SystemRef, found_at_once, holds
from contacts.permissions import SystemRight, grant
from contacts.search_spelling import spellings_of, trigram_query
from contacts.search_words import words

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's index")
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's index")

LETTERS = "aAbBoOsSiIkK éÉöÖßẞıİſµΜμøŁłжЖ'\"%_\\*?[]^-,.()+1234567890"
NASTY = ["AND", "OR", "NOT", "NEAR(", "a*", '"b"', "col:x", "[a-z]", "^ab", "50%_off", "O'Brien", "\\"]
TEXTS = st.one_of(st.text(LETTERS, max_size=8), st.sampled_from(NASTY), st.text(max_size=6))


def found(text: str) -> set[int]:
    refs = SystemRef.objects.search(text, default_country="GB")
    return set(refs.values_list("pk", flat=True))


def capitals(text: str) -> str:
    """Letter for letter, as a database does it."""
    return "".join(letter.upper() if len(letter.upper()) == 1 else letter for letter in text)


def expected(text: str, refs: list[SystemRef]) -> set[int]:
    """The refs whose text holds each word, by the plain meaning of the words."""

    def holds(ref: SystemRef, word) -> bool:
        text = capitals(ref.search_text)
        return any(capitals(each) in text for each in word.texts) or (
            bool(word.parts) and all(holds(ref, part) for part in word.parts)
        )

    asked = words(text, default_country="GB")
    return {ref.pk for ref in refs if all(holds(ref, word) for word in asked)}


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6),
    text=st.one_of(TEXTS, st.tuples(TEXTS, TEXTS).map(" ".join)),
    cut=st.tuples(st.integers(0, 12), st.integers(0, 5)),
)
def test_a_search_finds_what_holds_its_words_whatever_they_are_made_of(names, text, cut):
    names = [tuple("".join(c for c in name if c.isprintable()) for name in both) for both in names]
    text = "".join(c for c in text if c.isprintable())
    with transaction.atomic():
        system = TicketSystemFactory()
        for number, (first, last) in enumerate(names):
            SystemRefFactory(system=system, system_ref=f"R{number}", first_name=first, last_name=last)
            if number == len(names) // 2:
                search_index.index_arrivals()  # the others are the latest arrivals
        refs = list(SystemRef.objects.all())
        part = " ".join(names[-1])[cut[0] : cut[0] + cut[1]]

        assert found(text) == expected(text, refs)
        assert found(part) == expected(part, refs)
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.req("R-CM-2")
@pytest.mark.parametrize("text", ["marlow-ödegård", "MARLOW-ÖDEGÅRD", "Ödegård", "ödeGÅRD", "ö", "år", "ÅRD"])
def test_case_is_ignored_in_every_letter_on_both_databases(text):
    ref = SystemRefFactory(last_name="Marlow-Ödegård")
    SystemRefFactory(last_name="Odegard")

    for _ in range(2):
        assert found(text) == {ref.pk}
        search_index.index_arrivals()


@pytest.mark.django_db
def test_the_index_follows_every_change_of_a_ref():
    kept, changed, gone = (SystemRefFactory(last_name=name) for name in ("Marlow", "Okafor", "Marlowe"))
    search_index.index_arrivals()

    changed.last_name = "Marlin"
    changed.save()
    gone.delete()
    late = SystemRefFactory(last_name="Marlock")

    assert found("marl") == {kept.pk, changed.pk, late.pk}
    assert found("okafor") == set()
    SystemRef.objects.filter(pk=late.pk).update(last_name="Reyes")
    assert found("marl") == {kept.pk, changed.pk}


@pytest.mark.django_db
def test_arrivals_are_taken_in_once_and_in_parts(monkeypatch):
    monkeypatch.setattr(search_index, "ROWS_AT_ONCE", 2)
    refs = [SystemRefFactory(last_name="Marlow") for _ in range(5)]
    seen = []

    taken = search_index.index_arrivals(lambda done, whole: seen.append((done, whole)))

    assert (taken, seen) in [(5, [(2, 5), (4, 5), (5, 5)]), (0, [])]  # PostgreSQL keeps them by itself
    assert search_index.index_arrivals() == 0
    assert found("marlow") == {ref.pk for ref in refs}


@pytest.mark.django_db
def test_migrating_again_leaves_the_index_as_it_is():
    ref = SystemRefFactory(last_name="Marlow")
    search_index.index_arrivals()

    search_index.make_search_index()

    assert found("marlow") == {ref.pk}


@on_sqlite
@pytest.mark.django_db
def test_the_triggers_stand_after_migrating():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'contacts_search%' AND type = 'trigger'"
        )
        triggers = {name for (name,) in cursor.fetchall()}

    assert triggers == set(search_index.TRIGGERS)


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_table_that_a_migration_remade_is_indexed_anew():
    ref = SystemRefFactory(last_name="Marlow")
    search_index.index_arrivals()
    with connection.schema_editor() as editor:
        editor._remake_table(SystemRef)  # drops the triggers with the old table
    SystemRef.objects.filter(pk=ref.pk).update(last_name="Okafor")

    call_command("migrate", verbosity=0)

    assert found("okafor") == {ref.pk}
    assert found("marlow") == set()
    SystemRef.objects.filter(pk=ref.pk).update(last_name="Reyes")
    assert found("reyes") == {ref.pk}


@pytest.mark.django_db(transaction=True)
def test_the_index_survives_a_flush():
    SystemRefFactory(last_name="Marlow")
    search_index.index_arrivals()

    call_command("flush", verbosity=0, interactive=False)
    ref = SystemRefFactory(last_name="Marlowe")

    assert found("marlow") == {ref.pk}


@on_sqlite
@pytest.mark.django_db
def test_three_characters_are_looked_up_and_fewer_are_read():
    def plan(text: str) -> str:
        return SystemRef.objects.search(text, default_country="GB").explain()

    assert "VIRTUAL TABLE" in plan("mar")
    assert "VIRTUAL TABLE" not in plan("ma")


@pytest.fixture
def without_fts5(db, monkeypatch):
    """The tables of a SQLite that has no FTS5; there is none to run on."""
    with connection.cursor() as cursor:
        for name in search_index.TRIGGERS:
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute("DROP TABLE contacts_search")
        cursor.execute("DROP TABLE contacts_search_upto")
    for module in (search_index, holds):
        monkeypatch.setattr(module, "has_fts5", lambda: False)


@on_sqlite
@pytest.mark.parametrize(
    "text", ["marlow-ödegård", "ÖDEGÅRD", "ml", "ö", "ann marl", "07946 0958", "%", "a*", "zzz", "'"]
)
def test_without_fts5_the_rows_are_read_and_the_same_is_found(without_fts5, text):
    people = [("Ann", "Marlow-Ödegård"), ("Ömer", "O'Mlynár"), ("a*b", "50%"), ("Ann", "Reyes")]
    refs = [
        SystemRefFactory(first_name=first, last_name=last, mobile=f"07946 0958{n}")
        for n, (first, last) in enumerate(people)
    ]

    search_index.make_search_index()

    assert search_index.index_arrivals() == 0
    for ref in refs:
        ref.refresh_from_db()
    assert found(text) == expected(text, refs)


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_file_that_comes_to_a_sqlite_without_fts5_is_searched_there_and_indexed_anew_on_its_return(
    monkeypatch,
):
    kept = SystemRefFactory(last_name="Marlow")
    search_index.index_arrivals()
    with monkeypatch.context() as elsewhere:
        for module in (search_index, holds):
            elsewhere.setattr(module, "has_fts5", lambda: False)
        call_command("migrate", verbosity=0)
        SystemRef.objects.filter(pk=kept.pk).update(last_name="Okafor")
        late = SystemRefFactory(last_name="Okafor")
        assert found("okafor") == {kept.pk, late.pk}

    call_command("migrate", verbosity=0)

    assert found("okafor") == {kept.pk, late.pk}
    assert found("marlow") == set()
    assert "VIRTUAL TABLE" in SystemRef.objects.search("okafor", default_country="GB").explain()


@on_postgresql
@pytest.mark.django_db
@pytest.mark.parametrize("who", ["superuser", "rep"])
@pytest.mark.parametrize("text", ["marlow", "ann marlow", "020 7946 0958", "100231", "mül"])
def test_three_characters_are_looked_up_in_the_trigram_index(who, text):
    user = UserFactory(is_superuser=who == "superuser")
    seen, hidden = TicketSystemFactory(), TicketSystemFactory()
    grant(user, SystemRight.VIEW, on=seen)
    refs = SystemRef.objects.bulk_create(
        SystemRef(system=(seen, hidden)[n % 2], system_ref=f"R{n}", last_name=f"Okafor{n}", arrived_at=NOW)
        for n in range(4000)
    )
    contacts = Contact.objects.bulk_create(Contact(since=NOW) for _ in refs)
    Mapping.objects.bulk_create(
        Mapping(system_ref=ref, contact=contact, is_primary=True, since=NOW)
        for ref, contact in zip(refs, contacts, strict=True)
    )
    searches = [
        SystemRef.objects.visible_to(user).search(text, default_country="GB"),
        Contact.objects.visible_to(user).search(text, user, default_country="GB"),
    ]
    with connection.cursor() as cursor:
        search_index.index_arrivals()
        # Of every table in the search: what earlier tests left in the statistics must not decide the plan.
        cursor.execute("ANALYZE contacts_systemref, contacts_mapping, contacts_contact, contacts_groupalias")
        cursor.execute("SET LOCAL enable_seqscan = off")

    assert [search_index.GIN_INDEX in rows.explain() for rows in searches] == [True, True]


@on_postgresql
@pytest.mark.django_db
def test_without_the_right_to_make_the_extension_searches_work_and_the_log_says_why(caplog):
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {search_index.GIN_INDEX}")
        cursor.execute("DROP EXTENSION pg_trgm")
        cursor.execute("CREATE ROLE kore_search_nobody NOLOGIN")
        cursor.execute("SET LOCAL ROLE kore_search_nobody")

    search_index.make_search_index()

    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    ref = SystemRefFactory(last_name="Marlow")
    search_index.index_arrivals()
    assert "CREATE EXTENSION pg_trgm" in caplog.text
    assert found("marlow") == {ref.pk}


@pytest.mark.django_db
@pytest.mark.req("R-MDB-16", "R-MDB-34")
def test_a_contact_is_found_by_visible_refs_alone_also_in_parts_of_a_number():
    ours, theirs = TicketSystemFactory(), TicketSystemFactory()
    contact = MappingFactory(system_ref__system=ours, system_ref__system_ref="4411").contact
    MappingFactory(
        system_ref__system=theirs, system_ref__system_ref="8800", contact=contact, is_primary=False
    )
    rep = UserFactory()
    grant(rep, SystemRight.VIEW, on=ours)
    search_index.index_arrivals()

    def contacts(text: str, user) -> list[int]:
        found = Contact.objects.visible_to(user).search(text, user, default_country="GB")
        return list(found.values_list("pk", flat=True))

    assert contacts("8800 4411", rep) == []
    assert contacts("8800 4411", UserFactory(is_superuser=True)) == [contact.pk]
    assert contacts("4411", rep) == [contact.pk]


@pytest.mark.django_db
@pytest.mark.req("R-MDB-16", "R-MDB-34")
@pytest.mark.parametrize("few", [0, 1, 2, 30_000])
@pytest.mark.parametrize("sees_all", [True, False])
def test_a_list_that_asks_at_once_finds_what_the_search_finds(monkeypatch, few, sees_all):
    monkeypatch.setattr(found_at_once, "FEW_REFS", few)
    ours, theirs = TicketSystemFactory(), TicketSystemFactory()
    people = [("Ann", "Marlow"), ("Anne", "Marlowe"), ("Ann", "Reyes"), ("Bo", "O'Marlin"), ("50%", "An")]
    for number, (first, last) in enumerate(people):
        contact = MappingFactory(
            system_ref__system=ours, system_ref__first_name=first, system_ref__mobile=f"07946 09581{number}"
        ).contact
        MappingFactory(
            system_ref__system=(ours, theirs)[number % 2],
            system_ref__last_name=last,
            contact=contact,
            is_primary=False,
        )
    SystemRefFactory(system=ours, last_name="Marlow")  # waits for the night
    user = UserFactory(is_superuser=sees_all)
    grant(user, SystemRight.VIEW, on=ours)
    search_index.index_arrivals()
    visible = Contact.objects.visible_to(user)
    texts = ["marl", "MARLOW ann", "ann ann", "ann", "an", "marl an", "o'marlin bo", "07946 095810 ann"]
    texts += ["reyes", "reyes 0794", "50%", "zzz", "marlow zzz", "", " ", str(contact.pk), f"an {contact.pk}"]

    for text in texts:
        lazily = visible.search(text, user, default_country="GB")
        at_once = visible.search_at_once(text, user, default_country="GB")
        assert list(at_once.order_by("-pk")) == list(lazily.order_by("-pk")), text
        assert sorted(at_once.exclude(pk__lt=0).values_list("pk", flat=True)) == sorted(
            contact.pk for contact in lazily
        )


@pytest.mark.django_db
@pytest.mark.req("R-MDB-16")
def test_who_may_see_no_system_finds_nothing_at_once():
    MappingFactory(system_ref__last_name="Marlow")
    nobody = UserFactory()

    visible = Contact.objects.visible_to(nobody)
    assert not visible.search_at_once("marlow ann", nobody, default_country="GB").exists()


@on_postgresql
@pytest.mark.django_db
def test_a_word_of_many_refs_is_left_to_the_list_and_one_of_few_is_looked_up(
    monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(found_at_once, "FEW_REFS", 2)
    for last_name in ("Marlow", "Marlow", "Marlow", "Okafor"):
        MappingFactory(system_ref__first_name="Ann", system_ref__last_name=last_name)
    superuser = UserFactory(is_superuser=True)

    def asked(text: str) -> str:
        return str(Contact.objects.search_at_once(text, superuser, default_country="GB").query)

    with django_assert_num_queries(1):
        both = asked("marlow okafor")
    assert "ANY" in both
    assert "%marlow%" in both
    assert "%okafor%" not in both
    assert "ANY" not in asked("marlow")
    with django_assert_num_queries(0):
        asked("an 100231")


def test_every_spelling_of_a_letter_is_looked_for():
    assert set(spellings_of("å")) == {"å", "Å"}
    assert set(spellings_of("i")) == {"I", "ı"}
    assert spellings_of("ß") == "ß"
    assert trigram_query('a"b') == '("A""B")'
    assert trigram_query("ab") == ""
