"""Gives a user or a group a right on one ticket system."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from contacts.models import TicketSystem
from contacts.permissions import SystemRight, grant

RIGHTS = {"view": (SystemRight.VIEW,), "change": (SystemRight.VIEW, SystemRight.CHANGE)}
USAGE = 2


class Command(BaseCommand):
    help = (
        "Give a user or a group the right to see, or to see and change, the records of one ticket system. "
        "Exit codes: 0 granted, 2 no such user, group or system."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("to", metavar="user_or_group", help="a user name, else the name of a group")
        parser.add_argument("code", help="of the ticket system")
        parser.add_argument("right", choices=list(RIGHTS), help="change brings view along")

    def handle(self, *args: Any, **options: Any) -> None:
        to = _user_or_group(options["to"])
        system = TicketSystem.objects.filter(code=options["code"]).first()
        if system is None:
            raise CommandError(f"There is no ticket system {options['code']}.", returncode=USAGE)
        for right in RIGHTS[options["right"]]:
            grant(to, right, on=system)
            self.stdout.write(f"{options['to']} may {right.label} in {system.code}.")


def _user_or_group(name: str) -> User | Group:
    found = User.objects.filter(username=name).first() or Group.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no user or group {name}.", returncode=USAGE)
    return found
