"""Contact: the golden record; its id is the GroupID. GroupAlias: where a retired GroupID leads."""

from django.db import models
from django.db.models import Exists, OuterRef, Prefetch

from contacts.models.mapping import Mapping
from contacts.models.person_details import PersonDetails
from contacts.models.system_ref import SystemRef
from contacts.permissions import SystemRight, sees_every_system, systems_with


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


class GroupAlias(models.Model):
    """A retired GroupID and one Contact that it lives on in; several rows when it was split up (R-CM-26)."""

    group_id = models.BigIntegerField(db_index=True)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="aliases")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group_id", "contact"], name="alias_once_per_successor"),
            models.CheckConstraint(
                condition=~models.Q(group_id=models.F("contact")), name="no_contact_is_its_own_alias"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_id} → {self.contact_id}"
