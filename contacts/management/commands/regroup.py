"""Groups System Refs now, without the rest of the night."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.exclusive import AlreadyRunning
from contacts.services.regroup import regroup

TOLD = ("refs", "contacts", "joined", "split", "held", "seconds")


class Command(BaseCommand):
    help = (
        "Group all System Refs into Contacts. Exit codes: 0 done, 1 refused (the reason is printed), 2 usage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--full", action="store_true", help="look at every System Ref (as every run does yet)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="count what would change, and change nothing"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            regrouped = regroup(now=timezone.now(), dry_run=options["dry_run"])
        except AlreadyRunning as refusal:
            raise CommandError(str(refusal)) from None
        told = {name: getattr(regrouped, name) for name in TOLD}
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(
            "{refs:,} System Refs are {contacts:,} Contacts: {joined:,} joined, {split:,} split, "
            "{held:,} pairs held back, in {seconds:.1f} s.".format(**told)
        )
        if options["dry_run"]:
            self.stdout.write("Nothing was changed.")
