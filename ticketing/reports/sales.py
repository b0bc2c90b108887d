"""Purchases and revenue by month, season or kind and by system."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

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
    def of(cls, sold: Sequence[Sale]) -> "_Sum":
        rows: dict[str, int] = defaultdict(int)
        amounts: dict[str, Decimal] = defaultdict(Decimal)
        for sale in sold:
            rows[sale.currency] += sale.rows
            amounts[sale.currency] += sale.amount
        return cls(sum(sale.lines for sale in sold), rows, amounts)


@dataclass(frozen=True)
class _Line:
    """A part, or the parts that only systems out of sight have: what is seen in it, and what is added."""

    part: str
    label: str
    order: str | int
    seen: Sequence[Sale]
    hidden: Sequence[Sale]


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
    lines = _lines(scope.asked.by, seen, hidden)
    currencies = _currencies(seen, first=scope.organisation.currency)
    withheld = _withhold(lines, currencies, scope)
    sold_in = {sale.system_id for sale in seen}
    systems = [system for system in scope.systems if system.pk in sold_in]
    table = Table(
        _TITLES[scope.asked.by],
        _columns(scope, systems, currencies, seen),
        [_row(line, number, systems, currencies, withheld, seen) for number, line in enumerate(lines)],
        [_total(scope, lines, systems, currencies, withheld, seen)] if seen or hidden else [],
    )
    chart = _chart(scope, lines, systems, withheld)
    return Built(table, chart if seen else None, [answer])


def _lines(by: Part, seen: Sequence[Sale], hidden: Sequence[Sale]) -> list[_Line]:
    """Newest first; kinds in their own order. Parts that are not seen make one line without a name."""
    parts = {sale.part for sale in seen}
    ordered = sorted(parts, reverse=True) if by is not Part.KIND else sorted(parts, key=_KINDS.index)
    lines = [
        _Line(
            part,
            label_of(by, part),
            _KINDS.index(part) if by is Part.KIND else part,
            [sale for sale in seen if sale.part == part],
            [sale for sale in hidden if sale.part == part],
        )
        for part in ordered
    ]
    elsewhere = [sale for sale in hidden if sale.part not in parts]
    if elsewhere:
        lines.append(_Line("", _OTHERS[by], len(_KINDS) if by is Part.KIND else "", [], elsewhere))
    return lines


def label_of(by: Part, part: str) -> str:
    """Mar 2026, 2026, season ticket."""
    if by is Part.MONTH:
        return f"{date.fromisoformat(f'{part}-01'):%b %Y}"
    return str(Purchase.Kind(part).label) if by is Part.KIND else part


def _currencies(seen: Sequence[Sale], *, first: str) -> list[str]:
    """Those of visible systems; what others sell in, if nobody visible does, is not told."""
    return [first, *sorted({sale.currency for sale in seen} - {first})]


def _withhold(lines: Sequence[_Line], currencies: Sequence[str], scope: Scope) -> Withholding:
    counts = []
    for line in lines:
        added = _Sum.of(line.hidden)
        counts.append([added.lines, *(added.rows[currency] for currency in currencies)])
    years: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        years[line.part[:4]].append(number)
    # The report by season tells the sums of years, where purchases name no event.
    groups = list(years.values()) if scope.asked.by is Part.MONTH else []
    return withhold(counts, scope.smallest, groups=groups)


def _columns(
    scope: Scope, systems: Sequence[TicketSystem], currencies: Sequence[str], seen: Sequence[Sale]
) -> list[Column]:
    columns = [Column("purchases", group=scope.total_title)]
    columns += [_money_column(currency, group=scope.total_title) for currency in currencies]
    for system in systems:
        columns.append(Column("purchases", system=system))
        columns += [_money_column(currency, system=system) for currency in _of(system, currencies, seen)]
    return columns


def _money_column(currency: str, *, group: str = "", system: TicketSystem | None = None) -> Column:
    return Column(currency, Kind.MONEY, group=group, system=system, currency=currency)


def _of(system: TicketSystem, currencies: Sequence[str], seen: Sequence[Sale]) -> list[str]:
    """The currencies that this system sold in, the organisation's in any case."""
    sold = {sale.currency for sale in seen if sale.system_id == system.pk}
    return [currency for currency in currencies if currency in sold or currency == currencies[0]]


