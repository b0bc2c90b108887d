"""QueueObject: a note that a record changed; its type and id, never its values."""

from django.db import models


class QueueObject(models.Model):
    """Written in the transaction of the change; at most one unclaimed per record (DECISIONS 22)."""

    class RecordType(models.TextChoices):
        CONTACT = "contact", "Contact"

    record_type = models.CharField(max_length=20, choices=RecordType)
    record_id = models.BigIntegerField()
    created_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["record_type", "record_id"],
                condition=models.Q(claimed_at=None),
                name="one_unclaimed_queue_object_per_record",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.record_type} {self.record_id}"
