"""Whether this deployment works, for load balancers and alarms: names and a verdict, never details."""

import asyncio
import datetime as dt

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django_q.models import Schedule
from health_check.base import HealthCheck
from health_check.checks import Database
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

OVERDUE_AFTER = dt.timedelta(minutes=5)


class ScheduledTasks(HealthCheck):
    """Every scheduled task was started in time: a cluster runs. The cluster looks twice a minute."""

    async def run(self) -> None:
        # The asynchronous query uses the request's own connection, which Django looks after.
        if await Schedule.objects.filter(next_run__lt=timezone.now() - OVERDUE_AFTER).aexists():
            raise ServiceUnavailable("A scheduled task is overdue: no cluster is running.")


class Verdict(HealthCheckView):
    """Asks each check; 200 and "ok" by name when all hold, else 503. What failed, and how, is in the log."""

    async def get(self, request: HttpRequest, *args: object, **kwargs: object) -> JsonResponse:
        results = await asyncio.gather(*(check.get_result() for check in self.get_checks()))
        return JsonResponse(
            {type(result.check).__name__: "failed" if result.error else "ok" for result in results},
            status=503 if any(result.error for result in results) else 200,
        )


web = Verdict.as_view(checks=[Database])
tasks = Verdict.as_view(checks=[Database, ScheduledTasks])
