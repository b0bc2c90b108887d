"""Two Contacts that might be one, as a reviewer is asked about them: refs, links, and what was said."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import User
from django.db.models import prefetch_related_objects

from contacts.models import AnswerMember, Contact, GroupDecision, GroupRequest, Link, ReviewAnswer
from contacts.models import Mapping as Placed
from contacts.models.any_of import AnyOf
from contacts.permissions import SystemRight, sees_every_system, systems_with
from contacts.services.decisions import standing_among

Numbers = tuple[int, int]  # two GroupIDs, the lower first

Answer = ReviewAnswer.Answer


@dataclass(frozen=True)
class Pair:
    """The lower GroupID stands left. Both Contacts have their `visible_mappings`, which are all they have.

    `strongest`: of the links that ask for a person, else of those there are; `link`: the one that the pair
    is shown by. `earlier`: the standing answers about refs that stand on either side, the newest first.
    `bars`: the do-not-group rules between the two. `key` is made of the exact members.
    """

    left: Contact
    right: Contact
    link: Link | None
    strongest: Link | None
    key: str
    earlier: Sequence[ReviewAnswer]
    bars: Sequence[GroupDecision]

    @property
    def numbers(self) -> Numbers:
        return (self.left.pk, self.right.pk)

    @property
    def sides(self) -> tuple[list[int], list[int]]:
        """The ids of the refs of either side."""
        return _refs(self.left), _refs(self.right)

    @property
    def last_said(self) -> ReviewAnswer | None:
        """The standing answer about exactly these members, whether or not it still holds."""
        return next((answer for answer in self.earlier if answer.key == self.key), None)

    def holding_answer(self, now: datetime) -> ReviewAnswer | None:
        """The answer about exactly these members, while it holds: then nobody is asked.

        “later” holds until it is over, “same” while its request is open, “different” while a rule stands.
        """
        said = self.last_said
        if said is None:
            return None
        holds = {
            Answer.LATER: said.asks_again_at is not None and said.asks_again_at > now,
            Answer.SAME: said.request is not None and said.request.state in GroupRequest.OPEN,
            Answer.DIFFERENT: bool(self.bars),
        }
        return said if holds[Answer(said.answer)] else None


def in_order(one: int, other: int) -> Numbers:
    """The lower GroupID first."""
    return (one, other) if one < other else (other, one)


def key_of(left: Iterable[int], right: Iterable[int]) -> str:
    """The same for the same members on both sides, whichever stands left."""
    sides = sorted(",".join(map(str, sorted(side))) for side in (left, right))
    return sha256("|".join(sides).encode()).hexdigest()


def load_pairs(
    numbers: Collection[Numbers], user: User, *, shown: Mapping[Numbers, int] | None = None
) -> dict[Numbers, Pair]:
    """Those of the pairs that stand and of which the user may view every ref; a fixed number of queries.

    `shown`: the link that a pair is shown by, where it is known.
    """
    asked = sorted({number for pair in numbers for number in pair})
    contacts = {contact.pk: contact for contact in _wholly_visible(asked, user)}
    standing = [pair for pair in numbers if pair[0] in contacts and pair[1] in contacts]
    group_of = {ref: pk for pk, contact in contacts.items() for ref in _refs(contact)}
    bars = _bars(group_of)
    links = _links(group_of, barred={(bar.left_id, bar.right_id) for found in bars.values() for bar in found})
    earlier = _earlier(standing, group_of, user)
    pairs = {}
    for pair in standing:
        left, right = contacts[pair[0]], contacts[pair[1]]
        between = links.get(pair, [])
        wanted = (shown or {}).get(pair)
        strongest = next(iter(between), None)
        link = next((link for link in between if link.pk == wanted), strongest)
        key = key_of(_refs(left), _refs(right))
        pairs[pair] = Pair(left, right, link, strongest, key, earlier.get(pair, []), bars.get(pair, []))
    return pairs


def load_pair(one: int, other: int, user: User) -> Pair | None:
    """One pair by its GroupIDs; None where one is gone, they are the same, or a ref is out of sight."""
    pair = in_order(one, other)
    return load_pairs([pair], user).get(pair) if one != other else None


def _refs(contact: Any) -> list[int]:
    return [mapping.system_ref_id for mapping in contact.visible_mappings]


def _wholly_visible(contact_ids: Sequence[int], user: User) -> list[Contact]:
    """Those of the Contacts of which the user may view every ref, with their mappings and pins loaded."""
    contacts = list(Contact.objects.filter(AnyOf("id", contact_ids)).order_by("pk")) if contact_ids else []
    if contacts and not sees_every_system(user):
        hidden = Placed.objects.filter(AnyOf("contact", contact_ids)).exclude(
            system_ref__system__in=systems_with(user, SystemRight.VIEW)
        )
        partly = set(hidden.values_list("contact_id", flat=True))
        contacts = [contact for contact in contacts if contact.pk not in partly]
    found = Contact.objects.load_visible_refs(contacts, user)
    prefetch_related_objects(found, "pins")
    return found


def _links(group_of: Mapping[int, int], *, barred: AbstractSet[Numbers]) -> dict[Numbers, list[Link]]:
    """The links between each two of the Contacts: those that ask for a person first, then by weight."""
    refs = list(group_of)
    if not refs:
        return {}
    rows = Link.objects.filter(AnyOf("left", refs)).filter(AnyOf("right", refs))
    found: dict[Numbers, list[Link]] = {}
    for link in rows.select_related("model_version", "left__system", "right__system"):
        one, other = group_of[link.left_id], group_of[link.right_id]
        if one != other:
            found.setdefault(in_order(one, other), []).append(link)
    for links in found.values():
        links.sort(key=lambda link: (not _asks(link, barred), -link.weight, link.pk))
    return found


def _asks(link: Link, barred: AbstractSet[Numbers]) -> bool:
    """Whether the link itself puts its pair into the queue (contacts.models.link.FOR_REVIEW)."""
    if (link.left_id, link.right_id) in barred:
        return False
    return link.decision == Link.Decision.REVIEW or (link.guard == "never" and link.is_joinable)


def _bars(group_of: Mapping[int, int]) -> dict[Numbers, list[GroupDecision]]:
    """The standing do-not-group rules between each two of the Contacts."""
    found: dict[Numbers, list[GroupDecision]] = {}
    for (left, right), decision in sorted(standing_among(list(group_of)).items()):
        if decision.kind == GroupDecision.Kind.NEVER and group_of[left] != group_of[right]:
            found.setdefault(in_order(group_of[left], group_of[right]), []).append(decision)
    return found


def _earlier(
    pairs: Collection[Numbers], group_of: Mapping[int, int], user: User
) -> dict[Numbers, list[ReviewAnswer]]:
    """The standing answers with a member on either side of a pair, of which the user may see every member;
    the newest first.
    """
    if not group_of:
        return {}
    seen = ReviewAnswer.objects.visible_to(user).standing()
    members = AnswerMember.objects.filter(AnyOf("system_ref", list(group_of)), answer__in=seen)
    places: dict[int, tuple[set[int], set[int]]] = {}
    for answer_id, ref_id, side in members.values_list("answer_id", "system_ref_id", "side"):
        places.setdefault(answer_id, (set(), set()))[side].add(group_of[ref_id])
    answers = (
        ReviewAnswer.objects.filter(pk__in=places).select_related("by", "request").order_by("-at", "-pk")
    )
    found: dict[Numbers, list[ReviewAnswer]] = {}
    for answer in answers if places else []:
        left, right = places[answer.pk]
        for numbers in {in_order(one, other) for one in left for other in right if one != other}:
            found.setdefault(numbers, []).append(answer)
    return {pair: found[pair] for pair in pairs if pair in found}
