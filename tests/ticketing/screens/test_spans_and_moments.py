"""How the screens of connections write spans of time and moments."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from kore_site.sidebar import sidebar
from ticketing.templatetags.connections import ago, at, span

from ...factories import UserFactory


@pytest.mark.parametrize(
    ("amount", "unit", "words"),
    [
        (60, "minute", "hour"),
        (90, "minute", "90 minutes"),
        (24, "hour", "day"),
        (36, "hour", "36 hours"),
        (7, "day", "7 days"),
    ],
)
def test_a_span_is_said_in_the_largest_unit_that_fits(amount, unit, words):
    assert span(amount, unit) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        ("", "–"),
        (24.4, "24 s"),
        (29 * 60, "29 min"),
        (65 * 60, "1 h 05 min"),
        (5 * 3600, "5 h"),
        (80 * 3600, "3 days"),
    ],
)
def test_how_long_ago_is_said_as_roughly_as_it_matters(seconds, words):
    assert ago(seconds) == words


def test_a_moment_of_today_is_a_time_of_the_organisations_zone():
    now = timezone.now()

    with timezone.override("Asia/Tokyo"):
        shown, long_ago = at(now), at(dt.datetime(2026, 3, 1, 20, 30, tzinfo=dt.UTC))

    assert f">{now.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M}</time>" in shown
    assert ">2 Mar, 05:30</time>" in long_ago
    assert 'title="2 Mar 2026, 05:30"' in long_ago


@pytest.mark.django_db
def test_the_log_of_pulls_stands_behind_connections_in_the_sidebar(rf):
    request = rf.get("/admin/ticketing/pullrun/7/change/")
    request.user = UserFactory(is_superuser=True)

    active = [item["title"] for section in sidebar(request) for item in section["items"] if item["active"]]

    assert active == ["Connections"]
