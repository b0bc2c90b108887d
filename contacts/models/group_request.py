"""GroupRequest: a person asks to group, ungroup, split or undo; RequestRef: a System Ref that it concerns."""

from django.db import models
from django.db.models import Exists, OuterRef, Q

from contacts.permissions import SystemRight, sees_every_system, systems_with


class GroupRequestQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "GroupRequestQuerySet":
        """Requests of which the user holds the right on the system of every ref: others would tell of
        hidden ones."""
        if sees_every_system(user, right):
            return self
        refs = RequestRef.objects.filter(request=OuterRef("pk"))
        hidden = refs.exclude(system_ref__system__in=systems_with(user, right))
        return self.filter(Exists(refs), ~Exists(hidden))  # without any ref left nobody knows whose it was

    def open(self) -> "GroupRequestQuerySet":
        """Requests that the coming night carries out, or that are held back from it."""
        return self.filter(state__in=GroupRequest.OPEN)

    def concerning(self, contact) -> "GroupRequestQuerySet":
        """Requests about a ref that stands in this Contact."""
        refs = RequestRef.objects.filter(request=OuterRef("pk"), system_ref__mapping__contact=contact)
        return self.filter(Exists(refs))


class GroupRequest(models.Model):
    """What a night is asked to do to the groups, once (R-CM-14, 40). Nothing changes before.

    `group_id` is the master of a grouping, else the Contact that is parted, or the one that an undo undoes.
    A ref is in one open request at most, by constraint: so requests never clash (R-CM-17).
    """

    class Kind(models.TextChoices):
        GROUP = "group", "group"
        UNGROUP = "ungroup", "ungroup"
        SPLIT = "split", "split"
        UNDO = "undo", "undo"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        HELD = "held", "held"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        WITHDRAWN = "withdrawn", "withdrawn"

    OPEN = (State.WAITING, State.HELD)

    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    group_id = models.BigIntegerField()
    reason = models.CharField(max_length=300, blank=True, default="")
    may_regroup = models.BooleanField(
        default=False, help_text="Later nights may group again what this one parts (R-CM-22, C-6)."
    )
    undoes = models.ForeignKey(
        "contacts.GroupChange", on_delete=models.PROTECT, null=True, blank=True, related_name="undo_requests"
    )
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    is_by_system = models.BooleanField(default=False, help_text="Nobody asked for it but the product itself.")
    filed_at = models.DateTimeField()
    held_at = models.DateTimeField(null=True, blank=True)
    held_by = models.ForeignKey(
        "auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        "auth.User",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who withdrew it, or had it carried out at once; nobody: the night.",
    )
    outcome = models.CharField(max_length=300, blank=True, default="", help_text="Why it failed.")

    objects = GroupRequestQuerySet.as_manager()

    class Meta:
        verbose_name = "grouping request"
        permissions = [
            ("group_contacts", "Can group, ungroup, split and undo"),
            ("process_grouprequest", "Can have grouping requests carried out at once"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=("waiting", "held"), settled_at=None)
                | Q(state__in=("done", "failed", "withdrawn"), settled_at__isnull=False),
                name="a_request_is_open_or_settled",
            ),
            models.CheckConstraint(
                condition=Q(kind="undo", undoes__isnull=False) | (~Q(kind="undo") & Q(undoes=None)),
                name="an_undo_names_what_it_undoes",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="request_open", condition=Q(state__in=("waiting", "held"))),
            models.Index(fields=["-filed_at", "-id"], name="request_newest"),
            models.Index(fields=["settled_at"], name="request_settled"),
        ]

    def __str__(self) -> str:
        return f"Request {self.pk}: {self.get_kind_display()} {self.group_id}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class RequestRef(models.Model):
    """A System Ref of a request, and where it stood when that was filed.

    `part`: of a grouping 0 for the master's refs and 1, 2 … for those of each child; of a split 0 for those
    that stay and 1, 2 … for each new Contact; else 0. `is_open` follows the request.
    """

    request = models.ForeignKey(GroupRequest, on_delete=models.CASCADE, related_name="refs")
    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="+")
    group_id = models.BigIntegerField()
    part = models.PositiveSmallIntegerField(default=0)
    is_open = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request", "system_ref"], name="request_names_each_ref_once"),
            models.UniqueConstraint(
                fields=["system_ref"], condition=Q(is_open=True), name="one_open_request_per_ref"
            ),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id} of request {self.request_id}"
