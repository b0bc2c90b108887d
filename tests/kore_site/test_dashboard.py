"""The overview: figures over what the person may see, and nothing that hints at the rest."""

import datetime as dt

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.figures import Figures, SystemFigures, count_figures, figures_of, forget_figures
from contacts.models import Contact, Job, KeptFigures, SystemRef, TicketSystem
from contacts.permissions import DATA_PROTECTION_OFFICERS, SystemRight, grant
from contacts.services import kept_figures
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory
from ..factories.nights import NightRunFactory, NightStepFactory

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")


@pytest.fixture(autouse=True)
def nothing_cached():
    cache.clear()


def person_known_in(*systems: TicketSystem) -> Contact:
    """A Contact with one System Ref in each of these systems."""
    first, *others = systems
    mapping = MappingFactory(system_ref=SystemRefFactory(system=first))
    for system in others:
        MappingFactory(system_ref=SystemRefFactory(system=system), contact=mapping.contact, is_primary=False)
    return mapping.contact


def manager_seeing(*systems: TicketSystem):
    manager = UserFactory(role=CRM_MANAGERS)
    for system in systems:
        grant(manager, SystemRight.VIEW, on=system)
    return manager


def test_the_figures_count_contacts_overlap_and_sizes_in_one_go():
    mlb, minor = TicketSystemFactory(), TicketSystemFactory()
    person_known_in(mlb, minor)
    person_known_in(mlb, mlb, minor)
    person_known_in(minor)
    SystemRefFactory(system=minor)  # waits for the night

    figures = count_figures([mlb.pk, minor.pk], now=NOW)

    assert (figures.contacts, figures.refs, figures.unplaced, figures.in_several) == (3, 7, 1, 2)
    assert figures.sizes == {1: 1, 2: 1, 3: 1}
    assert figures.shared == {
        (mlb.pk, mlb.pk): 2,
        (minor.pk, minor.pk): 3,
        (mlb.pk, minor.pk): 2,
        (minor.pk, mlb.pk): 2,
    }
    assert figures.refs_per_contact == 2


def test_data_quality_counts_what_each_systems_records_hold():
    system = TicketSystemFactory()
    long_ago = NOW - dt.timedelta(days=3 * 365)
    SystemRefFactory(system=system, email="a@example.org", mobile="0777", updated_at=NOW)
    SystemRefFactory(system=system, address1="12 Quay St", updated_at=long_ago)
    SystemRefFactory(system=system, date_of_birth=dt.date(1980, 1, 1), created_at=long_ago)

    figures = count_figures([system.pk], now=NOW)

    assert figures.systems == {
        system.pk: SystemFigures(
            system.pk,
            refs=3,
            unplaced=3,
            with_email=1,
            with_phone=1,
            with_birth_date=1,
            with_address=1,
            stale=2,
        )
    }


@pytest.mark.req("R-MDB-16")
@pytest.mark.req("R-MDB-22")
def test_nothing_outside_the_given_systems_enters_the_figures():
    ours, theirs = TicketSystemFactory(), TicketSystemFactory()
    person_known_in(ours, theirs)
    person_known_in(theirs)

    figures = count_figures([ours.pk], now=NOW)

    assert (figures.contacts, figures.refs, figures.in_several) == (1, 1, 0)
    assert figures.sizes == {1: 1}
    assert figures.shared == {(ours.pk, ours.pk): 1}


@pytest.mark.parametrize("systems", [1, 3, 70])
def test_the_figures_take_two_queries_whatever_the_number_of_systems(systems, django_assert_num_queries):
    made = TicketSystemFactory.create_batch(systems)
    person_known_in(*made)

    with django_assert_num_queries(2):
        figures = count_figures([system.pk for system in made], now=NOW)

    assert figures.shared[made[0].pk, made[-1].pk] == 1
    assert figures.sizes == {systems: 1}


@pytest.mark.req("R-MDB-16")
def test_a_managers_overview_names_only_the_systems_granted(client):
    ours, theirs = TicketSystemFactory(code="OURS"), TicketSystemFactory(code="THEIRS")
    person_known_in(ours, theirs)
    client.force_login(manager_seeing(ours))

    page = client.get(INDEX)

    assert "OURS" in page.text
    assert "THEIRS" not in page.text
    assert page.context["overlap"] == []
    assert page.context["figures"].in_several == 0


