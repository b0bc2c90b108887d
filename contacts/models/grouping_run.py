"""GroupingRun: one run of the engine over the System Refs, and what came of it."""

from django.db import models


class GroupingRunQuerySet(models.QuerySet):
    def concluded(self) -> "GroupingRunQuerySet":
        """Runs that came to an end; one that was cut off was carried on by a later one."""
        return self.exclude(finished_at=None)

    def last_full(self) -> "GroupingRun | None":
        """The last run over all System Refs that began to write; without an end it was cut off."""
        return self.filter(is_full=True, held={}).order_by("-pk").first()


class GroupingRun(models.Model):
    """Moves and links point at the run that made them.

    A run that the brake held changed nothing; `held` says in ids and counts what it would have done
    (contacts.group_brake.Held), and `accepted_at` that somebody lets the next one do it.
    """

    is_full = models.BooleanField(default=True)
    model_version = models.ForeignKey("contacts.ModelVersion", on_delete=models.PROTECT, related_name="runs")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict)
    basis = models.JSONField(
        default=dict,
        help_text="What its links were made with: model, rules, excluded systems, country, code.",
    )
    held = models.JSONField(default=dict, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        "auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = GroupingRunQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Grouping run {self.pk}"
