"""Imports in the background: filed, checked, confirmed, written; cancelled, taken up again, forgotten."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.import_files import BadMap, FileRefused
from contacts.importers import IMPORTERS, Importer
from contacts.models import Job, RejectedRow, TicketSystem
from contacts.search_index import index_arrivals
from contacts.services.arrivals import COUNTS, Admitted, as_text
from contacts.services.import_chunks import Chunk, ImportFile, printable
from contacts.services.imports import (
    BadDateFormat,
    CannotImport,
    ImportOptions,
    admit_chunk,
    assess_chunk,
    check_date_format,
    check_may_import,
    open_import,
    reason_of,
)

PREVIEWED_ROWS = 50
KEPT_FOR = timedelta(days=30)
UNDER_WAY = (Job.State.WAITING, Job.State.CHECKING, Job.State.WRITING)
ENDED = (Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED)

Clock = Callable[[], datetime]


class JobIsElsewhere(Exception):
    """The job is not where this step could follow; says where it stands."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job} is {job.get_state_display()}.")


class _Stopped(Exception):
    """Someone cancelled the job while it ran."""


def file_import(
    upload: UploadedFile,
    *,
    importer: Importer,
    system: TicketSystem,
    options: ImportOptions,
    by: User,
    now: datetime,
) -> Job:
    """Keep an uploaded file as a waiting job. Raises CannotImport, FileRefused or BadDateFormat."""
    check_may_import(by, system)
    check_date_format(options.date_format, now=now)
    if (upload.size or 0) > settings.MAX_UPLOAD_BYTES:
        most = settings.MAX_UPLOAD_BYTES / 1024 / 1024
        raise FileRefused(
            f"The file has {(upload.size or 0) / 1024 / 1024:,.1f} MB; at most {most:,.0f} are taken."
        )
    job = Job(
        kind=importer.kind,
        system=system,
        file_name=printable(upload.name or "")[:255],
        options={"map": options.column_map, "date_format": options.date_format},
        size=upload.size or 0,
        by=by,
        created_at=now,
    )
    job.file.save("import", upload, save=False)  # under a name of the storage's own: theirs may tell things
    job.save()
    return job


def check_import(job_id: int, *, clock: Clock) -> None:
    """Read the whole file of a waiting job and count what it would come to; writes no record.

    Progress is committed with each chunk. Safe to run again after a crash: it starts over. Another process
    at the same job makes this one do nothing.
    """
    _run(job_id, from_states=(Job.State.WAITING, Job.State.CHECKING), step=_check, clock=clock)


def confirm_import(job: Job, *, by: User, now: datetime) -> None:
    """Let a checked job be written. Raises CannotImport or JobIsElsewhere: of two callers one passes."""
    check_may_import(by, job.system)
    with transaction.atomic():
        moved = Job.objects.filter(pk=job.pk, state=Job.State.CHECKED).update(
            state=Job.State.WRITING,
            by=by,
            started_at=now,
            position=0,
            rows=0,
            counts=dict.fromkeys(COUNTS, 0),
        )
        job.refresh_from_db()
        if not moved:
            raise JobIsElsewhere(job)
        job.rejected_rows.all().delete()


def write_import(job_id: int, *, clock: Clock) -> None:
    """Write the rows of a confirmed job, chunk by chunk; each chunk's rows and counts are one transaction.

    After a crash it goes on behind the last chunk that was committed. Another process at the same job makes
    this one do nothing.
    """
    _run(job_id, from_states=(Job.State.WRITING,), step=_write, clock=clock)


def cancel_import(job: Job, *, by: User, now: datetime) -> None:
    """Stop a job that has not ended; rows written so far stay. Raises CannotImport or JobIsElsewhere."""
    check_may_import(by, job.system)
    moved = (
        Job.objects.filter(pk=job.pk)
        .exclude(state__in=ENDED)
        .update(state=Job.State.CANCELLED, finished_at=now, message=f"Cancelled by {by.get_username()}.")
    )
    job.refresh_from_db()
    if not moved:
        raise JobIsElsewhere(job)
    _drop_file(job)


def resume_imports(*, clock: Clock) -> int:
    """Take up the jobs that a dead process left; those that one is at are left to it. Returns how many."""
    left = list(Job.objects.filter(state__in=UNDER_WAY).order_by("pk").values_list("pk", "state"))
    for job_id, state in left:
        (write_import if state == Job.State.WRITING else check_import)(job_id, clock=clock)
    return len(left)


def prune_jobs(*, now: datetime) -> int:
    """Forget jobs that were begun more than KEPT_FOR ago, with their rejected rows; returns how many."""
    old = Job.objects.filter(created_at__lt=now - KEPT_FOR).exclude(state=Job.State.WRITING)
    for job in old.exclude(file=""):
        _drop_file(job)
    _, deleted = old.delete()
    return deleted.get("contacts.Job", 0)


def seconds_left(job: Job, *, now: datetime) -> int | None:
    """About how long the running step still takes; None while that cannot be told."""
    if job.state not in UNDER_WAY or job.started_at is None or not job.position or not job.size:
        return None
    taken = (now - job.started_at).total_seconds()
    return round(taken * max(job.size - job.position, 0) / job.position)