@pytest.mark.req("R-MDB-16")
def test_a_right_taken_away_changes_the_figures_at_once(client):
    first, second = TicketSystemFactory(), TicketSystemFactory()
    person_known_in(first, second)
    manager = manager_seeing(first, second)
    client.force_login(manager)
    assert client.get(INDEX).context["figures"].refs == 2

    manager.ticketsystemuserobjectpermission_set.filter(content_object=second).delete()

    assert client.get(INDEX).context["figures"].refs == 1


def test_the_figures_are_kept_until_a_refresh_and_say_when_they_were_counted(client):
    system = TicketSystemFactory()
    person_known_in(system)
    client.force_login(manager_seeing(system))
    counted_at = client.get(INDEX).context["figures"].as_of
    person_known_in(system)

    assert client.get(INDEX).context["figures"].as_of == counted_at

    assert client.post(reverse("admin:refresh_overview")).url == INDEX
    assert client.get(INDEX).context["figures"].contacts == 2


def test_a_finished_night_makes_the_figures_anew(client):
    system = TicketSystemFactory()
    person_known_in(system)
    client.force_login(manager_seeing(system))
    client.get(INDEX)
    person_known_in(system)

    NightRunFactory()

    assert client.get(INDEX).context["figures"].contacts == 2


def test_a_refresh_is_never_a_plain_link(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))

    assert client.get(reverse("admin:refresh_overview")).status_code == 405


def test_the_overview_takes_the_same_few_queries_for_one_system_and_for_three(client):
    def queries_for(rows: int) -> int:
        systems = TicketSystemFactory.create_batch(rows)
        for system in systems:
            person_known_in(*systems)
            Job.objects.create(kind="import_system_refs", system=system, created_at=NOW)
            NightStepFactory.create_batch(rows, counts={"joined": 1})
        client.force_login(manager_seeing(*systems))
        client.get(INDEX)  # the organisation is made
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            client.get(INDEX)
        return len(queries)

    TicketSystemFactory()  # who sees every system is told estimates, which PostgreSQL is asked for
    assert queries_for(1) == queries_for(3) <= 24


@pytest.mark.req("R-MDB-16")
def test_a_reps_first_page_searches_and_lists_their_systems_without_the_night(client):
    ours, theirs = TicketSystemFactory(code="OURS"), TicketSystemFactory(code="THEIRS")
    person_known_in(ours, theirs)
    NightStepFactory(counts={"joined": 4711})
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=ours)
    client.force_login(rep)

    page = client.get(INDEX)

    assert "Find a fan" in page.text
    assert "OURS" in page.text
    for hidden in ("THEIRS", "4711", "Overlap", "Last night"):
        assert hidden not in page.text


@pytest.mark.req("R-MDB-16")
def test_a_reps_first_page_counts_the_refs_of_their_systems_and_nothing_else(client):
    ours, theirs, empty = TicketSystemFactory(), TicketSystemFactory(), TicketSystemFactory()
    person_known_in(ours, ours, theirs)
    rep = UserFactory(role=SALES_REPS)
    for system in (ours, empty):
        grant(rep, SystemRight.VIEW, on=system)
    client.force_login(rep)

    with CaptureQueriesContext(connection) as queries:
        page = client.get(INDEX)

    assert {line.system: line.figures.refs for line in page.context["systems"]} == {ours: 2, empty: 0}
    counting = [query["sql"] for query in queries if 'COUNT("contacts_systemref"' in query["sql"]]
    assert len(counting) == 1
    assert "mapping" not in counting[0]


def test_a_right_taken_from_a_rep_takes_the_count_with_it_at_once(client):
    kept, taken = TicketSystemFactory(), TicketSystemFactory()
    person_known_in(kept, taken)
    rep = UserFactory(role=SALES_REPS)
    for system in (kept, taken):
        grant(rep, SystemRight.VIEW, on=system)
    client.force_login(rep)
    assert len(client.get(INDEX).context["systems"]) == 2

    rep.ticketsystemuserobjectpermission_set.filter(content_object=taken).delete()

    assert [line.system for line in client.get(INDEX).context["systems"]] == [kept]


def test_a_rep_who_sees_every_system_still_begins_with_the_search(client):
    system = TicketSystemFactory()
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=system)
    client.force_login(rep)

    assert "Find a fan" in client.get(INDEX).text


