"""One pull of a connection: Download, Apply, Publish, Compare; taken up wherever it was cut off."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from contacts.exclusive import exclusive
from contacts.models import SystemRef
from contacts.search_index import index_arrivals
from ticketing.connectors.base import Connector, DataSet, SourceError, Unreachable
from ticketing.models import PullRun, SourceConnection, SourceHint
from ticketing.services.connections import check_may_change, kind_named, setup_of
from ticketing.services.pull_alarms import look_at, tell_alarms
from ticketing.services.pull_apply import apply_rows
from ticketing.services.pull_compare import Held, compare, list_accounts
from ticketing.services.pull_download import HINTS, Clock, Sleep, download
from ticketing.services.pull_publish import publish
from ticketing.services.staging import StagingArea

Phase = PullRun.Phase


def pull(
    connection: SourceConnection,
    *,
    trigger: PullRun.Trigger,
    clock: Clock,
    by: User | None = None,
    is_full: bool = False,
    accepts: bool = False,
    sleep: Sleep = time.sleep,
) -> PullRun:
    """Pull what changed, or everything; returns the run, done, failed or held. `by` None: the system itself.

    A run that was cut off or failed is taken up first, where it stopped; one of older settings, or a lesser
    one where everything is wanted, is dropped, which loses nothing, as the cursors move only at the end.
    `accepts`: accounts that are missing may be marked however many. Raises MayNotConnect without CHANGE on
    the system, and AlreadyRunning while another process pulls it: one pull of a system at a time.
    """
    check_may_change(by, connection.system)
    with exclusive(f"pull {connection.pk}"):
        is_more = True
        while is_more:
            connection.refresh_from_db()
            run = _begin(connection, trigger=trigger, by=by, is_full=is_full or accepts, clock=clock)
            is_more = _is_other(run, trigger) or (run.phase == Phase.COMPARE and not is_full)
            _go_through(run, accepts=accepts, clock=clock, sleep=sleep)
            is_more = is_more and run.state == PullRun.State.DONE
        tell_alarms(now=clock())
        return run


def _is_other(run: PullRun, trigger: PullRun.Trigger) -> bool:
    """Whether what was taken up read hints only and everything is asked for, or the other way round.

    One that was taken up when it had published all has nothing new either.
    """
    return (run.trigger == PullRun.Trigger.HINT) != (trigger == PullRun.Trigger.HINT)


def _go_through(run: PullRun, *, accepts: bool, clock: Clock, sleep: Sleep) -> None:
    """Do what is left of the run, and note how it ended. Only our own mistakes are raised."""
    is_lasting = False
    try:
        _work(run, accepts=accepts, clock=clock, sleep=sleep)
    except SourceError as error:
        is_lasting = not isinstance(error, Unreachable)
        _fail(run, str(error), error.advice, clock=clock)
        if run.phase == Phase.COMPARE:  # all that came is published; the list must not hold up what changes
            _end(run, PullRun.State.FAILED, clock=clock, message=run.message, advice=run.advice)
    except Held as held:
        _end(run, PullRun.State.HELD, clock=clock, message=held.message, advice=held.advice)
    except Exception:
        _fail(run, "Something went wrong on our side; the log has it.", "", clock=clock)
        raise
    finally:
        look_at(run, is_lasting=is_lasting, now=clock())


def _begin(
    connection: SourceConnection, *, trigger: PullRun.Trigger, by: User | None, is_full: bool, clock: Clock
) -> PullRun:
    now = clock()
    left = connection.runs.unfinished().first()
    if left is not None:
        if left.version == connection.version and (left.is_full or not is_full):
            left.attempts += 1
            left.state, left.message, left.advice = PullRun.State.RUNNING, "", ""
            left.save(update_fields=["attempts", "state", "message", "advice"])
            return left
        _end(left, PullRun.State.DROPPED, clock=clock, message="Given up for a pull with newer settings.")
    if trigger == PullRun.Trigger.HINT:
        what: dict[str, Any] = {"since": {HINTS: json.dumps(_hints(connection))}}
    else:
        what = _what_to_pull(connection, is_full=is_full, now=now)
    return PullRun.objects.create(
        connection=connection,
        version=connection.version,
        trigger=trigger,
        by=by,
        started_at=now,
        worked_at=now,
        **what,
    )


def _what_to_pull(connection: SourceConnection, *, is_full: bool, now: datetime) -> dict[str, Any]:
    """Everything where that was asked for or is due; and whether to list all accounts, which would tell
    nothing where none is known yet."""
    is_due = _is_due(connection.last_listed_at, connection.list_hours, now)
    lists = is_full or (is_due and SystemRef.objects.filter(system=connection.system).exists())
    is_full = is_full or _is_due(connection.last_full_at, connection.full_days * 24, now)
    return {"is_full": is_full, "lists_accounts": lists, "since": {} if is_full else connection.cursors}


def _hints(connection: SourceConnection) -> list[str]:
    return list(connection.hints.order_by("pk").values_list("hint", flat=True)[:500])


def _is_due(last: datetime | None, hours: int, now: datetime) -> bool:
    return bool(hours) and (last is None or last <= now - timedelta(hours=hours))


def _work(run: PullRun, *, accepts: bool, clock: Clock, sleep: Sleep) -> None:
    """The phases that are left, each starting the next."""

    def open_source() -> Connector:
        return kind_named(run.connection.connector).open(setup_of(run.connection))

    if run.phase == Phase.DOWNLOAD:
        _timed(
            run, lambda: download(run, open_source, clock=clock, sleep=sleep), then=Phase.APPLY, clock=clock
        )
    if run.phase == Phase.APPLY:
        _timed(run, lambda: apply_rows(run, clock=clock), then=Phase.PUBLISH, clock=clock)
    if run.phase == Phase.PUBLISH:
        _timed(run, lambda: _publish(run, clock=clock), then=Phase.COMPARE, clock=clock)
    if run.phase == Phase.COMPARE and run.lists_accounts:
        _compare(run, open_source, accepts=accepts, clock=clock)
    _end(run, PullRun.State.DONE, clock=clock)  # and no word of what was tried again


def _timed(run: PullRun, work: Callable[[], None], *, then: Phase, clock: Clock) -> None:
    """Do one phase and step into the next; the seconds of a phase that was cut off are those of its end."""
    began = time.perf_counter()
    work()
    run.seconds = {**run.seconds, run.phase: round(time.perf_counter() - began, 3)}
    run.phase, run.done, run.resume = then, 0, ""
    run.worked_at = clock()
    if then == Phase.PUBLISH:
        run.expected = StagingArea(run).rows_left()
    with transaction.atomic():
        run.save()
        if then == Phase.COMPARE:
            _move_cursors(run)


def _publish(run: PullRun, *, clock: Clock) -> None:
    publish(run, clock=clock)
    if run.counts.get("created") or run.counts.get("changed"):
        index_arrivals()


def _move_cursors(run: PullRun) -> None:
    """Everything is written: the next pull begins where this one looked first. In the phase's transaction."""
    connection = SourceConnection.objects.select_for_update().get(pk=run.connection.pk)
    if run.trigger == PullRun.Trigger.HINT:
        connection.hints.filter(hint__in=json.loads(run.since[HINTS])).delete()
        return
    connection.hints.filter(came_at__lt=run.started_at).delete()
    if connection.version != run.version:
        return
    connection.cursors = {**connection.cursors, **run.cursors}
    run.lag_seconds = (run.worked_at - (connection.fresh_as_of or run.started_at)).total_seconds()
    connection.fresh_as_of = run.started_at
    if run.is_full or not run.since.keys() & set(DataSet):
        connection.last_full_at = run.started_at
        connection.last_listed_at = connection.last_listed_at or run.started_at
    connection.save(update_fields=["cursors", "fresh_as_of", "last_full_at", "last_listed_at"])
    run.save(update_fields=["lag_seconds"])


