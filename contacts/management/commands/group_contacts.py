"""Asks for Contacts to be grouped under a master in the coming night."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from contacts.management.request_commands import EXIT_CODES, RequestCommand, contact_called, user_called
from contacts.services.group_requests import file_grouping


class Command(RequestCommand):
    help = (
        "Ask for Contacts to be grouped under a master; the night does it. Prints the request's id and "
        "state. " + EXIT_CODES
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("master", type=int, metavar="MASTER", help="the GroupID that stays")
        parser.add_argument("children", type=int, nargs="+", metavar="CHILD", help="a GroupID that joins it")
        parser.add_argument("--reason", default="", help="kept with the request")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        by = user_called(options["by"])
        master = contact_called(options["master"])
        children = [contact_called(group_id) for group_id in options["children"]]
        self.tell(
            lambda: file_grouping(master, children, by=by, now=timezone.now(), reason=options["reason"])
        )
