"""Link: two System Refs that the engine compared and had something to say of, with the evidence."""

from django.db import models
from django.db.models import F, Q

from contacts.permissions import SystemRight, systems_with


class LinkQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "LinkQuerySet":
        """Pairs of which the user holds the right on both systems: one end would betray the other."""
        systems = systems_with(user, right)
        return self.filter(left__system__in=systems, right__system__in=systems)


class Link(models.Model):
    """A scored pair: what was decided and why can be replayed without comparing again (DECISIONS 15)."""

    class Decision(models.TextChoices):
        JOINED = "joined", "joined"
        REVIEW = "review", "for review"
        REFUSED = "refused", "refused by a guard"

    left = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="links_right")
    right = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="links_left")
    decision = models.CharField(max_length=8, choices=Decision)
    rule = models.CharField(max_length=40, blank=True, default="", help_text="Blank: the score alone.")
    guard = models.CharField(max_length=40, blank=True, default="")
    weight = models.FloatField(help_text="Match weight versus a stranger, in bits.")
    household = models.FloatField(help_text="Match weight versus a housemate, in bits.")
    evidence = models.TextField(help_text="JSON: [level, weight, household] of each comparison, in order.")
    is_joinable = models.BooleanField(
        default=False,
        help_text="Decided and free of guards of its own: only the group it would make can object.",
    )
    is_forgiven = models.BooleanField(
        default=False, help_text="Different dates of birth do not object (ADR 0005)."
    )
    model_version = models.ForeignKey("contacts.ModelVersion", on_delete=models.PROTECT, related_name="links")

    objects = LinkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["left", "right"], name="one_link_per_pair"),
            models.CheckConstraint(condition=Q(left__lt=F("right")), name="link_names_each_pair_one_way"),
        ]

    def __str__(self) -> str:
        return f"refs {self.left_id} and {self.right_id}: {self.decision}"
