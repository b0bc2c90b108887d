"""GroupDecision: two System Refs that a person says belong together, or never do."""

from django.db import models
from django.db.models import F, Q

from contacts.permissions import SystemRight, systems_with

MERGED_AT_SOURCE = "merged at its source"  # the reason of a decision that nobody made: it has no author


class GroupDecisionQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "GroupDecisionQuerySet":
        """Decisions on pairs of which the user holds the right on both systems."""
        systems = systems_with(user, right)
        return self.filter(left__system__in=systems, right__system__in=systems)

    def standing(self) -> "GroupDecisionQuerySet":
        """Decisions that hold now: not lifted."""
        return self.filter(until=None)

    def pending(self) -> "GroupDecisionQuerySet":
        """Decisions that no run has looked at since they were made or lifted."""
        return self.filter(Q(until=None, applied=None) | Q(until__isnull=False, applied__isnull=False))


class GroupDecision(models.Model):
    """A person's word on a pair, held between System Refs so that it outlives every regrouping."""

    class Kind(models.TextChoices):
        MUST = "must", "belong together"
        NEVER = "never", "never belong together"

    kind = models.CharField(max_length=5, choices=Kind)
    left = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="+")
    right = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True, default="")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True, help_text="When it was lifted.")
    lifted_by = models.ForeignKey(
        "auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    is_for_one_run = models.BooleanField(
        default=False,
        help_text="Lifted by the run after the one that went by it: for one night (R-CM-23).",
    )

    objects = GroupDecisionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(left__lt=F("right")), name="decision_names_each_pair_one_way"),
            models.UniqueConstraint(
                fields=["left", "right"], condition=Q(until=None), name="one_standing_decision_per_pair"
            ),
        ]

    def __str__(self) -> str:
        return f"refs {self.left_id} and {self.right_id} {self.get_kind_display()}"
