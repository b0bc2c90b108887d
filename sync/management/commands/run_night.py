"""Runs the night now, in this process."""

import contextlib
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.exclusive import AlreadyRunning
from contacts.management.held import HELD_CODE, held_as_json, held_in_words
from contacts.services.brake import AlreadyAccepted, NothingIsHeld, accept
from sync.models import NightRun, NightStep
from sync.models.night import RunState
from sync.services.run_night import run_night


class Command(BaseCommand):
    help = (
        "Run the night, or what is left of one. Exit codes: 0 done, 1 failed or running already, 2 usage,"
        " 3 held by the brake."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--accept",
            action="store_true",
            help="let the held night do what it was held for",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["accept"]:
                _accept()
            run = run_night(trigger=NightRun.Trigger.COMMAND, now=timezone.now(), clock=timezone.now)
        except (AlreadyRunning, NothingIsHeld) as refusal:
            raise CommandError(str(refusal)) from None
        steps = list(run.steps.order_by("position"))
        if options["json"]:
            self.stdout.write(json.dumps(_told(run, steps)))
        else:
            for step in steps:
                self.stdout.write(_line(step))
        if run.state == RunState.HELD:
            assert run.held_grouping is not None  # what held it
            if not options["json"]:
                self.stdout.write(held_in_words(run.held_grouping))
            raise CommandError(
                "The night is held. Let it go on: manage.py run_night --accept", returncode=HELD_CODE
            )
        if run.state != RunState.DONE:
            raise CommandError("The night failed.")


def _accept() -> None:
    with contextlib.suppress(AlreadyAccepted):  # and not taken up yet
        accept(None, by=None, now=timezone.now())


def _told(run: NightRun, steps: list[NightStep]) -> dict[str, Any]:
    lines = [{"name": s.name, "state": s.state, "counts": s.counts, "seconds": s.seconds} for s in steps]
    told: dict[str, Any] = {"state": run.state, "steps": lines}
    if run.state == RunState.HELD and run.held_grouping is not None:
        told["brake"] = held_as_json(run.held_grouping)
    return told


def _line(step: NightStep) -> str:
    counts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in step.counts.items())
    return f"{step.name}: {step.get_state_display()}, {step.seconds:.1f} s. {counts or step.error}".rstrip()