def _run(
    job_id: int, *, from_states: Iterable[str], step: Callable[[Job, ImportFile, Clock], None], clock: Clock
) -> None:
    try:
        with exclusive(f"import job {job_id}"):
            job = Job.objects.select_related("system", "by").filter(pk=job_id, state__in=from_states).first()
            if job is not None:
                _run_step(job, step, clock)
    except AlreadyRunning:
        return


def _run_step(job: Job, step: Callable[[Job, ImportFile, Clock], None], clock: Clock) -> None:
    try:
        if job.by is None:
            raise CannotImport("Whoever brought this file has no account any more.")
        check_may_import(job.by, job.system)
        options = ImportOptions(job.options.get("map", {}), job.options.get("date_format", ""))
        with job.file.open("rb") as stream:
            file = open_import(
                cast(BinaryIO, stream),
                importer=IMPORTERS[job.kind],
                system=job.system,
                options=options,
                now=clock(),
            )
            step(job, file, clock)
    except _Stopped:
        return
    except (FileRefused, BadMap, BadDateFormat, CannotImport) as refusal:
        _fail(job, str(refusal), now=clock())
    except FileNotFoundError:
        _fail(job, "The file is gone; bring it again.", now=clock())
    except Exception:
        _fail(job, "Something went wrong on our side; the log has it.", now=clock())
        raise


def _check(job: Job, file: ImportFile, clock: Clock) -> None:
    job.rejected_rows.all().delete()
    total = Admitted()
    preview: list[dict[str, str]] = []
    _note(
        job,
        state=Job.State.CHECKING,
        started_at=clock(),
        position=0,
        rows=0,
        counts=total.counts,
        options={**job.options, "header": [printable(name) for name in file.header]},
    )
    for chunk in file.chunks(shown=PREVIEWED_ROWS):
        preview += [_as_texts(row, file) for row in chunk.rows[: PREVIEWED_ROWS - len(preview)]]
        would = assess_chunk(chunk, importer=file.importer, system=job.system)
        total.add(would)
        total.refusals.clear()
        with transaction.atomic():
            _keep_refused(job, would, chunk, file)
            _note(job, **_progress(job, file, chunk, total.counts))
    _note(
        job,
        state=Job.State.CHECKED,
        position=job.size,
        preview=preview,
        ignored_columns=[printable(name) for name in file.layout.ignored],
        message="" if job.rows else "The file has a header and no rows.",
    )


def _write(job: Job, file: ImportFile, clock: Clock) -> None:
    now = job.started_at or clock()  # one moment of arrival, however often the run is taken up again
    for chunk in file.chunks(skip=job.rows):
        with transaction.atomic():
            written = admit_chunk(
                chunk, importer=file.importer, system=job.system, now=now, actor=job.by, job=job
            )
            _keep_refused(job, written, chunk, file)
            counted = {**written.counts, **({"conflicts": written.conflicts} if written.conflicts else {})}
            counts = {**job.counts, **{name: job.counts.get(name, 0) + n for name, n in counted.items()}}
            _note(job, **_progress(job, file, chunk, counts))
    index_arrivals()
    _note(job, state=Job.State.DONE, position=job.size, finished_at=clock())
    _drop_file(job)


def _as_texts(row: Any, file: ImportFile) -> dict[str, str]:
    """A row as it would be written, by our columns, those that the file has."""
    values = zip(file.importer.column_names, row[1:], strict=True)
    return {name: as_text(value) for name, value in values if name in file.layout.positions}


def _progress(job: Job, file: ImportFile, chunk: Chunk, counts: dict[str, int]) -> dict[str, Any]:
    return {"position": file.table.position(), "rows": job.rows + chunk.size, "counts": counts}


def _note(job: Job, **fields: Any) -> None:
    """Write where the job stands, unless someone has cancelled it: then raise _Stopped."""
    if not Job.objects.filter(pk=job.pk).exclude(state__in=ENDED).update(**fields):
        raise _Stopped
    for name, value in fields.items():
        setattr(job, name, value)


def _keep_refused(job: Job, admitted: Admitted, chunk: Chunk, file: ImportFile) -> None:
    RejectedRow.objects.bulk_create(
        (
            RejectedRow(
                job=job,
                line=refusal.line,
                column=refusal.column,
                value=printable(refusal.value)[:200],
                reason=reason_of(refusal)[:300],
                row=file.row_as_written(refusal, chunk),
            )
            for refusal in admitted.refusals
        ),
        batch_size=500,
    )


def _fail(job: Job, message: str, *, now: datetime) -> None:
    Job.objects.filter(pk=job.pk).exclude(state__in=ENDED).update(
        state=Job.State.FAILED, message=message, finished_at=now
    )
    _drop_file(job)


def _drop_file(job: Job) -> None:
    """Files hold personal data and go when the job has ended."""
    if job.file:
        job.file.delete(save=False)
        Job.objects.filter(pk=job.pk).update(file="")
