"""Contact: the golden record; its id is the GroupID. GroupAlias: where a retired GroupID leads."""

from django.db import models
from django.db.models import Case, Exists, OuterRef, Prefetch, Q, Value, When

from contacts.models.mapping import Mapping, Move
from contacts.models.person_details import PersonDetails
from contacts.models.system_ref import SystemRef, holds
from contacts.permissions import SystemRight, sees_every_system, systems_with
from contacts.search_words import Word, words


class ContactQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "ContactQuerySet":
        """Contacts with at least one System Ref on whose system the user holds the right (R-MDB-32)."""
        if sees_every_system(user, right):
            return self
        refs = Mapping.objects.filter(
            contact=OuterRef("pk"), system_ref__system__in=systems_with(user, right)
        )
        return self.filter(Exists(refs))

    def with_visible_refs(self, user) -> "ContactQuerySet":
        """Each contact with `visible_mappings`: those over the refs that the user may see, primary first.

        Two queries more, whatever the number of rows.
        """
        mappings = (
            Mapping.objects.filter(system_ref__in=SystemRef.objects.visible_to(user))
            .select_related("system_ref__system__business_unit")
            .order_by("-is_primary", "system_ref__system__rank", "system_ref__system_ref")
        )
        return self.prefetch_related(
            Prefetch("mappings", queryset=mappings, to_attr="visible_mappings"), "pins"
        )

    def search(self, text: str, user, *, default_country: str) -> "ContactQuerySet":
        """Contacts in which every word of the text is found, over the refs that the user may see alone.

        Names in any order, e-mail, phone in any notation, System Ref, external customer ID, company, city,
        postcode, GroupID and retired GroupID. `is_exact` (alias) is 1 where the whole text is a GroupID or a
        System Ref, to be shown first. Words may be found in different refs of one Contact.
        """
        found = self
        for word in words(text, default_country=default_country):
            found = found.filter(_holding(word, user))
        exact = Q(pk__in=_visible(user).filter(system_ref__system_ref__iexact=text.strip()).values("contact"))
        if text.strip().isdecimal() and len(text.strip()) < 19:
            exact |= Q(pk=int(text))
        return found.alias(is_exact=Case(When(exact, then=Value(1)), default=Value(0)))

    def in_systems(self, systems, user) -> "ContactQuerySet":
        """Contacts with a ref in one of these systems, among those that the user may see."""
        return self.filter(pk__in=_visible(user).filter(system_ref__system__in=systems).values("contact"))


def _visible(user) -> models.QuerySet[Mapping]:
    """The mappings of the refs that the user may see."""
    if sees_every_system(user):
        return Mapping.objects.all()
    return Mapping.objects.filter(system_ref__system__in=systems_with(user, SystemRight.VIEW))


def _holding(word: Word, user) -> Q:
    holding = Q(pk__in=_visible(user).filter(holds(word, "system_ref__")).values("contact"))
    if word.number is not None:
        aliases = GroupAlias.objects.visible_to(user).filter(group_id=word.number)
        holding |= Q(pk=word.number) | Q(pk__in=aliases.values("contact"))
    if word.parts:
        every_part = Q()
        for part in word.parts:
            every_part &= _holding(part, user)
        holding |= every_part
    return holding


class Contact(PersonDetails):
    """One person: the golden record over all System Refs mapped to it. Its id is the GroupID.

    The stored details are the golden values over *all* refs and serve only people who may see them all;
    for anyone else the values are computed over the refs visible to them (DECISIONS 10). Written by
    `contacts.services.golden` only.
    """

    since = models.DateTimeField(help_text="When this GroupID was allotted.")

    objects = ContactQuerySet.as_manager()

    def __str__(self) -> str:
        # No personal values: the admin log and error texts print this (DECISIONS 26).
        return f"GroupID {self.pk}"


class GroupAliasQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "GroupAliasQuerySet":
        """Aliases that the user could have known: one of the refs they may see was under that GroupID.

        Without that condition an alias would tell that records of a hidden system were joined (R-MDB-34).
        """
        if sees_every_system(user, right):
            return self
        moved = Move.objects.filter(
            from_group=OuterRef("group_id"),
            system_ref__mapping__contact=OuterRef("contact"),
            system_ref__system__in=systems_with(user, right),
        )
        return self.filter(Exists(moved))


class GroupAlias(models.Model):
    """A retired GroupID and one Contact that it lives on in; several rows when it was split up (R-CM-26)."""

    group_id = models.BigIntegerField(db_index=True)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="aliases")
    at = models.DateTimeField()

    objects = GroupAliasQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group_id", "contact"], name="alias_once_per_successor"),
            models.CheckConstraint(
                condition=~models.Q(group_id=models.F("contact")), name="no_contact_is_its_own_alias"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_id} → {self.contact_id}"
