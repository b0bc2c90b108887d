"""The review queue: which pairs a person is asked about, how many are left, and how people answered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import islice

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q, QuerySet

from contacts.models import AnswerMember, Link, ReviewAnswer
from contacts.models import Mapping as Placed
from contacts.models.any_of import AnyOf
from contacts.permissions import SystemRight, sees_every_system, systems_with
from contacts.services.group_requests import may_group
from contacts.services.review_pairs import Numbers, Pair, in_order, load_pairs

Place = tuple[float, int]  # of a link in the queue: its weight and its id

LOOKED_AT_ONCE = 20
MOST_COUNTED = 500
SECONDS_SURE = 600  # for which a long queue goes on being long
MOST_OUTGROWN = 200
_ENDS = ("left__mapping__contact_id", "right__mapping__contact_id")


@dataclass(frozen=True)
class Wanted:
    """What the queue is narrowed to. `rule` "": what the score alone found; None: all."""

    rule: str | None = None
    system_id: int | None = None

    def among(self, links: QuerySet[Link]) -> QuerySet[Link]:
        """The links that the reader wants to see."""
        if self.rule is not None:
            links = links.filter(rule=self.rule)
        if self.system_id is not None:
            links = links.filter(Q(left__system=self.system_id) | Q(right__system=self.system_id))
        return links

    def has(self, pair: Pair, rule: str) -> bool:
        """Whether a pair that was found otherwise, by this rule, is wanted."""
        systems = {m.system_ref.system_id for c in (pair.left, pair.right) for m in c.visible_mappings}  # type: ignore[attr-defined]
        return self.rule in (None, rule) and (self.system_id is None or self.system_id in systems)


EVERYTHING = Wanted()


@dataclass(frozen=True)
class Remaining:
    """How many pairs are left; where they are not `exact`, at least so many, or about as many."""

    count: int
    is_exact: bool = True
    is_estimate: bool = False


@dataclass(frozen=True)
class Agreement:
    """How people answered about pairs of one rule; `rule` "": of the score alone."""

    rule: str
    same: int
    different: int
    later: int

    @property
    def decided(self) -> int:
        return self.same + self.different

    @property
    def percent(self) -> int | None:
        """How often they said “same”, of those that were decided."""
        return round(100 * self.same / self.decided) if self.decided else None


def next_pairs(
    user: User, *, now: datetime, wanted: Wanted = EVERYTHING, after: Place | None = None, count: int = 1
) -> list[Pair]:
    """The next pairs that this user is asked about: outgrown answers first, then by weight.

    Pairs with a ref that the user may not view are not among them. `after`: where a page before ended; then
    outgrown answers are left out. Nobody without the right to group is asked anything.
    """
    if not may_group(user):
        return []
    found = {} if after else {pair.numbers: pair for pair in _outgrown(user, now=now, wanted=wanted)}
    for pair in islice(pairs_by_weight(user, now=now, wanted=wanted, after=after), count):
        found.setdefault(pair.numbers, pair)
    return list(found.values())[:count]


def pairs_by_weight(
    user: User,
    *,
    now: datetime,
    wanted: Wanted = EVERYTHING,
    after: Place | None = None,
) -> Iterator[Pair]:
    """Pairs with a link for review, the strongest first, each once."""
    links = queue_of(user, now=now, wanted=wanted)
    seen: set[Numbers] = set()
    begun = after
    while True:
        rows = beyond(links, after).values_list("pk", "weight", *_ENDS)[:LOOKED_AT_ONCE]
        batch = [(pk, weight, in_order(one, other)) for pk, weight, one, other in rows]
        shown = {numbers: pk for pk, _weight, numbers in reversed(batch) if numbers not in seen}
        pairs = load_pairs(list(shown), user, shown=shown)
        for pk, _weight, numbers in batch:
            pair = pairs.get(numbers)
            if shown.get(numbers) == pk and pair and not _came_before(pair, begun, wanted):
                yield pair
        seen |= set(shown)
        if len(batch) < LOOKED_AT_ONCE:
            return
        after = (batch[-1][1], batch[-1][0])


def queue_of(user: User, *, now: datetime, wanted: Wanted = EVERYTHING) -> QuerySet[Link]:
    """The links that ask this user, in the order of the queue."""
    return wanted.among(Link.objects.for_review(now).wholly_visible_to(user))


def beyond(links: QuerySet[Link], place: Place | None) -> QuerySet[Link]:
    """Those of the queue's links that come after a place in it."""
    if place is None:
        return links
    weight, pk = place
    # The first condition lets the index begin where the page before ended.
    return links.filter(weight__lte=weight).filter(Q(weight__lt=weight) | Q(pk__gt=pk))