@pytest.mark.req("R-MDB-16")
def test_contacts_opened_last_are_ids_in_the_session_and_shown_as_the_right_allows(client):
    ours, theirs = TicketSystemFactory(), TicketSystemFactory()
    seen = person_known_in(ours)
    SystemRef.objects.of(seen).update(first_name="Ann", last_name="Marlow")
    hidden = person_known_in(theirs)
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=ours)
    client.force_login(rep)

    assert client.get(reverse("admin:contacts_contact_change", args=[seen.pk])).status_code == 200
    assert client.get(reverse("admin:contacts_contact_change", args=[hidden.pk])).status_code == 404

    assert client.session["recent_contacts"] == [seen.pk]
    assert client.get(INDEX).context["recent"] == [(seen.pk, "Ann Marlow", [ours])]


@pytest.mark.req("R-MDB-30")
def test_a_contact_opened_last_leaves_the_page_with_the_right_to_see_it(client):
    system = TicketSystemFactory()
    contact = person_known_in(system)
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=system)
    client.force_login(rep)
    client.get(reverse("admin:contacts_contact_change", args=[contact.pk]))

    rep.ticketsystemuserobjectpermission_set.all().delete()

    assert client.get(INDEX).context["recent"] == []


def test_an_officer_searches_and_sees_figures_over_every_system(client):
    officer = UserFactory(role=DATA_PROTECTION_OFFICERS)
    system = TicketSystemFactory()
    grant(officer, SystemRight.VIEW, on=system)
    person_known_in(system)
    client.force_login(officer)

    page = client.get(INDEX)

    assert page.context["shows_figures"]
    assert not page.context["steers"]
    assert "Last night" not in page.text


def test_a_fresh_install_says_what_to_do_next(client):
    client.force_login(UserFactory(is_superuser=True))

    page = client.get(INDEX)

    steps = page.context["first_steps"]
    assert [step.title for step in steps] == [
        "Make a ticket system",
        "Import its System Refs",
        "Run the night",
    ]
    assert not any(step.done for step in steps)
    assert "Three steps" in page.text


def test_who_made_a_system_they_see_nothing_of_has_done_the_first_step_and_reads_whom_to_ask(client):
    TicketSystemFactory()
    UserFactory(is_superuser=True, username="root")
    client.force_login(UserFactory(role=CRM_MANAGERS))

    make, bring, _night = client.get(INDEX).context["first_steps"]

    assert (make.done, bring.done, bring.address) == (True, False, "")
    assert bring.ask == "You may not change the records of any system yet. Ask: root."


def test_somebody_without_a_role_is_told_so(client):
    client.force_login(UserFactory())

    assert "Your account has no role" in client.get(INDEX).text


@pytest.mark.parametrize("is_staff", [True, False])
def test_somebody_disabled_or_not_of_the_staff_sees_no_overview(client, is_staff):
    user = UserFactory(is_active=not is_staff, is_staff=is_staff)
    client.force_login(user)

    assert client.get(INDEX).status_code == 302


def test_figures_that_are_dear_to_count_are_kept_by_the_night_for_who_sees_every_system(
    client, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(kept_figures, "DEAR_SECONDS", 0)
    ours, theirs = TicketSystemFactory(), TicketSystemFactory()
    person_known_in(ours, theirs)
    SystemRefFactory(system=ours)
    kept_figures.keep_figures(now=NOW)
    person_known_in(theirs)

    with django_assert_num_queries(1):
        kept = figures_of([ours.pk, theirs.pk], now=NOW)

    assert (kept.contacts, kept.refs, kept.unplaced, kept.as_of) == (1, 3, 1, NOW)
    assert Figures.from_json(kept.to_json()) == kept
    assert figures_of([theirs.pk], now=NOW).contacts == 2
    assert figures_of([ours.pk, theirs.pk], now=NOW + dt.timedelta(days=2)).contacts == 2


def test_kept_figures_are_counted_afresh_when_somebody_asks_for_it(monkeypatch):
    monkeypatch.setattr(kept_figures, "DEAR_SECONDS", 0)
    system = TicketSystemFactory()
    person_known_in(system)
    assert kept_figures.keep_figures(now=NOW)
    person_known_in(system)

    forget_figures([system.pk])

    assert figures_of([system.pk], now=NOW).contacts == 2


def test_figures_that_are_quick_to_count_are_not_kept():
    person_known_in(TicketSystemFactory())

    assert not kept_figures.keep_figures(now=NOW)
    assert not KeptFigures.objects.exists()
