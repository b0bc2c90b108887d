"""CrmDetails: what only a CRM knows of a person: who looks after them, and which segment they are in."""

from django.db import models

from contacts.permissions import SystemRight, systems_with


class CrmDetailsQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "CrmDetailsQuerySet":
        """Those of refs whose system the user holds the right on."""
        return self.filter(system_ref__system__in=systems_with(user, right))


class CrmDetails(models.Model):
    """Beside a System Ref of a unit's hand entry or CRM, so that rights and isolation hold for it as well."""

    system_ref = models.OneToOneField(
        "contacts.SystemRef", on_delete=models.CASCADE, primary_key=True, related_name="crm_details"
    )
    owner = models.ForeignKey(
        "auth.User",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who looks after this person.",
    )
    segment = models.CharField(max_length=60, blank=True, default="")
    at = models.DateTimeField("last changed")

    objects = CrmDetailsQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "CRM details"

    def __str__(self) -> str:
        return f"CRM details of ref {self.system_ref_id}"
