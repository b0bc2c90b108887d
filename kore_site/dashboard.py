"""What each role sees first: only figures over systems that the person may see."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from contacts.figures import Figures, SystemFigures, figures_of, forget_figures, refs_alone
from contacts.models import Contact, Job, Organisation, TicketSystem
from contacts.next_night import next_night_at
from contacts.permissions import GROUPS_WITH_EVERY_SYSTEM, SystemRight, systems_with
from contacts.recently_opened import opened_last
from contacts.services.golden import golden_of
from contacts.shares import share, share_text
from contacts.system_rights import ask_whom
from kore_site.work_waiting import work_waiting
from sync.models import NightRun
from sync.morning_requests import requests_in_numbers
from sync.night_charts import night_bars
from sync.night_held import MAY_RELEASE, held_by_command
from sync.night_report import NightLine, read_night
from sync.services.run_night import night_is_at_work
from ticketing.connection_report import read_connections
from ticketing.models import SourceConnection
from ticketing.tdm.overview import work_of

NIGHTS_SHOWN = 30
JOBS_SHOWN = 5
CONNECTIONS_SHOWN = 8
UNFINISHED = (Job.State.WAITING, Job.State.CHECKING, Job.State.CHECKED, Job.State.WRITING)
ASK_ADMINISTRATOR = "Ask an administrator."
SIZE_BANDS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 9), (10, None))
QUALITIES = (
    ("e-mail", "with_email"),
    ("phone", "with_phone"),
    ("birth date", "with_birth_date"),
    ("address", "with_address"),
    ("stale", "stale"),
)


@dataclass(frozen=True)
class Share:
    """A part of a whole; `tint` is its depth on the palette, 0 to 10."""

    count: int
    of: int

    @property
    def percent(self) -> int:
        return round(self.count / self.of * 100) if self.of else 0

    @property
    def says(self) -> str:
        return share_text(share(self.count, self.of))

    @property
    def tint(self) -> int:
        return round(self.count / self.of * 10) if self.of else 0


@dataclass(frozen=True)
class OverlapRow:
    """A system and, for every system of the matrix, the share of its Contacts that the other knows."""

    system: TicketSystem
    contacts: int
    cells: Sequence[tuple[TicketSystem, Share | None]]


@dataclass(frozen=True)
class SystemLine:
    """A system with its figures and what the person may do with its records."""

    system: TicketSystem
    figures: SystemFigures
    qualities: Sequence[tuple[str, Share]]
    may_change: bool


@dataclass(frozen=True)
class FirstStep:
    """A thing to do on a fresh install; where `address` is empty, `ask` says who can do it or help."""

    title: str
    text: str
    done: bool
    address: str
    ask: str = ASK_ADMINISTRATOR


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's dashboard callback: adds what the first page shows. The number of queries is constant.

    Who may see the nights steers, and sees everything here; officers see the figures; who sees people
    finds them, with no figure but how many refs their systems hold. Neither the search nor a figure covers
    a system that the person may not see.
    """
    user, now = request.user, timezone.now()
    steers = user.has_perm("sync.view_nightrun")
    systems = list(TicketSystem.objects.visible_to(user).order_by("rank", "code"))
    nights = _nights(now) if steers else []
    shows_figures = steers or user.groups.filter(name__in=GROUPS_WITH_EVERY_SYSTEM).exists()
    seen = [system.pk for system in systems]
    figures = figures_of(seen, now=now, since=last_change(nights)) if shows_figures else None
    counted = figures.systems if figures else refs_alone(seen)
    lines = _system_lines(systems, counted, may_change=systems_with(user, SystemRight.CHANGE))
    context.update(
        steers=steers,
        shows_figures=shows_figures,
        finds_people=user.has_perm("contacts.view_contact"),
        search_address=reverse("tdm:find"),
        work=work_of(user, mine=not steers),
        grouping=work_waiting(request) if steers else None,
        grouping_addresses=_grouping_addresses(),
        figures=figures,
        systems=lines,
        recent=_recent_contacts(request),
        overlap=_overlap(systems, figures) if figures else [],
        sizes=_sizes(figures) if figures else [],
        jobs=_jobs(user),
        jobs_address=page_address("contacts_job_changelist"),
        **_connection_panel(user, now=now),
        first_steps=_first_steps(user, systems, figures, nights) if steers and figures else [],
        held_night=_held_night(user, nights),
        held_grouping=held_by_command() if user.has_perm(MAY_RELEASE) else None,
        **_night_panel(nights, user=user, now=now),
    )
    return context


