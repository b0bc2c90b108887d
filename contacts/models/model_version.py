"""ModelVersion: what the engine learnt, frozen so that decisions repeat; ModelEstimate: learning it."""

from django.db import models

from contacts.permissions import SystemRight, sees_every_system


class ModelVersion(models.Model):
    """A frozen grouping model. Frequencies and bad keys are keyed hashes: no plain value is kept."""

    class Source(models.TextChoices):
        PRESET = "preset", "preset weights"
        REFRESH = "refresh", "refreshed, weights as before"
        ESTIMATE = "estimate", "weights learnt from these data"

    number = models.PositiveIntegerField(unique=True)
    is_active = models.BooleanField(default=False)
    population = models.PositiveBigIntegerField(help_text="System Refs it was frozen for; sets the prior.")
    settings = models.JSONField(help_text="Weights and thresholds, as contacts.grouping.model writes them.")
    source = models.CharField(max_length=10, choices=Source, default=Source.PRESET)
    reason = models.TextField(blank=True, default="", help_text="What it was learnt from.")
    differences = models.JSONField(
        default=dict,
        help_text="against the version in force then: compared_with, groups_before, groups_after, joined, "
        "split, examples",
    )
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=models.Q(is_active=True), name="one_active_model_version"
            ),
        ]

    def __str__(self) -> str:
        return f"Model {self.number}"


class TermFrequency(models.Model):
    """How common a value is; only for values that at least five refs hold (DECISIONS 14)."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="frequencies")
    column = models.CharField(max_length=20)
    term_hash = models.CharField(max_length=64)
    share = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model_version", "column", "term_hash"], name="one_frequency_per_term"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.column} {self.share:.5f}"


class BadKey(models.Model):
    """A key that too many different records hold to say anything of a person."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="bad_keys")
    kind = models.CharField(max_length=30)
    key_hash = models.CharField(max_length=64)
    holders = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model_version", "kind", "key_hash"], name="one_bad_key_each"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}, {self.holders} holders"


class ModelEstimateQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "ModelEstimateQuerySet":
        """It learns of the records of every system: it is for those who may see them all."""
        return self if sees_every_system(user, right) else self.none()


class ModelEstimate(models.Model):
    """One time that weights were learnt in the background: how far it is, and what came of it."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting for the cluster"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    step = models.PositiveSmallIntegerField(default=0, help_text="of contacts.services.estimate.STEPS")
    message = models.TextField(blank=True, default="")
    version = models.ForeignKey(ModelVersion, on_delete=models.SET_NULL, null=True, blank=True)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ModelEstimateQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Estimate {self.pk}"