def _compare(run: PullRun, open_source: Callable[[], Connector], *, accepts: bool, clock: Clock) -> None:
    began = time.perf_counter()
    with closing(open_source()) as connector:
        if connector.capabilities.lists_accounts:
            list_accounts(run, connector, clock=clock)
            compare(run, accepts=accepts, clock=clock)
    SourceConnection.objects.filter(pk=run.connection.pk).update(last_listed_at=run.started_at)
    run.seconds = {**run.seconds, Phase.COMPARE.value: round(time.perf_counter() - began, 3)}


def _end(run: PullRun, state: PullRun.State, *, clock: Clock, message: str = "", advice: str = "") -> None:
    StagingArea(run).clear()
    run.state, run.message, run.advice = state, message, advice
    run.phase = Phase.OVER if state == PullRun.State.DONE else run.phase
    run.ended_at = run.worked_at = clock()
    run.save()


def _fail(run: PullRun, message: str, advice: str, *, clock: Clock) -> None:
    """Keep what is staged: the next pull takes the run up where it stopped."""
    run.state, run.message, run.advice, run.worked_at = PullRun.State.FAILED, message, advice, clock()
    run.save(update_fields=["state", "message", "advice", "worked_at"])


def note_hint(connection: SourceConnection, hint: str, *, now: datetime) -> bool:
    """Keep what a source hints at until a pull has read it again; returns whether it is new."""
    _hint, is_new = SourceHint.objects.get_or_create(
        connection=connection, hint=hint, defaults={"came_at": now}
    )
    return is_new
