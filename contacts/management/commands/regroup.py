"""Groups System Refs now, without the rest of the night."""

import contextlib
import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.exclusive import AlreadyRunning
from contacts.management.held import HELD_CODE, held_as_json, held_in_words
from contacts.models import Contact
from contacts.services.brake import AlreadyAccepted, HeldByBrake, NothingIsHeld, accept
from contacts.services.regroup import regroup

TOLD = ("refs", "contacts", "joined", "split", "held", "seconds")


class Command(BaseCommand):
    help = (
        "Group the System Refs that changed, or all, into Contacts."
        " Exit codes: 0 done, 1 refused (the reason is printed), 2 usage, 3 held by the brake."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--full", action="store_true", help="look at every System Ref, not at what changed alone"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="count what would change, and change nothing"
        )
        parser.add_argument(
            "--accept", action="store_true", help="do what the last run was held for, and no more than that"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            if options["accept"] and not options["dry_run"]:
                _accept()
            regrouped = regroup(now=timezone.now(), full=options["full"], dry_run=options["dry_run"])
        except (AlreadyRunning, NothingIsHeld) as refusal:
            raise CommandError(str(refusal)) from None
        except HeldByBrake as held:
            told = _nothing_done(seconds=time.monotonic() - began) | {"brake": held_as_json(held.run)}
            self.stdout.write(json.dumps(told) if options["json"] else held_in_words(held.run))
            raise CommandError(
                "The run is held: nothing was joined. Let it go on: manage.py regroup --accept",
                returncode=HELD_CODE,
            ) from None
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


def _nothing_done(*, seconds: float) -> dict[str, Any]:
    """What a held run tells under the same names: it did nothing, and the Contacts are as they were."""
    done = {"contacts": Contact.objects.count(), "seconds": round(seconds, 3)}
    return {name: done.get(name, 0) for name in TOLD}


def _accept() -> None:
    with contextlib.suppress(AlreadyAccepted):  # and not done yet
        accept(None, by=None, now=timezone.now())
