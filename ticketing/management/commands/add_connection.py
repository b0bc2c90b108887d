"""Connects a ticket system to its source."""

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.models import TicketSystem
from ticketing.connectors import KINDS
from ticketing.connectors.base import DataSet
from ticketing.management.source_commands import USAGE, pairs, system_named
from ticketing.models import SourceConnection
from ticketing.services.connections import BadConnection, Wanted, save_connection, wanted_of


class Command(BaseCommand):
    help = "Connect a ticket system to its source, or change how it is connected (docs/connectors.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", metavar="CODE", help="the ticket system")
        parser.add_argument("--connector", required=True, metavar="NAME", help=", ".join(sorted(KINDS)))
        parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE")
        parser.add_argument(
            "--secret", action="append", default=[], metavar="KEY=ENV", help="the variable that holds it"
        )
        parser.add_argument(
            "--map", action="append", default=[], metavar="SET:THEIRS=OURS", help="a column by another name"
        )
        parser.add_argument("--date-format", metavar="F", help="such as %%d/%%m/%%Y")
        parser.add_argument("--time-zone", metavar="ZONE", help="of moments that name none")
        parser.add_argument("--every", type=int, metavar="MINUTES")
        parser.add_argument("--overlap", type=int, metavar="MINUTES")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        system = system_named(options["code"])
        wanted = _wanted(system, options)
        try:
            connection = save_connection(system, wanted, by=None, now=timezone.now())
        except BadConnection as refusal:
            raise CommandError(f"{refusal.field}: {refusal}", returncode=USAGE) from refusal
        if options["json"]:
            self.stdout.write(json.dumps({"system": system.code, "connector": connection.connector}))
        else:
            self.stdout.write(
                f"{system.code} is connected by {connection.connector}; see check_source {system.code}."
            )


def _secrets(given: list[str]) -> dict[str, str]:
    """From the variables of the environment that hold them: a command line is seen by everyone."""
    found = {}
    for name, variable in pairs(given, "--secret").items():
        if variable not in os.environ:
            raise CommandError(f"--secret {name}: there is no variable {variable}.", returncode=USAGE)
        found[name] = os.environ[variable]
    return found


def _wanted(system: TicketSystem, options: dict[str, Any]) -> Wanted:
    """What was said; of a connection that stands, the rest stays as it is."""
    said = {
        "mapping": _mapping(options["map"]) or None,
        "date_format": options["date_format"],
        "time_zone": options["time_zone"],
        "every_minutes": options["every"],
        "overlap_minutes": options["overlap"],
    }
    changes = {name: value for name, value in said.items() if value is not None}
    given = {
        "options": pairs(options["option"], "--option"),
        "secrets": _secrets(options["secret"]),
        **changes,
    }
    standing = SourceConnection.objects.filter(system=system, connector=options["connector"]).first()
    if standing is None:
        return Wanted(connector=options["connector"], **given)
    return wanted_of(standing, **given)


def _mapping(given: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for text, ours in pairs(given, "--map").items():
        data_set, colon, theirs = text.partition(":")
        if not colon or data_set not in set(DataSet):
            sets = ", ".join(DataSet)
            raise CommandError(
                f"--map {text}: write it like accounts:theirs=ours ({sets}).", returncode=USAGE
            )
        found.setdefault(data_set, {})[theirs] = ours.strip()
    return found
