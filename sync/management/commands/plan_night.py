"""Rehearses the coming night now, in this process, and prints what it would do."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.exclusive import AlreadyRunning
from contacts.group_brake import Held
from sync.models import NightPlan, PlanLine
from sync.plan_lines import KINDS, ShownLine, as_json, read_lines
from sync.services.plan_night import plan_now
from sync.services.rehearse_night import CannotRehearse

NOTHING = "The coming night would change nothing."
LINES_AT_ONCE = 1_000
NUMBERS_ALONE = 3


class Command(BaseCommand):
    help = (
        "Say what the coming night would do, and change nothing. Exit codes: 0 done, 1 there can be no plan"
        " now (the reason is printed), 2 usage. What is told in numbers alone, and what the brake would hold,"
        " goes to the error output when JSON is asked for; 3 where the night changes too much to be told line"
        " by line."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help="print one JSON list of lines: kind, group_ids, before, after, held",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            plan = plan_now(by=None, clock=timezone.now)
        except (AlreadyRunning, CannotRehearse) as refusal:
            raise CommandError(str(refusal)) from None
        lines = _lines(plan)
        beside = _beside(plan)
        if options["json"]:
            self.stdout.write(json.dumps([as_json(line) for line in lines]))
            for sentence in beside:
                self.stderr.write(sentence)
            self._end(plan)
            return
        for sentence in beside:
            self.stdout.write(sentence)
        for line in lines:
            self.stdout.write(_in_words(line))
        if not lines and not beside:
            self.stdout.write(NOTHING)
        self._end(plan)

    def _end(self, plan: NightPlan) -> None:
        """An empty list must not look like a night without effects."""
        if plan.counts.get("why_numbers"):
            raise CommandError("Told in numbers alone.", returncode=NUMBERS_ALONE)


def _lines(plan: NightPlan) -> list[ShownLine]:
    rows = list(PlanLine.objects.filter(plan=plan).order_by("position"))
    chunks = (rows[start : start + LINES_AT_ONCE] for start in range(0, len(rows), LINES_AT_ONCE))
    return [shown for chunk in chunks for shown in read_lines(chunk)]


def _beside(plan: NightPlan) -> list[str]:
    """What the lines do not say."""
    said = []
    if brake := plan.counts.get("brake"):
        said.append("The night would be held by the brake before it groups.")
        said += Held.from_json(brake).reasons
    if why := plan.counts.get("why_numbers"):
        numbers = plan.counts["numbers"]
        said.append(f"{why} Joined: {numbers['joined']:,}. Split: {numbers['split']:,}.")
    said += [
        f"{count:,} more lines of the kind {kind}." for kind, count in plan.counts.get("untold", {}).items()
    ]
    return said


def _in_words(shown: ShownLine) -> str:
    line = shown.line
    said = [f"{KINDS[line.kind]:<24}"]
    if shown.fields:
        account = " ".join(str(ref) for side in shown.after for ref in side.refs)
        said.append(f"{_numbers(line)} {account}: {', '.join(shown.fields)}".replace("  ", " "))
    elif shown.before or shown.after:
        number = f"{_numbers(line)}: " if line.kind == PlanLine.Kind.PRIMARY else ""
        said.append(f"{number}{shown.before_text or 'nothing'} -> {shown.after_text}")
    else:
        said.append(_numbers(line))
    if shown.request:
        said.append(f" [request {shown.request.pk}]")
    if shown.is_held:
        said.append(" [held]")
    return f"{''.join(said)} {shown.why}".rstrip()


def _numbers(line: PlanLine) -> str:
    return " ".join(str(group_id) for group_id in line.group_ids)
