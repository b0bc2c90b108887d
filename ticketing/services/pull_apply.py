"""Apply: the staging area becomes what has to be published, and nothing else."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from contacts.models import SystemRef
from contacts.models.history import Origin
from contacts.services.departures import mark_back
from contacts.services.imports import ImportOptions, read_table
from contacts.services.row_prints import Printer
from ticketing.connectors.base import ChangedSchema, DataSet, Page
from ticketing.models import PullRun, StagedRow, WaitingRow
from ticketing.services.pull_counts import add_counts
from ticketing.services.pull_download import Clock
from ticketing.services.staging import Lot, StagedTable, StagingArea

NO_NAME = ""  # of the cells of a waiting row that are beyond its columns
AGAIN = "again"  # in a run's `since`: the last staged row that it downloaded itself
_MOST_TRIED_AGAIN = 10_000


def apply_rows(run: PullRun, *, clock: Clock) -> None:
    """Take the rows that wait to be mended in again, and drop those that say what is known already.

    What is known is told by prints (ADR 0008), a lookup a row. Both halves may be cut off and done again.
    Raises SourceError when the columns do not fit the mapping.
    """
    area = StagingArea(run)
    _stage_waiting(run, area)
    for lot in area.lots:
        _drop_known(run, area, lot, clock=clock)


def options_of(run: PullRun, lot: Lot) -> ImportOptions:
    """How the lot's rows are to be read."""
    connection = run.connection
    return ImportOptions(lot.column_map(connection), connection.date_format, connection.time_zone)


@transaction.atomic
def _stage_waiting(run: PullRun, area: StagingArea) -> None:
    """Rows that could not be taken before are tried again, unless the source sent them anew.

    They come behind all that was downloaded, which is how they are told apart when they are refused again.
    """
    if AGAIN not in run.since:
        run.since = {**run.since, AGAIN: area.last_number()}
    for data_set in DataSet:
        waiting = WaitingRow.objects.filter(connection=run.connection, data_set=data_set.value)
        # A row with more cells than columns is shifted somewhere: only the source can send it right.
        again = waiting.exclude(key__in=area.staged_keys(data_set)).exclude(row__has_key=NO_NAME)
        again = again.order_by(
            "tried_at", "pk"
        )  # each in its turn, where they are more than are tried at once
        for columns, rows in _by_columns(list(again.values_list("row", flat=True)[:_MOST_TRIED_AGAIN])):
            with suppress(ChangedSchema):  # of rows from before the columns changed: they go on waiting
                area.add(data_set, Page(columns, rows, resume=""))
    run.save(update_fields=["columns", "since"])


def _by_columns(rows: list[dict[str, str]]) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    found: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for row in rows:
        found.setdefault(tuple(row), []).append(tuple(row.values()))
    yield from found.items()


def _drop_known(run: PullRun, area: StagingArea, lot: Lot, *, clock: Clock) -> None:
    table = area.table(lot)
    file = read_table(
        table,
        importer=lot.importer,
        system=run.connection.system,
        options=options_of(run, lot),
        now=run.started_at,
        way_in=Origin.PULL,
    )
    printer = file.printer
    if printer is None or not _may_be_known(run, lot) or not table.has_unique_keys:
        return  # rows that come more than once are judged together, when they are published
    may_be_gone = lot.taken_as is DataSet.ACCOUNTS and gone_refs(run).exists()
    _drop_by_print(run, area, table, printer, may_be_gone=may_be_gone, clock=clock)


def gone_refs(run: PullRun) -> QuerySet[SystemRef]:
    """The accounts of the run's system that are marked as gone at their source."""
    return SystemRef.objects.filter(system=run.connection.system, gone__isnull=False)


def bring_back(run: PullRun, keys: Any) -> int:
    """Take the mark off accounts that came, by their keys; returns how many bore one."""
    came = gone_refs(run).filter(system_ref__in=keys)
    return mark_back(list(came.values_list("pk", flat=True)), now=run.started_at)


def _may_be_known(run: PullRun, lot: Lot) -> bool:
    """Whether any print stands for this system: on a first load none does, and nothing need be looked up."""
    path = f"{lot.importer.prints.PATH_TO_REF}__system"
    return lot.importer.prints._base_manager.filter(**{path: run.connection.system}).exists()  # noqa: SLF001


def _drop_by_print(
    run: PullRun,
    area: StagingArea,
    table: StagedTable,
    printer: Printer,
    *,
    may_be_gone: bool,
    clock: Clock,
) -> None:
    for block in table.staged_blocks():
        unknown = set(printer.unknown(printer.prints_of(block.texts())))
        known = [number for index, number in enumerate(block.ids) if index not in unknown]
        with transaction.atomic():
            if may_be_gone:
                came = StagedRow.objects.filter(pk__in=known).values("key")
                add_counts(run, back=bring_back(run, came))
            area.drop(known)
            add_counts(run, unchanged=len(known))
            run.done += len(block)
            run.worked_at = clock()
            run.save(update_fields=["counts", "done", "worked_at"])
