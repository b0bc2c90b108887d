"""Purchases and revenue by month, season or kind and by system."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from contacts.models import TicketSystem
from contacts.templatetags.kore import money
from ticketing.models import Purchase
from ticketing.reports.built import Built
from ticketing.reports.charts import REST, Columns, Layer, Point, highest_of, stacked
from ticketing.reports.scope import Scope
from ticketing.reports.table import Column, Figure, Kind, Row, Table
from ticketing.reports.withholding import WITHHELD, Withholding, withhold
from ticketing.services.kept_reports import SALES
from ticketing.services.report_sums import Part, Sale

_TITLES = {Part.MONTH: "Month", Part.SEASON: "Season", Part.KIND: "Kind"}
_OTHERS = {Part.MONTH: "Other months", Part.SEASON: "Other seasons", Part.KIND: "Other kinds"}
_KINDS = [kind.value for kind in Purchase.Kind]


@dataclass(frozen=True)
class _Sum:
    """What some sales come to: lines, and by currency all rows and their amount."""

    lines: int
    rows: Mapping[str, int]
    amounts: Mapping[str, Decimal]

    @classmethod
    def of(cls, sold: Iterable[Sale]) -> "_Sum":
        lines = 0
        rows: dict[str, int] = defaultdict(int)
        amounts: dict[str, Decimal] = defaultdict(Decimal)
        for sale in sold:
            lines += sale.lines
            rows[sale.currency] += sale.rows
            amounts[sale.currency] += sale.amount
        return cls(lines, rows, amounts)


@dataclass(frozen=True)
class _Line:
    """A part, or the parts that only systems out of sight have: what is seen in it, and what is added."""

    part: str
    label: str
    order: str | int
    seen: _Sum
    by_system: Mapping[int, _Sum]
    hidden: _Sum

    @classmethod
    def of(
        cls, part: str, label: str, order: str | int, seen: Sequence[Sale], hidden: Sequence[Sale]
    ) -> "_Line":
        by_system = {pk: _Sum.of(sold) for pk, sold in _grouped(seen, lambda sale: sale.system_id).items()}
        return cls(part, label, order, _Sum.of(seen), by_system, _Sum.of(hidden))


@dataclass(frozen=True)
class _Sheet:
    """The lines and their sum, under the systems and currencies that have a column."""

    lines: Sequence[_Line]
    total: _Line
    currencies: Sequence[str]
    systems: Sequence[TicketSystem]
    withheld: Withholding

    def currencies_of(self, system: TicketSystem) -> list[str]:
        """Those that this system sold in, the organisation's in any case."""
        sold = self.total.by_system[system.pk].rows
        return [
            currency for currency in self.currencies if currency in sold or currency == self.currencies[0]
        ]


def by(part: Part) -> Callable[[Scope], Built]:
    """The report that tells purchases apart so."""

    def build(scope: Scope) -> Built:
        return sales_report(replace(scope, asked=replace(scope.asked, by=part)))

    return build


def sales_report(scope: Scope) -> Built:
    """A row for each part that a visible system sold in; totals over all systems where the scope has them."""
    # One question for every reader, so that what the night keeps of it serves them all.
    answer = scope.ask(SALES, scope.every_id, scope.asked)
    own = set(scope.ids)
    seen = [sale for sale in answer.rows if sale.system_id in own]
    hidden = [sale for sale in answer.rows if sale.system_id not in own] if scope.has_hidden else []
    sheet = _sheet(scope, seen, hidden)
    table = Table(
        _TITLES[scope.asked.by],
        _columns(scope, sheet),
        [
            _row(sheet, line, partial(sheet.withheld.of_row, number))
            for number, line in enumerate(sheet.lines)
        ],
        [_row(sheet, sheet.total, sheet.withheld.of_total)] if seen or hidden else [],
    )
    return Built(table, _chart(scope, sheet) if seen else None, [answer])


def label_of(by: Part, part: str) -> str:
    """Mar 2026, 2026, season ticket."""
    if by is Part.MONTH:
        return f"{date.fromisoformat(f'{part}-01'):%b %Y}"
    return str(Purchase.Kind(part).label) if by is Part.KIND else part


def _sheet(scope: Scope, seen: Sequence[Sale], hidden: Sequence[Sale]) -> _Sheet:
    lines = _lines(scope.asked.by, seen, hidden)
    total = _Line.of("", "Total", "", seen, hidden)
    first = scope.organisation.currency
    # Those of visible systems; what others sell in, if nobody visible does, is not told.
    currencies = [first, *sorted(total.seen.rows.keys() - {first})]
    systems = [system for system in scope.systems if system.pk in total.by_system]
    return _Sheet(lines, total, currencies, systems, _withhold(lines, currencies, scope))


