"""Lets an account lead its Contact, by a person's word."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.models import Contact, GroupAlias, SystemRef
from contacts.services.primary import CannotChoosePrimary, choose_primary

REFUSED, USAGE = 1, 2


class Command(BaseCommand):
    help = (
        "Let a System Ref be the primary account of its Contact; no rule and no night undoes it. Exit codes: "
        "0 done, or so already; 1 refused; 2 no such Contact, System Ref or user."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("group_id", type=int, metavar="GROUP_ID")
        parser.add_argument("code", metavar="CODE", help="of the ticket system")
        parser.add_argument("system_ref", metavar="SYSTEM_REF", help="the account's number there")
        parser.add_argument("--by", metavar="USER", help="in whose name and with whose rights")

    def handle(self, *_args: Any, **options: Any) -> None:
        contact = _contact(options["group_id"])
        ref = _ref(options["code"], options["system_ref"])
        by = _user(options["by"]) if options["by"] else None
        try:
            is_new = choose_primary(contact, ref, by=by, now=timezone.now())
        except CannotChoosePrimary as refusal:
            raise CommandError(str(refusal), returncode=REFUSED) from refusal
        leads = "leads" if is_new else "leads already, by hand,"
        self.stdout.write(f"{ref} {leads} GroupID {contact.pk}.")


def _contact(group_id: int) -> Contact:
    contact = Contact.objects.filter(pk=group_id).first()
    if contact is None:
        later = GroupAlias.objects.filter(group_id=group_id).order_by("contact")
        numbers = ", ".join(str(number) for number in later.values_list("contact", flat=True))
        hint = f" It is {numbers} by now." if numbers else ""
        raise CommandError(f"There is no GroupID {group_id}.{hint}", returncode=USAGE)
    return contact


def _ref(code: str, number: str) -> SystemRef:
    refs = SystemRef.objects.filter(system__code=code, system_ref=number)
    ref = refs.select_related("system", "gone").first()
    if ref is None:
        raise CommandError(f"There is no account {number} in {code}.", returncode=USAGE)
    return ref


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no user {name}.", returncode=USAGE)
    return user
