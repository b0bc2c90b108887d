"""Rejected rows corrected in place: kept as they are mended, and sent again as an import of their own."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from contacts.import_files import Layout, escape_formula, lay_out
from contacts.importers import IMPORTERS
from contacts.models import Job, RejectedRow
from contacts.services.import_chunks import printable
from contacts.services.imports import ImportOptions, check_may_import
from contacts.services.jobs import JobIsElsewhere, file_import


class NothingMended(Exception):
    """Says, for the person at the screen, that no row was corrected."""


def layout_of(job: Job) -> Layout:
    """Where our columns stand among those of the job's file. Raises what reading its header raised then."""
    importer = IMPORTERS[job.kind]
    return lay_out(
        header_of(job),
        ours=importer.column_names,
        required=importer.required,
        column_map=job.options.get("map", {}),
    )


def header_of(job: Job) -> list[str]:
    """The column names of the job's file, as its rejected rows name them."""
    return list(job.options.get("header", []))


def one_line(text: str) -> str:
    """The text as a field of a form holds it, which knows no lines."""
    return text.replace("\r", "").replace("\n", "")


@transaction.atomic
def keep_mended(job: Job, cells: Mapping[int, Mapping[str, str]], *, by: User) -> int:
    """Keep corrections of a job's rejected rows (row id -> column name -> text); returns how many changed.

    A cell that is as it was is no correction, and one of a row that was sent already is left out. Raises
    CannotImport, or JobIsElsewhere unless the job is done.
    """
    _check_mendable(job, by=by)
    rows = job.rejected_rows.mendable().filter(pk__in=cells).order_by("pk").select_for_update(of=("self",))
    changed = []
    for row in rows:
        given = {name: printable(text) for name, text in cells[row.pk].items() if name in row.row}
        both = (row.mended | given).items()
        mended = {name: text for name, text in both if text != one_line(row.row[name])}
        if mended != row.mended:
            row.mended = mended
            changed.append(row)
    RejectedRow.objects.bulk_update(changed, ["mended"], batch_size=500)
    return len(changed)


@transaction.atomic
def send_mended(job: Job, *, by: User, now: datetime) -> Job:
    """File the corrected rows as an import of their own, with the options of the first; returns it, waiting.

    The rows say from then on where they were sent, and may be sent again only if that came to nothing.
    Raises NothingMended, or what `keep_mended` and `file_import` raise.
    """
    _check_mendable(job, by=by)
    mended = job.rejected_rows.mended().order_by("line", "pk").select_for_update(of=("self",))
    rows = list(mended)
    if not rows:
        raise NothingMended("No row was corrected: change a cell first.")
    written = _as_csv(header_of(job), rows, is_escaped=layout_of(job).is_returned)
    sent = file_import(
        SimpleUploadedFile(f"Corrections to {job.file_name}", written, "text/csv"),
        importer=IMPORTERS[job.kind],
        system=job.system,
        options=ImportOptions(
            job.options.get("map", {}), job.options.get("date_format", ""), job.options.get("time_zone", "")
        ),
        by=by,
        now=now,
    )
    Job.objects.filter(pk=sent.pk).update(options={**sent.options, "corrects": job.pk})
    sent.refresh_from_db()
    RejectedRow.objects.filter(pk__in=[row.pk for row in rows]).update(sent_in=sent)
    return sent


def _check_mendable(job: Job, *, by: User) -> None:
    check_may_import(by, job.system)
    if job.state != Job.State.DONE:
        raise JobIsElsewhere(job)


def _as_csv(header: Sequence[str], rows: Iterable[RejectedRow], *, is_escaped: bool) -> bytes:
    """The corrected rows under their file's header; escaped where they are read as a file of ours."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([" ".join(name.split()) for name in header])  # a header is one line
    for row in rows:
        cells = [str((row.row | row.mended).get(name, "")) for name in header]
        writer.writerow(map(escape_formula, cells) if is_escaped else cells)
    return buffer.getvalue().encode("utf-8-sig")
