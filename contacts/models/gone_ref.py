"""GoneRef: a System Ref that its source does not know any more, or not as an account of its own."""

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format

from contacts.permissions import SystemRight, systems_with


class GoneRefQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "GoneRefQuerySet":
        """Those of systems on which the user holds the right."""
        return self.filter(system_ref__system__in=systems_with(user, right))


class GoneRef(models.Model):
    """Gone at source: why, and since when that is known. Narrow, so that marking touches no System Ref.

    Written by `contacts.services.departures` only. What the ref says stays evidence; it leads no Contact
    that has a ref which stands, and nothing can be changed there.
    """

    class Reason(models.TextChoices):
        MISSING = "missing", "missing at its source"
        MERGED = "merged", "merged at its source"
        ERASED = "erased", "erased at its source"

    system_ref = models.OneToOneField(
        "contacts.SystemRef", on_delete=models.CASCADE, primary_key=True, related_name="gone"
    )
    reason = models.CharField(max_length=8, choices=Reason)
    merged_into = models.ForeignKey(
        "contacts.SystemRef", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    noticed_at = models.DateTimeField()

    objects = GoneRefQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(merged_into=None) | models.Q(reason="merged"),
                name="only_a_merged_ref_leads_to_another",
            ),
            models.CheckConstraint(
                condition=~models.Q(merged_into=models.F("system_ref")), name="no_ref_is_merged_into_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id} {self.reason}"

    @property
    def why_unchangeable(self) -> str:
        """Why nothing can be changed at the source, as a sentence."""
        day = date_format(timezone.localtime(self.noticed_at), "j M Y")
        if self.reason == self.Reason.ERASED:
            return f"It was erased at its source, as noticed on {day}: there is nothing left to change there."
        if self.reason == self.Reason.MISSING:
            return f"Its source does not know it any more since {day}: there is nothing to change there."
        if self.merged_into is None:
            return f"It was merged into another account at its source, as noticed on {day}: change that one."
        return f"It was merged into {self.merged_into} at its source, as noticed on {day}: change that one."
