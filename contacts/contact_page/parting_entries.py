"""Where a contact is grouped, ungrouped and split: the button of its page, and the entries of its menu."""

from django.urls import reverse

from contacts.contact_page.parts import MenuEntry, Shown
from contacts.services.group_requests import WHY_NOT, may_group


def group_button(shown: Shown) -> MenuEntry:
    """The button "Group" of the page's head."""
    return _entry(shown, "Group", "group", place=0)


def ungroup_entry(shown: Shown) -> MenuEntry | None:
    """Ungroup; not offered where the user sees one System Ref (R-CM-19, 21)."""
    return _entry(shown, "Ungroup", "ungroup", place=10) if len(shown.refs) > 1 else None


def split_entry(shown: Shown) -> MenuEntry | None:
    """Split; where there are two System Refs it is the same as ungroup."""
    return _entry(shown, "Split", "split", place=20) if len(shown.refs) > 1 else None


def split_address(shown: Shown) -> str:
    """Where the contact is split; blank for whom that is not offered."""
    entry = split_entry(shown)
    return entry.address if entry and not entry.refusal else ""


def _entry(shown: Shown, title: str, screen: str, *, place: int) -> MenuEntry:
    address = reverse(f"admin:contacts_contact_{screen}", args=[shown.contact.pk])
    return MenuEntry(title, address, place, refusal="" if may_group(shown.user) else WHY_NOT)
