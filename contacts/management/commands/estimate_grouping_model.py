"""Learns the weights of the grouping model from the System Refs themselves."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.exclusive import AlreadyRunning
from contacts.model_words import weight_lines
from contacts.services.estimate import Estimated, estimate_model
from contacts.services.grouping_model import CannotActivate


class Command(BaseCommand):
    help = (
        "Learn how much each agreement weighs from the System Refs, and propose it as a model version. On "
        "few or odd data the weights stay as they are, and the reason is told. Exit codes: 0 done (also when "
        "nothing was learnt), 1 refused (the reason is printed), 2 usage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--activate", action="store_true", help="put what was learnt in force at once")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = estimate_model(now=timezone.now(), activate=options["activate"])
        except (AlreadyRunning, CannotActivate) as refusal:
            raise CommandError(str(refusal)) from None
        if options["json"]:
            number = found.version.number if found.version else None
            told = {"version": number, "activated": found.activated, "reason": found.reason}
            self.stdout.write(json.dumps(told))
        else:
            self._tell(found)

    def _tell(self, found: Estimated) -> None:
        self.stdout.write(found.reason)
        if not found.is_learnt or found.version is None:
            return
        for line in weight_lines(found.version.settings["weights"]):
            self.stdout.write(
                f"{line.comparison:<14} {line.level:<22} {line.preset:>6.1f} -> {line.weight:>6.1f}"
            )
        changes = found.version.differences
        self.stdout.write(
            f"{found.version}: {changes['joined']:,} groups would join and {changes['split']:,} would split, "
            f"{changes['groups_before']:,} -> {changes['groups_after']:,} Contacts."
        )
        self.stdout.write(
            "It is in force; the next run is a full one." if found.activated else "It is not in force yet."
        )
