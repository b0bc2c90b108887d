"""Organisation: the settings of the one organisation that this deployment serves."""

import datetime
import zoneinfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


def settings_time_zone() -> str:
    """TIME_ZONE of the environment: the organisation's zone until a manager changes it."""
    return settings.TIME_ZONE


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless the name is one of the IANA zones."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"“{name}” is not a time zone; write it like Europe/London.")


class Organisation(models.Model):
    """A single row (DECISIONS 1). `Organisation.load()` makes it on first use."""

    SINGLE = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLE, editable=False)
    name = models.CharField(max_length=120, default="Our organisation")
    time_zone = models.CharField(max_length=60, default=settings_time_zone, validators=[validate_time_zone])
    default_country = models.CharField(
        max_length=2, default="GB", help_text="ISO 3166: how phone numbers without a country are read."
    )
    currency = models.CharField(
        max_length=3, default="GBP", help_text="ISO 4217: sums count purchases in this currency only."
    )
    night_at = models.TimeField(default=datetime.time(2, 0), help_text="When the night begins, local time.")
    brake_share = models.PositiveSmallIntegerField(
        "joined Contacts, in percent",
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="A night stops before it joins more of the Contacts that stand into others.",
    )
    brake_floor = models.PositiveIntegerField(
        "never fewer than",
        default=50,
        help_text="So many Contacts may be joined in any night, however small the share would be.",
    )
    brake_size = models.PositiveIntegerField(
        "System Refs in one Contact",
        default=30,
        validators=[MinValueValidator(2)],
        help_text="A night stops before it makes a Contact of more System Refs than this.",
    )
    locks_crm_fields = models.BooleanField(
        "lock CRM fields",
        default=True,
        help_text="While any system is isolated, a contact's CRM fields can only be read, and changes go "
        "through the TDM. Off: whoever may change a contact may edit them.",
    )
    smallest_cell = models.PositiveSmallIntegerField(
        "smallest figure of systems out of sight",
        default=0,
        validators=[MaxValueValidator(1000)],
        help_text="Reports withhold what fewer people or purchases of systems that the reader may not see "
        "add to a total, and print “<5” for 5. 0: every total is told.",
    )
    service_desk = models.EmailField(
        blank=True,
        default="",
        help_text="Where cases about records are sent by e-mail. Blank: they are kept here alone.",
    )
    is_crm_connected = models.BooleanField(default=False, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="there_is_one_organisation"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def load(cls) -> "Organisation":
        """The organisation; safe when two callers make it at once."""
        return cls.objects.get_or_create(pk=cls.SINGLE)[0]
