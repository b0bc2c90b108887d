"""Makes a new version of the primary rules; what stood before is kept."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction

from contacts.models import Organisation, PrimaryRule, PrimaryRuleList, PrimaryRuleSystem, TicketSystem
from contacts.permissions import sees_every_system
from contacts.services.primary_order import GivenRule
from contacts.services.primary_rules import given_rules, rules_in_force

MOST_RULES = 20
Kind = PrimaryRule.Kind


class CannotSaveRules(Exception):
    """Says, for the person at the screen, what is wrong with the list; `place`: with which rule, from 0."""

    def __init__(self, reason: str, *, place: int | None = None) -> None:
        super().__init__(reason)
        self.place = place


class MayNotSaveRules(CannotSaveRules):
    """The user may not steer the rules, or not see every system over whose records they decide."""


class RulesAreOutOfDate(CannotSaveRules):
    """Somebody else saved a version since the user began."""

    def __init__(self, standing: PrimaryRuleList) -> None:
        who = (standing.by.get_full_name() or standing.by.get_username()) if standing.by else "Somebody"
        super().__init__(
            f"{who} saved version {standing.number} while you were editing. Nothing of yours was saved: look"
            " at the rules as they are now and change them again."
        )


def may_steer_primary_rules(user: User | AnonymousUser) -> bool:
    """Whether the user may make rules, see what they would change, and apply them.

    They decide over the records of every system, and what they would change tells of each: so only those
    come near who may see all of them.
    """
    return user.has_perm("contacts.add_primaryrulelist") and sees_every_system(user)


def check_rules(rules: Sequence[GivenRule]) -> None:
    """Raise CannotSaveRules where a list of rules makes no sense."""
    if len(rules) > MOST_RULES:
        raise CannotSaveRules(f"At most {MOST_RULES} rules: nobody could tell what more of them do.")
    seen: set[tuple[object, ...]] = set()
    known = set(TicketSystem.objects.values_list("pk", flat=True))
    for place, rule in enumerate(rules):
        if rule.kind == Kind.SYSTEM_ORDER and not rule.systems:
            raise CannotSaveRules("Choose the system that goes first.", place=place)
        if len(set(rule.systems)) < len(rule.systems):
            raise CannotSaveRules("A system stands twice in this order.", place=place)
        if not known.issuperset(rule.systems):
            raise CannotSaveRules("This order names a system that does not exist.", place=place)
        what = (rule.kind, rule.systems)
        if what in seen:
            raise CannotSaveRules("This rule stands in the list already.", place=place)
        seen.add(what)


@transaction.atomic
def save_primary_rules(
    rules: Sequence[GivenRule], *, based_on: int, by: User, now: datetime
) -> PrimaryRuleList | None:
    """Put this list in force, as a version of its own; the next night applies it.

    `based_on`: the number of the version that the user began from (0: none). Raises MayNotSaveRules,
    RulesAreOutOfDate when another version came meanwhile, CannotSaveRules when the list makes no sense.
    Saving what stands changes nothing. Of two callers at once the second is out of date.
    """
    if not may_steer_primary_rules(by):
        raise MayNotSaveRules("Only managers who may see every ticket system change the primary rules.")
    Organisation.objects.select_for_update().get(pk=Organisation.load().pk)
    standing = rules_in_force()
    if standing.version is not None and standing.number != based_on:
        raise RulesAreOutOfDate(standing.version)
    check_rules(rules)
    if list(map(_content, standing.rules)) == list(map(_content, rules)):
        return standing.version
    version = PrimaryRuleList.objects.create(number=standing.number + 1, by=by, at=now)
    for position, rule in enumerate(rules, start=1):
        made = PrimaryRule.objects.create(
            rule_list=version, position=position, kind=rule.kind, is_active=rule.is_active
        )
        PrimaryRuleSystem.objects.bulk_create(
            PrimaryRuleSystem(rule=made, system_id=system, position=place)
            for place, system in enumerate(rule.systems, start=1)
        )
    return version


def versions(most: int = 20) -> list[tuple[PrimaryRuleList, list[GivenRule]]]:
    """The latest versions with their rules, newest first; three queries."""
    latest = PrimaryRuleList.objects.select_related("by").prefetch_related("rules__systems")
    return [(version, given_rules(version)) for version in latest.order_by("-number")[:most]]


def _content(rule: GivenRule) -> tuple[object, ...]:
    return (rule.kind, rule.systems, rule.is_active)
