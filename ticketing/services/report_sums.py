"""What the reports ask of the purchases: each a GROUP BY over some systems, made by the database."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce, ExtractYear, TruncMonth

from ticketing.models import Purchase
from ticketing.models.purchase import COUNTED

_PENCE = Decimal("0.01")


class Part(StrEnum):
    """By what purchases are told apart: the rows of a report."""

    MONTH = "month"
    SEASON = "season"
    KIND = "kind"


@dataclass(frozen=True)
class Asked:
    """Which purchases count, and how they are told apart.

    `first` is the first day of the period, `until` the first day after it, both in the organisation's time
    zone. Without a `status` sums are paid less refunded and lines are the paid ones; with one, both are over
    the lines that have it. A season is the year of the event, of the purchase where that is not known.
    """

    by: Part = Part.MONTH
    kind: str = ""
    status: str = ""
    season: int | None = None
    first: date | None = None
    until: date | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.kind or self.status or self.season or self.first or self.until)

    def to_json(self) -> dict[str, Any]:
        given = {name: value for name, value in asdict(self).items() if value}
        return {
            name: value.isoformat() if isinstance(value, date) else value for name, value in given.items()
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Asked":
        given: dict[str, Any] = {**kept, "by": Part(kept["by"])}
        for name in {"first", "until"} & given.keys():
            given[name] = date.fromisoformat(given[name])
        return cls(**given)


class Sale(NamedTuple):
    """What one system sold in one part and currency; `rows` counts the refund lines too."""

    part: str
    system_id: int
    currency: str
    lines: int
    rows: int
    amount: Decimal


class Newcomers(NamedTuple):
    """How many people bought in one part, and for how many of them it was the first."""

    part: str
    buyers: int
    new: int


class Buyer(NamedTuple):
    """What one Contact spent over some systems, and in how many lines."""

    contact_id: int
    spent: Decimal
    lines: int


def sales(system_ids: Collection[int], asked: Asked, zone: ZoneInfo) -> list[Sale]:
    """Lines and sums by part, system and currency; one pass over the purchases."""
    status = asked.status or Purchase.Status.PAID
    found = (
        _purchases(system_ids, asked, zone)
        .values("part", "system_id", "currency")
        .annotate(lines=Count("pk", filter=Q(status=status)), rows=Count("pk"), total=Sum("amount"))
        .values_list("part", "system_id", "currency", "lines", "rows", "total")
        .order_by()
    )
    return [
        Sale(_key(part), system, currency, lines, rows, Decimal(total).quantize(_PENCE))
        for part, system, currency, lines, rows, total in found
    ]


def newcomers(system_ids: Collection[int], asked: Asked, zone: ZoneInfo) -> list[Newcomers]:
    """By part, who bought in it, and who for the first time over all these systems; a person is a Contact.

    A purchase of long ago makes a person a returning one, whatever the period: it only chooses the parts.
    """
    ever = Asked(by=asked.by, kind=asked.kind)
    bought = _purchases(system_ids, ever, zone).filter(status=Purchase.Status.PAID)
    if not system_ids:
        return []
    inner, parameters = bought.values_list("system_ref_id", "part").query.sql_with_params()
    found = _fetch(
        f"""SELECT part, COUNT(*), COUNT(CASE WHEN part = earliest THEN 1 END) FROM (
            SELECT part, MIN(part) OVER (PARTITION BY contact_id) AS earliest FROM (
                SELECT DISTINCT mapping.contact_id, bought.part FROM ({inner}) AS bought
                JOIN contacts_mapping AS mapping ON mapping.system_ref_id = bought.system_ref_id
            ) AS pairs
        ) AS placed GROUP BY part""",
        parameters,
    )
    rows = [Newcomers(_key(part), buyers, new) for part, buyers, new in found]
    return [row for row in rows if _is_within(row.part, asked)]


def top_buyers(
    system_ids: Collection[int], asked: Asked, zone: ZoneInfo, *, currency: str, most: int
) -> list[Buyer]:
    """The Contacts that spent most in this currency over these systems, and how many lines they bought."""
    status = asked.status or Purchase.Status.PAID
    bought = _purchases(system_ids, asked, zone).filter(currency=currency)
    if not system_ids:
        return []
    inner, parameters = bought.values_list("system_ref_id", "amount", "status").query.sql_with_params()
    found = _fetch(
        f"""SELECT mapping.contact_id, ROUND(SUM(bought.amount), 2) AS spent,
            COUNT(CASE WHEN bought.status = %s THEN 1 END)
        FROM ({inner}) AS bought
        JOIN contacts_mapping AS mapping ON mapping.system_ref_id = bought.system_ref_id
        GROUP BY mapping.contact_id ORDER BY spent DESC, mapping.contact_id LIMIT %s""",
        (status, *parameters, most),
    )
    return [Buyer(contact, Decimal(str(spent)).quantize(_PENCE), lines) for contact, spent, lines in found]


def other_sums(
    contact_ids: Collection[int],
    system_ids: Collection[int],
    asked: Asked,
    zone: ZoneInfo,
    *,
    but: str,
) -> dict[int, list[tuple[str, Decimal]]]:
    """What these Contacts spent in other currencies than this one, over the same purchases."""
    rows = (
        _purchases(system_ids, asked, zone)
        .filter(system_ref__mapping__contact__in=contact_ids)
        .exclude(currency=but)
        .values_list("system_ref__mapping__contact_id", "currency")
        .annotate(total=Sum("amount"))
        .order_by("currency")
    )
    found: dict[int, list[tuple[str, Decimal]]] = {}
    for contact_id, currency, total in rows:
        found.setdefault(contact_id, []).append((currency, Decimal(total).quantize(_PENCE)))
    return found


def _purchases(system_ids: Collection[int], asked: Asked, zone: ZoneInfo) -> Any:
    season = Coalesce(ExtractYear("event_on"), ExtractYear("purchased_at", tzinfo=zone))
    parts: dict[Part, Any] = {
        Part.MONTH: TruncMonth("purchased_at", tzinfo=zone),
        Part.SEASON: season,
        Part.KIND: F("kind"),
    }
    rows = Purchase.objects.filter(system__in=sorted(system_ids)).annotate(part=parts[asked.by])
    rows = rows.filter(status=asked.status) if asked.status else rows.filter(COUNTED)
    if asked.kind:
        rows = rows.filter(kind=asked.kind)
    if asked.season:
        rows = rows.alias(season=season).filter(season=asked.season)
    if asked.first:
        rows = rows.filter(purchased_at__gte=datetime.combine(asked.first, time(), zone))
    if asked.until:
        rows = rows.filter(purchased_at__lt=datetime.combine(asked.until, time(), zone))
    return rows.order_by()


def _is_within(part: str, asked: Asked) -> bool:
    """Whether a month, or the year that a season is, lies in the period."""
    first = asked.first.isoformat()[: len(part)] if asked.first else ""
    last = asked.until.isoformat()[:7] if asked.until else ""
    # A period ends with a month: a season is in it when the period reaches into its year.
    return part >= first and (not last or part < last)


def _key(part: Any) -> str:
    """A part as both databases and a kept row name it: 2026-03, 2026, season."""
    if isinstance(part, datetime):
        return f"{part:%Y-%m}"
    # SQLite's own text of a month, where no column says what it is.
    return part[:7] if isinstance(part, str) and part[4:5] == "-" else str(part)


def _fetch(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(parameters))
        return cursor.fetchall()
