"""Lists what was submitted for ticketing systems: waiting, written, refused, and what people have to do."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ticketing.management.source_commands import system_named
from ticketing.models import WriteBack

State = WriteBack.State
_LISTED = (State.WAITING, State.WRITTEN, State.REFUSED, State.TO_DO)


class Command(BaseCommand):
    help = (
        "List the changes that were submitted for ticketing systems, by their state, the oldest first: which "
        "account and which fields, never a value. Exit code 2: no such system."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--system", metavar="CODE", help="of this ticket system only")
        parser.add_argument("--state", choices=State.values, help="in this state only")
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object: lists by state, of every account"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        states = (State(options["state"]),) if options["state"] else _LISTED
        found = WriteBack.objects.filter(state__in=states)
        if options["system"]:
            found = found.filter(system_ref__system=system_named(options["system"]))
        by_state: dict[str, list[dict[str, Any]]] = {state.value: [] for state in states}
        chosen = found.order_by("pk").select_related("system_ref__system", "system_ref__mapping", "by")
        for write_back in chosen.iterator(chunk_size=2000):
            by_state[write_back.state].append(_told(write_back))
        if options["json"]:
            self.stdout.write(json.dumps(by_state))
            return
        for state in states:
            self._say(state, by_state[state.value])

    def _say(self, state: WriteBack.State, items: list[dict[str, Any]]) -> None:
        self.stdout.write(f"{state.label}: {len(items):,}")
        for item in items:
            account = f"{item['system']} {item['system_ref']}"
            fields = ", ".join(item["fields"])
            why = f"  {item['reason']}" if item["reason"] else ""
            self.stdout.write(
                f"  {item['id']:>6}  {item['at'][:16]}  {account:<24}  {fields}  by {item['by']}{why}"
            )


def _told(write_back: WriteBack) -> dict[str, Any]:
    """One write-back without its values."""
    ref = write_back.system_ref
    mapping = getattr(ref, "mapping", None)
    return {
        "id": write_back.pk,
        "group_id": mapping.contact_id if mapping else None,
        "system": ref.system.code,
        "system_ref": ref.system_ref,
        "fields": sorted(write_back.values),
        "state": write_back.state,
        "reason": write_back.reason,
        "by": write_back.by.get_username() if write_back.by else "",
        "at": write_back.at.isoformat(),
        "attempts": write_back.attempts,
        "settled_at": write_back.settled_at.isoformat() if write_back.settled_at else None,
    }
