"""New buyers against returning ones, by month or season; a person is a Contact over all systems."""

from collections.abc import Sequence

from contacts.shares import share
from ticketing.reports.built import Built
from ticketing.reports.charts import Columns, Layer, Point, highest_of, stacked
from ticketing.reports.sales import label_of
from ticketing.reports.scope import VISIBLE, Scope
from ticketing.reports.table import Column, Figure, Kind, Row, Table
from ticketing.reports.withholding import mark
from ticketing.services.kept_reports import NEWCOMERS
from ticketing.services.report_sums import Newcomers, Part

_WITHHELD = (
    "While small figures are withheld, months and seasons tell the systems you may see alone: people who buy "
    "in several systems would show by comparison."
)


def newcomers_report(scope: Scope) -> Built:
    """A row for each month or season in which somebody bought in a visible system.

    Who is new there may not be new over all systems, so the two stand beside each other. The totals of a row
    are left out while the organisation withholds small figures: they may be less than what is seen, and tell
    of one person that another system knew them before.
    """
    own = scope.ask(NEWCOMERS, scope.ids, scope.asked)
    every = scope.ask(NEWCOMERS, scope.every_id, scope.asked) if scope.has_hidden else own
    seen = {row.part: row for row in own.rows}
    over_all = {row.part: row for row in every.rows}
    tells_rows = scope.smallest <= 1 or not scope.has_hidden
    rows = []
    for part in sorted(seen, reverse=True):
        figures = _figures(over_all.get(part)) if tells_rows else [Figure()]
        beside = _figures(seen[part]) if scope.has_hidden else []
        rows.append(Row(label_of(scope.asked.by, part), part, [*figures, *beside]))
    elsewhere = [row for part, row in over_all.items() if part not in seen]
    if scope.has_hidden and elsewhere and tells_rows:
        rows.append(_elsewhere(scope.asked.by, elsewhere))
    columns = _columns(scope.total_title) if tells_rows else [Column("new", group=scope.total_title)]
    if scope.has_hidden:
        columns += _columns(VISIBLE)
    table = Table(
        "Month" if scope.asked.by is Part.MONTH else "Season",
        columns,
        rows,
        [_total(scope, own.rows, every.rows, tells_rows=tells_rows)] if rows or over_all else [],
    )
    answers = [own, every] if scope.has_hidden else [own]
    notes = [] if tells_rows else [_WITHHELD]
    return Built(table, _chart(scope, own.rows) if seen else None, answers, notes)


def _columns(group: str) -> list[Column]:
    return [
        Column("buyers", group=group),
        Column("new", group=group),
        Column("returning", group=group),
        Column("new, %", Kind.SHARE, group=group, is_tinted=True),
    ]


def _figures(row: Newcomers | None) -> list[Figure]:
    if row is None:
        return [Figure()] * 4
    return [
        Figure(row.buyers),
        Figure(row.new),
        Figure(row.buyers - row.new),
        Figure(share(row.new, row.buyers)),
    ]


def _elsewhere(by: Part, rows: Sequence[Newcomers]) -> Row:
    """The parts in which nobody bought where the reader may look, without their names."""
    new = sum(row.new for row in rows)
    figures = [Figure(), Figure(new), Figure(), Figure(), *_figures(None)]
    return Row("Other months" if by is Part.MONTH else "Other seasons", "", figures)


def _total(scope: Scope, own: Sequence[Newcomers], every: Sequence[Newcomers], *, tells_rows: bool) -> Row:
    """How many became buyers; over the rows nobody is new twice, while many return more than once."""
    seen, over_all = (sum(row.new for row in rows) for rows in (own, every))
    if not scope.has_hidden:
        return Row("Total", "", [Figure(), Figure(seen), Figure(), Figure()])
    withheld = mark(over_all - seen, scope.smallest)
    total = Figure(seen if withheld else over_all, withheld)
    figures = [Figure(), total, Figure(), Figure()] if tells_rows else [total]
    return Row("Total", "", [*figures, Figure(), Figure(seen), Figure(), Figure()])


def _chart(scope: Scope, rows: Sequence[Newcomers]) -> Columns:
    """Over the systems that are told one by one alone."""
    by = scope.asked.by
    layers = [Layer("returning", "0"), Layer("new", "4")]
    points = []
    for row in sorted(rows):
        label = label_of(by, row.part)
        says = f"{label}: {row.new:,} new, {row.buyers - row.new:,} returning"
        points.append(Point(label, says, [row.buyers - row.new, row.new]))
    title = f"Buyers by {by}, {VISIBLE.lower()}" if scope.has_hidden else f"Buyers by {by}"
    return stacked(title, layers, points, f"{highest_of(points):,}")
