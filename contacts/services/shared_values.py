"""Who shares an e-mail, a phone or an address with a Contact under another name: recognised, never joined.

Only refs that the user may see are looked at, on either side (R-MDB-34). What the engine makes of a shared
value is its own business: on the value alone it joins nobody (C-5, BEYOND 11).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.db.models.functions import Upper

from contacts.models import Contact, SystemRef
from contacts.models.holds import Holds

DIGITS = 9  # the last of a phone number: the same with and without its country or its trunk prefix
FEWEST_DIGITS = 7
MOST_REFS = 300  # that are looked at; a mailbox of thousands is a mailbox by then
MANY_PEOPLE = 6
CROWD = 20  # among so many some are called alike: that makes no household of them
_ALIKE_FROM = 0.8
MOST_ASKED = 8  # phones, and as many addresses, of a Contact with very many

# The part before the @ of mailboxes that are a post and not a person.
ROLE_MAILBOXES = (
    "accounts", "admin", "administration", "boxoffice", "bookings", "booking", "contact", "enquiries",
    "events", "hello", "hospitality", "info", "mail", "marketing", "membership", "members", "office", "post",
    "reception", "sales", "secretary", "support", "team", "tickets", "ticketing", "verwaltung",
)  # fmt: skip


class By(StrEnum):
    """What is shared."""

    EMAIL = "e-mail"
    PHONE = "phone"
    ADDRESS = "address"


class Look(StrEnum):
    """What the sharing looks like."""

    HOUSEHOLD = "household"
    OFFICE = "office"
    MAILBOX = "shared mailbox"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Person:
    """Another Contact as its visible refs have it; `shares` what it has in common."""

    contact_id: int
    name: str
    refs: Sequence[SystemRef]
    shares: frozenset[By]


@dataclass(frozen=True)
class SharedValue:
    """A value of the Contact, and who else has it."""

    by: By
    value: str
    people: Sequence[Person]
    look: Look


@dataclass(frozen=True)
class Sharing:
    """All that a Contact shares; `people` each once, who share most first. With `is_cut` there are more."""

    values: Sequence[SharedValue]
    people: Sequence[Person]
    is_cut: bool

    def sharing(self, by: By) -> list[Person]:
        return [person for person in self.people if by in person.shares]


def sharing_of(
    contact: Contact, refs: Collection[SystemRef], *, user: User, kinds: Collection[By] = tuple(By)
) -> Sharing:
    """With whom the Contact shares values of these visible refs under clearly different names. One query.

    By index: the e-mail by its own, phones and the address by the search's trigrams.
    """
    found = _holders(contact, refs, user, kinds)
    others: dict[int, list[SystemRef]] = {}
    for ref in found:
        others.setdefault(ref.mapping.contact_id, []).append(ref)
    people = [
        _person(contact_id, theirs, refs, kinds)
        for contact_id, theirs in others.items()
        if not any(names_may_be_one(mine, their) for mine in refs for their in theirs)
    ]
    people = sorted((p for p in people if p.shares), key=lambda p: (-len(p.shares), p.name, p.contact_id))
    return Sharing(_values(refs, people, kinds), people, is_cut=len(found) >= MOST_REFS)


def _holders(
    contact: Contact, refs: Collection[SystemRef], user: User, kinds: Collection[By]
) -> list[SystemRef]:
    """Visible refs of other Contacts that hold one of these refs' e-mails, phones or addresses."""
    visible = SystemRef.objects.visible_to(user).filter(mapping__isnull=False)
    visible = visible.exclude(mapping__contact=contact)
    ways: list[Any] = []
    if By.EMAIL in kinds and (emails := {ref.email.upper() for ref in refs if ref.email}):
        ways.append(visible.annotate(in_capitals=Upper("email")).filter(~Q(email=""), in_capitals__in=emails))
    if By.PHONE in kinds:
        numbers = sorted({n for ref in refs for n in (digits(ref.phone), digits(ref.mobile)) if n})
        ways += [visible.filter(Holds("search_text", number)) for number in numbers[:MOST_ASKED]]
    if By.ADDRESS in kinds:
        houses = sorted({address_of(ref) for ref in refs} - {("", "")})
        ways += [_in_house(visible, line, postcode) for line, postcode in houses[:MOST_ASKED]]
    if not ways:
        return []
    first, *more = (way.order_by().values_list("pk") for way in ways)
    ids = (first.union(*more, all=True) if more else first)[:MOST_REFS]
    found = SystemRef.objects.filter(pk__in=ids).select_related("system", "mapping")
    return list(found.order_by("system__rank", "system_ref", "pk"))


