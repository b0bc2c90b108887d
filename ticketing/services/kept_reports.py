"""Sums behind reports: counted when somebody looks, kept where that took long, counted anew by the night."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

from contacts.figures import Figures, figures_of, forget_figures
from contacts.models import Organisation, TicketSystem
from ticketing.models import KeptReport
from ticketing.services.report_sums import Asked, Newcomers, Part, Sale, newcomers, sales

# Sums that are counted in less are counted each time: then they are of that minute.
DEAR_SECONDS = 0.25
# To the end of the next night, and some time over.
STAND_FOR = timedelta(hours=28)
# For so long the night goes on counting what nobody looks at any more.
ASKED_WITHIN = timedelta(days=14)

SALES = "sales"
NEWCOMERS = "newcomers"
FIGURES = "figures"


@dataclass(frozen=True)
class Question:
    """What is asked, of exactly which systems, in which time zone its months lie."""

    name: str
    system_ids: tuple[int, ...]
    zone: str
    asked: Asked = Asked()

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "system_ids": sorted(self.system_ids),
            "zone": self.zone,
            "asked": self.asked.to_json(),
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Question":
        return cls(kept["name"], tuple(kept["system_ids"]), kept["zone"], Asked.from_json(kept["asked"]))


@dataclass(frozen=True)
class Answer:
    """The rows of a question, as of when; `is_kept` where they were not counted for this look.

    The figures of the overview may have been kept by the night, or for some minutes, before they came here.
    """

    question: Question
    rows: Sequence[Any]
    as_of: datetime
    is_kept: bool


def answer(question: Question, *, now: datetime) -> Answer:
    """The rows: kept ones while they stand, else counted now, and kept where that took long."""
    kept = KeptReport.objects.filter(key=question.key, until__gt=now).first()
    if kept is None:
        return _count(question, now=now)
    if kept.asked_on != now.date():
        KeptReport.objects.filter(pk=kept.pk).update(asked_on=now.date())
    return Answer(question, _read(question, kept.rows), kept.as_of, is_kept=True)


def forget(questions: Sequence[Question]) -> None:
    """Have the next look at these count afresh."""
    for question in questions:
        if question.name == FIGURES:
            forget_figures(question.system_ids)
    KeptReport.objects.filter(key__in=[question.key for question in questions]).delete()


def refresh_reports(now: datetime, progress: Callable[[int, int], None]) -> dict[str, int]:
    """Count anew what is kept without a filter and was looked at lately, and what a superuser opens first.

    Drops the rest. What takes less than DEAR_SECONDS is not kept; `kept` says how much is.
    """
    wanted = {question.key: question for question in [*_first_looks(), *_asked_lately(now)]}
    KeptReport.objects.exclude(key__in=wanted).delete()
    for number, question in enumerate(wanted.values(), start=1):
        _count(question, now=now)
        progress(number, len(wanted))
    return {"kept": KeptReport.objects.count()}


def _asked_lately(now: datetime) -> list[Question]:
    rows = KeptReport.objects.filter(is_narrow=False, asked_on__gte=(now - ASKED_WITHIN).date())
    return [Question.from_json(kept) for kept in rows.values_list("question", flat=True)]


def _first_looks() -> list[Question]:
    every = tuple(TicketSystem.objects.order_by("pk").values_list("pk", flat=True))
    zone = Organisation.load().time_zone
    looks = [(SALES, part) for part in Part] + [(NEWCOMERS, Part.MONTH), (NEWCOMERS, Part.SEASON)]
    return [Question(name, every, zone, Asked(by=part)) for name, part in looks]


def _count(question: Question, *, now: datetime) -> Answer:
    started = perf_counter()
    rows = _COUNTS[question.name](question, now)
    if perf_counter() - started >= DEAR_SECONDS:
        _keep(question, rows, now=now)
    else:
        KeptReport.objects.filter(key=question.key).delete()
    as_of = min((row.as_of for row in rows if isinstance(row, Figures)), default=now)
    return Answer(question, rows, as_of, is_kept=as_of < now)


def _keep(question: Question, rows: Sequence[Any], *, now: datetime) -> None:
    counted = {
        "question": question.to_json(),
        "is_narrow": question.asked.is_narrow,
        "rows": _written(question, rows),
        "as_of": now,
        "until": now + STAND_FOR,
    }
    KeptReport.objects.update_or_create(
        key=question.key, defaults=counted, create_defaults={**counted, "asked_on": now.date()}
    )


def _sales(question: Question, _now: datetime) -> Sequence[Any]:
    return sales(question.system_ids, question.asked, ZoneInfo(question.zone))


def _newcomers(question: Question, _now: datetime) -> Sequence[Any]:
    return newcomers(question.system_ids, question.asked, ZoneInfo(question.zone))


def _figures(question: Question, now: datetime) -> Sequence[Any]:
    return [figures_of(question.system_ids, now=now)]


_COUNTS: dict[str, Callable[[Question, datetime], Sequence[Any]]] = {
    SALES: _sales,
    NEWCOMERS: _newcomers,
    FIGURES: _figures,
}


def _written(question: Question, rows: Sequence[Any]) -> list[Any]:
    """As a JSON column holds them; sums of money as texts, to the penny."""
    if question.name == FIGURES:
        return [row.to_json() for row in rows]
    return [[str(cell) if isinstance(cell, Decimal) else cell for cell in row] for row in rows]


def _read(question: Question, rows: Sequence[Any]) -> list[Any]:
    if question.name == FIGURES:
        return [Figures.from_json(row) for row in rows]
    if question.name == NEWCOMERS:
        return [Newcomers(*row) for row in rows]
    return [
        Sale(part, system_id, currency, lines, counted, Decimal(amount))
        for part, system_id, currency, lines, counted, amount in rows
    ]
