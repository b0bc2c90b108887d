"""What the commands about grouping requests share: who asks, what about, and what is printed."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from contacts.models import Contact, GroupAlias, GroupRequest
from contacts.services.group_requests import CannotRequest

REFUSED, USAGE = 1, 2
EXIT_CODES = "Exit codes: 0 filed; 1 refused, with the reason; 2 no such GroupID, request or user."


class RequestCommand(BaseCommand):
    """Files or settles a request in a user's name and prints its id and state."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", metavar="USER", required=True, help="in whose name and with whose rights")

    def tell(self, ask: Callable[[], GroupRequest]) -> None:
        """Print what came of it, or why not."""
        try:
            request = ask()
        except CannotRequest as refusal:
            raise CommandError(str(refusal), returncode=REFUSED) from refusal
        self.stdout.write(f"{request.pk} {request.state}")


def contact_called(group_id: int) -> Contact:
    """The Contact; raises CommandError, naming the successors of a GroupID that is retired."""
    contact = Contact.objects.filter(pk=group_id).first()
    if contact is None:
        later = GroupAlias.objects.filter(group_id=group_id).order_by("contact")
        numbers = ", ".join(str(number) for number in later.values_list("contact", flat=True))
        hint = f" It is {numbers} by now." if numbers else ""
        raise CommandError(f"There is no GroupID {group_id}.{hint}", returncode=USAGE)
    return contact


def user_called(name: str) -> User:
    """The user; raises CommandError."""
    user: Any = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no user {name}.", returncode=USAGE)
    return user
