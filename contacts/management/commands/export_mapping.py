"""Writes the mapping table to a file."""

import os
from pathlib import Path
from typing import Any

from defusedcsv import csv  # a cell that a spreadsheet would run as a formula is quoted
from django.core.management.base import BaseCommand, CommandError, CommandParser

from contacts.models import Mapping

HEADER = ("group_id", "system", "system_ref", "is_primary")


class Command(BaseCommand):
    help = "Write every placed System Ref and its GroupID to a CSV file. Exit codes: 0 done, 2 usage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        unfinished = path.with_name(f"{path.name}.part")
        try:
            with unfinished.open("w", encoding="utf-8", newline="") as file:
                rows = _write(csv.writer(file))
            os.replace(unfinished, path)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}.", returncode=2) from None
        self.stdout.write(f"{rows:,} System Refs written to {path}.")


def _write(writer: Any) -> int:
    """Group by group, the primary first; the memory does not grow with the rows."""
    rows = (
        Mapping.objects.order_by("contact_id", "-is_primary", "system_ref__system__code", "system_ref_id")
        .values_list("contact_id", "system_ref__system__code", "system_ref__system_ref", "is_primary")
        .iterator(chunk_size=5_000)
    )
    writer.writerow(HEADER)
    count = 0
    for group_id, system, system_ref, is_primary in rows:
        writer.writerow((group_id, system, system_ref, "true" if is_primary else "false"))
        count += 1
    return count
