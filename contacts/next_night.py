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


def next_night_in_words(organisation: Organisation, *, now: datetime) -> str:
    """When that is, to be read: "tonight at 02:00 (Europe/London)". It always is within a day."""
    return f"tonight at {next_night_at(organisation, now=now):%H:%M} ({organisation.time_zone})"
