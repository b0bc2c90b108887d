"""TicketSystem: a source of System Refs, and the thing that rights are held on."""

from django.core.validators import RegexValidator
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from contacts.permissions import SystemRight, systems_with


class TicketSystemQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "TicketSystemQuerySet":
        """The systems on which the user holds the right."""
        return self.filter(pk__in=systems_with(user, right))


class TicketSystem(models.Model):
    """A source of System Refs: a ticketing database, the built-in bookings, a file, the CRM, hand entry."""

    class Kind(models.TextChoices):
        TICKETING = "ticketing", "Ticketing database"
        BOOKINGS = "bookings", "Built-in bookings"
        CRM = "crm", "CRM"
        HAND = "hand", "Hand entry"
        SSO = "sso", "Single sign-on"
        FILE = "file", "File"

    code = models.CharField(
        max_length=20,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9_-]*$", "Letters, digits, - and _ only.")],
        help_text="Short and fixed: it stands on every badge, in files and in commands.",
    )
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.TICKETING)
    business_unit = models.ForeignKey(
        "contacts.BusinessUnit", on_delete=models.PROTECT, related_name="ticket_systems"
    )
    rank = models.PositiveIntegerField(
        default=100, help_text="Lower goes first where several systems brought a person in the same run."
    )
    is_isolated = models.BooleanField(
        "isolated",
        default=False,
        help_text=(
            "Kept apart by contract. Locks the CRM fields of every contact, unless the organisation lifts "
            "that, and lets reports tell its figures in totals only. Who sees its records is a matter of "
            "rights alone."
        ),
    )
    is_matched_across = models.BooleanField(
        "matched across systems",
        default=True,
        help_text="Off: its records are never joined with another system's, whatever they hold.",
    )
    blanks_overwrite = models.BooleanField(
        "blanks overwrite",
        default=False,
        help_text=(
            "On: a value that its files or pulls leave blank is blanked here too, where they have the column "
            "and the row is not older. Off, the usual: a blank says nothing."
        ),
    )
    ref_label = models.CharField(
        "calls its refs",
        max_length=40,
        default="System Ref",
        help_text="What this system calls its client identifier: Fan ID, Member Number...",
    )
    tint = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Which of the badge colours; fixed when the system is made."
    )

    objects = TicketSystemQuerySet.as_manager()

    class Meta:
        permissions = [(right.value, f"Can {right.label}") for right in SystemRight]
        constraints = [
            models.CheckConstraint(condition=~models.Q(code=""), name="ticket_system_has_a_code"),
            models.UniqueConstraint(
                fields=["business_unit"],
                condition=models.Q(kind="hand"),
                name="one_hand_system_per_business_unit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} · {self.name}"


class TicketSystemUserObjectPermission(UserObjectPermissionBase):
    """A right of one user on one system: a plain foreign key, faster than a generic one."""

    content_object = models.ForeignKey(TicketSystem, on_delete=models.CASCADE)


class TicketSystemGroupObjectPermission(GroupObjectPermissionBase):
    """A right of one group on one system."""

    content_object = models.ForeignKey(TicketSystem, on_delete=models.CASCADE)
