"""What the import commands share: their arguments, the progress bar and what they print."""

import json
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django_q.tasks import async_task

from contacts.import_files import BadMap, FileRefused
from contacts.importers import IMPORTERS
from contacts.models import TicketSystem
from contacts.services.arrivals import Admitted
from contacts.services.import_chunks import ImportFile
from contacts.services.imports import (
    BadDateFormat,
    CannotImport,
    ImportOptions,
    RejectedWriter,
    admit_chunk,
    check_may_import,
    open_import,
    reason_of,
)

DATA_REFUSED, USAGE = 1, 2
_REASONS_SHOWN = 10


class ImportCommand(BaseCommand):
    """Brings one file in. Exit code 0: all done; 1: rows or the file refused; 2: asked for wrongly."""

    kind = ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV or XLSX")
        parser.add_argument("--system", required=True, metavar="CODE", help="the system that the rows are of")
        parser.add_argument(
            "--map", action="append", default=[], metavar="THEIRS=OURS", help="a column under another name"
        )
        parser.add_argument("--date-format", default="", metavar="F", help="such as %%d/%%m/%%Y")
        parser.add_argument("--rejected", type=Path, metavar="FILE", help="write rejected rows here, as CSV")
        parser.add_argument("--by", metavar="USERNAME", help="whose rights count; without it, nobody's")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        importer, system, user = IMPORTERS[self.kind], _system(options["system"]), _user(options["by"])
        read_by = ImportOptions(_column_map(options["map"]), options["date_format"])
        outcome = _Outcome()
        try:
            check_may_import(user, system)
            with ExitStack() as stack:
                stream = stack.enter_context(options["file"].open("rb"))
                file = open_import(
                    stream, importer=importer, system=system, options=read_by, now=timezone.now()
                )
                outcome.ignored = file.layout.ignored
                writer = _rejected_writer(options["rejected"], file, stack)
                self._bring_in(file, system, user, writer, outcome.total)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", returncode=USAGE) from error
        except (BadMap, BadDateFormat, CannotImport) as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except FileRefused as error:
            outcome.message = f"{options['file'].name}: {error}"
        if outcome.total.created:
            async_task("contacts.tasks.place_new_refs", task_name="place new refs")
        self._report(outcome, as_json=options["json"])
        if outcome.message or outcome.total.rejected:
            sys.exit(DATA_REFUSED)

    def _bring_in(
        self,
        file: ImportFile,
        system: TicketSystem,
        user: User | None,
        writer: RejectedWriter | None,
        total: Admitted,
    ) -> None:
        now = timezone.now()  # one moment of arrival for the whole file
        for chunk in file.chunks():
            result = admit_chunk(chunk, importer=file.importer, system=system, now=now, actor=user)
            for refusal in result.refusals:
                if writer:
                    writer.write(refusal, file.row_as_written(refusal, chunk))
            total.add(result)
            del total.refusals[_REASONS_SHOWN:]
            self._show_progress(file, total)
        if self.stderr.isatty():
            self.stderr.write("")

    def _show_progress(self, file: ImportFile, total: Admitted) -> None:
        if not self.stderr.isatty():
            return
        share = file.table.position() / max(file.table.size, 1)
        bar = "█" * int(share * 30)
        self.stderr.write(f"\r{bar:░<30} {share:4.0%}  {sum(total.counts.values()):,} rows", ending="")

    def _report(self, outcome: "_Outcome", *, as_json: bool) -> None:
        total = outcome.total
        if as_json:
            more = {"ignored_columns": outcome.ignored, "message": outcome.message}
            conflicts = {"conflicts": total.conflicts} if total.conflicts else {}
            self.stdout.write(json.dumps({**total.counts, **conflicts, **more}))
            return
        if outcome.ignored:
            self.stdout.write(f"Columns left out: {', '.join(outcome.ignored)}")
        if outcome.message:
            self.stderr.write(outcome.message)
        elif not any(total.counts.values()):
            self.stdout.write("The file has a header and no rows.")
        self.stdout.write(", ".join(f"{count:,} {name}" for name, count in total.counts.items()))
        if total.conflicts:
            self.stdout.write(
                f"{total.conflicts:,} at odds with hand edits, which stand until somebody chooses"
            )
        for refusal in total.refusals:
            where = f", {refusal.column}" if refusal.column else ""
            self.stdout.write(f"  line {refusal.line}{where}: {reason_of(refusal)}")
        if (more_rows := total.rejected + total.held - len(total.refusals)) > 0:
            self.stdout.write(f"  and {more_rows:,} more; --rejected FILE keeps them all")


@dataclass
class _Outcome:
    total: Admitted = field(default_factory=Admitted)
    ignored: list[str] = field(default_factory=list)
    message: str = ""


def _system(code: str) -> TicketSystem:
    try:
        return TicketSystem.objects.get(code=code)
    except TicketSystem.DoesNotExist:
        known = ", ".join(TicketSystem.objects.order_by("code").values_list("code", flat=True)) or "none yet"
        raise CommandError(
            f"There is no ticket system {code}. There are: {known}.", returncode=USAGE
        ) from None


def _user(username: str | None) -> User | None:
    if username is None:
        return None
    try:
        return User.objects.get(username=username)
    except User.DoesNotExist:
        raise CommandError(f"There is no user {username}.", returncode=USAGE) from None


def _column_map(pairs: list[str]) -> dict[str, str]:
    column_map = {}
    for pair in pairs:
        theirs, equals, ours = pair.rpartition("=")
        if not (equals and theirs.strip() and ours.strip()):
            raise CommandError(f"--map {pair}: write it like theirs=ours.", returncode=USAGE)
        column_map[theirs.strip()] = ours.strip()
    return column_map


def _rejected_writer(path: Path | None, file: ImportFile, stack: ExitStack) -> RejectedWriter | None:
    if path is None:
        return None
    stream = stack.enter_context(path.open("w", encoding="utf-8-sig", newline=""))
    return RejectedWriter(stream, file.header)
