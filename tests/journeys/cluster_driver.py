"""The web's side of a night on request, in a process of its own, and how its end is waited for.

python -m tests.journeys.cluster_driver file       file a night, as the button does
python -m tests.journeys.cluster_driver miss       a night has been due for three days
python -m tests.journeys.cluster_driver wait       until a night is over; tells of all nights
python -m tests.journeys.cluster_driver tell       tells of all nights
"""

import datetime as dt
import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_q.models import Schedule  # noqa: E402

from sync.models import NightRun  # noqa: E402
from sync.models.night import RunState  # noqa: E402
from sync.services.request_night import request_night  # noqa: E402
from sync.services.schedules import NIGHT  # noqa: E402

PATIENCE = 120  # seconds; a cluster that is alive takes a task within one


def file() -> None:
    call_command("migrate", verbosity=0)
    request_night(by=User.objects.create(username="manager"), now=timezone.now())
    tell()


def miss() -> None:
    Schedule.objects.filter(name=NIGHT).update(next_run=timezone.now() - dt.timedelta(days=3))


def wait() -> None:
    over = NightRun.objects.exclude(state=RunState.RUNNING)
    already, until = int(sys.argv[2]), time.monotonic() + PATIENCE
    while over.count() <= already and time.monotonic() < until:
        time.sleep(0.2)
    tell()


def tell() -> None:
    nights = NightRun.objects.order_by("pk").values_list("trigger", "by__username", "state")
    due = Schedule.objects.get(name=NIGHT).next_run > timezone.now()
    print(json.dumps({"nights": list(map(list, nights)), "next_is_planned": due}))


if __name__ == "__main__":
    {"file": file, "miss": miss, "wait": wait, "tell": tell}[sys.argv[1]]()
