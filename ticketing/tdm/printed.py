"""An identifier as the screens print it, or as people say it: "SHOP 50006", "GroupID 1084", "m8326"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from contacts.models import TicketSystem

_GROUP_ID = re.compile(r"(?:group\s*id\s*#?|#)\s*(\d{1,18})", re.IGNORECASE)
_SYSTEM_REF = re.compile(r"(\S+)\s+(\S*\d\S*)")
_LETTERS_AND_DIGITS = re.compile(r"([a-z]+)(-?)(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Printed:
    """What is to be searched for: a text, in the system of this code where one is named, or a GroupID."""

    text: str
    system: str = ""
    group_id: int = 0


def printed(text: str, systems: Sequence[TicketSystem]) -> Printed:
    """What the text means; `systems` are those that the user may see: the code of another is a mere word."""
    if found := _GROUP_ID.fullmatch(text):
        return Printed(found[1], group_id=int(found[1]))
    codes = {system.code.casefold(): system.code for system in systems}
    if (found := _SYSTEM_REF.fullmatch(text)) and found[1].casefold() in codes:
        return Printed(found[2], system=codes[found[1].casefold()])
    return Printed(text)


def other_spelling(text: str) -> str:
    """The identifier with a hyphen between letters and digits where it has none, else without; or blank."""
    found = _LETTERS_AND_DIGITS.fullmatch(text)
    return found[1] + ("" if found[2] else "-") + found[3] if found else ""
