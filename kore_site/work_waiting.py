"""What waits for people who group: requests, doubtful pairs, cases; for the overview and the sidebar."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from contacts.models import Case, GroupRequest
from contacts.services.review import Remaining, remaining

READS_REQUESTS = "contacts.view_grouprequest"
READS_CASES = "contacts.view_case"
REVIEWS = "contacts.view_reviewanswer"


@dataclass(frozen=True)
class WorkWaiting:
    """Over what the user may see. `review` is None for whoever is not asked."""

    waiting: int
    held: int
    failed: int
    cases: int
    review: Remaining | None

    @property
    def counts(self) -> dict[str, int | str]:
        """By the page of the sidebar that leads there; what is not exact says so."""
        pairs: int | str = self.review.count if self.review else 0
        if self.review and not self.review.is_exact:
            pairs = f"{self.review.count:,}+"
        return {
            "contacts.grouprequest": self.waiting + self.held,
            "contacts.reviewanswer": pairs,
            "contacts.case": self.cases,
        }


def work_waiting(request: HttpRequest) -> WorkWaiting | None:
    """Counted once a request; None for somebody who neither reads requests nor cases nor reviews."""
    known = request.__dict__
    if "_work_waiting" not in known:
        known["_work_waiting"] = _count(request.user)
    return known["_work_waiting"]


def _count(user: Any) -> WorkWaiting | None:
    if not any(user.has_perm(one) for one in (READS_REQUESTS, READS_CASES, REVIEWS)):
        return None
    requests = {"waiting": 0, "held": 0, "failed": 0}
    if user.has_perm(READS_REQUESTS):
        State = GroupRequest.State
        today = timezone.localtime().replace(hour=0, minute=0, second=0)
        failed = Q(state=State.FAILED, settled_at__gte=today)
        told = GroupRequest.objects.visible_to(user).filter(Q(state__in=GroupRequest.OPEN) | failed)
        counts = told.aggregate(**{one: Count("pk", filter=Q(state=one)) for one in requests})
        requests = {name: count or 0 for name, count in counts.items()}
    cases = 0
    if user.has_perm(READS_CASES):
        cases = Case.objects.visible_to(user).exclude(state=Case.State.SOLVED).count()
    review = remaining(user, now=timezone.now()) if user.has_perm(REVIEWS) else None
    return WorkWaiting(**requests, cases=cases, review=review)
