"""Download: what changed at the source goes into the staging area, page by page."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import transaction

from ticketing.connectors.base import Connector, DataSet, Page, Unreachable
from ticketing.models import PullRun
from ticketing.services.pull_counts import add_counts
from ticketing.services.staging import StagingArea

Clock = Callable[[], datetime]
Sleep = Callable[[float], None]
Opened = Callable[[], Connector]

ORDER = (DataSet.ACCOUNTS, DataSet.NAMES, DataSet.PURCHASES)
HINTS = "hints"
_WAITS = (1.0, 5.0, 20.0)  # seconds before trying again where nobody answered
_LONGEST_WAIT = 120.0
_KEPT_OF_A_PAGE = (
    "columns",
    "resume",
    "counts",
    "expected",
    "done",
    "worked_at",
    "message",
    "advice",
)


def download(run: PullRun, open_source: Opened, *, clock: Clock, sleep: Sleep = time.sleep) -> None:
    """Stage everything that changed since the run's cursors. Raises SourceError.

    Each page and the place behind it are one transaction: cut off anywhere, it goes on there, and a page that
    comes again only meets its like in the next phase. Where nobody answers, it is tried a few times more.
    """
    tries = 0
    while True:
        before = run.counts.get("downloaded", 0)
        try:
            connector = open_source()
            try:
                _download(run, connector, clock=clock)
                return
            finally:
                connector.close()
        except Unreachable as error:
            tries = 0 if run.counts.get("downloaded", 0) > before else tries
            if tries == len(_WAITS) or error.retry_after > _LONGEST_WAIT:
                raise
            wait = max(_WAITS[tries], error.retry_after)
            run.message, run.advice = f"{error} Tried again in {wait:.0f} s.", error.advice
            run.save(update_fields=["message", "advice"])
            sleep(wait)
            tries += 1


def _download(run: PullRun, connector: Connector, *, clock: Clock) -> None:
    if run.trigger == PullRun.Trigger.HINT:
        _download_hinted(run, connector, clock=clock)
        return
    wanted = [data_set for data_set in ORDER if data_set in connector.capabilities.data_sets]
    at = wanted.index(DataSet(run.data_set)) if run.data_set in wanted else 0
    for data_set in wanted[at:]:
        if run.data_set != data_set:
            run.data_set, run.resume = data_set.value, ""
        if data_set.value not in run.cursors:
            run.cursors = {**run.cursors, data_set.value: connector.cursor(data_set)}
            run.save(update_fields=["cursors", "data_set", "resume"])
        pages = connector.changed(
            data_set,
            since=run.since.get(data_set.value, ""),
            resume=run.resume,
            overlap=run.connection.overlap_minutes * 60,
        )
        _stage(run, ((data_set, page) for page in pages), clock=clock)


def _download_hinted(run: PullRun, connector: Connector, *, clock: Clock) -> None:
    _stage(run, connector.reread(json.loads(run.since.get(HINTS, "[]"))), clock=clock)


def _stage(run: PullRun, pages: Iterator[tuple[DataSet, Page]], *, clock: Clock) -> None:
    area = StagingArea(run)
    for data_set, page in pages:  # the caller lets go of them before the connector
        with transaction.atomic():
            area.add(data_set, page)
            run.resume = page.resume
            add_counts(run, downloaded=len(page.rows))
            if page.expected is not None:
                run.expected = page.expected
            run.done += len(page.rows)
            run.worked_at = clock()
            run.message = run.advice = ""
            run.save(update_fields=_KEPT_OF_A_PAGE)
