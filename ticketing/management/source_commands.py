"""What the commands about connections share: finding one, and the words of pairs."""

from collections.abc import Sequence

from django.core.management.base import CommandError

from contacts.models import TicketSystem
from ticketing.models import SourceConnection

DATA_REFUSED, USAGE, HELD = 1, 2, 3


def system_named(code: str) -> TicketSystem:
    """The system of this code. Raises CommandError."""
    system = TicketSystem.objects.filter(code=code).first()
    if system is None:
        known = ", ".join(TicketSystem.objects.order_by("code").values_list("code", flat=True)) or "none yet"
        raise CommandError(f"There is no ticket system {code}. There are: {known}.", returncode=USAGE)
    return system


def connection_of(code: str) -> SourceConnection:
    """The system's connection. Raises CommandError."""
    system = system_named(code)
    connection = SourceConnection.objects.select_related("system").filter(system=system).first()
    if connection is None:
        raise CommandError(f"{code} has no connection; make one with add_connection.", returncode=USAGE)
    return connection


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """`name=value` texts as a dict. Raises CommandError."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name.strip()):
            raise CommandError(
                f"{option} {text.partition('=')[0]}: write it like name=value.", returncode=USAGE
            )
        found[name.strip()] = value
    return found
