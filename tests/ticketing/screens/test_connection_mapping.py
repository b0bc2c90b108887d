"""The mapping editor: real rows beside what they would be, tried without writing, saved for the next pull."""

import pytest
from django.test import Client
from django.urls import reverse

from contacts.models import SystemRef
from ticketing.admin.connection_access import asked_by_a_page
from ticketing.models import PullRun, SourceConnection
from ticketing.services.connections import Wanted, save_connection

from ...factories import NOW
from .conftest import QUERY

pytestmark = pytest.mark.django_db

MEANT = {"cust_no": "system_ref", "fname": "first_name", "mail": "email"}


@pytest.fixture
def connection(mlb, box_office) -> SourceConnection:
    options = {"url": box_office, "accounts_query": QUERY}
    return save_connection(mlb, Wanted("sql_database", options), by=None, now=NOW)


def address(connection: SourceConnection, page: str = "mapping", data_set: str = "accounts") -> str:
    found = reverse(f"admin:ticketing_sourceconnection_{page}", args=[connection.pk])
    return f"{found}?data_set={data_set}"


def form(columns: dict[str, str]) -> dict[str, str]:
    """The editor's form with these columns."""
    given = {}
    for number, (theirs, ours) in enumerate(columns.items()):
        given |= {f"theirs-{number}": theirs, f"ours-{number}": ours}
    return given


def lines(response) -> dict[str, tuple[str, list[str], list[tuple[str, bool]]]]:
    """By column: our field, examples, and what each would be and whether its row would be taken."""
    found = response.context["lines"]
    return {line.theirs: (line.ours, list(line.examples), list(line.standing)) for line in found}


def test_columns_that_mean_nothing_yet_say_what_must_be_there(as_manager, connection):
    response = as_manager.get(address(connection))

    assert list(lines(response)) == ["cust_no", "fname", "mail"]
    assert "system_ref" in response.context["sample"].problem
    assert "none could be taken" in response.text
    assert [row.cells for row in response.context["rows"]][0] == ("7001", "Ann", "ann@example.org")


def test_trying_a_mapping_shows_what_each_value_would_be_and_which_row_would_be_rejected(
    as_manager, connection
):
    response = as_manager.post(address(connection, "mapping_preview"), form(MEANT))

    assert lines(response) == {
        "cust_no": ("system_ref", ["7001", "7002", "7003"], [("7001", True), ("7002", True), ("", False)]),
        "fname": ("first_name", ["Ann", "Omar", "Lena"], [("Ann", True), ("Omar", True), ("", False)]),
        "mail": ("email", ["ann@example.org", "no address"], [("ann@example.org", True), ("", False)]),
    }
    refused = [row for row in response.context["rows"] if row.reason]
    assert [(row.number, row.column, row.value) for row in refused] == [(3, "email", "no address")]
    assert "1 would be rejected" in response.text
    assert "<html" not in response.text
    assert SourceConnection.objects.get().mapping == {}


def test_saving_lets_the_columns_mean_this_from_the_next_pull_on(as_manager, connection):
    response = as_manager.post(address(connection), form({**MEANT, "fname": ""}))

    saved = SourceConnection.objects.get()
    assert response.url == address(connection)
    assert saved.mapping == {"accounts": {**MEANT, "fname": ""}}
    assert saved.version == connection.version + 1
    assert not SystemRef.objects.exists()
    assert not PullRun.objects.exists()


def test_a_page_waits_less_for_the_source_than_a_pull_and_changes_nothing_by_that(as_manager, connection):
    asked = asked_by_a_page(connection)
    as_manager.post(address(connection), form(MEANT))

    assert (asked.statement_seconds, connection.statement_seconds) == (20, 300)
    assert SourceConnection.objects.get().statement_seconds == 300


def test_a_field_that_there_is_not_is_refused_and_the_choice_is_kept(as_manager, connection):
    response = as_manager.post(address(connection), form({**MEANT, "fname": "shoe_size"}))

    assert "“shoe_size” is no field of the accounts." in response.text
    assert lines(response)["mail"][0] == "email"
    assert SourceConnection.objects.get().mapping == {}


def test_each_data_set_has_its_tab_and_one_without_a_query_says_so(as_manager, connection):
    response = as_manager.get(address(connection, data_set="purchases"))

    assert [tab[0].value for tab in response.context["tabs"]] == ["accounts", "names", "purchases"]
    assert "There is no purchases query." in response.text
    assert as_manager.get(address(connection, data_set="secrets")).status_code == 404


def test_a_source_that_cannot_be_read_is_told_with_advice(as_manager, connection, tmp_path):
    (tmp_path / "box-office.db").unlink()

    response = as_manager.get(address(connection))

    assert response.status_code == 200
    assert response.context["sample"].problem
    assert "Test the connection" in response.text


def test_nothing_is_tried_without_the_token_of_the_form(manager, connection):
    client = Client(enforce_csrf_checks=True)
    client.force_login(manager)

    assert client.post(address(connection, "mapping_preview"), form(MEANT)).status_code == 403
