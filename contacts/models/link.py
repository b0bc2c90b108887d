"""Link: two System Refs that the engine compared and had something to say of, with the evidence."""

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from contacts.models.group_decision import GroupDecision
from contacts.models.group_request import RequestRef
from contacts.models.mapping import Mapping
from contacts.models.review_answer import AnswerMember, ReviewAnswer
from contacts.permissions import SystemRight, sees_every_system, systems_with

# A person is asked about a pair below the decision, and about one that would have been joined, had not a
# do-not-group rule between others of the two groups objected. Of a pair that a rule names itself nobody is.
FOR_REVIEW = Q(decision="review") | Q(decision="refused", guard="never", is_joinable=True)


class LinkQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "LinkQuerySet":
        """Pairs of which the user holds the right on both systems: one end would betray the other."""
        systems = systems_with(user, right)
        return self.filter(left__system__in=systems, right__system__in=systems)

    def for_review(self, now) -> "LinkQuerySet":
        """Links between two Contacts that a person is to be asked about now, the strongest first.

        Passed over: pairs that a standing do-not-group rule names, of which a ref is in an open request, and
        those left for later. Read by one index in its order, so that a page costs a page.
        """
        barred = GroupDecision.objects.standing().filter(
            left=OuterRef("left"), right=OuterRef("right"), kind=GroupDecision.Kind.NEVER
        )
        requests = RequestRef.objects.filter(is_open=True)
        left_to_later = AnswerMember.objects.filter(
            system_ref=OuterRef("left"),
            answer__answer=ReviewAnswer.Answer.LATER,
            answer__taken_back_at=None,
            answer__asks_again_at__gt=now,
            answer__members__system_ref=OuterRef("right"),
        )
        apart = Q(left__mapping__contact__lt=F("right__mapping__contact")) | Q(
            left__mapping__contact__gt=F("right__mapping__contact")
        )
        return (
            self.filter(FOR_REVIEW)
            .filter(apart)
            .filter(
                ~Exists(barred),
                ~Exists(requests.filter(system_ref=OuterRef("left"))),
                ~Exists(requests.filter(system_ref=OuterRef("right"))),
                ~Exists(left_to_later),
            )
            .order_by("-weight", "pk")
        )

    def wholly_visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "LinkQuerySet":
        """Pairs of whose Contacts the user holds the right on the system of every ref."""
        if sees_every_system(user, right):
            return self
        # Their own two refs are among those: to ask for them again would only keep the planner busy.
        hidden = Mapping.objects.exclude(system_ref__system__in=systems_with(user, right))
        return self.filter(
            ~Exists(hidden.filter(contact=OuterRef("left__mapping__contact"))),
            ~Exists(hidden.filter(contact=OuterRef("right__mapping__contact"))),
        )


class Link(models.Model):
    """A scored pair: what was decided and why can be replayed without comparing again (DECISIONS 15)."""

    class Decision(models.TextChoices):
        JOINED = "joined", "joined"
        REVIEW = "review", "for review"
        REFUSED = "refused", "refused by a guard"

    left = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="links_right")
    right = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="links_left")
    decision = models.CharField(max_length=8, choices=Decision)
    rule = models.CharField(max_length=40, blank=True, default="", help_text="Blank: the score alone.")
    guard = models.CharField(max_length=40, blank=True, default="")
    weight = models.FloatField(help_text="Match weight versus a stranger, in bits.")
    household = models.FloatField(help_text="Match weight versus a housemate, in bits.")
    evidence = models.TextField(help_text="JSON: [level, weight, household] of each comparison, in order.")
    is_joinable = models.BooleanField(
        default=False,
        help_text="Decided and free of guards of its own: only the group it would make can object.",
    )
    is_forgiven = models.BooleanField(
        default=False, help_text="Different dates of birth do not object (ADR 0005)."
    )
    model_version = models.ForeignKey("contacts.ModelVersion", on_delete=models.PROTECT, related_name="links")

    objects = LinkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["left", "right"], name="one_link_per_pair"),
            models.CheckConstraint(condition=Q(left__lt=F("right")), name="link_names_each_pair_one_way"),
        ]
        indexes = [models.Index(fields=["-weight", "id"], name="link_for_review", condition=FOR_REVIEW)]

    def __str__(self) -> str:
        return f"refs {self.left_id} and {self.right_id}: {self.decision}"
