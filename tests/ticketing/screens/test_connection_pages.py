"""The list and the page of connections: how they stand, what they offer, and what they never show."""

import datetime as dt

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from contacts.permissions import SystemRight
from ticketing.connection_report import Standing, read_connections
from ticketing.connectors.base import DataSet
from ticketing.models import PullAlarm, PullRun, SourceConnection
from ticketing.services.connections import Wanted, save_connection, save_mapping

from ...factories import NOW, TicketSystemFactory
from ...factories.connections import ConnectionFactory, PullAlarmFactory, PullRunFactory, WaitingRowFactory
from .conftest import LIST, QUERY, client_of, manager_of

pytestmark = pytest.mark.django_db


def page(connection: SourceConnection, name: str = "change") -> str:
    return reverse(f"admin:ticketing_sourceconnection_{name}", args=[connection.pk])


def standing_of(connection: SourceConnection) -> Standing:
    rows = SourceConnection.objects.filter(pk=connection.pk).select_related("system")
    return read_connections(rows, now=NOW + dt.timedelta(days=30))[0].standing


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (PullRun.State.DONE, Standing.WELL),
        (PullRun.State.FAILED, Standing.FAILING),
        (PullRun.State.HELD, Standing.HELD),
        (PullRun.State.RUNNING, Standing.CUT_OFF),  # nobody is at it
    ],
)
def test_a_connection_stands_as_its_last_pull_does(state, standing):
    connection = ConnectionFactory()
    PullRunFactory(connection=connection)
    PullRunFactory(connection=connection, state=state)

    assert standing_of(connection) == standing


def test_a_connection_that_was_never_pulled_is_paused_or_late_says_so():
    never, paused, late = ConnectionFactory(), ConnectionFactory(is_paused=True), ConnectionFactory()
    PullRunFactory(connection=late)
    PullAlarmFactory(connection=late, kind=PullAlarm.Kind.LATE)

    standings = [standing_of(connection) for connection in (never, paused, late)]

    assert standings == [Standing.NEVER, Standing.PAUSED, Standing.LATE]


def test_a_pull_that_gets_on_shows_its_phase_and_how_far_it_is(as_manager, mlb):
    connection = ConnectionFactory(system=mlb)
    now = timezone.now()
    PullRunFactory(
        connection=connection,
        state=PullRun.State.RUNNING,
        phase=PullRun.Phase.PUBLISH,
        done=630,
        expected=1000,
        started_at=now,
        worked_at=now,
    )

    listed, shown = as_manager.get(LIST).text, as_manager.get(page(connection)).text

    assert "pulling: Publish 63 %" in listed
    assert "630 of 1,000 rows" in shown
    assert "one pull at a time" in shown


def test_the_page_loads_anew_once_a_pull_began_or_ended_and_only_then(as_manager, mlb):
    connection = ConnectionFactory(system=mlb)
    address = as_manager.get(page(connection)).context["progress_address"]

    quiet = as_manager.get(address)
    PullRunFactory(connection=connection, state=PullRun.State.RUNNING)
    begun = as_manager.get(address)

    assert "HX-Refresh" not in quiet.headers
    assert begun.headers["HX-Refresh"] == "true"


def test_the_list_takes_the_same_queries_for_one_connection_and_for_three(as_superuser):
    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert as_superuser.get(LIST).status_code == 200
        return len(captured)

    def connect() -> None:
        connection = ConnectionFactory()
        PullRunFactory(connection=connection)
        WaitingRowFactory(connection=connection)
        PullAlarmFactory(connection=connection)

    connect()
    once = queries()
    connect()
    connect()

    assert queries() == once <= 16


def test_the_page_takes_the_same_queries_for_one_pull_and_for_three(as_manager, mlb):
    connection = ConnectionFactory(system=mlb)

    def queries() -> int:
        PullRunFactory(connection=connection)
        WaitingRowFactory(connection=connection)
        with CaptureQueriesContext(database) as captured:
            assert as_manager.get(page(connection)).status_code == 200
        return len(captured)

    once = queries()
    queries()

    assert queries() == once <= 25


def test_without_a_connection_the_list_says_what_to_do(as_admin, as_manager, mlb):
    to_administrator, to_manager = as_admin.get(LIST).text, as_manager.get(LIST).text

    assert "No system is connected yet" in to_administrator
    assert f"{LIST}add/" in to_administrator
    assert "Administrators connect systems." in to_manager
    assert f"{LIST}add/" not in to_manager


@pytest.mark.parametrize(("what", "is_full"), [("changes", False), ("everything", True)])
def test_a_pull_by_hand_is_given_to_the_cluster(
    as_manager, manager, mlb, what, is_full, django_capture_on_commit_callbacks
):
    connection = ConnectionFactory(system=mlb)

    with django_capture_on_commit_callbacks(execute=True):
        as_manager.post(page(connection, "pull"), {"what": what})

    task = OrmQ.objects.get().task
    asked = {"trigger": "hand", "by_id": manager.pk, "is_full": is_full, "accepts": False}
    assert task["func"] == "ticketing.tasks.pull"
    assert task["kwargs"] == {"connection_id": connection.pk, **asked}


