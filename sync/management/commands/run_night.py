"""Runs the night now, in this process."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.exclusive import AlreadyRunning
from sync.models import NightRun, NightStep
from sync.models.night import RunState
from sync.services.run_night import run_night


class Command(BaseCommand):
    help = "Run the night, or what is left of one. Exit codes: 0 done, 1 failed or running already, 2 usage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = run_night(trigger=NightRun.Trigger.COMMAND, now=timezone.now(), clock=timezone.now)
        except AlreadyRunning as refusal:
            raise CommandError(str(refusal)) from None
        steps = list(run.steps.order_by("position"))
        if options["json"]:
            told = [
                {"name": s.name, "state": s.state, "counts": s.counts, "seconds": s.seconds} for s in steps
            ]
            self.stdout.write(json.dumps({"state": run.state, "steps": told}))
        else:
            for step in steps:
                self.stdout.write(_line(step))
        if run.state != RunState.DONE:
            raise CommandError("The night failed.")


def _line(step: NightStep) -> str:
    counts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in step.counts.items())
    return f"{step.name}: {step.get_state_display()}, {step.seconds:.1f} s. {counts or step.error}".rstrip()
