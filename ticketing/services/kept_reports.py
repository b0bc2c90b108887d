"""Sums behind reports: kept by the night, counted when somebody looks at what it has not kept yet."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

from contacts.figures import Figures, figures_of, forget_figures, records_of
from contacts.models import Organisation, TicketSystem
from ticketing.models import KeptReport
from ticketing.services.report_sums import Asked, Newcomers, Part, Sale, newcomers, sales

# Sums that a look counts in less are counted at each look, until the night keeps them.
DEAR_SECONDS = 0.25
# To the end of the next night, and some time over.
STAND_FOR = timedelta(hours=28)
# Until when a row stands that holds no sums, only what was asked.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# For so long the night goes on counting what nobody looks at any more.
ASKED_WITHIN = timedelta(days=14)

SALES = "sales"
NEWCOMERS = "newcomers"
FIGURES = "figures"
RECORDS = "records"


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
    found = KeptReport.objects.filter(key=question.key).first()
    if found is not None and found.asked_on != now.date():
        KeptReport.objects.filter(pk=found.pk).update(asked_on=now.date())
    if found is not None and found.until > now:
        return Answer(question, _read(question, found.rows), found.as_of, is_kept=True)
    started = perf_counter()
    counted = _count(question, now=now)
    if perf_counter() - started >= DEAR_SECONDS:
        _keep(counted, now=now)
    elif found is None and not question.asked.is_narrow:
        _note(question, now=now)
    return counted


def forget(questions: Sequence[Question]) -> None:
    """Have the next look at these count afresh."""
    for question in questions:
        if question.name == FIGURES:
            forget_figures(question.system_ids)
    KeptReport.objects.filter(key__in=[question.key for question in questions]).delete()


def refresh_reports(now: datetime, progress: Callable[[int, int], None]) -> dict[str, int]:
    """Count what was asked without a filter lately, and what a superuser opens first; drop the rest.

    All of it is kept, however quickly it is counted, but what holds nothing yet: the first records are to
    be seen at once. `kept` says how much is kept.
    """
    wanted = {question.key: question for question in [*_first_looks(), *_asked_lately(now)]}
    KeptReport.objects.exclude(key__in=wanted).delete()
    for number, question in enumerate(wanted.values(), start=1):
        counted = _count(question, now=now)
        if _holds_anything(counted):
            _keep(counted, now=now)
        else:
            KeptReport.objects.filter(key=question.key).update(until=NEVER)
        progress(number, len(wanted))
    return {"kept": KeptReport.objects.filter(until__gt=now).count()}


def _asked_lately(now: datetime) -> list[Question]:
    rows = KeptReport.objects.filter(is_narrow=False, asked_on__gte=(now - ASKED_WITHIN).date())
    return [Question.from_json(kept) for kept in rows.values_list("question", flat=True)]


def _first_looks() -> list[Question]:
    every = tuple(TicketSystem.objects.order_by("pk").values_list("pk", flat=True))
    zone = Organisation.load().time_zone
    looks = [(SALES, part) for part in Part] + [(NEWCOMERS, Part.MONTH), (NEWCOMERS, Part.SEASON)]
    looks += [(FIGURES, Part.MONTH), (RECORDS, Part.MONTH)]
    return [Question(name, every, zone, Asked(by=part)) for name, part in looks]


def _count(question: Question, *, now: datetime) -> Answer:
    rows = _COUNTS[question.name](question, now)
    as_of = min((row.as_of for row in rows if isinstance(row, Figures)), default=now)
    return Answer(question, rows, as_of, is_kept=as_of < now)


def _holds_anything(counted: Answer) -> bool:
    return any(row.refs if isinstance(row, Figures) else True for row in counted.rows)


def _keep(counted: Answer, *, now: datetime) -> None:
    values = {
        "question": counted.question.to_json(),
        "is_narrow": counted.question.asked.is_narrow,
        "rows": _written(counted.question, counted.rows),
        "as_of": counted.as_of,
        "until": now + STAND_FOR,
    }
    KeptReport.objects.update_or_create(
        key=counted.question.key, defaults=values, create_defaults={**values, "asked_on": now.date()}
    )


def _note(question: Question, *, now: datetime) -> None:
    """Have the night count what was asked: a row without sums."""
    KeptReport.objects.bulk_create(
        [
            KeptReport(
                key=question.key,
                question=question.to_json(),
                is_narrow=False,
                rows=[],
                as_of=now,
                until=NEVER,
                asked_on=now.date(),
            )
        ],
        ignore_conflicts=True,  # two look at once
    )


def _sales(question: Question, _now: datetime) -> Sequence[Any]:
    return sales(question.system_ids, question.asked, ZoneInfo(question.zone))


def _newcomers(question: Question, _now: datetime) -> Sequence[Any]:
    return newcomers(question.system_ids, question.asked, ZoneInfo(question.zone))


def _figures(question: Question, now: datetime) -> Sequence[Any]:
    return [figures_of(question.system_ids, now=now)]


def _records(question: Question, now: datetime) -> Sequence[Any]:
    return [records_of(question.system_ids, now=now)]


_COUNTS: dict[str, Callable[[Question, datetime], Sequence[Any]]] = {
    SALES: _sales,
    NEWCOMERS: _newcomers,
    FIGURES: _figures,
    RECORDS: _records,
}


def _written(question: Question, rows: Sequence[Any]) -> list[Any]:
    """As a JSON column holds them; sums of money as texts, to the penny."""
    if question.name in (FIGURES, RECORDS):
        return [row.to_json() for row in rows]
    return [[str(cell) if isinstance(cell, Decimal) else cell for cell in row] for row in rows]


def _read(question: Question, rows: Sequence[Any]) -> list[Any]:
    if question.name in (FIGURES, RECORDS):
        return [Figures.from_json(row) for row in rows]
    if question.name == NEWCOMERS:
        return [Newcomers(*row) for row in rows]
    return [
        Sale(part, system_id, currency, lines, counted, Decimal(amount))
        for part, system_id, currency, lines, counted, amount in rows
    ]
