"""Which keys stand more than once in a file, found in one walk through it; no database."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

from contacts.cleaning import PLACEHOLDERS, Unreadable, is_placeholder, is_plain, tidy
from contacts.import_files import unescape_formula

_PARTS = 64  # so that only a small part of the keys is ever looked at together


class KeyCount:
    """Counts keys by their hash, eight bytes each: of millions some megabytes.

    Two keys of one hash, which is rare, are taken for one that stands twice.
    """

    def __init__(self) -> None:
        self._parts = [array("q") for _ in range(_PARTS)]

    def add(self, keys: Iterable[str]) -> None:
        """Count these keys; blank ones are none."""
        parts = self._parts
        for value in map(hash, keys):
            if value:  # of the empty text it is 0
                parts[value % _PARTS].append(value)

    def repeated(self) -> dict[int, int]:
        """The hashes that were counted more than once, and how often."""
        found: dict[int, int] = {}
        for part in self._parts:
            if len(set(part)) < len(part):
                found.update((value, times) for value, times in Counter(part).items() if times > 1)
        return found


def keys_of(cells: Sequence[str], *, is_returned: bool) -> list[str]:
    """The keys that cells stand for, as cleaning reads them; blank where there is none."""
    if is_returned:
        cells = [unescape_formula(cell) for cell in cells]
    tidied = [cell.strip() for cell in cells] if is_plain("|".join(cells)) else list(map(_tidied, cells))
    if PLACEHOLDERS.isdisjoint(map(str.lower, tidied)):
        return tidied
    return ["" if is_placeholder(key) else key for key in tidied]


def joined_keys(parts: Sequence[Sequence[str]]) -> list[str]:
    """One key of several columns for each row; blank where one of them is."""
    return ["\0".join(key) if all(key) else "" for key in zip(*parts, strict=True)]


def _tidied(cell: str) -> str:
    try:
        return tidy(cell)
    except Unreadable:
        return ""  # its row is refused