def _row(
    line: _Line,
    number: int,
    systems: Sequence[TicketSystem],
    currencies: Sequence[str],
    withheld: Withholding,
    seen: Sequence[Sale],
) -> Row:
    marks = [withheld.of_row(number, measure) for measure in range(len(currencies) + 1)]
    figures = _totals(_Sum.of(line.seen), _Sum.of(line.hidden), currencies, marks)
    for system in systems:
        figures += _system_figures(system, line.seen, _of(system, currencies, seen))
    return Row(line.label, line.order, figures)


def _total(
    scope: Scope,
    lines: Sequence[_Line],
    systems: Sequence[TicketSystem],
    currencies: Sequence[str],
    withheld: Withholding,
    seen: Sequence[Sale],
) -> Row:
    added = _Sum.of([sale for line in lines for sale in line.hidden])
    marks = [withheld.of_total(measure) for measure in range(len(currencies) + 1)]
    figures = _totals(_Sum.of(seen), added, currencies, marks)
    for system in systems:
        figures += _system_figures(system, seen, _of(system, currencies, seen))
    return Row("Total", "", figures)


def _totals(seen: _Sum, added: _Sum, currencies: Sequence[str], marks: Sequence[str]) -> list[Figure]:
    """What is seen and added, or seen alone with what is withheld beside it."""
    figures = [Figure(seen.lines + (0 if marks[0] else added.lines), marks[0])]
    for currency, said in zip(currencies, marks[1:], strict=True):
        amount = seen.amounts[currency] + (0 if said else added.amounts[currency])
        is_sold = said or seen.rows[currency] or added.rows[currency] or currency == currencies[0]
        figures.append(Figure(amount if is_sold else None, WITHHELD if said else ""))
    return figures


def _system_figures(system: TicketSystem, sold: Sequence[Sale], currencies: Sequence[str]) -> list[Figure]:
    own = [sale for sale in sold if sale.system_id == system.pk]
    if not own:
        return [Figure() for _ in range(len(currencies) + 1)]
    found = _Sum.of(own)
    amounts = [Figure(found.amounts[c] if found.rows[c] else None) for c in currencies]
    return [Figure(found.lines), *amounts]


def _chart(
    scope: Scope, lines: Sequence[_Line], systems: Sequence[TicketSystem], withheld: Withholding
) -> Columns:
    """Revenue in the organisation's currency; what is withheld is not drawn."""
    currency = scope.organisation.currency
    layers = [Layer(system.code, str(system.tint % 8)) for system in systems]
    if scope.has_hidden:
        layers.append(Layer("other systems", REST))
    points = []
    # The table is newest first, the drawing oldest first; what has no name has no place in it.
    drawn = [(number, line) for number, line in enumerate(lines) if line.part]
    for number, line in drawn if scope.asked.by is Part.KIND else reversed(drawn):
        by_system = {
            system.pk: _Sum.of([s for s in line.seen if s.system_id == system.pk]).amounts[currency]
            for system in systems
        }
        amounts = [by_system[system.pk] for system in systems]
        if scope.has_hidden:
            is_withheld = any(withheld.of_row(number, measure) for measure in (0, 1))
            amounts.append(Decimal(0) if is_withheld else _Sum.of(line.hidden).amounts[currency])
        says = f"{line.label}: {money(sum(amounts, Decimal(0)), currency)}"
        points.append(Point(line.label, says, amounts))
    highest = money(Decimal(highest_of(points)), currency)
    return stacked(f"Revenue by {scope.asked.by}", layers, points, highest)