def test_pausing_takes_the_schedule_away_and_resuming_brings_it_back(as_manager, mlb):
    connection = save_connection(
        mlb,
        Wanted("sql_database", {"url": "sqlite:////x.db", "accounts_query": "SELECT 1"}),
        by=None,
        now=NOW,
    )
    schedules = Schedule.objects.filter(func="ticketing.tasks.pull")

    as_manager.post(page(connection, "pause"), {"paused": "1"})
    while_paused = schedules.count()
    as_manager.post(page(connection, "pause"), {"paused": "0"})

    assert (while_paused, schedules.count()) == (0, 1)


def test_a_test_says_what_is_wrong_and_what_to_do(as_manager, mlb, box_office):
    options = {"url": box_office, "accounts_query": "SELECT nothing FROM customers"}
    connection = ConnectionFactory(system=mlb, options=options)

    whole = as_manager.post(page(connection, "test"))
    part = as_manager.post(page(connection, "test"), headers={"HX-Request": "true"})

    findings = whole.context["findings"]
    assert [finding.is_good for finding in findings][:1] == [True]
    assert not whole.context["are_good"]
    assert "What to do:" in whole.text
    assert "a pull would fail" in part.text
    assert "<html" not in part.text


def test_a_test_of_a_source_that_can_be_read_is_good(as_manager, mlb, box_office):
    connection = save_connection(
        mlb, Wanted("sql_database", {"url": box_office, "accounts_query": QUERY}), by=None, now=NOW
    )
    save_mapping(connection, DataSet.ACCOUNTS, {"cust_no": "system_ref"}, by=None, now=NOW)

    response = as_manager.post(page(connection, "test"), headers={"HX-Request": "true"})

    assert response.context["are_good"], response.text
    abilities = as_manager.get(page(connection, "abilities")).text
    assert "reads accounts, only what changed" in abilities
    assert "read-only: writes nothing back" in abilities


def test_rejected_rows_come_as_a_file_in_which_no_cell_is_a_formula(as_manager, mlb):
    connection = ConnectionFactory(system=mlb)
    WaitingRowFactory(connection=connection, row={"id": "A1", "mail": "=HYPERLINK(1)"}, value="=HYPERLINK(1)")
    WaitingRowFactory(
        connection=connection, row={"id": "A2", "phone": "0777"}, column="", value="", is_held=True
    )
    WaitingRowFactory(connection=connection, data_set="purchases", row={"order": "P1"})
    WaitingRowFactory(row={"id": "theirs"})

    address = reverse("admin:ticketing_sourceconnection_rejected", args=[connection.pk, "accounts"])
    response = as_manager.get(address)
    header, *lines = b"".join(response.streaming_content).decode("utf-8-sig").splitlines()

    assert header.startswith("id,mail,phone,")
    assert [line.split(",")[0] for line in lines] == ["A1", "A2"]
    assert "'=HYPERLINK(1)" in lines[0]
    assert ",=HYPERLINK" not in lines[0]
    assert "Held: " in lines[1]
    unknown = reverse("admin:ticketing_sourceconnection_rejected", args=[connection.pk, "secrets"])
    assert as_manager.get(unknown).status_code == 404


def test_no_page_shows_a_credential(as_admin, mlb, box_office):
    options = {"url": box_office, "accounts_query": QUERY}
    secrets = {"password": "open-sesame", "write_url": "sqlite:////tmp/also-secret.db"}
    connection = save_connection(mlb, Wanted("sql_database", options, secrets=secrets), by=None, now=NOW)
    PullRunFactory(connection=connection)

    pages = [
        as_admin.get(page(connection, name)).text for name in ("change", "settings", "mapping", "abilities")
    ]
    pages += [as_admin.get(address).text for address in (LIST, "/admin/")]
    pages += [as_admin.post(page(connection, "test")).text]

    assert not [text for text in pages if "open-sesame" in text or "also-secret" in text]
    assert "encrypted" in pages[0]


def test_who_may_not_set_up_sees_neither_queries_nor_the_webhook_address(as_manager, as_admin, mlb):
    connection = ConnectionFactory(
        system=mlb, connector="pretix", options={"url": "https://tickets.example.com", "organizer": "club"}
    )

    to_manager, to_administrator = as_manager.get(page(connection)).text, as_admin.get(page(connection)).text

    kept = (connection.hook_key, "https://tickets.example.com")
    assert [text in to_administrator for text in kept] == [True, True]
    assert [text in to_manager for text in kept] == [False, False]


def test_what_is_seen_without_the_right_to_pull_says_who_may(mlb):
    connection = ConnectionFactory(system=mlb)
    client = client_of(manager_of(mlb, SystemRight.VIEW))

    shown = client.get(page(connection)).text

    assert "Pull now" not in shown
    assert "Pulling takes the right to change records of MLB." in shown


def test_the_overview_puts_connections_in_trouble_first(as_superuser):
    well, failing = (ConnectionFactory(system=TicketSystemFactory(rank=rank)) for rank in (1, 2))
    PullRunFactory(connection=well)
    PullRunFactory(connection=failing, state=PullRun.State.FAILED)
    PullAlarmFactory(connection=failing)

    lines = as_superuser.get("/admin/").context["connections"]

    assert [line.connection for line in lines] == [failing, well]
