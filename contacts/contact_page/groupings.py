"""Groupings of a contact: the changes it came out of, what people decided on its refs, what came back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.urls import reverse

from contacts.change_names import named
from contacts.change_words import is_undo, lines_of
from contacts.contact_page.parts import MenuEntry, Shown
from contacts.contact_page.why_links import in_words
from contacts.models import GroupChange, GroupDecision, GroupRequest
from contacts.services.came_back import CameBack, came_back
from contacts.services.case_facts import changes_concerning
from contacts.services.cases import MAY_RAISE
from contacts.services.group_requests import WHY_NOT, may_group
from contacts.services.matching_rules import rules_of_links

CHANGES = 30
DECISIONS = 30
READS_CHANGES = "contacts.view_groupchange"
UNDO_PLACE, CASE_PLACE = 30, 60  # in the three-dot menu


@dataclass(frozen=True)
class CameBackShown:
    """What came back, how it did, and where it can be put right; without an address the user may not."""

    back: CameBack
    how: str
    case_address: str
    ungroup_address: str


def groupings(shown: Shown) -> Mapping[str, Any]:
    """The changes that concern the contact, newest first, and the decisions about its visible refs."""
    pairs = GroupDecision.objects.visible_to(shown.user).filter(
        Q(left__in=shown.refs) | Q(right__in=shown.refs)
    )
    decisions = pairs.select_related("left__system", "right__system", "author", "lifted_by")
    reads = shown.user.has_perm(READS_CHANGES)
    return {
        "lines": named(lines_of(_changes(shown)[:CHANGES], user=shown.user), shown.user),
        "reads": reads,
        "may_group": may_group(shown.user),
        "may_undo": reads and may_group(shown.user),
        "why_not": WHY_NOT,
        "decisions": list(decisions.order_by("-pk")[:DECISIONS]),
    }


def _changes(shown: Shown) -> Any:
    return changes_concerning(shown.contact, list(shown.refs)).visible_to(shown.user).order_by("-pk")


def _newest(shown: Shown) -> Sequence[GroupChange]:
    """The last few, asked for once a page: most contacts have none, and then nothing more is asked."""
    known = shown.__dict__
    if "_newest_changes" not in known:
        known["_newest_changes"] = list(_changes(shown).select_related("request")[:CHANGES])
    return known["_newest_changes"]


def came_back_notice(shown: Shown) -> CameBackShown | None:
    """That refs which a person parted stand together again, for those who may see all of it."""
    if not any(change.is_split and change.request_id for change in _newest(shown)):
        return None
    back = came_back(shown.contact, user=shown.user)
    if back is None:
        return None
    page = [shown.contact.pk]
    raises = shown.user.has_perm(MAY_RAISE)
    return CameBackShown(
        back=back,
        how=how_it_came_back(back),
        case_address=reverse("admin:contacts_contact_raise_case", args=page) if raises else "",
        ungroup_address=reverse("admin:contacts_contact_ungroup", args=page) if may_group(shown.user) else "",
    )


def how_it_came_back(back: CameBack) -> str:
    """By which rule or score, as a sentence; blank where no link between the sides says it."""
    return in_words(back.link, rules=rules_of_links()) if back.link else ""


def undo_entry(shown: Shown) -> MenuEntry | None:
    """Takes the last change back; left out where there is none to be taken back. One query at most."""
    last = _last_undoable(shown)
    if last is None:
        return None
    refusal = WHY_NOT
    if may_group(shown.user) and shown.user.has_perm(READS_CHANGES):
        waits = GroupRequest.objects.open().visible_to(shown.user).filter(undoes=last).first()
        refusal = f"Request {waits.pk} to undo it is {waits.get_state_display()}." if waits else ""
    return MenuEntry(
        title="Undo the last grouping" if last.is_join else "Undo the last split",
        address=reverse("admin:contacts_groupchange_undo", args=[last.pk]),
        place=UNDO_PLACE,
        refusal=refusal,
    )


def _last_undoable(shown: Shown) -> GroupChange | None:
    """The newest change that stands and takes no other back."""
    standing = (change for change in _newest(shown) if change.undone_by_id is None)
    return next((change for change in standing if not is_undo(change)), None)


def raise_case_entry(shown: Shown) -> MenuEntry:
    """A case for the service desk, with all facts."""
    refusal = ""
    if not shown.user.has_perm(MAY_RAISE):
        refusal = "Your role raises no cases. A CRM manager can."
    return MenuEntry(
        title="Raise a case",
        address=reverse("admin:contacts_contact_raise_case", args=[shown.contact.pk]),
        place=CASE_PLACE,
        refusal=refusal,
    )
