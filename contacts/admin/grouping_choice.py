"""What somebody has chosen on the grouping screen: read from the address or the form, and made sense of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import QueryDict

from contacts.admin.sent_ids import sent_id, sent_text
from contacts.models import Contact, GroupAlias
from contacts.request_words import listed
from contacts.services.group_requests import MOST_CHILDREN


@dataclass(frozen=True)
class Problem:
    """What is wrong with one GroupID that was named; `instead`: the GroupIDs that it lives on in."""

    sentence: str
    instead: Sequence[int] = ()


@dataclass(frozen=True)
class Choice:
    """The Contacts that are to become one: `start` is the one that it began from, `master` one of them all.

    `contacts` are loaded with what the user may see of them; the master stands first, then the others as they
    were chosen. `asked`: what was searched for.
    """

    start: int
    contacts: Sequence[Any]
    problems: Sequence[Problem]
    asked: str
    reason: str

    @property
    def master(self) -> Any:
        return self.contacts[0]

    @property
    def children(self) -> Sequence[Any]:
        return self.contacts[1:]

    @property
    def others(self) -> list[int]:
        """GroupIDs of all but the one that it began from, in their order."""
        return [contact.pk for contact in self.contacts if contact.pk != self.start]

    @property
    def is_full(self) -> bool:
        return len(self.children) >= MOST_CHILDREN


def read_choice(start: Contact, sent: QueryDict, *, user: User) -> Choice:
    """What was chosen before and, by the button `do`, just now. Three queries, one more per wrong number.

    A Contact that the user may not see is told of exactly as one that is not there.
    """
    order = sent.get("do", "")
    named = [*sent.getlist("with"), *([order.removeprefix("add-")] if order.startswith("add-") else [])]
    if order.startswith("remove-"):
        named = [number for number in named if number != order.removeprefix("remove-")]
    found = _visible([start.pk, *filter(None, (sent_id(one) for one in named))], user)
    chosen, problems = [start.pk], []
    for one in named:
        problem = _problem(one, chosen, found, start=start.pk, user=user)
        if problem:
            problems.append(problem)
        else:
            chosen.append(int(one))
    master = sent_id(sent.get("master", "")) or start.pk
    master = master if master in chosen else start.pk
    in_order = [master, *(one for one in chosen if one != master)]
    return Choice(
        start=start.pk,
        contacts=[found[one] for one in in_order],
        problems=problems,
        asked=sent_text(sent.get("q", ""), 200),
        reason=sent_text(sent.get("reason", ""), 300),
    )


def _visible(numbers: Sequence[int], user: User) -> dict[int, Any]:
    contacts = Contact.objects.filter(pk__in=numbers).visible_to(user).with_visible_refs(user)
    return {contact.pk: contact for contact in contacts}


def _problem(
    named: str, chosen: Sequence[int], found: dict[int, Any], *, start: int, user: User
) -> Problem | None:
    """Why this GroupID cannot be added (R-CM-16); None where it can."""
    number = sent_id(named)
    if number == start:
        return Problem(f"GroupID {number} is the record you began from: it cannot be grouped with itself.")
    if number in chosen:
        return Problem(f"GroupID {number} is chosen already.")
    if len(chosen) > MOST_CHILDREN:
        return Problem(f"One request groups {MOST_CHILDREN} children at most: {named[:20]} was not added.")
    return None if number in found else _not_there(named, number, user)


def _not_there(named: str, number: int, user: User) -> Problem:
    aliases = GroupAlias.objects.visible_to(user).filter(group_id=number)
    contacts = Contact.objects.filter(pk__in=aliases.values("contact")).visible_to(user)
    successors = list(contacts.order_by("pk").values_list("pk", flat=True)) if number else []
    if not successors:
        return Problem(f"There is no GroupID {named[:20]}.")
    into = listed([str(successor) for successor in successors])
    return Problem(f"GroupID {number} has retired: it lives on in {into}.", successors)