def _grouping_addresses() -> dict[str, str]:
    """Where what waits for people who group is looked after."""
    pages = {"requests": "grouprequest", "review": "reviewanswer", "cases": "case", "changes": "groupchange"}
    addresses = {name: page_address(f"contacts_{page}_changelist") for name, page in pages.items()}
    return addresses | {"plan": page_address("sync_nightplan_changelist")}


def forget_overview(user: User | AnonymousUser) -> None:
    """Have this person's next overview count afresh."""
    nights = _nights(timezone.now()) if user.has_perm("sync.view_nightrun") else []
    forget_figures(systems_with(user, SystemRight.VIEW), since=last_change(nights))


def last_change(nights: Sequence[NightLine]) -> str:
    """What the cached figures hang on: a finished night makes them anew."""
    return f"{nights[0].run.pk} {nights[0].run.state}" if nights else ""


def page_address(name: str) -> str:
    """The address of an admin page; empty where no such page is registered."""
    try:
        return reverse(f"admin:{name}")
    except NoReverseMatch:
        return ""


def _nights(now: datetime) -> list[NightLine]:
    """The last nights, newest first; two queries."""
    nights = NightRun.objects.select_related("held_grouping").prefetch_related("steps")
    runs = nights.order_by("-started_at", "-pk")[:NIGHTS_SHOWN]
    return [read_night(run, now=now, is_at_work=night_is_at_work) for run in runs]


def _held_night(user: User | AnonymousUser, nights: Sequence[NightLine]) -> NightLine | None:
    """The night that waits for this person, who may let it go on."""
    if not user.has_perm(MAY_RELEASE):
        return None
    return next((night for night in nights[:1] if night.is_held), None)


def _night_panel(nights: Sequence[NightLine], *, user: User | AnonymousUser, now: datetime) -> dict[str, Any]:
    bars = night_bars(nights)
    last = nights[0] if nights else None
    return {
        "nights": nights,
        "last_night": last,
        "morning": requests_in_numbers(last.run, user=user, now=now) if last else {},
        "night_bars": bars,
        "next_night_at": next_night_at(Organisation.load(), now=now),
        "nights_address": page_address("sync_nightrun_changelist"),
    }


def _system_lines(
    systems: Sequence[TicketSystem], counted: Mapping[int, SystemFigures], *, may_change: Collection[int]
) -> list[SystemLine]:
    lines = []
    for system in systems:
        figures = counted.get(system.pk, SystemFigures(system_id=system.pk))
        qualities = [(name, Share(getattr(figures, field), figures.refs)) for name, field in QUALITIES]
        lines.append(SystemLine(system, figures, qualities, may_change=system.pk in may_change))
    return lines


def _overlap(systems: Sequence[TicketSystem], figures: Figures) -> list[OverlapRow]:
    """The matrix over the systems that know any Contact; empty with fewer than two."""
    known = [system for system in systems if (system.pk, system.pk) in figures.shared]
    if len(known) < 2:
        return []
    rows = []
    for row in known:
        contacts = figures.shared[row.pk, row.pk]
        cells = [
            (other, None if other == row else Share(figures.shared.get((row.pk, other.pk), 0), contacts))
            for other in known
        ]
        rows.append(OverlapRow(row, contacts, cells))
    return rows


