"""PrimaryRule: what makes one System Ref lead its Contact; kept as versions of one ordered list."""

from django.db import models
from django.db.models import Q

from contacts.models.ticket_system import TicketSystem
from contacts.permissions import SystemRight, systems_with


class PrimaryRuleList(models.Model):
    """One version of the organisation's ordered rules. Never edited: a change is a new version.

    The highest number is in force. So every version says who made it and when, and a move that names one of
    its rules stays true.
    """

    number = models.PositiveIntegerField(unique=True)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        verbose_name = "version of the primary rules"
        verbose_name_plural = "Primary rules"

    def __str__(self) -> str:
        return f"Primary rules, version {self.number}"


class PrimaryRule(models.Model):
    """One rule of a version. Where it tells two refs of a Contact apart, the later rules are not asked."""

    class Kind(models.TextChoices):
        SYSTEM_ORDER = "system_order", "Order of the systems"
        LATEST_PURCHASE = "latest_purchase", "Latest purchase"
        MOST_SPENT = "most_spent", "Most spent"
        SEASON_TICKET = "season_ticket", "Season ticket"

    rule_list = models.ForeignKey(PrimaryRuleList, on_delete=models.CASCADE, related_name="rules")
    position = models.PositiveSmallIntegerField(help_text="1 is asked first.")
    kind = models.CharField(max_length=16, choices=Kind)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule_list", "position"], name="one_primary_rule_per_position"),
            models.CheckConstraint(condition=Q(position__gte=1), name="primary_rules_count_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.get_kind_display()}"


class PrimaryRuleSystemQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "PrimaryRuleSystemQuerySet":
        """The places of systems on which the user holds the right."""
        return self.filter(system__in=systems_with(user, right))


class PrimaryRuleSystem(models.Model):
    """A system's place in a rule about their order; systems that have none come behind, all alike."""

    rule = models.ForeignKey(PrimaryRule, on_delete=models.CASCADE, related_name="systems")
    system = models.ForeignKey(TicketSystem, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()

    objects = PrimaryRuleSystemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "position"], name="one_system_per_place_of_a_rule"),
            models.UniqueConstraint(fields=["rule", "system"], name="one_place_per_system_of_a_rule"),
        ]

    def __str__(self) -> str:
        return f"{self.position}. system {self.system_id}"


class PrimaryRun(models.Model):
    """One application of a version to all Contacts; filed by a person, or begun by the night or a command."""

    rule_list = models.ForeignKey(PrimaryRuleList, on_delete=models.CASCADE, related_name="runs")
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    filed_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    total = models.PositiveIntegerField(default=0, help_text="Contacts that were found to change.")
    changed = models.PositiveIntegerField(default=0, help_text="Primaries switched so far.")

    def __str__(self) -> str:
        return f"Run {self.pk} of primary rules {self.rule_list_id}"
