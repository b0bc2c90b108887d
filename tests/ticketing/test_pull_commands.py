"""The commands about connections: what they print, what they leave, and how they end."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from contacts.models import SystemRef
from tests.factories import TicketSystemFactory
from tests.ticketing.sources import ACCOUNTS_QUERY, Box
from ticketing.models import SourceConnection, SourceSecret
from ticketing.services.connections import setup_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_sources")]

KEYS = {"state", "downloaded", "created", "changed", "unchanged", "rejected", "missing", "seconds"}


@pytest.fixture
def system():
    return TicketSystemFactory(code="BOX", rank=1)


def add(box: Box, code: str = "BOX", *more: str) -> None:
    query = ACCOUNTS_QUERY.replace("number,", "number AS system_ref,")
    call_command(
        "add_connection",
        code,
        "--connector",
        "sql_database",
        "--option",
        f"url=sqlite:///{box.path}",
        "--option",
        f"accounts_query={query}",
        *more,
    )


def printed(capsys, *command: str) -> tuple[object, int]:
    """What a command prints as JSON, and its exit code."""
    code = 0
    try:
        call_command(*command)
    except SystemExit as end:
        code = int(end.code or 0)
    return json.loads(capsys.readouterr().out), code


@pytest.mark.req("R-MDB-1")
def test_a_system_is_connected_and_pulled_by_two_commands(box, system, capsys):
    box.customer("1", first_name="Ann")

    add(box)
    capsys.readouterr()
    told, code = printed(capsys, "pull", "BOX", "--json")

    assert told.keys() >= KEYS
    assert (told["state"], told["downloaded"], told["created"], code) == ("done", 1, 1, 0)
    assert SystemRef.objects.get().first_name == "Ann"


def test_pull_all_pulls_every_connection_that_is_not_paused(box, system, tmp_path, capsys):
    other = Box(tmp_path / "other.sqlite3")
    TicketSystemFactory(code="TWO", rank=2)
    TicketSystemFactory(code="OFF", rank=3)
    for code, source in (("BOX", box), ("TWO", other), ("OFF", other)):
        add(source, code)
    SourceConnection.objects.filter(system__code="OFF").update(is_paused=True)
    capsys.readouterr()

    told, code = printed(capsys, "pull", "--all", "--json")

    assert [(each["system"], each["state"]) for each in told] == [("BOX", "done"), ("TWO", "done")]
    assert code == 0


def test_rejected_rows_end_with_1_and_name_the_row_the_field_and_the_reason(box, system, capsys):
    box.customer("7", email="not an address")
    add(box)

    with pytest.raises(SystemExit) as end:
        call_command("pull", "BOX")

    assert end.value.code == 1
    assert "accounts 7, email: It is not an e-mail address" in capsys.readouterr().out


def test_a_failed_pull_ends_with_1_and_says_why(box, system, capsys):
    add(box)
    box.run("ALTER TABLE customers RENAME TO clients")
    capsys.readouterr()

    told, code = printed(capsys, "pull", "BOX", "--json")

    assert (told["state"], code) == ("failed", 1)
    assert "customers" in told["message"]


def test_a_pull_held_by_the_brake_ends_with_3(box, system, capsys):
    box.customers(30)
    add(box)
    printed_first = capsys.readouterr()
    assert "BOX is connected" in printed_first.out
    printed(capsys, "pull", "BOX", "--json")
    box.run("DELETE FROM customers")

    told, code = printed(capsys, "pull", "BOX", "--full", "--json")

    assert (told["state"], told["missing"], code) == ("held", 0, 3)


def test_check_source_says_what_is_in_the_way(box, system, capsys):
    box.customer("1", first_name="Ann")
    add(box)
    capsys.readouterr()
    told, code = printed(capsys, "check_source", "BOX", "--json")
    assert (told["state"], code) == ("good", 0)
    box.run("ALTER TABLE customers RENAME TO clients")

    told, code = printed(capsys, "check_source", "BOX", "--json")

    assert (told["state"], code) == ("bad", 1)
    assert any("customers" in finding["said"] for finding in told["findings"])


def test_loopback_is_refused_unless_it_is_allowed(box, system, settings, capsys):
    add(box)
    settings.ALLOW_LOOPBACK_SOURCES = False
    capsys.readouterr()

    told, code = printed(capsys, "pull", "BOX", "--json")

    assert (told["state"], code) == ("failed", 1)
    assert not SystemRef.objects.exists()


def test_a_password_goes_into_the_vault_wherever_it_was_given(system):
    call_command(
        "add_connection",
        "BOX",
        "--connector=sql_database",
        "--option=url=postgresql://reader:pass%20word@db.example.org/tickets",
        "--option=accounts_query=SELECT 1 AS system_ref",
    )

    connection = SourceConnection.objects.get()
    assert connection.options["url"] == "postgresql://reader@db.example.org/tickets"
    assert setup_of(connection).secrets == {"password": "pass word"}
    assert b"pass word" not in bytes(SourceSecret.objects.get().sealed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["NONE", "--connector=sql_database"], "no ticket system NONE"),
        (["BOX", "--connector=telepathy"], "no connector telepathy"),
        (["BOX", "--connector=sql_database", "--option=url=sqlite:///x"], "accounts_query"),
        (["BOX", "--connector=sql_database", "--option=urll=x"], "no option urll"),
        (["BOX", "--connector=sql_database", "--secret=password=NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE"),
        (["BOX", "--connector=sql_database", "--option=url"], "name=value"),
    ],
)
def test_what_was_asked_for_wrongly_ends_with_2_and_says_what_is_wrong(system, arguments, said):
    with pytest.raises(CommandError, match=said) as error:
        call_command("add_connection", *arguments)

    assert error.value.returncode == 2


def test_a_new_key_seals_every_credential_and_the_old_one_opens_nothing(system, settings):
    call_command(
        "add_connection",
        "BOX",
        "--connector=sql_database",
        "--option=url=postgresql://reader:secret@db.example.org/tickets",
        "--option=accounts_query=SELECT 1 AS system_ref",
    )
    before = Path(settings.CREDENTIAL_KEY_FILE).read_text()
    sealed = bytes(SourceSecret.objects.get().sealed)

    call_command("rotate_credential_key")

    assert bytes(SourceSecret.objects.get().sealed) != sealed
    assert set(json.loads(before)).isdisjoint(json.loads(Path(settings.CREDENTIAL_KEY_FILE).read_text()))
    assert setup_of(SourceConnection.objects.get()).secrets == {"password": "secret"}


def test_a_password_is_not_sent_to_another_server_than_it_was_given_for(system):
    def connected(host: str, *more: str) -> None:
        call_command(
            "add_connection",
            "BOX",
            "--connector=sql_database",
            f"--option=url=postgresql://reader@{host}/tickets",
            "--option=accounts_query=SELECT 1 AS system_ref",
            *more,
        )

    connected("db.example.org", "--secret=password=PATH")
    connected("db.example.org")  # the same server: it is kept

    with pytest.raises(CommandError, match="password: The address is another one now"):
        connected("db.example.net")

    assert "db.example.org" in SourceConnection.objects.get().options["url"]
    connected("db.example.net", "--secret=password=HOME")
