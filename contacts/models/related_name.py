"""RelatedName: another person on an account, beside its primary customer name."""

from django.db import models

from contacts.models.row_print import RowPrint
from contacts.permissions import SystemRight, sees_every_system, systems_with


class RelatedNameQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "RelatedNameQuerySet":
        """Names on refs whose system the user holds the right on."""
        if sees_every_system(user, right):
            return self
        return self.filter(system_ref__system__in=systems_with(user, right))


class RelatedName(models.Model):
    """A person that an account names beside the one it is about; kept and searchable, never grouped.

    It is no evidence for anybody's golden values. Known by its `name_id` within its System Ref. Written by
    `contacts.services.related_names` only, which lets the ref's `related_text` follow.
    """

    system_ref = models.ForeignKey(
        "contacts.SystemRef", on_delete=models.CASCADE, related_name="related_names"
    )
    name_id = models.CharField("name ID", max_length=100)
    role = models.CharField(max_length=60, blank=True, default="", help_text="such as spouse, child, agent")
    title = models.CharField(max_length=60, blank=True, default="")
    first_name = models.CharField(max_length=150, blank=True, default="")
    last_name = models.CharField(max_length=150, blank=True, default="")
    email = models.CharField("e-mail", max_length=254, blank=True, default="")
    phone = models.CharField(max_length=40, blank=True, default="")
    mobile = models.CharField(max_length=40, blank=True, default="")
    date_of_birth = models.DateField(null=True, blank=True)
    updated_at = models.DateTimeField("updated in its system", null=True, blank=True)

    objects = RelatedNameQuerySet.as_manager()

    class Meta:
        verbose_name = "related name"
        constraints = [
            models.UniqueConstraint(fields=["system_ref", "name_id"], name="related_name_unique_on_its_ref"),
            models.CheckConstraint(condition=~models.Q(name_id=""), name="related_name_has_an_id"),
        ]

    def __str__(self) -> str:
        return f"name {self.name_id} on ref {self.system_ref_id}"

    @property
    def full_name(self) -> str:
        """First and last name; empty where neither is known."""
        return f"{self.first_name} {self.last_name}".strip()


class RelatedNamePrint(RowPrint):
    """The row that left a related name as it is; gone as well when its System Ref gets another number."""

    TRIGGERS = ("contacts_name_drops_print", "contacts_ref_drops_name_prints")
    PATH_TO_REF = "owner__system_ref"

    owner = models.OneToOneField(
        "contacts.RelatedName", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"print of {self.owner_id}"
