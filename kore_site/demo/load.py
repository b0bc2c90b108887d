"""Brings the fictional club to life: its systems and people, their files, and the night over them."""

import csv
import datetime as dt
import logging
import time
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from django.contrib.auth.models import User
from django.utils import timezone

from contacts.importers import IMPORTERS, Importer
from contacts.models import Job, Organisation, TicketSystem
from contacts.services.arrivals import COUNTS, Admitted
from contacts.services.evaluate import Quality, TrueRow
from contacts.services.evaluate import evaluate as compare
from contacts.services.imports import ImportOptions, admit_chunk, open_import
from contacts.services.systems import add_business_unit, add_ticket_system
from kore_site.demo import club
from kore_site.demo.files import ClubFiles, Delivery
from kore_site.demo.group_work import group_after, group_before
from kore_site.demo.live_source import connect_shop
from kore_site.demo.progress import Progress, progress
from kore_site.demo.working_days import work_before, work_on_the_shop
from sync.models import NightRun
from sync.models.night import RunState
from sync.night import NIGHT, Counts, Step
from sync.night import Progress as NightProgress
from sync.services.run_night import run_night
from ticketing.models import PullRun
from ticketing.services.pull import pull

SEED = 1887  # the year the club was founded


@dataclass(frozen=True)
class Imported:
    """What came of one file."""

    system: str
    file: str
    counts: dict[str, int]
    seconds: float


class NightFailed(Exception):
    """A step of the night did not do its work; says which, and why."""

    def __init__(self, run: NightRun) -> None:
        failed = run.steps.filter(state=RunState.FAILED)
        super().__init__(" ".join(f"The night failed at “{step.name}”: {step.error}" for step in failed))


class PullFailed(Exception):
    """The shop could not be pulled; says why."""


def is_loaded() -> bool:
    """Whether the demonstration is complete: its people are let in last, by their passwords."""
    people = User.objects.filter(username__in=[person.username for person in club.STAFF])
    return any(person.has_usable_password() for person in people)


def is_someone_elses() -> bool:
    """Whether ticket systems stand here that the demonstration did not make."""
    ours = [system.code for system in (*club.SYSTEMS, club.SHOP)]
    return (
        TicketSystem.objects.exclude(code__in=ours)
        .exclude(kind=TicketSystem.Kind.HAND, business_unit__code__in=[unit.code for unit in club.UNITS])
        .exists()
    )


def found_club() -> None:
    """The organisation, its units and its ticket systems; doing it again changes nothing."""
    Organisation.load()
    Organisation.objects.update(name=club.ORGANISATION, currency=club.CURRENCY, default_country="GB")
    units = {unit.code: add_business_unit(unit.code, name=unit.name) for unit in club.UNITS}
    known = set(TicketSystem.objects.values_list("code", flat=True))
    for system in (*club.SYSTEMS, club.SHOP):
        if system.code not in known:
            add_ticket_system(
                system.code,
                name=system.name,
                unit=units[system.unit],
                rank=system.rank,
                is_isolated=system.is_isolated,
                ref_label=system.ref_label,
            )


def live_through(files: ClubFiles, *, now: dt.datetime) -> tuple[list[Imported], list[NightRun]]:
    """The club's last days: files come in, a night passes, people work, newer files come in, the shop is
    pulled for the first time, tonight passes, and the first changes go to the shop.

    Raises NightFailed or PullFailed.
    """
    earlier = [delivery for delivery in files.deliveries if delivery.days_ago]
    today = [delivery for delivery in files.deliveries if not delivery.days_ago]
    imports = [done for delivery in earlier for done in _import_delivery(delivery, now=now)]
    nights = [_night(now=_two_nights_ago(now))]
    _work("The people at work", lambda: work_before(files.retold, now=now - dt.timedelta(days=1)))
    _work("The manager groups by hand", lambda: group_before(now=now - dt.timedelta(days=1)))
    imports += [done for delivery in today for done in _import_delivery(delivery, now=now)]
    imports.append(_pull_shop(now=now))
    nights.append(_night(now=now))
    _work("Changes on their way to the shop", lambda: work_on_the_shop(clock=timezone.now))
    _work("Requests for tonight", lambda: group_after(now=now))
    return imports, nights