def remaining(user: User, *, now: datetime, wanted: Wanted = EVERYTHING) -> Remaining:
    """How many pairs are left for this user: counted as far as people count, and of more than that about how
    many, for those from whom nothing is hidden.
    """
    if not may_group(user):
        return Remaining(0)
    about = _about() if wanted == EVERYTHING and sees_every_system(user) else 0
    if about > 2 * MOST_COUNTED:
        return Remaining(about, is_exact=False, is_estimate=True)
    long = Remaining(MOST_COUNTED, is_exact=False)
    known = _known_as_long(user, wanted)
    if cache.get(known):
        return long
    rows = list(queue_of(user, now=now, wanted=wanted).values_list(*_ENDS)[: MOST_COUNTED + 1])
    if len(rows) > MOST_COUNTED:
        cache.set(known, True, timeout=SECONDS_SURE)
        return long
    pairs = {in_order(*row) for row in rows}
    pairs |= {pair.numbers for pair in _outgrown(user, now=now, wanted=wanted)}
    return Remaining(len(pairs))


def agreement(user: User) -> list[Agreement]:
    """How people answered, by rule, over the standing answers that the user may see; most asked first."""
    return sorted(_agreement(user), key=lambda one: (-(one.decided + one.later), one.rule))


def agreement_with(rule: str, user: User) -> Agreement:
    """The same of one rule."""
    return next(iter(_agreement(user, rule=rule)), Agreement(rule, 0, 0, 0))


def _agreement(user: User, *, rule: str | None = None) -> list[Agreement]:
    answers = ReviewAnswer.objects.visible_to(user).standing()
    if rule is not None:
        answers = answers.filter(rule=rule)
    said: dict[str, dict[str, int]] = {}
    for name, answer, count in answers.values_list("rule", "answer").annotate(Count("pk")).order_by():
        said.setdefault(name, {})[answer] = count
    return [
        Agreement(name, *(of.get(a, 0) for a in ("same", "different", "later"))) for name, of in said.items()
    ]


def _came_before(pair: Pair, after: Place | None, wanted: Wanted) -> bool:
    """Whether a page before has shown the pair, by a stronger link."""
    link = pair.strongest
    if after is None or link is None or wanted.rule not in (None, link.rule):
        return False
    return (-link.weight, link.pk) <= (-after[0], after[1])


def _known_as_long(user: User, wanted: Wanted) -> str:
    """Under what it is remembered that those with these very rights have more pairs left than are counted:
    every page asks, and people answer no hundreds within minutes.
    """
    asked = f"{sorted(systems_with(user, SystemRight.VIEW))} {wanted}"
    return f"long-review-{sha256(asked.encode()).hexdigest()}"


def _about() -> int:
    """How many entries the index of the queue has, as PostgreSQL counted last, to two digits; 0 where it is
    not known.
    """
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = to_regclass('link_for_review')")
        row = cursor.fetchone()
    count = max(int(row[0]), 0) if row and row[0] else 0
    return round(count, 2 - len(str(count)))


def _outgrown(user: User, *, now: datetime, wanted: Wanted) -> Sequence[Pair]:
    """Pairs that were said to be different, and of which a Contact has got another ref since (BEYOND 10)."""
    marked = (
        ReviewAnswer.objects.visible_to(user)
        .standing()
        .filter(is_outgrown=True, answer=ReviewAnswer.Answer.DIFFERENT)
    )
    answers = {answer.pk: answer for answer in marked.order_by("pk")[:MOST_OUTGROWN]}
    if not answers:
        return []
    rows = AnswerMember.objects.filter(answer__in=answers).values_list("answer_id", "side", "system_ref_id")
    members = list(rows)
    placed = Placed.objects.filter(AnyOf("system_ref", [ref_id for _answer, _side, ref_id in members]))
    group_of = dict(placed.values_list("system_ref_id", "contact_id"))
    sides: dict[int, tuple[set[int], set[int]]] = {}
    known: dict[int, set[int]] = {}
    for answer_id, side, ref_id in members:
        known.setdefault(answer_id, set()).add(ref_id)
        if ref_id in group_of:
            sides.setdefault(answer_id, (set(), set()))[side].add(group_of[ref_id])
    asked = {
        in_order(one, other): answer_id
        for answer_id, (left, right) in sides.items()
        for one in left
        for other in right
        if one != other
    }
    pairs = load_pairs(list(asked), user)
    return [
        pair
        for numbers, pair in pairs.items()
        if pair.bars
        and not {ref for side in pair.sides for ref in side} <= known[asked[numbers]]
        and pair.holding_answer(now) is None
        and wanted.has(pair, answers[asked[numbers]].rule)
    ]
