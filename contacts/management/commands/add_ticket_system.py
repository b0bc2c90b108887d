"""Adds a ticket system, and its business unit when that is new."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from contacts.models import TicketSystem
from contacts.services.systems import add_business_unit, add_ticket_system


class Command(BaseCommand):
    help = "Add a ticket system. Exit codes: 0 added, 1 refused (the reason is printed), 2 usage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="short and fixed, such as MLB")
        parser.add_argument("name")
        parser.add_argument(
            "--kind", choices=TicketSystem.Kind.values, default=TicketSystem.Kind.TICKETING.value
        )
        parser.add_argument("--business-unit", default="main", help="its code; made when it is new")
        parser.add_argument("--rank", type=int, default=100, help="lower goes first within one run")
        parser.add_argument("--isolated", action="store_true", help="kept apart by contract")
        parser.add_argument("--calls-refs", default="System Ref", help='such as "Fan ID"')
        parser.add_argument(
            "--no-cross-matching", action="store_true", help="never join its records with another system's"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                system = add_ticket_system(
                    options["code"],
                    name=options["name"],
                    unit=add_business_unit(options["business_unit"]),
                    kind=options["kind"],
                    rank=options["rank"],
                    is_isolated=options["isolated"],
                    is_matched_across=not options["no_cross_matching"],
                    ref_label=options["calls_refs"],
                )
        except ValidationError as refusal:
            raise CommandError(_in_words(refusal)) from None
        self.stdout.write(f"Added {system.code} ({system.name}) to {system.business_unit.name}.")


def _in_words(refusal: ValidationError) -> str:
    return "\n".join(f"{field}: {' '.join(messages)}" for field, messages in refusal.message_dict.items())
