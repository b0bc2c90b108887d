"""Drops what pulls leave behind once nobody needs it any more."""

from datetime import datetime, timedelta

from ticketing.models import PullAlarm, PullRun, WaitingRow

RUNS_KEPT_FOR = timedelta(days=90)
ROWS_KEPT_FOR = timedelta(days=30)  # they hold personal data, as the rejected rows of imports do


def tidy_pulls(*, now: datetime) -> dict[str, int]:
    """Forget pulls and alarms that ended long ago, and rejected rows that nobody mended: how many of each."""
    runs = PullRun.objects.filter(ended_at__lt=now - RUNS_KEPT_FOR)
    alarms = PullAlarm.objects.filter(over_at__lt=now - RUNS_KEPT_FOR)
    rows = WaitingRow.objects.filter(since__lt=now - ROWS_KEPT_FOR)
    return {
        "pulls": runs.delete()[1].get("ticketing.PullRun", 0),
        "alarms": alarms.delete()[0],
        "rejected_rows": rows.delete()[0],
    }
