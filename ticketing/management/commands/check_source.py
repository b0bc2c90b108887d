"""Looks whether a source can be pulled, and says what is in the way."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from ticketing.management.source_commands import DATA_REFUSED, connection_of
from ticketing.services.connections import test_connection


class Command(BaseCommand):
    help = "Look whether a source can be pulled. Exit code 1: something is in the way."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", metavar="CODE", help="the ticket system")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = test_connection(connection_of(options["code"]))
        is_good = all(finding.is_good for finding in findings)
        if options["json"]:
            told = {"state": "good" if is_good else "bad", "findings": [asdict(one) for one in findings]}
            self.stdout.write(json.dumps(told))
        else:
            for finding in findings:
                mark = "✓" if finding.is_good else "✗"
                self.stdout.write(f"{mark} {finding.what}: {finding.said}")
                if finding.advice:
                    self.stdout.write(f"    {finding.advice}")
        if not is_good:
            sys.exit(DATA_REFUSED)
