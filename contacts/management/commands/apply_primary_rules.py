"""Applies the primary rules now, without the rest of the night."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.exclusive import AlreadyRunning
from contacts.services.primary_rules import apply_primary_rules


class Command(BaseCommand):
    help = (
        "Let the System Refs lead their Contacts that the primary rules prefer; hand choices stay. "
        "Exit codes: 0 done, 1 refused (the reason is printed), 2 usage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count what would change, and change nothing"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            applied = apply_primary_rules(now=timezone.now(), dry_run=options["dry_run"])
        except AlreadyRunning as refusal:
            raise CommandError(str(refusal)) from None
        if options["json"]:
            self.stdout.write(json.dumps({"changed": applied.changed}))
        elif options["dry_run"]:
            self.stdout.write(f"{applied.changed:,} primaries would change. Nothing was changed.")
        else:
            self.stdout.write(f"{applied.changed:,} primaries changed.")
