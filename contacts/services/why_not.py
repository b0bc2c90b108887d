"""Why two Contacts are not one: what was compared, which condition fails, and what would join them.

All of it is asked of the engine now, over the refs that the user may see and nothing else; hidden ones
change no word of it (R-MDB-34, BEYOND 6). Nothing is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from django.conf import settings
from django.contrib.auth.models import User

from contacts.grouping.delta import Terms
from contacts.grouping.records import REF_SCHEMA, Decisions, Guard
from contacts.grouping.records import Decision as Decided
from contacts.grouping.rules import Rule
from contacts.grouping.worlds import Judged, Pair, Verdict, Weighed, World, judge
from contacts.models import Contact, GroupDecision, GroupRequest, Link, ModelVersion, Organisation, SystemRef
from contacts.permissions import sees_every_system
from contacts.services.grouping_input import excluded_systems, read_refs
from contacts.services.grouping_model import active_version, load_model
from contacts.services.grouping_state import holders, kept_keys
from contacts.services.matching_rules import RulesInForce, rules_in_force
from contacts.services.why_not_edits import Edit, edits_between
from contacts.services.why_not_rules import RuleStanding, standings

MOST_REFS = 40  # of each side; a person with more is asked about by these
MOST_OTHERS = 60  # who share an e-mail or a mobile with one of them: for whom an initial may stand
MOST_PAIRS = 3
MOST_WAYS = 6


class CannotCompare(Exception):
    """Says, for the person at the screen, why nothing can be said of these two."""


class Reason(StrEnum):
    """What keeps them apart; the first that applies is the answer."""

    PENDING = "pending"  # nothing does: the next run joins them
    DECISION = "decision"
    CLOSED = "closed"
    BIRTH_DATE = "birth_date"
    SIZE = "size"
    NEVER_THROUGH_OTHERS = "through_others"
    NAMES = "names"
    NOT_FOUND = "not_found"  # no key brings the two together at all
    HOUSEHOLD = "household"
    TOO_LITTLE = "too_little"


@dataclass(frozen=True)
class ComparedPair:
    """A ref of either side: the link that the engine would write, unsaved, and how each rule stands."""

    left: SystemRef
    right: SystemRef
    link: Link
    is_found: bool
    rules: Sequence[RuleStanding]

    @property
    def nearest(self) -> RuleStanding | None:
        """The rule that fails at least; of equally near ones the first."""
        return min(self.rules, key=lambda rule: len(rule.failing), default=None)


@dataclass(frozen=True)
class Way:
    """Were these values equal, the two would be joined: by this rule, or by the score (None).

    Where something stands against them (WhyNot.stands_against), it would have to go as well.
    """

    edit: Edit
    rule: RuleStanding | None
    weight: float
    household: float


@dataclass(frozen=True)
class WhyNot:
    """The answer. `pairs`: the strongest first; `needed`: bits versus a stranger and a housemate.

    `last_night`: what the last run wrote of the strongest of its pairs, for those who see every system.
    """

    left: Sequence[SystemRef]
    right: Sequence[SystemRef]
    reason: Reason
    pairs: Sequence[ComparedPair]
    ways: Sequence[Way]
    decisions: Sequence[GroupDecision]
    closed: Sequence[str]
    requests: Sequence[GroupRequest]
    needed: tuple[float, float]
    rules: RulesInForce
    last_night: Link | None

    @property
    def stands_against(self) -> bool:
        """Whether a do-not-group rule or a closed system would have to go before anything joins them."""
        return bool(self.decisions or self.closed)


@dataclass(frozen=True)
class _Asked:
    """The refs of both sides and those who share a value with them, and what is decided about them."""

    left: Sequence[SystemRef]
    right: Sequence[SystemRef]
    world: World
    decisions: Sequence[GroupDecision]
    terms: Terms
    version: ModelVersion
    rules: RulesInForce

    @property
    def refs(self) -> dict[int, SystemRef]:
        return {ref.pk: ref for ref in (*self.left, *self.right)}

    @property
    def pairs(self) -> list[Pair]:
        found = ((a.pk, b.pk) for a in self.left for b in self.right)
        return [(min(pair), max(pair)) for pair in found]

    @property
    def across(self) -> list[GroupDecision]:
        """The do-not-group rules between the two sides."""
        wanted = set(self.pairs)
        return [d for d in self.decisions if d.kind == GroupDecision.Kind.NEVER and _ends(d) in wanted]

    @property
    def bare(self) -> World:
        """As it is, but for what a person or a closed system has against it."""
        across = {_ends(decision) for decision in self.across}
        never = [pair for pair in self.world.decisions.never if pair not in across]
        return replace(self.world, decisions=replace(self.world.decisions, never=never), is_open=True)


def why_not(left: Contact, right: Contact, *, user: User) -> WhyNot:
    """Why these two are not one, for a user to whom both are visible.

    Some ten queries, whatever the number of refs, and two passes of the engine over these alone. Raises
    CannotCompare for a Contact with itself, and before the first run.
    """
    if left.pk == right.pk:
        raise CannotCompare("Both are the same Contact: its “Why together” says what holds it.")
    asked = _gather(left, right, user)
    first = judge([asked.world, asked.bare], asked=asked.pairs, terms=asked.terms)
    real, bare = first.verdicts
    ranked = sorted(asked.pairs, key=lambda pair: _rank(bare.pairs[pair]), reverse=True)
    pairs = [_compared(asked, pair, first) for pair in ranked]
    edits = [] if _are_together(bare, asked) else edits_between(pairs[0], pairs)
    return WhyNot(
        left=asked.left,
        right=asked.right,
        reason=_reason(asked, real, bare, ranked[0]),
        pairs=pairs[:MOST_PAIRS],
        ways=_ways(asked, bare, pairs, edits),
        decisions=asked.across,
        closed=_closed(asked),
        requests=_requests(left, right, user),
        needed=(asked.terms.model.join_weight, asked.terms.model.join_household),
        rules=asked.rules,
        last_night=_last_night(asked) if sees_every_system(user) else None,
    )


def _gather(left: Contact, right: Contact, user: User) -> _Asked:
    version = active_version()
    if version is None:
        raise CannotCompare("No night has grouped anything yet, so there is nothing to compare by.")
    rules = rules_in_force()
    terms = Terms(
        model=rules.applied_to(load_model(version)),
        rules=rules.rules,
        decisions=Decisions(),
        excluded_systems=excluded_systems(),
        default_country=Organisation.load().default_country,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )
    here, there = _refs_of(left, user), _refs_of(right, user)
    mine = [ref.pk for ref in (*here, *there)]
    ids = [*mine, *_others(mine, terms, user)]
    known = GroupDecision.objects.standing().visible_to(user).filter(left__in=ids, right__in=ids)
    decisions = list(known.select_related("author", "left__system", "right__system").order_by("pk"))
    of_kind = {kind: [_ends(d) for d in decisions if d.kind == kind] for kind in GroupDecision.Kind}
    world = World(
        read_refs(ids).select(REF_SCHEMA.names),
        Decisions(must=of_kind[GroupDecision.Kind.MUST], never=of_kind[GroupDecision.Kind.NEVER]),
    )
    return _Asked(here, there, world, decisions, terms, version, rules)


def _refs_of(contact: Contact, user: User) -> list[SystemRef]:
    refs = SystemRef.objects.of(contact).visible_to(user).select_related("system")
    return list(refs.order_by("system__rank", "system_ref", "pk")[:MOST_REFS])


def _others(mine: Sequence[int], terms: Terms, user: User) -> list[int]:
    """Visible refs that share an e-mail or a mobile with these, as far as a rule asks whom it fits."""
    keys = kept_keys(mine)
    slots = [slot for slot in terms.context_slots if slot != "content"]
    numbers = {slot: set(keys[slot].drop_null().to_pylist()) for slot in slots}
    found = holders(numbers) - set(mine)
    seen = SystemRef.objects.visible_to(user).filter(pk__in=sorted(found)[: 10 * MOST_OTHERS])
    return list(seen.order_by("pk").values_list("pk", flat=True)[:MOST_OTHERS])


def _ends(decision: GroupDecision) -> Pair:
    return decision.left_id, decision.right_id


def _rank(weighed: Weighed) -> tuple[bool, bool, float]:
    return weighed.decision == Decided.JOINED, bool(weighed.rule), weighed.weight + weighed.household


def _compared(asked: _Asked, pair: Pair, judged: Judged) -> ComparedPair:
    weighed = judged.verdicts[1].pairs[pair]
    here = {ref.pk for ref in asked.left}
    left, right = (asked.refs[ref] for ref in (pair if pair[0] in here else (pair[1], pair[0])))
    link = Link(
        left=left,
        right=right,
        decision=weighed.decision,
        rule=weighed.rule,
        guard=weighed.guard,
        weight=weighed.weight,
        household=weighed.household,
        evidence=weighed.evidence,
        model_version=asked.version,
    )
    active: list[Rule] = [rule for rule in asked.rules.rules if rule.is_active]
    rules = standings(active, judged.rules[pair], left, right, judged.uncounted, weighed)
    return ComparedPair(left, right, link, weighed.is_found, rules)


def _are_together(verdict: Verdict, asked: _Asked) -> bool:
    return any(verdict.are_together(a.pk, b.pk) for a in asked.left for b in asked.right)


def _reason(asked: _Asked, real: Verdict, bare: Verdict, strongest: Pair) -> Reason:
    if _are_together(real, asked):
        return Reason.PENDING
    if asked.across:
        return Reason.DECISION
    if _are_together(bare, asked):
        return Reason.CLOSED
    weighed = bare.pairs[strongest]
    by_guard = {
        Guard.BIRTH_DATE.value: Reason.BIRTH_DATE,
        Guard.SIZE.value: Reason.SIZE,
        Guard.NEVER.value: Reason.NEVER_THROUGH_OTHERS,
        Guard.NAMES.value: Reason.NAMES,
    }
    if weighed.guard in by_guard:
        return by_guard[weighed.guard]
    if weighed.decision == Decided.JOINED:
        return Reason.NOT_FOUND
    is_enough = weighed.weight >= asked.terms.model.join_weight
    return Reason.HOUSEHOLD if is_enough else Reason.TOO_LITTLE


def _ways(asked: _Asked, bare: Verdict, pairs: Sequence[ComparedPair], edits: Sequence[Edit]) -> list[Way]:
    """The smallest edits after which the engine does join them, and no side falls apart."""
    if not edits:
        return []
    worlds = [replace(asked.bare, refs=edit.applied_to(asked.bare.refs)) for edit in edits]
    judged = judge(worlds, asked=sorted({edit.pair for edit in edits}), terms=asked.terms)
    ways: list[Way] = []
    for edit, verdict in sorted(
        zip(edits, judged.verdicts, strict=True), key=lambda found: len(found[0].fields)
    ):
        if any(set(way.edit.fields) <= set(edit.fields) for way in ways):
            continue
        if _joins(verdict, edit.pair, bare):
            ways.append(_way(edit, verdict.pairs[edit.pair], pairs))
    return ways[:MOST_WAYS]


def _joins(verdict: Verdict, pair: Pair, bare: Verdict) -> bool:
    whole = verdict.fellows(pair[0])
    return pair[1] in whole and bare.fellows(pair[0]) | bare.fellows(pair[1]) <= whole


def _way(edit: Edit, weighed: Weighed, pairs: Sequence[ComparedPair]) -> Way:
    holding = weighed.rule if weighed.decision == Decided.JOINED else ""
    rule = next((rule for rule in pairs[0].rules if rule.name == holding), None)
    return Way(edit, rule, weighed.weight, weighed.household)


def _closed(asked: _Asked) -> list[str]:
    """Codes of those of their systems that are kept out of matching, where the sides differ in it."""
    shut = asked.terms.excluded_systems

    def realms(side: Sequence[SystemRef]) -> set[int | None]:
        return {ref.system_id if ref.system_id in shut else None for ref in side}

    if realms(asked.left) & realms(asked.right):
        return []
    return sorted({ref.system.code for ref in asked.refs.values() if ref.system_id in shut})


def _requests(left: Contact, right: Contact, user: User) -> list[GroupRequest]:
    """Open requests that concern both, of those that the user may see."""
    open_ones = GroupRequest.objects.open().visible_to(user)
    return list(open_ones.concerning(left).concerning(right).order_by("pk"))


def _last_night(asked: _Asked) -> Link | None:
    left, right = ([ref.pk for ref in side] for side in (asked.left, asked.right))
    links = Link.objects.filter(left__in=left, right__in=right) | Link.objects.filter(
        left__in=right, right__in=left
    )
    return links.select_related("model_version").order_by("-weight", "pk").first()
