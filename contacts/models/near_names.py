"""Names nearly as typed: what a search offers when nobody is called exactly so."""

import re
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from django.db.models import Q

from contacts.models.holds import HoldsParts

if TYPE_CHECKING:
    from contacts.models.system_ref import SystemRefQuerySet

MOST_LOOKED_AT = 3_000  # refs that are compared letter by letter
MOST_OFFERED = 50
FEWEST_LETTERS = 3
MOST_LETTERS = 20  # of a word that is looked up; each letter costs a few conditions
_WORD = re.compile(r"[^\W\d_]+")

Parts = tuple[str, ...]  # of a word, one letter of any kind between each two


def near_names(refs: "SystemRefQuerySet", text: str) -> list[int]:
    """Ids of the Contacts of these refs whose names nearly are the typed words, nearest first; one query.

    Nothing where a word is no name. Refs in which the longest word stands with one slip at the most come
    from the index, a few thousand of them; all words are then compared here, letter by letter.
    """
    words = name_words(text)
    longest = max(words, key=len, default="")
    if not FEWEST_LETTERS <= len(longest) <= MOST_LETTERS:
        return []
    offered = reduce(or_, (Q(HoldsParts("search_text", parts)) for parts in sorted(one_slip(longest))))
    rows = refs.filter(offered, mapping__isnull=False).values_list(
        "mapping__contact_id", "first_name", "last_name"
    )
    farness: dict[int, int] = {}
    for contact_id, first_name, last_name in rows[:MOST_LOOKED_AT]:
        far = distance(words, name_words(f"{first_name} {last_name}"))
        if far is not None:
            farness[contact_id] = min(far, farness.get(contact_id, far))
    return sorted(farness, key=lambda contact_id: (farness[contact_id], -contact_id))[:MOST_OFFERED]


def name_words(text: str) -> list[str]:
    """The words of a name in small letters; none where the text holds anything that is in no name."""
    if re.search(r"[@\d]", text):
        return []
    return [word.casefold() for word in _WORD.findall(text)]


def one_slip(word: str) -> set[Parts]:
    """How a word may stand among others that was typed with one slip of the finger, or with none.

    One letter exchanged, left out, too many, or swapped with the next. Blanks around it hold it fast.
    """
    whole = f" {word} "
    exchanged = {(whole[:at], whole[at + 1 :]) for at in range(1, len(whole) - 1)}
    left_out = {(whole[:at], whole[at:]) for at in range(1, len(whole))}
    too_many = {(whole[:at] + whole[at + 1 :],) for at in range(1, len(whole) - 1)}
    swapped = {(whole[:at] + whole[at + 1] + whole[at] + whole[at + 2 :],) for at in range(1, len(whole) - 2)}
    return exchanged | left_out | too_many | swapped | {(whole,)}


def distance(typed: Sequence[str], name: Iterable[str]) -> int | None:
    """How many slips of the finger lie between the words and their counterparts in a name.

    None where a word has no counterpart near enough: one slip in up to five letters, two in longer words.
    """
    known = list(name)
    whole = 0
    for word in typed:
        far = [slips_between(word, other) for other in known]
        nearest = min(far, default=len(word))
        if nearest > (1 if len(word) < 6 else 2) or nearest >= len(word):
            return None
        whole += nearest
    return whole


def slips_between(one: str, other: str) -> int:
    """Letters to put in, leave out, exchange or swap with the next, to get from one word to the other."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        here = [row]
        for column, facing in enumerate(other, start=1):
            least = min(last[column] + 1, here[-1] + 1, last[column - 1] + (letter != facing))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == facing:
                least = min(least, before[column - 2] + 1)
            here.append(least)
        before, last = last, here
    return last[-1]
