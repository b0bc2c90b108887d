"""Brings the fictional club to life: its systems and people, their files, and the night over them."""

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contacts.importers import IMPORTERS
from contacts.models import Job, Organisation, TicketSystem
from contacts.services.arrivals import Admitted
from contacts.services.imports import ImportOptions, admit_chunk, open_import
from contacts.services.systems import add_business_unit, add_ticket_system
from kore_site.demo import club
from kore_site.demo.files import ClubFiles, Delivery
from kore_site.demo.progress import Progress, progress
from sync.models import NightRun
from sync.models.night import RunState

SEED = 1887  # the year the club was founded


@dataclass(frozen=True)
class Imported:
    """What came of one file."""

    system: str
    file: str
    counts: dict[str, int]
    seconds: float


def is_loaded() -> bool:
    """Whether a night is through: only then is the demonstration complete."""
    return NightRun.objects.filter(state=RunState.DONE).exists()


def is_someone_elses() -> bool:
    """Whether ticket systems stand here that the demonstration did not make."""
    ours = [system.code for system in club.SYSTEMS]
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
    for system in club.SYSTEMS:
        if system.code not in known:
            add_ticket_system(
                system.code,
                name=system.name,
                unit=units[system.unit],
                rank=system.rank,
                is_isolated=system.is_isolated,
                ref_label=system.ref_label,
            )


def import_files(files: ClubFiles, *, now: dt.datetime) -> Iterator[Imported]:
    """Bring in each delivery as of the day it came: customers first, then what they bought."""
    for delivery in files.deliveries:
        came = now - dt.timedelta(days=delivery.days_ago)
        yield _import(delivery, delivery.customers, Job.Kind.IMPORT_SYSTEM_REFS, now=came)
        yield _import(delivery, delivery.purchases, Job.Kind.IMPORT_PURCHASES, now=came)


def _import(delivery: Delivery, path: Path, kind: Job.Kind, *, now: dt.datetime) -> Imported:
    system = TicketSystem.objects.get(code=delivery.system.code)
    began = time.monotonic()
    with progress(f"{system.code}: {path.name}") as line, path.open("rb") as file:
        total = _admit(file, IMPORTERS[kind], system, line, now=now)
        counts = total.counts
        line.finish(", ".join(f"{count:,} {name}" for name, count in counts.items() if count))
    return Imported(system.code, path.name, counts, time.monotonic() - began)


def _admit(file, importer, system: TicketSystem, line: Progress, *, now: dt.datetime) -> Admitted:
    opened = open_import(file, importer=importer, options=ImportOptions(), now=now)
    total = Admitted()
    for chunk in opened.chunks():
        total.add(admit_chunk(chunk, importer=importer, system=system, now=now))
        line.to(opened.table.position(), opened.table.size)
    return total
