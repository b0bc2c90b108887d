"""Asks for the last change of a Contact's groups to be taken back in the coming night."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from contacts.management.request_commands import (
    EXIT_CODES,
    USAGE,
    RequestCommand,
    contact_called,
    user_called,
)
from contacts.services.group_requests import file_undo
from contacts.services.group_undo import changes_of


class Command(RequestCommand):
    help = (
        "Ask for the last standing change of a Contact's groups, or the one named, to be taken back exactly; "
        "the night does it. Prints the request's id and state. " + EXIT_CODES
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("group_id", type=int, metavar="GROUP_ID")
        parser.add_argument("--change", type=int, metavar="ID", help="an older change of it")
        parser.add_argument(
            "--may-regroup", action="store_true", help="later nights may group them again; no rules are made"
        )
        parser.add_argument("--reason", default="", help="kept with the request")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        by = user_called(options["by"])
        contact = contact_called(options["group_id"])
        changes = changes_of(contact).standing().filter(undid=None)
        if options["change"]:
            changes = changes.filter(pk=options["change"])
        change = changes.order_by("-pk").first()
        if change is None:
            raise CommandError(f"GroupID {contact.pk} has no change to undo.", returncode=USAGE)
        self.tell(
            lambda: file_undo(
                change,
                by=by,
                now=timezone.now(),
                may_regroup=options["may_regroup"],
                reason=options["reason"],
            )
        )
