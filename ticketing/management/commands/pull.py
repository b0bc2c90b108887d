"""Pulls what changed at one source, or at all of them."""

import json
import logging
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django_q.tasks import async_task

from contacts.exclusive import AlreadyRunning
from ticketing.management.source_commands import DATA_REFUSED, HELD, USAGE, connection_of
from ticketing.models import PullRun, SourceConnection
from ticketing.services.pull import pull

logger = logging.getLogger(__name__)

_SHOWN = ("downloaded", "created", "changed", "unchanged", "rejected", "missing")
_MORE = ("still", "held", "merged", "erased", "back")
_REASONS_SHOWN = 10


class Command(BaseCommand):
    help = (
        "Pull what changed at a source. Exit code 1: it failed or rows were rejected; 3: the brake held it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", nargs="?", metavar="CODE", help="the ticket system")
        parser.add_argument("--all", action="store_true", help="every connection that is not paused")
        parser.add_argument("--full", action="store_true", help="read everything, and list all accounts")
        parser.add_argument("--accept", action="store_true", help="mark what is missing, however much it is")
        parser.add_argument("--json", action="store_true", help="print one JSON object, or a list with --all")

    def handle(self, *_args: Any, **options: Any) -> None:
        if bool(options["code"]) == options["all"]:
            raise CommandError("Name a ticket system, or say --all.", returncode=USAGE)
        if options["all"]:
            everyone = SourceConnection.objects.filter(is_paused=False).select_related("system")
            connections = list(everyone.order_by("system__rank", "system__code"))
        else:
            connections = [connection_of(options["code"])]
        told, worst = [], 0
        for connection in connections:
            run = self._pull(connection, options)
            told.append(_told(connection, run))
            worst = max(worst, _exit_code(run))
            if not options["json"]:
                self._say(connection, run, told[-1])
        if options["json"]:
            self.stdout.write(json.dumps(told if options["all"] else told[0]))
        if worst:
            sys.exit(worst)

    def _pull(self, connection: SourceConnection, options: dict[str, Any]) -> PullRun | None:
        """The run; None where another process is at it."""
        try:
            run = pull(
                connection,
                trigger=PullRun.Trigger.COMMAND,
                is_full=options["full"],
                accepts=options["accept"],
                clock=timezone.now,
            )
        except AlreadyRunning:
            return None
        except Exception:
            if not options["all"]:
                raise
            logger.exception("A connection could not be pulled; the others go on.")
            return connection.runs.order_by("-pk").first()
        if run.counts.get("created"):
            async_task("contacts.tasks.place_new_refs", task_name="place new refs")
        return run

    def _say(self, connection: SourceConnection, run: PullRun | None, told: dict[str, Any]) -> None:
        code = connection.system.code
        if run is None:
            self.stderr.write(f"{code} is being pulled already.")
            return
        counts = ", ".join(
            f"{told[name]:,} {name}" for name in (*_SHOWN, *_MORE) if told[name] or name in _SHOWN
        )
        self.stdout.write(f"{code}: {run.get_state_display()} in {told['seconds']:.1f} s: {counts}")
        if run.message:
            self.stderr.write(f"{run.message} {run.advice}".strip())
        for row in run.waiting_rows.order_by("pk")[:_REASONS_SHOWN]:
            self.stdout.write(f"  {row.data_set} {row.key}, {row.column or 'row'}: {row.reason}")


def _told(connection: SourceConnection, run: PullRun | None) -> dict[str, Any]:
    if run is None:
        return {
            "system": connection.system.code,
            "state": "running",
            **dict.fromkeys((*_SHOWN, *_MORE, "seconds"), 0),
        }
    return {
        "system": connection.system.code,
        "state": run.state,
        **{name: run.counts.get(name, 0) for name in (*_SHOWN, *_MORE)},
        "seconds": round((run.worked_at - run.started_at).total_seconds(), 3),
        "message": f"{run.message} {run.advice}".strip(),
    }


def _exit_code(run: PullRun | None) -> int:
    if run is None or run.state == PullRun.State.FAILED:
        return DATA_REFUSED
    if run.state == PullRun.State.HELD:
        return HELD
    return DATA_REFUSED if run.counts.get("rejected") else 0
