"""The three-dot menu of a contact: what is done to its group, and what other apps add (MENU)."""

from collections.abc import Callable

from contacts.contact_page.groupings import raise_case_entry, undo_entry
from contacts.contact_page.parting_entries import split_entry, ungroup_entry
from contacts.contact_page.parts import MenuEntry, Shown, declared

# Gives the entry for one contact and user; None where it makes no sense for the contact.
Entry = Callable[[Shown], MenuEntry | None]

# What this app offers; each function stands beside the screen that it leads to.
MENU: list[Entry] = [ungroup_entry, split_entry, undo_entry, raise_case_entry]


def menu(shown: Shown) -> list[MenuEntry]:
    """The entries for this contact and user, in their order."""
    found = [entry(shown) for entry in declared("MENU")]
    return sorted((entry for entry in found if entry), key=lambda entry: entry.place)
