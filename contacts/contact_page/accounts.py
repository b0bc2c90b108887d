"""Accounts: one column per visible System Ref, one line per field, differences marked on the value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contacts.contact_page.differences import Difference, difference
from contacts.contact_page.lead import choosable, lead
from contacts.contact_page.parts import Shown
from contacts.contact_page.related import accounts_of
from contacts.models import Mapping as Placement
from contacts.models import SystemRef
from contacts.models.person_details import DETAIL_FIELDS, name_of

_ALWAYS = ("first_name", "last_name", "email", "phone", "mobile")


@dataclass(frozen=True)
class Cell:
    """A value of one ref and how it stands to the golden one; `is_golden` where it is that one's origin."""

    value: Any
    difference: Difference
    is_golden: bool


@dataclass(frozen=True)
class Line:
    """A field: its golden value, then a cell per ref."""

    label: str
    golden: Any
    origin: SystemRef | None
    cells: Sequence[Cell]


def accounts(shown: Shown) -> Mapping[str, Any]:
    """What partials/accounts.html shows. Fields that no ref fills are named together below the table."""
    lines, blank = [], []
    for field in DETAIL_FIELDS:
        label = name_of(field)
        if field not in _ALWAYS and not any(getattr(ref, field) for ref in shown.refs.values()):
            blank.append(label)
            continue
        lines.append(_line(field, label, shown))
    columns = accounts_of(shown)
    return {
        "mappings": shown.mappings,
        "accounts": columns,
        "has_names": any(account.names for account in columns),
        "gone": [account for account in columns if account.gone],
        "lead": lead(shown),
        "choosable": choosable(shown),
        "lines": lines,
        "blank": blank,
        "currency": shown.currency,
        "spent": sum(ref.spent_total for ref in shown.refs.values()),
        "last_purchased_at": max(
            (r.last_purchased_at for r in shown.refs.values() if r.last_purchased_at), default=None
        ),
    }


def _line(field: str, label: str, shown: Shown) -> Line:
    golden = shown.golden.get(field)
    value = golden.value if golden else None
    return Line(
        label=label,
        golden=value,
        origin=shown.refs[golden.ref_id] if golden else None,
        cells=[_cell(field, mapping, shown) for mapping in shown.mappings],
    )


def _cell(field: str, mapping: Placement, shown: Shown) -> Cell:
    value, golden = getattr(mapping.system_ref, field), shown.golden.get(field)
    is_golden = golden is not None and golden.ref_id == mapping.system_ref_id
    standing = difference(field, value, golden.value if golden else None, country=shown.country)
    return Cell(value, Difference.SAME if is_golden else standing, is_golden)
