"""The health addresses: a verdict for machines, nothing for the curious."""

import asyncio
import datetime as dt

import pytest
from django.test import RequestFactory
from django.utils import timezone
from django_q.models import Schedule
from health_check.checks import Database

from kore_site.health import Verdict

# The checks run in threads of their own, which see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def schedule_a_task(next_run: dt.datetime) -> None:
    Schedule.objects.create(func="sync.tasks.night", schedule_type=Schedule.DAILY, next_run=next_run)


def test_healthz_says_ok_to_anyone_when_the_database_answers(client):
    answer = client.get("/healthz/")

    assert (answer.status_code, answer.json()) == (200, {"Database": "ok"})


def test_healthz_says_failed_but_not_why_when_a_database_is_missing(rf: RequestFactory):
    request = rf.get("/healthz/")

    answer = asyncio.run(Verdict.as_view(checks=[(Database, {"alias": "elsewhere"})])(request))

    assert (answer.status_code, answer.content) == (503, b'{"Database": "failed"}')


def test_healthz_of_the_tasks_fails_when_a_scheduled_task_is_overdue(client):
    schedule_a_task(timezone.now() + dt.timedelta(hours=1))
    in_time = client.get("/healthz/tasks/")
    schedule_a_task(timezone.now() - dt.timedelta(minutes=6))

    late = client.get("/healthz/tasks/")

    assert (in_time.status_code, in_time.json()) == (200, {"Database": "ok", "Cluster": "ok"})
    assert (late.status_code, late.json()) == (503, {"Database": "ok", "Cluster": "failed"})
