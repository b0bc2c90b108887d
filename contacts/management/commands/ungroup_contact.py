"""Asks for every System Ref of a Contact to get a GroupID of its own in the coming night."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from contacts.management.request_commands import EXIT_CODES, RequestCommand, contact_called, user_called
from contacts.services.group_requests import file_ungrouping


class Command(RequestCommand):
    help = (
        "Ask for a Contact to be ungrouped; the night does it, and do-not-group rules keep its System Refs "
        "apart from then on. Prints the request's id and state. " + EXIT_CODES
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("group_id", type=int, metavar="GROUP_ID")
        parser.add_argument(
            "--may-regroup", action="store_true", help="later nights may group them again; no rules are made"
        )
        parser.add_argument("--reason", default="", help="kept with the request")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        by = user_called(options["by"])
        contact = contact_called(options["group_id"])
        self.tell(
            lambda: file_ungrouping(
                contact,
                by=by,
                now=timezone.now(),
                may_regroup=options["may_regroup"],
                reason=options["reason"],
            )
        )