def _in_house(refs: Any, line: str, postcode: str) -> Any:
    found = refs.filter(Holds("search_text", postcode))  # by the index; the rest sorts out a few
    return found.filter(address1__iexact=line, postcode__iexact=postcode)


def _person(
    contact_id: int, theirs: Sequence[SystemRef], mine: Collection[SystemRef], kinds: Collection[By]
) -> Person:
    shares = frozenset(by for by in kinds if _of(by, theirs) & _of(by, mine))
    named = next((ref.full_name for ref in theirs if ref.full_name), "")
    return Person(contact_id, named, theirs, shares)


def _values(
    refs: Collection[SystemRef], people: Sequence[Person], kinds: Collection[By]
) -> list[SharedValue]:
    found = []
    for by in kinds:
        written = {key: said for ref in refs for key, said in _written(by, ref) if key}
        for key, said in sorted(written.items(), key=lambda item: item[1]):
            sharers = [person for person in people if key in _of(by, person.refs)]
            if sharers:
                look = look_of(by, said, [list(refs), *(list(person.refs) for person in sharers)])
                found.append(SharedValue(by, said, sharers, look))
    return found


def _of(by: By, refs: Iterable[SystemRef]) -> set[str]:
    return {key for ref in refs for key, _said in _written(by, ref) if key}


def _written(by: By, ref: SystemRef) -> list[tuple[str, str]]:
    """What the ref has of this kind: as it is compared, and as it is written."""
    if by is By.EMAIL:
        return [(ref.email.upper(), ref.email)]
    if by is By.PHONE:
        return [(digits(number), number) for number in (ref.phone, ref.mobile)]
    line, postcode = address_of(ref)
    return [(f"{line}|{postcode}", f"{ref.address1}, {ref.postcode}")] if line else []


def digits(number: str) -> str:
    """The last digits of a phone number; blank where there are too few to be one."""
    found = re.sub(r"\D", "", number)
    return found[-DIGITS:] if len(found) >= FEWEST_DIGITS else ""


def address_of(ref: SystemRef) -> tuple[str, str]:
    """Address line and postcode in capitals; blank where either is."""
    if not (ref.address1 and ref.postcode):
        return "", ""
    return ref.address1.upper(), ref.postcode.upper()


def look_of(by: By, value: str, people: Sequence[Sequence[SystemRef]]) -> Look:
    """What people, each by their refs, look like who share this value."""
    if by is By.EMAIL and value.partition("@")[0].lower() in ROLE_MAILBOXES:
        return Look.MAILBOX
    if len(people) >= CROWD:
        return Look.MAILBOX if by is By.EMAIL else Look.OFFICE
    if _is_common(people, lambda ref: _plain(ref.company)):
        return Look.OFFICE
    if by is By.ADDRESS or _is_common(people, lambda ref: _plain(ref.last_name)):
        return Look.HOUSEHOLD
    if _is_common(people, lambda ref: "|".join(address_of(ref)).strip("|")):
        return Look.HOUSEHOLD
    return Look.OFFICE if len(people) >= MANY_PEOPLE else Look.UNCLEAR


def _is_common(people: Sequence[Sequence[SystemRef]], said: Callable[[SystemRef], str]) -> bool:
    """Whether two of the people say the same."""
    counts = Counter(text for refs in people for text in {said(ref) for ref in refs} if text)
    return max(counts.values(), default=0) > 1


def names_may_be_one(one: SystemRef, other: SystemRef) -> bool:
    """Whether the names do not clearly differ: a blank, an initial or a like spelling may be one person's."""
    if _name_alike(one.first_name, other.first_name) and _name_alike(one.last_name, other.last_name):
        return True
    swapped = _name_alike(one.first_name, other.last_name) and _name_alike(one.last_name, other.first_name)
    return swapped and bool(one.first_name and one.last_name and other.first_name and other.last_name)


def _name_alike(one: str, other: str) -> bool:
    one, other = _plain(one), _plain(other)
    if not one or not other or one == other:
        return True
    if one[0] == other[0] and 1 in (len(one), len(other)):
        return True
    return SequenceMatcher(None, one, other).ratio() >= _ALIKE_FROM


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or text
    return re.sub(r"[\W_]+", " ", letters).strip().casefold()
