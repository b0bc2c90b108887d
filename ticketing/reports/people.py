"""How many people each system knows, which of them others know as well, and how complete its records are."""

from collections.abc import Sequence
from dataclasses import dataclass

from contacts.figures import Figures, SystemFigures
from contacts.models import TicketSystem
from contacts.shares import share, share_text
from ticketing.reports.built import Built
from ticketing.reports.charts import bars
from ticketing.reports.scope import Scope
from ticketing.reports.table import Column, Figure, Kind, Row, Table
from ticketing.reports.withholding import WITHHELD, mark, small
from ticketing.services.kept_reports import FIGURES, RECORDS, Answer
from ticketing.services.report_sums import Asked

_QUALITIES = (
    ("E-mail", "with_email"),
    ("Phone", "with_phone"),
    ("Birth date", "with_birth_date"),
    ("Address", "with_address"),
    ("Stale", "stale"),
    ("Gone at source", "gone"),
)
_COMPLETE = ("with_email", "with_phone", "with_birth_date", "with_address")
_NO_FIGURES = SystemFigures(system_id=0)


@dataclass(frozen=True)
class _Counted:
    """The figures over the systems told one by one, and over all where the totals cover them."""

    own: Figures
    every: Figures
    answers: Sequence[Answer]

    @classmethod
    def placed(cls, scope: Scope) -> "_Counted":
        """With how many Contacts there are, which must be counted for each set of systems."""
        own = scope.ask(FIGURES, scope.ids, Asked())
        if not scope.has_hidden:
            return cls(own.rows[0], own.rows[0], [own])
        every = scope.ask(FIGURES, scope.every_id, Asked())
        return cls(own.rows[0], every.rows[0], [own, every])

    @classmethod
    def records(cls, scope: Scope) -> "_Counted":
        """The records alone: counted by system, so one question serves every reader."""
        answer = scope.ask(RECORDS, scope.every_id, Asked())
        [every] = answer.rows
        own = every.only(scope.ids)
        return cls(own, every if scope.has_hidden else own, [answer])


def overlap_report(scope: Scope) -> Built:
    """Contacts and System Refs by system, and for each pair of visible systems the Contacts of both."""
    counted = _Counted.placed(scope)
    own = counted.own
    systems = [system for system in scope.systems if own.systems.get(system.pk)]
    columns = [Column("Contacts"), Column("System Refs")]
    for system in systems:
        columns += [Column("also in", system=system), Column("%", Kind.SHARE, system=system, is_tinted=True)]
    table = Table(
        "System",
        columns,
        [_overlap_row(system, systems, own) for system in systems],
        _overlap_totals(scope, counted, len(systems)) if systems or counted.every.refs else [],
    )
    chart = bars(
        "Contacts by system",
        [
            (system.code, f"{own.shared.get((system.pk, system.pk), 0):,}", contacts, str(system.tint % 8))
            for system in systems
            for contacts in [own.shared.get((system.pk, system.pk), 0)]
        ],
    )
    return Built(table, chart if systems else None, counted.answers)


def _overlap_row(system: TicketSystem, systems: Sequence[TicketSystem], own: Figures) -> Row:
    contacts = own.shared.get((system.pk, system.pk), 0)
    figures = [Figure(contacts), Figure(own.systems[system.pk].refs)]
    for other in systems:
        both = None if other == system else own.shared.get((system.pk, other.pk), 0)
        figures += [Figure(both), Figure(None if both is None else share(both, contacts))]
    return Row(system.name, system.code.casefold(), figures, system=system)


def _overlap_totals(scope: Scope, counted: _Counted, systems: int) -> list[Row]:
    """A person whom several systems know counts once; no sum of the rows makes these, nor the other way."""
    blanks = [Figure()] * (2 * systems)
    contacts = _told(counted.own.contacts, counted.every.contacts, scope.smallest)
    refs = _told(counted.own.refs, counted.every.refs, scope.smallest)
    several = _told(counted.own.in_several, counted.every.in_several, scope.smallest)
    return [
        Row(scope.total_title, "", [contacts, refs, *blanks]),
        Row("Known in several", "", [several, Figure(), *blanks]),
    ]


def quality_report(scope: Scope) -> Built:
    """How many records of each system hold what matters, are stale, or gone at their source."""
    counted = _Counted.records(scope)
    columns = [Column("System Refs")]
    for title, _field in _QUALITIES:
        columns += [Column("records", group=title), Column("%", Kind.SHARE, group=title, is_tinted=True)]
    rows = []
    for system in scope.systems:
        found = counted.own.systems.get(system.pk, _NO_FIGURES)
        rows.append(Row(system.name, system.code.casefold(), _qualities(found), system=system))
    totals = [_quality_total(scope, counted)] if scope.systems else []
    chart = bars(
        "How complete the records are, %",
        [
            _complete(system, counted)
            for system in scope.systems
            if counted.own.systems.get(system.pk, _NO_FIGURES).refs
        ],
        full=100,
    )
    return Built(Table("System", columns, rows, totals), chart if counted.own.refs else None, counted.answers)


def _qualities(found: SystemFigures) -> list[Figure]:
    figures = [Figure(found.refs)]
    for _title, field in _QUALITIES:
        records = getattr(found, field)
        figures += [Figure(records), Figure(share(records, found.refs))]
    return figures


def _quality_total(scope: Scope, counted: _Counted) -> Row:
    own_refs, all_refs = counted.own.refs, counted.every.refs
    refs = _told(own_refs, all_refs, scope.smallest)
    figures = [refs]
    for _title, field in _QUALITIES:
        own, every = (
            sum(getattr(one, field) for one in figures_of.systems.values())
            for figures_of in (counted.own, counted.every)
        )
        records = _told(own, every, scope.smallest)
        lacking = (all_refs - every) - (own_refs - own)
        if not records.withheld and small(lacking, scope.smallest):  # all but a few is as much as a few
            records = Figure(own, WITHHELD)
        is_told = not (records.withheld or refs.withheld)
        figures += [records, Figure(share(every, all_refs) if is_told else None)]
    return Row(scope.total_title, "", figures)


def _complete(system: TicketSystem, counted: _Counted) -> tuple[str, str, int, str]:
    """The mean share of records that hold an e-mail, a phone, a birth date and an address."""
    found = counted.own.systems.get(system.pk, _NO_FIGURES)
    mean = share(sum(getattr(found, field) for field in _COMPLETE), len(_COMPLETE) * found.refs) or 0
    return system.code, share_text(mean), round(mean), str(system.tint % 8)


def _told(seen: int, over_all: int, smallest: int) -> Figure:
    """A total, or what is seen of it with what is withheld beside it."""
    withheld = mark(over_all - seen, smallest)
    return Figure(seen if withheld else over_all, withheld)
