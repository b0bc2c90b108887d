"""Asks of the whole database what must always be true."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from contacts.services.check_invariants import check_invariants, sentence


class Command(BaseCommand):
    help = "Check what no constraint can hold. Exit codes: 0 all is whole, 1 something is broken, 2 usage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        verdicts = []
        for verdict in check_invariants():
            verdicts.append(verdict)
            if not options["json"]:
                self.stdout.write(sentence(verdict) if verdict.broken else f"Holds: {verdict.name}.")
        broken = sum(1 for verdict in verdicts if verdict.broken)
        if options["json"]:
            whole = {"whole": not broken, "invariants": [asdict(verdict) for verdict in verdicts]}
            self.stdout.write(json.dumps(whole))
        if broken:
            raise CommandError(f"{broken} of {len(verdicts)} invariants are broken.")
