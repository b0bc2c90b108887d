"""GroupingRun: one run of the engine over the System Refs, and what came of it."""

from django.db import models


class GroupingRun(models.Model):
    """Moves and links point at the run that made them."""

    is_full = models.BooleanField(default=True)
    model_version = models.ForeignKey("contacts.ModelVersion", on_delete=models.PROTECT, related_name="runs")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"Grouping run {self.pk}"
