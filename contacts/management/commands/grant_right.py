"""Gives a user or a group a right on one ticket system, or takes it away."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.models import TicketSystem
from contacts.permissions import SystemRight
from contacts.services.rights import RightChange, change_rights_at_console

RIGHTS = {"view": SystemRight.VIEW, "change": SystemRight.CHANGE}
USAGE = 2


class Command(BaseCommand):
    help = (
        "Give a user or a group the right to see, or to see and change, the records of one ticket system; "
        "with --take, take it away. Each change is kept in the audit trail as made on the command line. "
        "Exit codes: 0 done, 2 no such user, group or system."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("to", metavar="user_or_group", help="a user name, else the name of a group")
        parser.add_argument("code", help="of the ticket system")
        parser.add_argument("right", choices=list(RIGHTS), help="change brings view along")
        parser.add_argument(
            "--take", action="store_true", help="take it away; without view there is no change"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        to = _user_or_group(options["to"])
        system = TicketSystem.objects.filter(code=options["code"]).first()
        if system is None:
            raise CommandError(f"There is no ticket system {options['code']}.", returncode=USAGE)
        change = RightChange(to, RIGHTS[options["right"]], system, give=not options["take"])
        outcome = change_rights_at_console([change], now=timezone.now())
        for record in outcome.records:
            may = "may no longer" if options["take"] else "may"
            self.stdout.write(f"{options['to']} {may} {SystemRight(record.right).label} in {system.code}.")
        if not outcome.records:
            self.stdout.write(f"Nothing to change: {options['to']} in {system.code} is so already.")


def _user_or_group(name: str) -> User | Group:
    found = User.objects.filter(username=name).first() or Group.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no user or group {name}.", returncode=USAGE)
    return found
