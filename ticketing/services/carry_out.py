"""Carries write-backs out: the only writer to ticketing systems; of an account the oldest first (ADR 13)."""

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.models import HeldValue, Organisation
from contacts.models.person_details import name_of
from contacts.services.corrections import follow_source, return_to_source
from ticketing.connectors.base import (
    Account,
    CannotWrite,
    Conflict,
    Connector,
    LoginRefused,
    SourceError,
    Unreachable,
)
from ticketing.models import SourceConnection, WriteBack
from ticketing.services.connections import opened
from ticketing.services.pull_download import Clock
from ticketing.services.source_values import Standing, said_of, standing_of
from ticketing.services.write_back_alarms import look_at_waiting, tell_trouble
from ticketing.services.write_backs import State, locked, writable_fields

log = logging.getLogger(__name__)

READINGS = 3  # of an account that somebody changes while it is written
LONGEST_PAUSE = timedelta(hours=1)
_FIRST_PAUSE = timedelta(minutes=1)
MEETS_ALL = (Unreachable, LoginRefused)  # not the one account only
_KEPT = 400  # characters of a reason

Said = Mapping[str, str | None]


class _Refused(Exception):
    """The source's account is not to be written; `said` is what it says, where it is there."""

    def __init__(self, reason: str, advice: str, said: Said) -> None:
        super().__init__(reason)
        self.advice, self.said = advice, said


def carry_out(connection: SourceConnection, *, clock: Clock) -> int:
    """Write what is due for this connection to its source; returns how many write-backs were looked at.

    One process at a time: a second one leaves it to the first, which looks again before it goes, so that
    nothing is forgotten between the two. No transaction is open while the source is asked. Killed anywhere,
    the next one reads the account and sees whether it was written. Whoever submitted was allowed to then,
    which is not asked again. Of a paused connection nothing is written: what waits goes on waiting.
    """
    count = 0
    while not connection.is_paused and due_for(connection, now=clock()).exists():
        try:
            with exclusive(f"write back {connection.pk}"):
                count += _carry_all(connection, clock=clock)
        except AlreadyRunning:
            break
        connection.refresh_from_db()
    return count


def due_for(connection: SourceConnection, *, now: datetime) -> QuerySet[WriteBack]:
    """What may be written now: those tried least first, and none before an older one of its account."""
    waiting = WriteBack.objects.filter(system_ref__system=connection.system_id, state=State.WAITING)
    older = waiting.filter(system_ref=OuterRef("system_ref"), pk__lt=OuterRef("pk"))
    is_due = Q(try_after=None) | Q(try_after__lte=now)
    due = waiting.filter(is_due, ~Exists(older)).order_by("attempts", "pk")
    return due.select_related("system_ref__system", "system_ref__gone")


def _carry_all(connection: SourceConnection, *, clock: Clock) -> int:
    count = 0
    with ExitStack() as stack:
        connector: Connector | None = None
        while write_back := due_for(connection, now=clock()).first():
            count += 1
            try:
                connector = connector or stack.enter_context(opened(connection))
                _carry(write_back, connector, connection, clock=clock)
            except SourceError as error:
                _let_wait(write_back, error, connection, now=clock())
            except Exception:
                log.exception("A write-back went wrong; it is tried again.")
                ours = SourceError("Something went wrong on our side; the log has it.")
                _let_wait(write_back, ours, connection, now=clock())
    look_at_waiting(connection, now=clock())
    return count


def _carry(
    write_back: WriteBack, connector: Connector, connection: SourceConnection, *, clock: Clock
) -> None:
    """Settle one write-back. Raises the SourceError for which it has to wait."""
    ref = write_back.system_ref
    if write_back.values.keys() - writable_fields(ref):
        _hand_over(write_back)
        return
    try:
        if ref.why_unchangeable:
            raise _Refused(ref.why_unchangeable, "", {})
        said = _told(write_back, connector, connection, now=clock())
    except _Refused as refusal:
        _refuse(write_back, refusal, now=clock())
    except CannotWrite as error:
        said = _said_after(write_back, connector, connection, now=clock())
        _refuse(write_back, _Refused(str(error), error.advice, said), now=clock())
    else:
        _note_written(write_back, said, now=clock())


def _told(
    write_back: WriteBack, connector: Connector, connection: SourceConnection, *, now: datetime
) -> Said:
    """Let the source's account have the values; returns what it says of itself then."""
    for readings_left in reversed(range(READINGS)):
        account = connector.read_account(write_back.system_ref.system_ref)
        if account is None:
            raise _Refused(
                "The source does not know this account any more.",
                "The next pull finds out what became of it.",
                {},
            )
        said = said_of(account, connection, now=now)
        standing = _standing(write_back, said)
        if standing.other:
            raise _Refused(
                f"Somebody changed this at the source since: {_named(standing.other)}.",
                "Look at what stands there now, and send it again if yours is right.",
                said,
            )
        if not standing.waiting:
            return said
        try:
            written = said_of(_write(write_back, standing, account, connector), connection, now=now)
        except Conflict:
            if not readings_left:
                raise
        else:
            _check_kept(write_back, standing, said, written)
            return written
    raise AssertionError("the last reading returns or raises")


def _standing(write_back: WriteBack, said: Said) -> Standing:
    """How the change stands at the source; what it said last of a value that holds may be replaced too."""
    held = HeldValue.objects.filter(system_ref=write_back.system_ref_id, differs_since=None)
    last_said = dict(held.values_list("field", "source_value"))
    known = {name: {before, last_said.get(name, before)} for name, before in write_back.before.items()}
    ref = write_back.system_ref
    return standing_of(
        write_back.values,
        said,
        known=known,
        blanks_count=ref.system.blanks_overwrite,
        country=ref.country or Organisation.load().default_country,
    )


