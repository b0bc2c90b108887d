"""What grouping keeps of each System Ref: what it was like when grouped last, and who has to be again."""

from django.db import models
from django.db.models import Q

KEY_SLOTS = 16
KEY_FIELDS = tuple(f"key_{number:02d}" for number in range(1, KEY_SLOTS + 1))


class PendingRef(models.Model):
    """A System Ref that is not grouped as it now stands: new, edited, or left behind by another.

    Triggers on the System Refs write it, so that no way of adding or editing one can forget to (ADR 0009);
    removal.remove_refs, the only way out, marks those who are left behind. A change while a run is at work
    gives the row a new id, and the run takes away those that it saw.
    """

    system_ref = models.OneToOneField("contacts.SystemRef", on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"ref {self.system_ref_id}"


class AppliedDecision(models.Model):
    """A group decision that the last grouping run went by; apart, so that only runs write it."""

    decision = models.OneToOneField(
        "contacts.GroupDecision", on_delete=models.CASCADE, primary_key=True, related_name="applied"
    )
    at = models.DateTimeField(null=True, help_text="The moment that the run's writes bear.")

    def __str__(self) -> str:
        return f"decision {self.decision_id}"


def _slot() -> models.BigIntegerField:
    return models.BigIntegerField(null=True)


class GroupedRef(models.Model):
    """A System Ref as the last run saw it: a print of its comparable details and its candidate keys.

    All are keyed hashes, and go with the ref. The slots stand for the kinds of key in the order of the run
    (contacts.grouping.keys); a blank or a bad key is null.
    """

    system_ref = models.OneToOneField(
        "contacts.SystemRef", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    content = models.BigIntegerField()
    key_01 = _slot()
    key_02 = _slot()
    key_03 = _slot()
    key_04 = _slot()
    key_05 = _slot()
    key_06 = _slot()
    key_07 = _slot()
    key_08 = _slot()
    key_09 = _slot()
    key_10 = _slot()
    key_11 = _slot()
    key_12 = _slot()
    key_13 = _slot()
    key_14 = _slot()
    key_15 = _slot()
    key_16 = _slot()

    class Meta:
        indexes = [
            models.Index(fields=["content"], name="grouped_ref_by_content"),
            *(
                models.Index(
                    fields=[field], name=f"grouped_ref_by_{field}", condition=Q(**{f"{field}__isnull": False})
                )
                for field in KEY_FIELDS
            ),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id}"
