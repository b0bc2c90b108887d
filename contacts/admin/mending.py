"""The rejected rows of an import as a table to correct them in: what it shows, and what is sent of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator

from contacts.import_files import BadMap, FileRefused, Layout
from contacts.models import Job, RejectedRow
from contacts.services.mending import header_of, layout_of, one_line

ROWS_PER_PAGE = 50
NARROWEST, WIDEST = 3, 26  # of a cell, in letters


@dataclass(frozen=True)
class Cell:
    """A cell to correct. `was`: as the file has it; blank `field`: not to be changed here."""

    field: str
    label: str
    value: str
    was: str
    width: int

    @property
    def is_mended(self) -> bool:
        return self.value != self.was


@dataclass(frozen=True)
class MendRow:
    """A rejected row: the wrong cell, if one is to blame, and all the others in the order of the file."""

    row: RejectedRow
    wrong: Cell | None
    cells: Sequence[Cell | None]  # None where the wrong one stands
    is_sent: bool
    is_first: bool


@dataclass(frozen=True)
class MendPage:
    """A page of rejected rows. `kept`: how many rows of other pages are corrected and not sent."""

    columns: Sequence[str]
    rows: Sequence[MendRow]
    kept: int
    mended: int

    @property
    def ready(self) -> int:
        """How many corrected rows wait to be sent."""
        return self.kept + self.mended


def rejected_page(job: Job, number: str | None) -> Any:
    """A page of the job's rejected rows by their lines, whether or not they may be corrected."""
    rows = job.rejected_rows.select_related("sent_in").order_by("line", "pk")
    return Paginator(rows, ROWS_PER_PAGE).get_page(number)


def mend_page(job: Job, rows: Sequence[RejectedRow]) -> MendPage | None:
    """These rows as a table to correct; None where the job is not done or its columns are not known."""
    layout = _layout(job)
    if job.state != Job.State.DONE or layout is None:
        return None
    header = header_of(job)
    places = _places(layout)
    widths = {place: _width(header[place], rows) for place in places}
    mendable = set(
        job.rejected_rows.mendable().filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True)
    )
    first = next((row.pk for row in rows if row.pk in mendable), None)
    shown = [
        _row(row, header, places, widths, layout, is_sent=row.pk not in mendable, is_first=row.pk == first)
        for row in rows
    ]
    mended = sum(1 for row in rows if row.pk in mendable and row.mended)
    waiting = job.rejected_rows.mended().count()
    return MendPage([header[place] for place in places], shown, kept=waiting - mended, mended=mended)


def cells_sent(job: Job, posted: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """Row id -> column name -> text, of a form that `mend_page` made; whatever else was sent is left out."""
    layout = _layout(job)
    if layout is None:
        return {}
    header, places = header_of(job), set(_places(layout))
    found: dict[int, dict[str, str]] = {}
    for field, text in posted.items():
        kind, _, rest = field.partition("-")
        row_id, _, place = rest.partition("-")
        is_ours = kind == "cell" and row_id.isdecimal() and place.isdecimal() and len(row_id) < 19
        if is_ours and len(place) < 4 and int(place) in places:
            found.setdefault(int(row_id), {})[header[int(place)]] = text
    return found


def _layout(job: Job) -> Layout | None:
    try:
        return layout_of(job)
    except (BadMap, FileRefused):
        return None


def _places(layout: Layout) -> list[int]:
    """The columns that are read, in the order of the file."""
    system = [] if layout.system_position is None else [layout.system_position]
    return sorted({*layout.positions.values(), *system})


def _width(name: str, rows: Sequence[RejectedRow]) -> int:
    longest = max((len(str((row.row | row.mended).get(name, ""))) for row in rows), default=0)
    return min(max(longest, NARROWEST), WIDEST)


def _row(
    row: RejectedRow,
    header: Sequence[str],
    places: Sequence[int],
    widths: Mapping[int, int],
    layout: Layout,
    *,
    is_sent: bool,
    is_first: bool,
) -> MendRow:
    wrong_place = layout.positions.get(row.column)
    if row.column == "system":
        wrong_place = layout.system_position
    cells = {place: _cell(row, header[place], place, widths[place]) for place in places}
    return MendRow(
        row=row,
        wrong=cells.get(wrong_place) if wrong_place is not None else None,
        cells=[None if place == wrong_place else cells[place] for place in places],
        is_sent=is_sent,
        is_first=is_first,
    )


def _cell(row: RejectedRow, name: str, place: int, width: int) -> Cell:
    was = one_line(str(row.row.get(name, "")))
    return Cell(f"cell-{row.pk}-{place}", name, str(row.mended.get(name, was)), was, width)