def _write(write_back: WriteBack, standing: Standing, account: Account, connector: Connector) -> Account:
    values = {name: write_back.values[name] for name in standing.waiting}
    return connector.write_account(write_back.system_ref.system_ref, values, version=account.version)


def _check_kept(write_back: WriteBack, standing: Standing, before: Said, written: Said) -> None:
    """Raise _Refused where the source took what was written, and says what it said before, or nothing."""
    unkept = [
        name
        for name in standing.waiting
        if (theirs := written.get(name)) is not None
        and theirs != write_back.values[name]
        and theirs in ("", before.get(name))
    ]
    if unkept:
        raise _Refused(
            f"The source did not keep it: {_named(unkept)}.",
            "It took the change without a word; ask who looks after it what it lets stand there.",
            written,
        )


def _named(fields: Iterable[str]) -> str:
    return ", ".join(name_of(name) for name in fields)


def _said_after(
    write_back: WriteBack, connector: Connector, connection: SourceConnection, *, now: datetime
) -> Said:
    """What the source says of an account that it did not let be written; nothing where it cannot be read."""
    try:
        account = connector.read_account(write_back.system_ref.system_ref)
        return said_of(account, connection, now=now) if account else {}
    except SourceError:
        return {}


@transaction.atomic
def _note_written(write_back: WriteBack, said: Said, *, now: datetime) -> None:
    """It is at the source; what the source made of the values stands here too, and is told."""
    stands = locked(write_back)
    theirs = {name: text for name in write_back.values if (text := said.get(name)) is not None}
    follow_source(stands.system_ref, theirs, instead_of=write_back.values, now=now)
    if stands.state == State.WAITING:
        stands.reason = stands.advice = ""
        if remade := [name for name, text in theirs.items() if text != write_back.values[name]]:
            stands.reason = f"The source made something else of it: {_named(remade)}."
        _settle(stands, State.WRITTEN, now=now)


@transaction.atomic
def _refuse(write_back: WriteBack, refusal: _Refused, *, now: datetime) -> None:
    """The account returns to what the source says; the person's values stay to be corrected and sent again.

    What the source does not say, or not legibly, returns to what it said last; what no hand edit holds any
    more is that already.
    """
    stands = locked(write_back)
    if stands.state != State.WAITING:
        return
    blanks_count = stands.system_ref.system.blanks_overwrite
    held = HeldValue.objects.filter(system_ref=stands.system_ref)
    last_said = {**stands.values, **dict(held.values_list("field", "source_value"))}
    theirs = {name: refusal.said.get(name) for name in stands.values}
    back = {
        name: last_said[name] if text is None or not (text or blanks_count) else text
        for name, text in theirs.items()
    }
    return_to_source(stands.system_ref, back, instead_of=stands.values, now=now)
    stands.reason, stands.advice = str(refusal)[:_KEPT], refusal.advice[:_KEPT]
    _settle(stands, State.REFUSED, now=now)


@transaction.atomic
def _hand_over(write_back: WriteBack) -> None:
    """What the connection cannot write, or not any more, people have to; the rest goes on waiting."""
    stands = locked(write_back)
    writable = writable_fields(stands.system_ref)
    theirs = [name for name in stands.values if name not in writable]
    if stands.state != State.WAITING or not theirs:
        return
    task = stands
    if len(theirs) < len(stands.values):
        task = WriteBack(system_ref=stands.system_ref, by=stands.by, at=stands.at)
        task.values, stands.values = _parted(stands.values, theirs)
        task.before, stands.before = _parted(stands.before, theirs)
        stands.save(update_fields=["values", "before"])
    task.state, task.try_after, task.reason = State.TO_DO, None, "The connection cannot write this."
    task.save()


def _parted(values: Mapping[str, str], fields: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The values of these fields, and the others."""
    mine = {name: text for name, text in values.items() if name in fields}
    return mine, {name: text for name, text in values.items() if name not in fields}


def _settle(stands: WriteBack, state: WriteBack.State, *, now: datetime) -> None:
    stands.state, stands.settled_at, stands.try_after = state, now, None
    stands.attempts += 1
    stands.save(update_fields=["state", "settled_at", "try_after", "attempts", "reason", "advice"])


@transaction.atomic
def _let_wait(
    write_back: WriteBack, error: SourceError, connection: SourceConnection, *, now: datetime
) -> None:
    """It is tried again after a growing pause, and all others with it where the source as a whole fails."""
    stands = locked(write_back)
    if stands.state != State.WAITING:
        return
    pause = min(LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(stands.attempts, 6))
    if isinstance(error, Unreachable):
        pause = max(pause, timedelta(seconds=error.retry_after))
    else:
        tell_trouble(connection, error, now=now)
    stands.attempts += 1
    stands.try_after = now + pause
    stands.reason, stands.advice = str(error)[:_KEPT], error.advice[:_KEPT]
    stands.save(update_fields=["attempts", "try_after", "reason", "advice"])
    if isinstance(error, MEETS_ALL):
        waiting = WriteBack.objects.filter(system_ref__system=connection.system_id, state=State.WAITING)
        sooner = waiting.filter(Q(try_after=None) | Q(try_after__lt=stands.try_after))
        sooner.update(try_after=stands.try_after)
