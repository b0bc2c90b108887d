"""Keeps who was refused a write, and forgets it after a while."""

from datetime import datetime, timedelta

from contacts.models import RefusedAttempt

KEPT_FOR = timedelta(days=90)
MOST_KEPT = 100_000  # of somebody's endless attempts the newest tell enough


def keep_attempt(*, user_id: int, method: str, path: str, status: int, now: datetime) -> RefusedAttempt:
    """Note that this person was refused; `path` must hold nothing but the door and ids."""
    return RefusedAttempt.objects.create(
        user_id=user_id, method=method[:8], path=path[:200], status=status, at=now
    )


def prune_attempts(*, now: datetime) -> int:
    """Forget attempts older than KEPT_FOR, and all but the newest MOST_KEPT; returns how many."""
    forgotten, _ = RefusedAttempt.objects.filter(at__lt=now - KEPT_FOR).delete()
    newest = RefusedAttempt.objects.order_by("-pk").values_list("pk", flat=True)
    oldest_kept = newest[MOST_KEPT - 1 : MOST_KEPT].first()
    if oldest_kept is not None:
        forgotten += RefusedAttempt.objects.filter(pk__lt=oldest_kept).delete()[0]
    return forgotten
