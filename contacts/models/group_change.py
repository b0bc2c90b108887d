"""GroupChange: Contacts that changed together, by a request or by rule; what they were, for the undo."""

from django.db import models
from django.db.models import Exists, OuterRef

from contacts.permissions import SystemRight, sees_every_system, systems_with


class GroupChangeQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "GroupChangeQuerySet":
        """Changes of which the user holds the right on every system that had a ref in them.

        Where no system is known any more, only those see it who see every system.
        """
        if sees_every_system(user, right):
            return self
        concerned = GroupChange.systems.through.objects.filter(groupchange=OuterRef("pk"))
        hidden = concerned.exclude(ticketsystem__in=systems_with(user, right))
        return self.filter(Exists(concerned), ~Exists(hidden))

    def standing(self) -> "GroupChangeQuerySet":
        """Changes that were not taken back."""
        return self.filter(undone_by=None)


class GroupChange(models.Model):
    """One circle of Contacts between which refs moved: joined, parted, or both (BEYOND 2).

    `before` holds, by ids and moments alone, all that an undo puts back: for each Contact its `since`, its
    mappings, pins and aliases. `after` says which refs each Contact held then. `made` and `lifted` are the
    group decisions that came with it.
    """

    is_join = models.BooleanField(help_text="Refs of several Contacts came into one.")
    is_split = models.BooleanField(help_text="Refs of one Contact went into several.")
    run = models.ForeignKey(
        "contacts.GroupingRun", on_delete=models.PROTECT, null=True, blank=True, related_name="changes"
    )
    request = models.OneToOneField(
        "contacts.GroupRequest", on_delete=models.PROTECT, null=True, blank=True, related_name="change"
    )
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    before = models.JSONField(help_text="What an undo puts back.")
    after = models.JSONField(help_text="GroupID to the refs it held then.")
    made = models.JSONField(default=list, help_text="Decisions that came with it.")
    lifted = models.JSONField(default=list, help_text="Decisions that it lifted.")
    undone_by = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="undid"
    )
    systems = models.ManyToManyField("contacts.TicketSystem", related_name="+")

    objects = GroupChangeQuerySet.as_manager()

    class Meta:
        verbose_name = "change of groups"
        verbose_name_plural = "changes of groups"
        indexes = [models.Index(fields=["-at", "-id"], name="group_change_newest")]

    def __str__(self) -> str:
        return f"Change {self.pk}"

    @property
    def ref_ids(self) -> set[int]:
        """Every ref that one of its Contacts held, before or after."""
        before = {row[0] for held in self.before.values() for row in held["refs"]}
        return before | {ref_id for held in self.after.values() for ref_id in held}

    def is_visible_to(self, user) -> bool:
        """Whether the user may view every system that had a ref in it; one query."""
        return GroupChange.objects.visible_to(user).filter(pk=self.pk).exists()
