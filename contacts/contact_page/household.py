"""Who shares an e-mail, a phone or an address with the contact: the badge and the panel."""

from collections.abc import Mapping
from typing import Any

from contacts.contact_page.parts import Badge, Shown
from contacts.services.shared_values import By, Look, sharing_of

SHOWN = 60


def household_badges(shown: Shown) -> list[Badge]:
    """“shares an e-mail with 2 people”; phones and addresses, which cost more, stand in the panel."""
    sharing = sharing_of(shown.contact, shown.refs.values(), user=shown.user, kinds=[By.EMAIL])
    if not sharing.people:
        return []
    count = f"more than {len(sharing.people)}" if sharing.is_cut else str(len(sharing.people))
    looks_like = ", ".join(sorted({value.look.value for value in sharing.values} - {Look.UNCLEAR.value}))
    why = "Different names, so that no night joins them on the e-mail alone."
    text = f"shares an e-mail with {count} {'person' if count == '1' else 'people'}"
    return [Badge(text, "warn", f"Looks like: {looks_like}. {why}" if looks_like else why)]


def household(shown: Shown) -> Mapping[str, Any]:
    """What panels/household.html shows."""
    sharing = sharing_of(shown.contact, shown.refs.values(), user=shown.user)
    return {
        "values": sharing.values,
        "people": sharing.people[:SHOWN],
        "more": max(len(sharing.people) - SHOWN, 0),
        "is_cut": sharing.is_cut,
        "kinds": list(By),
    }