def _sizes(figures: Figures) -> list[tuple[str, Share]]:
    """Contacts by their number of visible System Refs, in bands."""
    bands = []
    for lowest, highest in SIZE_BANDS:
        contacts = sum(
            count
            for size, count in figures.sizes.items()
            if size >= lowest and (highest is None or size <= highest)
        )
        label = (
            str(lowest) if lowest == highest else f"{lowest}–{highest}" if highest else f"{lowest} or more"
        )
        bands.append((label, Share(contacts, figures.contacts)))
    return bands


def _recent_contacts(request: HttpRequest) -> list[tuple[int, str, list[TicketSystem]]]:
    """GroupID, name as this person may see it, and systems of the Contacts opened last; newest first."""
    ids = opened_last(request)
    if not ids:
        return []
    visible = Contact.objects.visible_to(request.user).with_visible_refs(request.user).in_bulk(ids)
    return [_recent(visible[pk]) for pk in ids if pk in visible]


def _recent(contact: Any) -> tuple[int, str, list[TicketSystem]]:
    golden = golden_of(contact.visible_mappings, contact.pins.all())
    name = " ".join(golden[field].value for field in ("first_name", "last_name") if golden.get(field))
    systems = {mapping.system_ref.system for mapping in contact.visible_mappings}
    return contact.pk, name.strip(), sorted(systems, key=lambda system: (system.rank, system.code))


def _jobs(user: User | AnonymousUser) -> list[tuple[Job, Share]]:
    """Jobs that are not finished, over systems the person may see, with how far they are."""
    if not user.has_perm("contacts.view_job"):
        return []
    jobs = Job.objects.visible_to(user).filter(state__in=UNFINISHED).select_related("system", "by")
    return [(job, Share(job.position, job.size)) for job in jobs.order_by("-created_at")[:JOBS_SHOWN]]


def _connection_panel(user: User | AnonymousUser, *, now: datetime) -> dict[str, Any]:
    """How the systems are pulled that the person may see, those in trouble first."""
    if not user.has_perm("ticketing.view_sourceconnection"):
        return {}
    connections = SourceConnection.objects.visible_to(user).select_related("system")
    lines = read_connections(connections.order_by("system__rank", "system__code"), now=now)
    lines.sort(key=lambda line: not line.is_in_trouble)
    shown = max(CONNECTIONS_SHOWN, sum(line.is_in_trouble for line in lines))
    return {
        "shows_connections": True,
        "connections": lines[:shown],
        "more_connections": len(lines[shown:]),
        "connections_address": page_address("ticketing_sourceconnection_changelist"),
    }


def _first_steps(
    user: User | AnonymousUser, systems: Sequence[TicketSystem], figures: Figures, nights: Sequence[NightLine]
) -> list[FirstStep]:
    """What to do on a fresh install, in order; nothing once records were imported and grouped."""
    if figures.contacts:
        return []
    # Who steers sees every system's settings, if not its records.
    known = TicketSystem.objects.all() if user.has_perm("contacts.change_ticketsystem") else systems
    made = any(system.kind != TicketSystem.Kind.HAND for system in known)
    may_import = systems_with(user, SystemRight.VIEW) & systems_with(user, SystemRight.CHANGE)
    return [
        FirstStep(
            "Make a ticket system",
            "One for each ticketing database, shop or list that knows your fans.",
            made,
            page_address("contacts_ticketsystem_add") if user.has_perm("contacts.add_ticketsystem") else "",
        ),
        FirstStep(
            "Import its System Refs",
            "A CSV or Excel file is checked first; nothing is written before you confirm.",
            figures.refs > 0,
            page_address("contacts_job_changelist")
            if may_import and user.has_perm("contacts.add_job")
            else "",
            ASK_ADMINISTRATOR
            if may_import
            else f"You may not change the records of any system yet. {ask_whom(user)}",
        ),
        FirstStep(
            "Run the night",
            "It compares every record with every other and puts those of one person together.",
            any(night.tone == "good" for night in nights),
            page_address("sync_nightrun_changelist") if user.has_perm("sync.add_nightrun") else "",
        ),
    ]
