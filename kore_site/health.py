"""Whether this deployment works, for load balancers and alarms: names and a verdict, never details."""

import asyncio

from asgiref.sync import sync_to_async
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from health_check.base import HealthCheck
from health_check.checks import Database
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

from sync.services.request_night import cluster_signs


class Cluster(HealthCheck):
    """No work lies about that a living cluster would have taken."""

    async def run(self) -> None:
        # In the thread of the request, whose database connection Django looks after.
        if (await sync_to_async(cluster_signs)(now=timezone.now())).is_silent:
            raise ServiceUnavailable("Tasks are waiting and nobody takes them: no cluster is running.")


class Verdict(HealthCheckView):
    """Asks each check; 200 and "ok" by name when all hold, else 503. What failed, and how, is in the log."""

    async def get(self, request: HttpRequest, *args: object, **kwargs: object) -> JsonResponse:
        results = await asyncio.gather(*(check.get_result() for check in self.get_checks()))
        return JsonResponse(
            {type(result.check).__name__: "failed" if result.error else "ok" for result in results},
            status=503 if any(result.error for result in results) else 200,
        )


web = Verdict.as_view(checks=[Database])
tasks = Verdict.as_view(checks=[Database, Cluster])
