"""The brake: a run that would join far more than usual is held before it writes, until somebody accepts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import pyarrow as pa
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from contacts.group_brake import KNOWN_SCHEMA, Blame, Example, Held, Limits, growing, weigh
from contacts.group_plan import Plan
from contacts.models import Contact, GroupingRun, Mapping, ModelVersion, Move, Organisation, SystemRef
from contacts.services.matching_rules import newest_version

REFS_AT_ONCE = 10_000  # asked for in one query
FIRST_LOAD = 10  # a run that places more than so many times what the last one left is a first load

# A field that can be to blame: its name for people, and the details of a ref that make its value.
FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "email": ("e-mail", ("email",)),
    "mobile": ("mobile", ("mobile",)),
    "phone": ("business phone", ("phone",)),
    "address": ("address", ("address1", "postcode")),
}


class HeldByBrake(Exception):
    """Says what a run would have done beyond its limits. Nothing changed; a new model waits."""

    def __init__(self, run: GroupingRun) -> None:
        self.run = run
        super().__init__(" ".join(Held.from_json(run.held).reasons))


class NothingIsHeld(Exception):
    """The last grouping run was not held, so there is nothing to accept."""

    def __init__(self) -> None:
        super().__init__("Nothing is held: the last grouping run went through.")


class AlreadyAccepted(Exception):
    """Somebody lets the held run go on already."""

    def __init__(self) -> None:
        super().__init__("Somebody has let it go on already.")


class Superseded(Exception):
    """What somebody wants to accept is no longer what is held."""

    def __init__(self) -> None:
        super().__init__("Another run came to an end since. Run the night again to see what is held now.")


@dataclass(frozen=True)
class NamedBlame:
    """A blame as one reader sees it. `value` is blank where there is none, or none that they may see.

    `title` is what the rule is called now, blank where there is no such rule any more.
    """

    rule: str
    title: str
    field: str
    value: str
    refs: int
    system_ref: str


def look(plan: Plan, links: pa.Table, *, refs: pa.Table, version: ModelVersion) -> Held | None:
    """What the brake holds a planned run for; None where it may go on.

    A first load is no cause: as long as no run came to an end, no Contact stands, or the refs that are new
    since the last run are more than ten times those that it left, as after a try with one record. Nor is what
    was accepted, until a run has done it. `links`: the engine's; `refs`: at least the plan's, in REF_SCHEMA.
    `version`: of the model that found the plan; where it is not in force, the run would bring it.
    """
    last = GroupingRun.objects.concluded().filter(held={}).order_by("-pk").first()
    established = Contact.objects.count()
    if last is None or not established:
        return None
    allowed = limits()
    held = weigh(
        plan,
        links,
        refs=refs,
        established=established,
        limits=allowed,
        known=_known(growing(plan, limits=allowed)),
        has_new_model=not version.is_active,
    )
    if held is None or _is_first_load(plan, since=last):
        return None
    accepted = _accepted()
    return None if accepted and held.is_within(accepted) else held


def limits() -> Limits:
    """How much may happen unseen, as the managers have set it."""
    organisation = Organisation.load()
    return Limits(organisation.brake_share, organisation.brake_floor, organisation.brake_size)


def hold(held: Held, *, is_full: bool, version: ModelVersion, now: datetime) -> NoReturn:
    """Record a run that ends here, for what it would have done by `version`. Raises HeldByBrake, always."""
    run = GroupingRun.objects.create(
        is_full=is_full, model_version=version, started_at=now, finished_at=now, held=held.as_json()
    )
    raise HeldByBrake(run)


def standing_held() -> GroupingRun | None:
    """The run that is held now: the last that came to an end, if the brake ended it."""
    last = GroupingRun.objects.concluded().order_by("-pk").first()
    return last if last is not None and last.held else None


@transaction.atomic
def accept(run: GroupingRun | None, *, by: User | None, now: datetime) -> GroupingRun:
    """Let the next run do as much as this held one would have done; None is whichever is held now.

    It holds again where it would do more. Raises NothingIsHeld, Superseded or AlreadyAccepted.
    """
    Organisation.objects.select_for_update().get(pk=Organisation.load().pk)
    standing = standing_held()
    if standing is None:
        raise NothingIsHeld
    if run is not None and run.pk != standing.pk:
        raise Superseded
    if standing.accepted_at is not None:
        raise AlreadyAccepted
    standing.accepted_at, standing.accepted_by = now, by
    standing.save(update_fields=["accepted_at", "accepted_by"])
    return standing


def name_blames(run: GroupingRun, *, systems: frozenset[int] | None) -> list[NamedBlame]:
    """What is to blame, with the values for a reader who may see `systems`; None: the operator, who sees all.

    A value is named only to who may see every system that holds it, and what lies wholly in systems that the
    reader may not see is left out. Two queries.
    """
    blames = Held.from_json(run.held).blames
    wanted = {ref_id for blame in blames for ref_id in blame.ref_ids}
    refs = SystemRef.objects.filter(pk__in=wanted).select_related("system").in_bulk()
    titles = {rule["name"]: rule["title"] for rule in newest_version().rules}
    return [
        _named(
            blame,
            [refs[pk] for pk in blame.ref_ids if pk in refs]
            if systems is None or systems.issuperset(blame.system_ids)
            else [],
            title=titles.get(blame.rule, ""),
        )
        for blame in blames
        if systems is None or not blame.system_ids or not systems.isdisjoint(blame.system_ids)
    ]


def example_groups(run: GroupingRun, *, systems: frozenset[int]) -> list[tuple[Example, Sequence[SystemRef]]]:
    """Contacts as they would be, with some of their refs; only those of which the reader may see every ref.

    One query. The largest come first.
    """
    examples = Held.from_json(run.held).examples
    wanted = {ref_id for example in examples for ref_id in example.ref_ids}
    refs = SystemRef.objects.filter(pk__in=wanted, system__in=systems).select_related("system").in_bulk()
    return [
        (example, [refs[pk] for pk in example.ref_ids])
        for example in examples
        if systems.issuperset(example.system_ids) and refs.keys() >= set(example.ref_ids)
    ]


def _is_first_load(plan: Plan, *, since: GroupingRun) -> bool:
    """Whether what is new since that run, placed by day or to be placed now, dwarfs what it left."""
    left = Mapping.objects.filter(since__lte=since.started_at).count()
    return Mapping.objects.count() - left + plan.counts.placed > FIRST_LOAD * left


def _known(ref_ids: Sequence[int]) -> pa.Table:
    """Where these refs stood when somebody last knew how large Contacts are (KNOWN_SCHEMA).

    That is after the last run that was accepted, or else the first of all.
    """
    stood: dict[int, int] = {}
    for start in range(0, len(ref_ids), REFS_AT_ONCE):
        moves = Move.objects.filter(at__lte=_known_at(), system_ref__in=ref_ids[start : start + REFS_AT_ONCE])
        stood.update(moves.order_by("pk").values_list("system_ref_id", "to_group"))
    return pa.table([[*stood], [*stood.values()]], schema=KNOWN_SCHEMA)


def _known_at() -> datetime | None:
    """When the last run began that did what somebody had accepted, or else the first that was not held."""
    known_at, was_accepted = None, False
    runs = GroupingRun.objects.concluded().order_by("pk").annotate(is_held=~Q(held={}))
    for started_at, is_held, accepted_at in runs.values_list("started_at", "is_held", "accepted_at"):
        if not is_held and (was_accepted or known_at is None):
            known_at = started_at
        was_accepted = is_held and accepted_at is not None
    return known_at


def _accepted() -> Held | None:
    """What was accepted and no run has done since. A run that was cut off has not."""
    standing = standing_held()
    return Held.from_json(standing.held) if standing and standing.accepted_at else None


def _named(blame: Blame, holders: Sequence[SystemRef], *, title: str) -> NamedBlame:
    """The value is what most of the holders say now: one may have been edited since."""
    if not blame.field:
        return NamedBlame(blame.rule, title, "", "", blame.refs, "")
    called, details = FIELDS[blame.field]
    said = {ref: " ".join(getattr(ref, detail).strip() for detail in details).strip() for ref in holders}
    commonest = Counter(value.casefold() for value in said.values() if value).most_common(1)
    if not commonest or (commonest[0][1] == 1 and len(blame.ref_ids) > 1):
        return NamedBlame(blame.rule, title, called, "", blame.refs, "")
    ref, value = next((ref, value) for ref, value in said.items() if value.casefold() == commonest[0][0])
    return NamedBlame(blame.rule, title, called, value, blame.refs, str(ref))
