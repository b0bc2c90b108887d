"""Mapping: System Ref -> Contact, one primary each; Move: every change of it, kept for "why" and for undo."""

from django.db import models

from contacts.permissions import SystemRight, systems_with


class PrimaryBy(models.TextChoices):
    """Why a System Ref is the primary one of its Contact."""

    FIRST_FOUND = "first_found", "first found"
    HAND = "hand", "chosen by hand"
    RULE = "rule", "chosen by a rule"


class Mapping(models.Model):
    """Which Contact a System Ref belongs to: one row per placed ref, and no ref without it is placed.

    Narrow on purpose: remapping a million refs touches none of their indexes. "Exactly one Contact per ref"
    is the primary key; "never two primaries" the partial constraint; "never none" is held by the services
    and shown by `check_invariants`.
    """

    system_ref = models.OneToOneField(
        "contacts.SystemRef", on_delete=models.CASCADE, primary_key=True, related_name="mapping"
    )
    contact = models.ForeignKey("contacts.Contact", on_delete=models.PROTECT, related_name="mappings")
    is_primary = models.BooleanField(default=False)
    primary_by = models.CharField(max_length=12, choices=PrimaryBy, default=PrimaryBy.FIRST_FOUND)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contact"], condition=models.Q(is_primary=True), name="one_primary_per_contact"
            ),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id} → {self.contact_id}"


class MoveQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "MoveQuerySet":
        """Moves of refs whose system the user holds the right on."""
        return self.filter(system_ref__system__in=systems_with(user, right))


class Move(models.Model):
    """One System Ref that came into a Contact or went from one to another (DECISIONS 5).

    GroupIDs are plain numbers: a Contact that retires takes its row with it, its number stays true here.
    """

    class Cause(models.TextChoices):
        HAND_ENTRY = "hand_entry", "entered by hand"
        PLACED = "placed", "placed for the first time"
        JOINED = "joined", "joined by the night"
        SPLIT = "split", "split by the night"
        DECISION = "decision", "a person's decision"
        # By a request (GroupRequest), carried out by the night or at once.
        GROUPED = "grouped", "grouped by hand"
        UNGROUPED = "ungrouped", "ungrouped by hand"
        PARTED = "parted", "split by hand"
        UNDONE = "undone", "a change taken back"
        # Nothing moved: another ref leads now, or a hand choice began or ended.
        PRIMARY_BY_HAND = "hand_choice", "primary chosen by hand"
        PRIMARY_LEFT = "left", "primary left to the rules"
        PRIMARY_BY_RULE = "rule", "primary chosen by a rule"
        PRIMARY_GONE = "gone", "primary gone at its source"

    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="moves")
    from_group = models.BigIntegerField(null=True, blank=True)
    to_group = models.BigIntegerField()
    was_primary = models.BooleanField()
    is_primary = models.BooleanField()
    pins = models.JSONField(default=list, help_text="Golden fields whose pin left with the ref.")
    cause = models.CharField(max_length=12, choices=Cause)
    run = models.ForeignKey(
        "contacts.GroupingRun", on_delete=models.PROTECT, null=True, blank=True, related_name="moves"
    )
    # No index: nobody asks for the moves of a rule, and a million moves were made by none.
    rule = models.ForeignKey(
        "contacts.PrimaryRule",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    change = models.ForeignKey(
        "contacts.GroupChange", on_delete=models.PROTECT, null=True, blank=True, related_name="moves"
    )
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    objects = MoveQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["from_group"], name="move_by_from", condition=models.Q(from_group__isnull=False)
            ),
            models.Index(fields=["to_group"], name="move_by_to"),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id}: {self.from_group or '–'} → {self.to_group}"
