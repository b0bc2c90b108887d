"""Primary rules in force, and Contacts of several System Refs whose moves say where each is."""

from contacts.models import Contact, Mapping, Move, PrimaryRuleList, SystemRef
from contacts.models.mapping import PrimaryBy
from contacts.services.golden import refresh_golden
from contacts.services.primary_order import GivenRule, Kind
from contacts.services.primary_rule_list import save_primary_rules
from contacts.services.primary_rules import rules_in_force

from . import NOW, UserFactory


def in_order(*systems) -> GivenRule:
    """The rule that these systems lead in this order."""
    return GivenRule(Kind.SYSTEM_ORDER, tuple(system.pk for system in systems))


def put_in_force(*rules: GivenRule, by=None, now=NOW) -> PrimaryRuleList:
    """A version with these rules, made by a superuser unless told otherwise."""
    by = by or UserFactory(is_superuser=True)
    return save_primary_rules(list(rules), based_on=rules_in_force().number, by=by, now=now)


def contact_of(*refs: SystemRef, primary: SystemRef | None = None, by_hand: bool = False) -> Contact:
    """One Contact of these refs, the first of which leads unless told otherwise."""
    contact = Contact.objects.create(since=NOW)
    leader = primary or refs[0]
    for ref in refs:
        leads = ref == leader
        Mapping.objects.create(
            system_ref=ref,
            contact=contact,
            is_primary=leads,
            primary_by=PrimaryBy.HAND if leads and by_hand else PrimaryBy.FIRST_FOUND,
            since=NOW,
        )
        Move.objects.create(
            system_ref=ref, to_group=contact.pk, was_primary=False, is_primary=leads, cause="placed", at=NOW
        )
    refresh_golden([contact.pk], now=NOW)
    return contact


def leader_of(contact: Contact) -> SystemRef:
    """The System Ref that leads the Contact."""
    return SystemRef.objects.get(mapping__contact=contact, mapping__is_primary=True)
