"""The history of one account in the TDM: each change with its origin, and the way back."""

from dataclasses import dataclass
from typing import Any

from contacts.contact_page.history import in_words
from contacts.models import FieldChange
from contacts.models.person_details import DETAIL_FIELDS
from ticketing.services.reverts import why_not_revertible
from ticketing.tdm.detail_form import standing
from ticketing.tdm.page_data import Fan

LINES = 50
STANDS = "This is what stands."


@dataclass(frozen=True)
class Changed:
    """One change; `why_not` says why there is no way back, blank where there is."""

    change: FieldChange
    what: str
    before: str
    after: str
    by: str
    why_not: str

    @property
    def is_revertible(self) -> bool:
        return not self.why_not


def account_history(fan: Fan) -> dict[str, Any]:
    """A page of the changes of the open account, newest first; one query."""
    first = (fan.page() - 1) * LINES
    changes = FieldChange.objects.filter(system_ref=fan.account).select_related("actor")
    found = list(changes.order_by("-at", "-pk")[first : first + LINES + 1])
    return {
        "changes": [_changed(change, fan) for change in found[:LINES]],
        "newer": fan.page() - 1,
        "older": fan.page() + 1 if len(found) > LINES else 0,
    }


def _changed(change: FieldChange, fan: Fan) -> Changed:
    what, before, after = in_words(change)
    by = (change.actor.get_full_name() or change.actor.get_username()) if change.actor else ""
    return Changed(change, what, before, after, by, fan.why_unchangeable or _why_not(change, fan))


def _why_not(change: FieldChange, fan: Fan) -> str:
    if change.field in DETAIL_FIELDS and standing(fan.account, change.field) == change.before:
        return STANDS
    return why_not_revertible(change)
