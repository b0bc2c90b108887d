"""Purchase: one line of what a ticketing account bought."""

from django.core.validators import MinValueValidator
from django.db import models

from contacts.permissions import SystemRight, sees_every_system, systems_with


class PurchaseQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "PurchaseQuerySet":
        """Purchases in systems on which the user holds the right."""
        if sees_every_system(user, right):
            return self
        return self.filter(system__in=systems_with(user, right))


class Purchase(models.Model):
    """A line of an order: it follows its System Ref through grouping and ungrouping (R-CM-25)."""

    class Kind(models.TextChoices):
        SINGLE = "single", "single tickets"
        PACKAGE = "package", "package"
        SEASON = "season", "season ticket"

    class Status(models.TextChoices):
        RESERVED = "reserved", "reserved"
        PAID = "paid", "paid"
        REFUNDED = "refunded", "refunded"
        CANCELLED = "cancelled", "cancelled"

    system = models.ForeignKey("contacts.TicketSystem", on_delete=models.PROTECT, related_name="purchases")
    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="purchases")
    purchase_id = models.CharField(max_length=100)
    event = models.CharField(max_length=200, blank=True, default="")
    event_on = models.DateField(null=True, blank=True)
    purchased_at = models.DateTimeField()
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.SINGLE)
    seats = models.PositiveIntegerField(default=1, validators=[MinValueValidator(0)])
    amount = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    currency = models.CharField(max_length=3, help_text="ISO 4217.")
    status = models.CharField(max_length=10, choices=Status, default=Status.PAID)

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system", "purchase_id"], name="purchase_unique_in_its_system"),
            models.CheckConstraint(condition=~models.Q(purchase_id=""), name="purchase_has_an_id"),
        ]
        indexes = [
            models.Index(fields=["system_ref", "-purchased_at"], name="purchase_timeline"),
            models.Index(fields=["purchased_at", "id"], name="purchase_by_moment"),  # the order of its list
        ]

    def __str__(self) -> str:
        return f"{self.system_id} {self.purchase_id}"


# What sums count: paid less refunded (DECISIONS 20). A refunded line was paid once and paid back, so it comes
# to nothing, unless the system tells a refund as a line of its own with a negative amount.
COUNTED = models.Q(status=Purchase.Status.PAID) | models.Q(status=Purchase.Status.REFUNDED, amount__lt=0)
