"""What the club's manager did about who is who: grouped, ungrouped, kept apart, and raised a case."""

import datetime as dt
from collections.abc import Iterator

from django.contrib.auth.models import User
from django.db.models import Count

from contacts.models import Contact, GroupChange, Link, RequestRef, SystemRef
from contacts.services.cases import raise_case
from contacts.services.do_not_group import never_group
from contacts.services.group_requests import (
    CannotRequest,
    file_grouping,
    file_split,
    file_ungrouping,
    hold_request,
)
from kore_site.demo import club

_TRIED = 200  # doubtful pairs looked at; most are free


def group_before(*, now: dt.datetime) -> dict[str, int]:
    """Two fans who are one are filed to be grouped, which the night does; father and son never will be."""
    manager = _manager()
    alone = [pair for pair in _doubtful_pairs() if _are_alone(*pair)]
    alone.sort(key=lambda pair: _unlike(*pair))
    one = next((p for p in alone if _file_pair(*p, reason="He rang us", by=manager, now=now)), ())
    for left, right in reversed(alone):
        if left not in one and right not in one:
            never_group(left, right, reason="father and son", by=manager, now=now)
            return {"groupings_filed": len(one) // 2, "pairs_kept_apart": 1}
    return {"groupings_filed": len(one) // 2, "pairs_kept_apart": 0}


def _unlike(left: SystemRef, right: SystemRef) -> tuple[bool, bool]:
    """The likelier one person, the lower: by first name, then by last."""
    return left.first_name != right.first_name, left.last_name != right.last_name


def group_after(*, now: dt.datetime) -> dict[str, int]:
    """Two requests wait for tonight, one is held back, and a case is open about what was grouped."""
    manager = _manager()
    waiting = 0
    for left, right in _doubtful_pairs():
        waiting = waiting or _file_pair(left, right, reason="same seat, same card", by=manager, now=now)
    taken = RequestRef.objects.filter(is_open=True).values("system_ref__mapping__contact")
    large = Contact.objects.annotate(refs=Count("mappings")).filter(refs__gte=3).exclude(pk__in=taken)
    to_ungroup, to_split = large.order_by("-refs", "pk")[:2]
    file_ungrouping(to_ungroup, by=manager, now=now, reason="brothers at one address")
    goes = to_split.mappings.order_by("-pk").values_list("pk", flat=True)[0]
    request = file_split(to_split, [[goes]], by=manager, now=now, reason="to be looked at first")
    hold_request(request, by=manager, now=now)
    return {"requests_waiting": waiting + 1, "requests_held": 1, "cases_open": _raise_case(manager, now=now)}


def _raise_case(manager: User, *, now: dt.datetime) -> int:
    """About the contact that was grouped by hand; 0 where the night could not do that."""
    change = GroupChange.objects.exclude(request=None).select_related("request").order_by("pk").first()
    if change is None or change.request is None:
        return 0
    raise_case(
        Contact.objects.get(pk=change.request.group_id),
        title="Season ticket shows twice",
        text="Since the grouping the season ticket shows twice. Is that the shop, or us?",
        by=manager,
        now=now,
        request=change.request,
    )
    return 1


def _file_pair(left: SystemRef, right: SystemRef, *, reason: str, by: User, now: dt.datetime) -> int:
    """1 where it was filed; 0 where something waits on one of the two, or a rule keeps them apart."""
    try:
        file_grouping(left.mapping.contact, [right.mapping.contact], by=by, now=now, reason=reason)
    except CannotRequest:
        return 0
    return 1


def _are_alone(*refs: SystemRef) -> bool:
    """Whether each is the only ref of its contact: nothing else of theirs speaks against a grouping."""
    return all(ref.mapping.contact.mappings.count() == 1 for ref in refs)


def _manager() -> User:
    return User.objects.get(username=club.MANAGER.username)


def _doubtful_pairs() -> Iterator[tuple[SystemRef, SystemRef]]:
    """Refs of different contacts that the engine left to people, the likeliest first."""
    links = Link.objects.filter(decision=Link.Decision.REVIEW).order_by("-weight", "pk")
    for link in links.select_related("left__mapping__contact", "right__mapping__contact")[:_TRIED]:
        if link.left.mapping.contact_id != link.right.mapping.contact_id:
            yield link.left, link.right
