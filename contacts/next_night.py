"""When the coming night begins, by the organisation's clock."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contacts.models import Organisation


def next_night_at(organisation: Organisation, *, now: datetime) -> datetime:
    """When the next night begins, in the organisation's time zone."""
    zone = ZoneInfo(organisation.time_zone)
    local = now.astimezone(zone)
    tonight = datetime.combine(local.date(), organisation.night_at, tzinfo=zone)
    # Compared as moments: clock times alone would call the hour that autumn repeats still to come.
    return tonight if tonight.timestamp() > now.timestamp() else tonight + timedelta(days=1)
