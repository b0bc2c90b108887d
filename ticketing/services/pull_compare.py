"""Compare: the full list of the source's account numbers finds those gone, merged or erased there."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from contacts.models import GoneRef, SystemRef
from contacts.services.departures import Departure, mark_back, mark_gone
from ticketing.connectors.base import Connector
from ticketing.models import PullAlarm, PullRun, StagedRow
from ticketing.services.pull_alarms import clear_alarms, raise_alarm
from ticketing.services.pull_counts import add_counts
from ticketing.services.pull_download import Clock
from ticketing.services.staging import ERASED, NUMBERS, StagingArea

MOST_SHARE = 0.05  # of the known accounts that may be missing at once
FEW = 10  # that may be missing at once, however few are known
_AT_ONCE = 2_000

One = TypeVar("One")


@dataclass(frozen=True)
class Held(Exception):
    """More accounts are missing than may be marked without a person's word."""

    message: str
    advice: str

    def __str__(self) -> str:
        return self.message


def list_accounts(run: PullRun, connector: Connector, *, clock: Clock) -> None:
    """Stage every account number that the source knows; cut off, it begins anew. Raises SourceError."""
    area = StagingArea(run)
    area.clear(NUMBERS)
    for listed in connector.account_numbers():
        with transaction.atomic():
            area.add_numbers(listed)
            run.done += len(listed)
            run.worked_at = clock()
            run.save(update_fields=["done", "worked_at"])
    area.tell_planner()


def compare(run: PullRun, *, accepts: bool, clock: Clock) -> None:
    """Mark the accounts that are not on the list any more, and take marks off those that are again.

    Nothing is marked, and Held is raised with an alarm, where the list is empty, or where more are missing
    than a twentieth (and more than a few), unless a person accepts that. Marking is idempotent, in parts.
    """
    now = clock()
    _require_plausible(run, accepts=accepts, now=now)
    for departures in _in_parts(_departures(run)):
        counts = mark_gone(departures, now=now)
        add_counts(run, **{name: counts.get(name, 0) for name in ("missing", "merged", "erased")})
        run.save(update_fields=["counts"])
    for ids in _in_parts(_listed_again(run).values_list("pk", flat=True).iterator()):
        add_counts(run, back=mark_back(ids, now=now))
        run.save(update_fields=["counts"])
    clear_alarms(run.connection, PullAlarm.Kind.EMPTY_LIST, PullAlarm.Kind.TOO_MANY_GONE, now=now)


def _require_plausible(run: PullRun, *, accepts: bool, now: datetime) -> None:
    known = _standing(run).count()
    listed = StagedRow.objects.filter(run=run, lot=NUMBERS).count()
    if known and not listed:
        raise_alarm(
            run.connection,
            PullAlarm.Kind.EMPTY_LIST,
            f"The source lists no account at all; {known:,} are known. Nothing was marked.",
            now=now,
        )
        raise Held(
            f"The source lists no account at all; {known:,} are known. Nothing was marked.",
            "Look at the query or the rights of the credentials: an empty list is never believed.",
        )
    missing = _missing(run).count()
    told = _standing(run).filter(Exists(_listing(run).exclude(cells=""))).count()
    going = missing + told
    if not accepts and (going > max(FEW, known * MOST_SHARE) or going * 2 > known):
        merged = f", and {told:,} are said to be merged or erased" if told else ""
        said = f"{missing:,} of {known:,} accounts are missing at the source{merged}. None was marked."
        raise_alarm(run.connection, PullAlarm.Kind.TOO_MANY_GONE, said, now=now)
        raise Held(said, "If they are really gone, let them be marked; else look at the query for the list.")


def _standing(run: PullRun) -> QuerySet[SystemRef]:
    return SystemRef.objects.filter(system=run.connection.system, gone=None)


def _listing(run: PullRun) -> QuerySet[StagedRow]:
    """The list's lines about a System Ref."""
    return StagedRow.objects.filter(run=run, lot=NUMBERS, key=OuterRef("system_ref"))


def _missing(run: PullRun) -> QuerySet[SystemRef]:
    return _standing(run).filter(~Exists(_listing(run)))


def _listed_again(run: PullRun) -> QuerySet[SystemRef]:
    marked = SystemRef.objects.filter(system=run.connection.system, gone__isnull=False)
    return marked.filter(Exists(_listing(run).filter(cells="")))


def _departures(run: PullRun) -> Iterator[Departure]:
    """Who is gone and not marked so: the missing, then those that the list says are merged or erased."""
    for ref_id in list(_missing(run).values_list("pk", flat=True)):
        yield Departure(ref_id, GoneRef.Reason.MISSING)
    told = StagedRow.objects.filter(run=run, lot=NUMBERS).exclude(cells="").values_list("key", "cells")
    for part in _in_parts(told.order_by("key").iterator(chunk_size=_AT_ONCE)):
        yield from _told_departures(run, part)


def _told_departures(run: PullRun, told: list[tuple[str, str]]) -> Iterator[Departure]:
    """Of these lines of the list, those that say more than is marked."""
    numbers = {number for line in told for number in line}
    refs = SystemRef.objects.filter(system=run.connection.system, system_ref__in=numbers)
    known = {
        number: (pk, reason) for number, pk, reason in refs.values_list("system_ref", "pk", "gone__reason")
    }
    for number, into in told:
        reason = GoneRef.Reason.ERASED if into == ERASED else GoneRef.Reason.MERGED
        pk, marked = known.get(number, (None, ""))
        if pk is not None and marked != reason:
            yield Departure(pk, reason, known.get(into, (None, ""))[0])


def _in_parts(found: Iterable[One]) -> Iterator[list[One]]:
    part: list[One] = []
    for one in found:
        part.append(one)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part
