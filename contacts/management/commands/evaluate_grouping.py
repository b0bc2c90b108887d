"""Tells how good the grouping is, against the truth about who is who."""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from contacts.services.evaluate import TrueRow, evaluate

COLUMNS = ("system", "system_ref", "person")
REFUSALS_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Compare the mapping as it stands with a CSV file of the columns system, system_ref and person. "
        "Exit codes: 0 done, 1 rows were left out (they are named), 2 usage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("truth", type=Path)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with options["truth"].open(encoding="utf-8-sig", newline="") as file:
                evaluation = evaluate(_rows(file))
        except OSError as error:
            raise CommandError(f"{options['truth']}: {error.strerror}.", returncode=2) from None
        except (UnicodeDecodeError, csv.Error):
            raise CommandError("The file is not CSV in UTF-8.") from None
        quality = asdict(evaluation.quality)
        if options["json"]:
            self.stdout.write(json.dumps(quality))
        else:
            self.stdout.write(
                "Precision {precision:.4f}, recall {recall:.4f}, F1 {f1:.4f}; {groups:,} groups, "
                "the largest of {largest_group:,} refs.".format(**quality)
            )
        if evaluation.refused:
            for line, reason in evaluation.refused[:REFUSALS_SHOWN]:
                self.stderr.write(f"line {line}: {reason}")
            raise CommandError(f"{len(evaluation.refused):,} rows were left out.")


def _rows(file: Iterator[str]) -> Iterator[TrueRow]:
    reader = csv.DictReader(file)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise CommandError(f"The file lacks the column {missing[0]}.")
    for row in reader:
        yield TrueRow(reader.line_num, *((row[name] or "").strip() for name in COLUMNS))
