"""Names nearly as typed: what a search offers when nobody is called exactly so."""

import re
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import BooleanField, F, Func, Q

from contacts.models.holds import Holds
from contacts.search_index import has_trigrams

if TYPE_CHECKING:
    from contacts.models.system_ref import SystemRefQuerySet

MOST_LOOKED_AT = 3_000  # refs that are compared letter by letter
MOST_OFFERED = 50
LEAST_ALIKE = 0.35  # of PostgreSQL's trigrams: a letter exchanged amid six leaves two in five of them
FEWEST_LETTERS = 3
_WORD = re.compile(r"[^\W\d_]+")


class Resembles(Func):
    """True where a part of the search text resembles the word, by PostgreSQL's trigrams and their index."""

    output_field = BooleanField()

    def __init__(self, word: str) -> None:
        super().__init__(F("search_text"))
        self.word = word

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[str]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"{column} %%> %s", [*parameters, self.word]


def near_names(refs: "SystemRefQuerySet", text: str) -> list[int]:
    """Ids of the Contacts of these refs whose names nearly are the typed words, nearest first.

    Nothing where a word is no name. One query, or two on PostgreSQL: refs that share some letters with the
    longest word come from the index, and are compared letter by letter here, a few thousand at the most.
    """
    words = name_words(text)
    if not words:
        return []
    longest = max(words, key=len)
    rows = refs.filter(_offered(longest), mapping__isnull=False).values_list(
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


def _offered(word: str) -> Q:
    """Refs that may hold a name near the word; short words share too little to be looked up."""
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
    if connection.vendor == "postgresql" and has_trigrams() and len(word) > FEWEST_LETTERS:
        with connection.cursor() as cursor:
            cursor.execute(f"SET pg_trgm.word_similarity_threshold = {LEAST_ALIKE}")
        return _any_held(swapped) | Q(Resembles(word))
    pieces = {
        spelling[start : start + FEWEST_LETTERS]
        for spelling in (word, *swapped)
        for start in range(len(word) - FEWEST_LETTERS + 1)
    }
    return _any_held(pieces or {word})


def _any_held(texts: Iterable[str]) -> Q:
    return reduce(or_, (Q(Holds("search_text", text)) for text in sorted(texts)))