def _work(title: str, do: Callable[[], Counts]) -> None:
    logging.getLogger("django-q").setLevel(logging.WARNING)  # else it speaks into the progress line
    with progress(title) as line:
        line.finish(counts_in_words(do()))


def _two_nights_ago(now: dt.datetime) -> dt.datetime:
    organisation = Organisation.load()
    local = now.astimezone(zoneinfo.ZoneInfo(organisation.time_zone)) - dt.timedelta(days=2)
    return dt.datetime.combine(local.date(), organisation.night_at, tzinfo=local.tzinfo)


def _night(*, now: dt.datetime) -> NightRun:
    """A night that began at `now`, each step with a line of its own."""
    began = time.monotonic()
    run = run_night(
        trigger=NightRun.Trigger.COMMAND,
        now=now,
        clock=lambda: now + dt.timedelta(seconds=time.monotonic() - began),
        steps=[replace(step, run=_watched(step)) for step in NIGHT],
    )
    if run.state != RunState.DONE:
        raise NightFailed(run)
    return run


def _watched(step: Step) -> Callable[[dt.datetime, NightProgress], Counts]:
    def run(now: dt.datetime, tell: NightProgress) -> Counts:
        def tell_both(done: int, total: int) -> None:
            tell(done, total)
            line.to(done, total)

        with progress(f"Night: {step.name}") as line:
            counts = step.run(now, tell_both)
            line.finish(counts_in_words(counts))
        return counts

    return run


def evaluate(files: ClubFiles) -> Quality:
    """How good the grouping is, against the truth about who is who."""
    with files.truth.open(encoding="utf-8", newline="") as file:
        rows = (TrueRow(number, **row) for number, row in enumerate(csv.DictReader(file), 2))
        return compare(rows).quality


def counts_in_words(counts: Counts) -> str:
    """Such as "3,100 contacts, 12 joined"; what came to nothing is left out."""
    words = (f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    return ", ".join(words) or "nothing to do"


def _pull_shop(*, now: dt.datetime) -> Imported:
    """The first pull of the shop: everything there is."""
    began = time.monotonic()
    with progress(f"{club.SHOP.code}: pulled from its database") as line:
        run = pull(connect_shop(now=now), trigger=PullRun.Trigger.COMMAND, clock=timezone.now)
        if run.state != PullRun.State.DONE:
            raise PullFailed(f"{club.SHOP.code} could not be pulled: {run.message} {run.advice}")
        line.finish(counts_in_words(run.counts))
    counts = {name: run.counts.get(name, 0) for name in COUNTS}
    return Imported(club.SHOP.code, "its live database", counts, time.monotonic() - began)


def _import_delivery(delivery: Delivery, *, now: dt.datetime) -> Iterator[Imported]:
    """Bring in a delivery as of the day it came: customers first, then what they bought."""
    came = now - dt.timedelta(days=delivery.days_ago)
    yield _import(delivery, delivery.customers, Job.Kind.IMPORT_SYSTEM_REFS, now=came)
    yield _import(delivery, delivery.purchases, Job.Kind.IMPORT_PURCHASES, now=came)


def _import(delivery: Delivery, path: Path, kind: Job.Kind, *, now: dt.datetime) -> Imported:
    system = TicketSystem.objects.get(code=delivery.system.code)
    began = time.monotonic()
    with progress(f"{system.code}: {path.name}") as line, path.open("rb") as file:
        total = _admit(file, IMPORTERS[kind], system, line, now=now)
        counts = total.counts
        line.finish(counts_in_words(counts))
    return Imported(system.code, path.name, counts, time.monotonic() - began)


def _admit(
    file: BinaryIO, importer: Importer, system: TicketSystem, line: Progress, *, now: dt.datetime
) -> Admitted:
    opened = open_import(file, importer=importer, system=system, options=ImportOptions(), now=now)
    total = Admitted()
    for chunk in opened.chunks():
        total.add(admit_chunk(chunk, importer=importer, system=system, now=now))
        line.to(opened.table.position(), opened.table.size)
    return total