def _lines(by: Part, seen: Sequence[Sale], hidden: Sequence[Sale]) -> list[_Line]:
    """Newest first; kinds in their own order. Parts that are not seen make one line without a name."""
    seen_in, hidden_in = (_grouped(sold, lambda sale: sale.part) for sold in (seen, hidden))
    ordered = sorted(seen_in, reverse=True) if by is not Part.KIND else sorted(seen_in, key=_KINDS.index)
    lines = []
    for part in ordered:
        order = _KINDS.index(part) if by is Part.KIND else part
        lines.append(_Line.of(part, label_of(by, part), order, seen_in[part], hidden_in.get(part, [])))
    elsewhere = [sale for part, sold in hidden_in.items() if part not in seen_in for sale in sold]
    if elsewhere:
        order = len(_KINDS) if by is Part.KIND else ""
        lines.append(_Line.of("", _OTHERS[by], order, [], elsewhere))
    return lines


def _grouped(sold: Sequence[Sale], key: Callable[[Sale], Any]) -> dict[Any, list[Sale]]:
    groups: dict[Any, list[Sale]] = {}
    for sale in sold:
        groups.setdefault(key(sale), []).append(sale)
    return groups


def _withhold(lines: Sequence[_Line], currencies: Sequence[str], scope: Scope) -> Withholding:
    counts = [
        [line.hidden.lines, *(line.hidden.rows.get(currency, 0) for currency in currencies)] for line in lines
    ]
    years: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        years[line.part[:4]].append(number)
    # The report by season tells the sums of years, where purchases name no event.
    groups = list(years.values()) if scope.asked.by is Part.MONTH else []
    return withhold(counts, scope.smallest, groups=groups)


def _columns(scope: Scope, sheet: _Sheet) -> list[Column]:
    columns = [Column("purchases", group=scope.total_title)]
    columns += [_money_column(currency, group=scope.total_title) for currency in sheet.currencies]
    for system in sheet.systems:
        columns.append(Column("purchases", system=system))
        columns += [_money_column(currency, system=system) for currency in sheet.currencies_of(system)]
    return columns


def _money_column(currency: str, *, group: str = "", system: TicketSystem | None = None) -> Column:
    return Column(currency, Kind.MONEY, group=group, system=system, currency=currency)


def _row(sheet: _Sheet, line: _Line, mark: Callable[[int], str]) -> Row:
    """What is seen and added, or seen alone with what is withheld beside it; then each system."""
    lines_withheld, *withheld = (mark(measure) for measure in range(len(sheet.currencies) + 1))
    seen, added = line.seen, line.hidden
    figures = [Figure(seen.lines + (0 if lines_withheld else added.lines), lines_withheld)]
    for currency, said in zip(sheet.currencies, withheld, strict=True):
        amount = seen.amounts.get(currency, Decimal()) + (0 if said else added.amounts.get(currency, 0))
        is_sold = said or currency in seen.rows or currency in added.rows or currency == sheet.currencies[0]
        figures.append(Figure(amount if is_sold else None, WITHHELD if said else ""))
    for system in sheet.systems:
        figures += _system_figures(line.by_system.get(system.pk), sheet.currencies_of(system))
    return Row(line.label, line.order, figures)


def _system_figures(found: _Sum | None, currencies: Sequence[str]) -> list[Figure]:
    if found is None:
        return [Figure() for _ in range(len(currencies) + 1)]
    return [Figure(found.lines), *(Figure(found.amounts.get(currency)) for currency in currencies)]


def _chart(scope: Scope, sheet: _Sheet) -> Columns:
    """Revenue in the organisation's currency; what is withheld is not drawn, but marked."""
    currency = scope.organisation.currency
    layers = [Layer(system.code, str(system.tint % 8)) for system in sheet.systems]
    if scope.has_hidden:
        layers.append(Layer("other systems", REST))
    points = []
    # The table is newest first, the drawing oldest first; what has no name has no place in it.
    drawn = [(number, line) for number, line in enumerate(sheet.lines) if line.part]
    for number, line in drawn if scope.asked.by is Part.KIND else reversed(drawn):
        found = [line.by_system.get(system.pk) for system in sheet.systems]
        amounts = [one.amounts.get(currency, Decimal()) if one else Decimal() for one in found]
        is_withheld = any(sheet.withheld.of_row(number, measure) for measure in (0, 1))
        if scope.has_hidden:
            amounts.append(Decimal() if is_withheld else line.hidden.amounts.get(currency, Decimal()))
        withheld = WITHHELD if is_withheld else ""
        says = (
            f"{line.label}: {money(sum(amounts, Decimal()), currency)}{' + ' if withheld else ''}{withheld}"
        )
        points.append(Point(line.label, says, amounts, withheld))
    highest = money(Decimal(highest_of(points)), currency)
    return stacked(f"Revenue by {scope.asked.by}", layers, points, highest)
