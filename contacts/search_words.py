"""What the text in a search box may mean: words, phone numbers in any notation, GroupIDs."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import phonenumbers

_PHONE_LIKE = re.compile(r"[+(]?[\d()./+-]*\d[\d()./+-]*")
_FEWEST_PHONE_DIGITS = 5
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Word:
    """One thing to be found, in one of several ways.

    `texts`: what SystemRef.search_text may hold of it, in any case. `number`: the GroupID it may be.
    `parts`: the words it is made of when "2079 460958" is not one number but two; all must then be found.
    """

    texts: frozenset[str]
    number: int | None = None
    parts: tuple["Word", ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the search text of a ref may hold it."""
        return self.number is None and not self.parts

    @property
    def shortest(self) -> int:
        """Letters of the shortest of its spellings."""
        return min(map(len, self.texts))


def words(text: str, *, default_country: str) -> list[Word]:
    """The words of a search, each of which must be found; a phone number typed with blanks is one of them."""
    found: list[Word] = []
    for looks_like_phone, tokens in groupby(
        unicodedata.normalize("NFC", text).replace(",", " ").split(),
        key=lambda token: bool(_PHONE_LIKE.fullmatch(token)),
    ):
        if looks_like_phone:
            found += _numbers(list(tokens), default_country)
        else:
            found += [Word(frozenset({token})) for token in tokens]
    return found


def _numbers(tokens: list[str], country: str) -> Iterator[Word]:
    singles = tuple(_number(token, country) for token in tokens)
    joined = " ".join(tokens)
    if len(tokens) == 1 or len(_digits(joined)) < _FEWEST_PHONE_DIGITS:
        yield from singles
    else:
        yield Word(frozenset({_national(joined, country)}), parts=singles)


def _number(token: str, country: str) -> Word:
    digits = _digits(token)
    texts = {token}
    if len(digits) >= _FEWEST_PHONE_DIGITS:
        texts.add(_national(token, country))
    is_id = token == digits and int(digits) <= _LARGEST_ID
    return Word(frozenset(texts), number=int(digits) if is_id else None)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _national(text: str, country: str) -> str:
    """The digits that every notation of the number shares: without country code and trunk prefix."""
    try:
        national = str(phonenumbers.parse(text, country).national_number)
    except phonenumbers.NumberParseException:
        national = ""
    return national or _digits(text).lstrip("0") or _digits(text)
