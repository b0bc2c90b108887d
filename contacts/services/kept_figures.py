"""The night counts what the overview of whoever sees every system begins with."""

from datetime import datetime, timedelta
from time import perf_counter

from django.db import transaction

from contacts.figures import count_figures, set_key
from contacts.models import KeptFigures, TicketSystem

# Figures that are counted in less are counted when somebody looks: then they are of that minute.
DEAR_SECONDS = 1.0
# To the end of the next night, and some time over.
STAND_FOR = timedelta(hours=28)


def keep_figures(*, now: datetime) -> bool:
    """Count the figures over every system and keep them until tomorrow; False where that was quick."""
    started = perf_counter()
    system_ids = list(TicketSystem.objects.values_list("pk", flat=True))
    figures = count_figures(system_ids, now=now)
    is_dear = perf_counter() - started >= DEAR_SECONDS
    with transaction.atomic():
        KeptFigures.objects.all().delete()
        if is_dear:
            KeptFigures.objects.create(
                set_of_systems=set_key(system_ids), figures=figures.to_json(), until=now + STAND_FOR
            )
    return is_dear
