"""The contact that a grouping would make, field by field, and what each chosen contact gives to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from contacts.contact_page.differences import Difference, difference
from contacts.models import SystemRef
from contacts.models.person_details import DETAIL_FIELDS, name_of
from contacts.request_words import RequestInWords
from contacts.services.golden import golden_of
from contacts.services.leaders import leader_first
from contacts.survivorship import Golden


@dataclass(frozen=True)
class Cell:
    """A golden value of one chosen contact. `is_taken`: the result has it from here."""

    value: Any
    difference: Difference
    is_taken: bool

    @property
    def is_left(self) -> bool:
        """Whether the value stays on its System Ref alone: the result says something else."""
        return self.difference in (Difference.ALIKE, Difference.OTHER)


@dataclass(frozen=True)
class Line:
    """A field of the result: its value, the ref that it comes from, and a cell per chosen contact.

    `from_child`: the GroupID of the child that supplies it, because the master's is blank; else None.
    """

    label: str
    value: Any
    origin: SystemRef | None
    from_child: int | None
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Column:
    """A chosen contact; `is_start` cannot be taken out. `waits`: the open request that keeps it, if any."""

    contact: Any
    refs: Sequence[SystemRef]
    name: str
    is_master: bool
    is_start: bool
    spent: Decimal
    waits: RequestInWords | None


@dataclass(frozen=True)
class Comparison:
    """What the screen shows of the chosen contacts; `blank`: the fields that none of them fills."""

    columns: Sequence[Column]
    lines: Sequence[Line]
    blank: Sequence[str]
    left_out: int
    from_children: int

    @property
    def ref_count(self) -> int:
        return sum(len(column.refs) for column in self.columns)

    @property
    def clashes(self) -> bool:
        return any(column.waits for column in self.columns)


def compare(
    contacts: Sequence[Any],
    result: Mapping[str, Golden],
    *,
    start: int,
    waits: Mapping[int, RequestInWords],
    country: str,
) -> Comparison:
    """The chosen contacts beside what they would become; the master is the first of them.

    Asks the database nothing: the contacts are loaded with what the user may see of them.
    """
    own = {contact.pk: golden_of(contact.visible_mappings, contact.pins.all()) for contact in contacts}
    columns = [
        _column(contact, own[contact.pk], start=start, master=contacts[0].pk, waits=waits.get(contact.pk))
        for contact in contacts
    ]
    lines, blank = [], []
    for field in DETAIL_FIELDS:
        if field in result or any(field in golden for golden in own.values()):
            lines.append(_line(field, contacts, columns, own, result.get(field), country=country))
        else:
            blank.append(name_of(field))
    return Comparison(
        columns=columns,
        lines=lines,
        blank=blank,
        left_out=sum(cell.is_left for line in lines for cell in line.cells),
        from_children=sum(line.from_child is not None for line in lines),
    )


def _column(
    contact: Any, golden: Mapping[str, Golden], *, start: int, master: int, waits: RequestInWords | None
) -> Column:
    refs = [mapping.system_ref for mapping in leader_first(contact.visible_mappings)]
    return Column(
        contact=contact,
        refs=refs,
        name=full_name(golden),
        is_master=contact.pk == master,
        is_start=contact.pk == start,
        spent=sum((ref.spent_total for ref in refs), Decimal(0)),
        waits=waits,
    )


def full_name(golden: Mapping[str, Golden]) -> str:
    """First and last name of golden values; blank where neither is known."""
    return " ".join(str(golden[field].value) for field in ("first_name", "last_name") if field in golden)


def _line(
    field: str,
    contacts: Sequence[Any],
    columns: Sequence[Column],
    own: Mapping[int, Mapping[str, Golden]],
    golden: Golden | None,
    *,
    country: str,
) -> Line:
    home = {ref.pk: (column.contact.pk, ref) for column in columns for ref in column.refs}
    source, origin = home.get(golden.ref_id, (None, None)) if golden else (None, None)
    value = golden.value if golden else None
    return Line(
        label=name_of(field),
        value=value,
        origin=origin,
        from_child=source if source != contacts[0].pk else None,
        cells=[
            _cell(field, own[contact.pk].get(field), value, is_source=source == contact.pk, country=country)
            for contact in contacts
        ],
    )


def _cell(field: str, own: Golden | None, value: Any, *, is_source: bool, country: str) -> Cell:
    mine = own.value if own else None
    standing = difference(field, mine, value, country=country)
    return Cell(mine, standing, is_taken=is_source and standing is not Difference.BLANK)
