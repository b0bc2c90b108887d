"""ModelVersion: what the engine learnt, frozen, so that a decision can be repeated and explained."""

from django.db import models


class ModelVersion(models.Model):
    """A frozen grouping model. Frequencies and bad keys are keyed hashes: no plain value is kept."""

    number = models.PositiveIntegerField(unique=True)
    is_active = models.BooleanField(default=False)
    population = models.PositiveBigIntegerField(help_text="System Refs it was frozen for; sets the prior.")
    settings = models.JSONField(help_text="Weights and thresholds, as contacts.grouping.model writes them.")
    created_at = models.DateTimeField()

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
