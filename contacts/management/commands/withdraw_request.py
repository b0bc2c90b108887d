"""Takes a grouping request back before the night carries it out."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from contacts.management.request_commands import EXIT_CODES, USAGE, RequestCommand, user_called
from contacts.models import GroupRequest
from contacts.services.group_requests import withdraw_request


class Command(RequestCommand):
    help = "Withdraw a waiting or held request. Prints its id and state. " + EXIT_CODES

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("request_id", type=int, metavar="ID")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        by = user_called(options["by"])
        request = GroupRequest.objects.filter(pk=options["request_id"]).first()
        if request is None:
            raise CommandError(f"There is no request {options['request_id']}.", returncode=USAGE)
        self.tell(lambda: withdraw_request(request, by=by, now=timezone.now()))
