"""Publish: what is staged becomes System Refs, related names, purchases, history and queue objects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from contacts.cleaning import Refusal
from contacts.models.history import Origin
from contacts.services.import_chunks import Chunk, ImportFile, printable
from contacts.services.imports import admit_chunk, read_table, reason_of
from ticketing.connectors.base import DataSet
from ticketing.models import PullRun, WaitingRow
from ticketing.services.pull_apply import AGAIN, NO_NAME, bring_back, gone_refs, options_of
from ticketing.services.pull_counts import add_counts
from ticketing.services.pull_download import Clock
from ticketing.services.staging import Lot, StagingArea

_VALUE, _REASON = 200, 300


@dataclass
class _Taking:
    """One lot that is being taken. `may_be_gone`: some account of the system is marked as gone at source."""

    run: PullRun
    area: StagingArea
    lot: Lot
    file: ImportFile
    key_of: Callable[[Sequence[str]], str]
    may_be_gone: bool


def publish(run: PullRun, *, clock: Clock) -> None:
    """Write what is staged, chunk by chunk: rows, counts and what is left are one transaction each.

    Cut off anywhere, what is left goes on. Rows that cannot be taken wait, whole and with the reason, to be
    tried again; rows that were taken wait no more. Accounts that come are at the source again.
    """
    area = StagingArea(run)
    for lot in area.lots:
        taking = _begin(run, area, lot)
        for chunk in taking.file.chunks():
            with transaction.atomic():
                _publish_chunk(taking, chunk)
                run.done += chunk.size
                run.worked_at = clock()
                run.save(update_fields=["counts", "done", "worked_at"])


def _begin(run: PullRun, area: StagingArea, lot: Lot) -> _Taking:
    system = run.connection.system
    file = read_table(
        area.table(lot),
        importer=lot.importer,
        system=system,
        options=options_of(run, lot),
        now=run.started_at,
        way_in=Origin.PULL,
    )
    may_be_gone = lot.taken_as is DataSet.ACCOUNTS and gone_refs(run).exists()
    return _Taking(run, area, lot, file, area.key_of(lot), may_be_gone)


def _publish_chunk(taking: _Taking, chunk: Chunk) -> None:
    run, lot = taking.run, taking.lot
    written = admit_chunk(
        chunk,
        importer=lot.importer,
        system=run.connection.system,
        now=run.started_at,
        actor=run.by,
        way_in=Origin.PULL,
    )
    keys = {line: taking.key_of(cells) for line, cells in chunk.cells.items()}
    _let_wait(run, lot, chunk, written.refusals, keys)
    _wait_no_more(run, lot, keys, refused={refusal.line for refusal in written.refusals})
    if taking.may_be_gone:
        add_counts(run, back=bring_back(run, list(keys.values())))
    if keys and taking.file.table.has_unique_keys:  # then rows come in their order
        taking.area.drop_up_to(lot, max(keys))
    else:
        taking.area.drop(list(keys))
    more = {"conflicts": written.conflicts} if written.conflicts else {}
    add_counts(run, **{**written.counts, **_refused(run, written.refusals), **more})


def _refused(run: PullRun, refusals: Sequence[Refusal]) -> dict[str, int]:
    """How many rows were refused of those that came, and of those of earlier pulls that were tried again."""
    last = run.since.get(AGAIN, 0)
    came = [refusal.is_held for refusal in refusals if refusal.line <= last]
    return {"rejected": came.count(False), "held": came.count(True), "still": len(refusals) - len(came)}


def _let_wait(
    run: PullRun,
    lot: Lot,
    chunk: Chunk,
    refusals: Sequence[Refusal],
    keys: Mapping[int, str],
) -> None:
    """Keep the refused rows, each once by its key."""
    rows = {keys[refusal.line]: _waiting(run, lot, chunk, refusal, keys) for refusal in refusals}
    WaitingRow.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["connection", "data_set", "key"],
        update_fields=["row", "column", "value", "reason", "is_held", "tried_at"],
        batch_size=500,
    )


def _waiting(run: PullRun, lot: Lot, chunk: Chunk, refusal: Refusal, keys: Mapping[int, str]) -> WaitingRow:
    return WaitingRow(
        connection=run.connection,
        data_set=lot.told_as.value,
        key=keys[refusal.line],
        row=_named(lot.columns, chunk.cells[refusal.line]),
        column=refusal.column,
        value=printable(refusal.value)[:_VALUE],
        reason=reason_of(refusal)[:_REASON],
        is_held=refusal.is_held,
        since=run.started_at,
        tried_at=run.started_at,
        run=run,
    )


def _named(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """The row by its columns; cells beyond them are kept under no name."""
    row = dict(zip(columns, map(printable, cells), strict=False))
    beyond = cells[len(columns) :]
    return {**row, NO_NAME: " ".join(map(printable, beyond))} if beyond else row


def _wait_no_more(run: PullRun, lot: Lot, keys: Mapping[int, str], *, refused: set[int]) -> None:
    waiting = _waiting_of(run, lot)
    if waiting.exists():
        waiting.filter(key__in=[key for line, key in keys.items() if line not in refused]).delete()


def _waiting_of(run: PullRun, lot: Lot) -> QuerySet[WaitingRow]:
    return WaitingRow.objects.filter(connection=run.connection, data_set=lot.told_as.value)
