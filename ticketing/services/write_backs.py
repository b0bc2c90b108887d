"""Write-backs: what was submitted is filed for its source, as far as that can be written; or for people."""

from collections.abc import Collection, Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django_q.tasks import async_task

from contacts.models import SystemRef
from contacts.permissions import SystemRight, holds
from contacts.services.corrections import CannotCorrect, Correction, MayNotCorrect
from ticketing.connectors.base import SourceError
from ticketing.models import SourceConnection, WriteBack
from ticketing.services.connections import PULLED_KINDS, kind_named, setup_of

TASK = "ticketing.tasks.write_back"
State = WriteBack.State


class CannotSettle(CannotCorrect):
    """Says, for the person at the screen, why a write-back stays as it is."""


def file_write_backs(
    correction: Correction, *, by: User, now: datetime, follows: WriteBack | None = None
) -> tuple[WriteBack, ...]:
    """File what the correction changed for its source; none where there is nothing to tell, or nobody.

    What the connection can write is one write-back that waits for the cluster, which is asked once this is
    committed; the rest is one task for people, and takes the place of earlier ones about the same fields.
    Where the connection cannot be looked into, everything waits until it can. Call it in the correction's
    transaction, which holds the ref's row.
    """
    ref, after = correction.ref, correction.after
    if not after or ref.system.kind not in PULLED_KINDS:
        return ()
    try:
        writable: Collection[str] = writable_fields(ref)
    except SourceError:
        writable = after
    known = {**correction.before, **_taken_from_tasks(ref, set(after), by=by, now=now)}
    filed: list[WriteBack] = []
    for state, fields in (
        (State.WAITING, [name for name in after if name in writable]),
        (State.TO_DO, [name for name in after if name not in writable and known[name] != after[name]]),
    ):
        if not fields:
            continue
        before = correction.before if state == State.WAITING else known
        filed.append(
            WriteBack.objects.create(
                system_ref=ref,
                values={name: after[name] for name in fields},
                before={name: before[name] for name in fields},
                state=state,
                by=by,
                at=now,
                follows=None if filed else follows,
            )
        )
    for write_back in filed:
        if write_back.state == State.WAITING:
            transaction.on_commit(lambda waiting=write_back: ask_for(waiting))  # type: ignore[misc]
    return tuple(filed)


def ask_for(write_back: WriteBack) -> None:
    """Ask the cluster to write it; a second asking finds it written."""
    async_task(TASK, write_back_id=write_back.pk, task_name=f"write back {write_back.pk}")


def writable_fields(ref: SystemRef) -> frozenset[str]:
    """Our fields that the ref's connection can write to its source; asks nobody.

    Raises SourceError where the connection's credentials cannot be read.
    """
    connection = SourceConnection.objects.filter(system=ref.system_id).first()
    if connection is None:
        return frozenset()
    return kind_named(connection.connector).writes(setup_of(connection), ref.system_ref)


def can_write_to(ref: SystemRef) -> bool:
    """Whether the ref's system has a connection that can write something of it, as far as can be told."""
    try:
        return bool(writable_fields(ref))
    except SourceError:
        return True


@transaction.atomic
def drop(write_back: WriteBack, *, by: User, now: datetime) -> WriteBack:
    """Give up a refused write-back, or a task that nobody will do; what stands here stays as it is.

    Raises MayNotCorrect, CannotSettle for one that is neither. Doing it again changes nothing.
    """
    return _settled(write_back, (State.REFUSED, State.TO_DO), State.DROPPED, by=by, now=now)


@transaction.atomic
def mark_done(write_back: WriteBack, *, by: User, now: datetime) -> WriteBack:
    """Say that a person has changed it at the source; the hand edits hold until the source says so too.

    Raises MayNotCorrect, CannotSettle for what is no task. Doing it again changes nothing.
    """
    return _settled(write_back, (State.TO_DO,), State.DONE, by=by, now=now)


def locked(write_back: WriteBack) -> WriteBack:
    """The write-back as it stands, held with its ref's row: who deals with an account takes turns."""
    SystemRef.objects.select_for_update(no_key=True, of=("self",)).get(pk=write_back.system_ref_id)
    stands = WriteBack.objects.select_for_update(of=("self",)).select_related("system_ref__system", "by")
    return stands.get(pk=write_back.pk)


def check_may_settle(write_back: WriteBack, by: User) -> None:
    """Raise MayNotCorrect unless the user may change records of its system."""
    system = write_back.system_ref.system
    if not holds(by, SystemRight.CHANGE, system):
        raise MayNotCorrect(f"You may not change accounts of {system.code}.")


def withdraw(ref: SystemRef, given_up: Mapping[str, str], *, by: User, now: datetime) -> None:
    """Take these values, which are not wanted any more, out of what still has to reach the source.

    Call it in a transaction that holds the ref's row.
    """
    for write_back in _open(ref, (State.WAITING, State.TO_DO)):
        fields = {name for name, value in given_up.items() if write_back.values.get(name) == value}
        _take_out(write_back, fields, by=by, now=now)


def _taken_from_tasks(ref: SystemRef, fields: set[str], *, by: User, now: datetime) -> dict[str, str]:
    """Take the fields out of the tasks that stand; returns what the source said of them before those."""
    said: dict[str, str] = {}
    for task in _open(ref, (State.TO_DO,)):
        said = {**{name: task.before[name] for name in fields & task.before.keys()}, **said}
        _take_out(task, fields, by=by, now=now)
    return said


def _open(ref: SystemRef, states: Collection[WriteBack.State]) -> list[WriteBack]:
    found = WriteBack.objects.filter(system_ref=ref, state__in=states).order_by("pk")
    return list(found.select_for_update(of=("self",)))


def _take_out(write_back: WriteBack, fields: Collection[str], *, by: User, now: datetime) -> None:
    """Let it be without these fields; one that has no others is dropped, and keeps them to be looked at."""
    left = [name for name in write_back.values if name not in fields]
    if len(left) == len(write_back.values):
        return
    if left:
        write_back.values = {name: write_back.values[name] for name in left}
        write_back.before = {name: write_back.before[name] for name in left}
    else:
        write_back.state, write_back.settled_by, write_back.settled_at = State.DROPPED, by, now
    write_back.save(update_fields=["values", "before", "state", "settled_by", "settled_at"])


def _settled(
    write_back: WriteBack,
    wanted: Collection[WriteBack.State],
    state: WriteBack.State,
    *,
    by: User,
    now: datetime,
) -> WriteBack:
    stands = locked(write_back)
    check_may_settle(stands, by)
    if stands.state == state:
        return stands
    if stands.state not in wanted:
        raise CannotSettle(f"This change is {stands.get_state_display()} by now. Look again.")
    stands.state, stands.settled_by, stands.settled_at = state, by, now
    stands.save(update_fields=["state", "settled_by", "settled_at"])
    return stands
