"""Automatic primary rules: which are in force, what they would change, and applying them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F

from contacts.exclusive import exclusive
from contacts.models import Contact, Move, PrimaryRule, PrimaryRuleList, PrimaryRun, SystemRef
from contacts.models.mapping import PrimaryBy
from contacts.services.primary import Switch, switch_primaries
from contacts.services.primary_order import GivenRule, preferred

CONTACTS_AT_ONCE = 1_000  # two refs each and their golden values: a transaction well under a second on SQLite
APPLYING = "Applying the primary rules"  # the name under which applications exclude each other
# Contacts whose primary somebody holds (held_lines.hold) are left as they are.
_NOT_HELD = (
    "AND o.contact_id NOT IN (SELECT kept.contact_id FROM contacts_heldref held"
    " JOIN contacts_mapping kept ON kept.system_ref_id = held.system_ref_id WHERE held.kind = 'primary')"
)
_NO_VERSION = 0

Progress = Callable[[int, int], None]  # Contacts settled so far, and of how many


@dataclass(frozen=True)
class RulesInForce:
    """The highest version. `version` is None, and `number` 0, while nobody ever made a rule."""

    version: PrimaryRuleList | None
    rules: Sequence[GivenRule]

    @property
    def number(self) -> int:
        return self.version.number if self.version else _NO_VERSION

    @property
    def active(self) -> Sequence[GivenRule]:
        return [rule for rule in self.rules if rule.is_active]


@dataclass(frozen=True)
class Example:
    """A Contact whose primary would go from one ref to another; `rule`: the place in the rules given."""

    contact: Contact
    was: SystemRef
    now: SystemRef
    rule: int


@dataclass
class WouldChange:
    """What rules would do. `by_rule` and `kept_by_rule` count by the place of the deciding rule.

    `kept`: Contacts in which a rule prefers another ref, and a person chose the primary by hand: they stay.
    """

    changed: int = 0
    kept: int = 0
    by_rule: dict[int, int] = field(default_factory=dict)
    kept_by_rule: dict[int, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Applied:
    """What applying came to: how many Contacts another ref leads now (in a dry run: would lead)."""

    changed: int


def rules_in_force() -> RulesInForce:
    """The rules that the next night applies, in order; three queries."""
    version = PrimaryRuleList.objects.select_related("by").order_by("-number").first()
    return RulesInForce(version, given_rules(version) if version else [])


def given_rules(version: PrimaryRuleList) -> list[GivenRule]:
    """The rules of one version, in order; without queries where rules and systems are prefetched."""
    return [
        GivenRule(
            kind=PrimaryRule.Kind(rule.kind),
            systems=tuple(one.system_id for one in sorted(rule.systems.all(), key=lambda one: one.position)),
            is_active=rule.is_active,
            rule_id=rule.pk,
        )
        for rule in sorted(_rules_of(version), key=lambda rule: rule.position)
    ]


def would_change(rules: Sequence[GivenRule], *, examples: int = 20) -> WouldChange:
    """What these rules would switch, with examples of every rule; writes nothing.

    Looks at every Contact with several refs, whatever system they are of: for those alone who may see every
    system. Rules that are switched off are passed over.
    """
    active = [(place, rule) for place, rule in enumerate(rules) if rule.is_active]
    found = WouldChange()
    if not active:
        return found
    rows: list[tuple[int, int, int, int]] = []
    with connection.cursor() as cursor:
        chosen = preferred([rule for _place, rule in active], contacts=_NOT_HELD)
        cursor.execute(_COUNTED.format(chosen), [max(examples, 1)])
        for contact_id, was_id, ref_id, decided_by, is_by_hand, count, nth in cursor.fetchall():
            place = active[decided_by][0]
            if nth == 1:
                (found.kept_by_rule if is_by_hand else found.by_rule)[place] = count
            if not is_by_hand:
                rows.append((contact_id, was_id, ref_id, place))
    found.changed = sum(found.by_rule.values())
    found.kept = sum(found.kept_by_rule.values())
    found.examples = _examples(_spread(rows, examples))
    return found


def apply_primary_rules(
    *,
    now: datetime,
    by: User | None = None,
    dry_run: bool = False,
    run: PrimaryRun | None = None,
    progress: Progress | None = None,
) -> Applied:
    """Let the refs lead that the rules in force prefer; a primary chosen by hand, or held, stays (BEYOND 9).

    One at a time: raises AlreadyRunning. Written in transactions that each leave everything whole, so it may
    be killed anywhere; the next application does the rest, and one with nothing to do writes only its own
    record. Without an active rule it does nothing at all (R-MDB-13). A dry run counts and writes nothing.
    `run`: what a person filed; else a new record is made.
    """
    in_force = rules_in_force()
    if dry_run:
        return Applied(would_change(in_force.active, examples=1).changed)
    with exclusive(APPLYING):
        if in_force.version is None or not (in_force.active or run):
            return Applied(0)
        if run is None:
            run = PrimaryRun.objects.create(rule_list=in_force.version, by=by, filed_at=now)
        run.rule_list = in_force.version
        return Applied(_apply(in_force.active, run, now=now, progress=progress))


def _apply(rules: Sequence[GivenRule], run: PrimaryRun, *, now: datetime, progress: Progress | None) -> int:
    contact_ids = _contacts_to_change(rules)
    run.started_at, run.total, run.changed = now, len(contact_ids), 0
    run.save(update_fields=["rule_list", "started_at", "total", "changed"])
    changed = 0
    for start in range(0, len(contact_ids), CONTACTS_AT_ONCE):
        chunk = contact_ids[start : start + CONTACTS_AT_ONCE]
        changed += _settle(chunk, rules, run=run, now=now)
        if progress:
            progress(start + len(chunk), len(contact_ids))
    PrimaryRun.objects.filter(pk=run.pk).update(finished_at=now)
    return changed


@transaction.atomic
def _settle(contact_ids: Sequence[int], rules: Sequence[GivenRule], *, run: PrimaryRun, now: datetime) -> int:
    """Switch what still has to be switched in these Contacts; returns how many that was.

    Asks again under the lock: since they were found, a person may have chosen or a ref may have moved.
    """
    locked = Contact.objects.select_for_update().filter(pk__in=contact_ids).order_by("pk")
    found = sorted(locked.values_list("pk", flat=True))
    switches = list(_switches(found, rules))
    if switches:
        switch_primaries(
            switches, primary_by=PrimaryBy.RULE, cause=Move.Cause.PRIMARY_BY_RULE, by=run.by, now=now
        )
        PrimaryRun.objects.filter(pk=run.pk).update(changed=F("changed") + len(switches))
    return len(switches)


def _contacts_to_change(rules: Sequence[GivenRule]) -> list[int]:
    if not rules:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT contact_id FROM ({preferred(rules, contacts=_NOT_HELD)}) chosen"
            " WHERE NOT is_by_hand AND decided_by >= 0 ORDER BY contact_id"
        )
        return [row[0] for row in cursor.fetchall()]


def _switches(contact_ids: Sequence[int], rules: Sequence[GivenRule]) -> Iterator[Switch]:
    if not contact_ids:
        return
    wanted = ", ".join(str(int(contact_id)) for contact_id in contact_ids)
    limited = preferred(rules, contacts=f"AND o.contact_id IN ({wanted}) {_NOT_HELD}")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT contact_id, was_id, ref_id, decided_by"
            f" FROM ({limited}) chosen WHERE NOT is_by_hand AND decided_by >= 0 ORDER BY contact_id"
        )
        for contact_id, was_id, ref_id, decided_by in cursor.fetchall():
            yield Switch(contact_id, was_id, ref_id, rules[decided_by].rule_id)


def _rules_of(version: PrimaryRuleList) -> Sequence[PrimaryRule]:
    if "rules" in getattr(version, "_prefetched_objects_cache", {}):
        return list(version.rules.all())
    return list(version.rules.prefetch_related("systems"))


def _spread(rows: Sequence[tuple[int, int, int, int]], most: int) -> list[tuple[int, int, int, int]]:
    """Up to `most` rows, as many of each rule as there is room for, by rule and then by GroupID."""
    by_rule: dict[int, list[tuple[int, int, int, int]]] = {}
    for row in rows:
        by_rule.setdefault(row[3], []).append(row)
    taken: list[tuple[int, int, int, int]] = []
    while len(taken) < most and any(by_rule.values()):
        for waiting in by_rule.values():
            if waiting and len(taken) < most:
                taken.append(waiting.pop(0))
    return sorted(taken, key=lambda row: (row[3], row[0]))


def _examples(rows: Sequence[tuple[int, int, int, int]]) -> list[Example]:
    ids = {ref_id for _contact, was_id, now_id, _rule in rows for ref_id in (was_id, now_id)}
    refs = SystemRef.objects.select_related("system").in_bulk(list(ids))
    contacts = Contact.objects.in_bulk([row[0] for row in rows])
    return [
        Example(contacts[contact_id], refs[was_id], refs[now_id], rule)
        for contact_id, was_id, now_id, rule in rows
    ]


# For each deciding rule and each side (switched, kept by hand): how many, and the first few.
_COUNTED = """
SELECT contact_id, was_id, ref_id, decided_by, is_by_hand, total, nth FROM (
    SELECT chosen.*, count(*) OVER (PARTITION BY decided_by, is_by_hand) AS total,
        row_number() OVER (PARTITION BY decided_by, is_by_hand ORDER BY contact_id) AS nth
    FROM ({}) chosen WHERE decided_by >= 0
) counted WHERE nth <= %s ORDER BY decided_by, contact_id
"""
