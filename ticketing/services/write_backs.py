"""Write-backs: what was submitted reaches the ticketing system, or says why not."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django_q.tasks import async_task

from contacts.models import SystemRef
from contacts.services.corrections import Correction
from ticketing.connectors.base import SourceError
from ticketing.models import SourceConnection, WriteBack
from ticketing.services.connections import PULLED_KINDS, opened

TASK = "ticketing.tasks.write_back"


def file_write_back(
    correction: Correction, *, by: User, now: datetime, follows: WriteBack | None = None
) -> WriteBack | None:
    """File what the correction changed for its source; None where there is nothing to tell, or nobody.

    Call it in the correction's transaction: the cluster is asked once that is committed. Where nothing can
    write to the source it is a task for people.
    """
    if not correction.after or correction.ref.system.kind not in PULLED_KINDS:
        return None
    can_write = can_write_to(correction.ref)
    filed = WriteBack.objects.create(
        system_ref=correction.ref,
        values=dict(correction.after),
        before=dict(correction.before),
        state=WriteBack.State.WAITING if can_write else WriteBack.State.TO_DO,
        by=by,
        at=now,
        follows=follows,
    )
    if can_write:
        transaction.on_commit(lambda: ask_for(filed))
    return filed


def ask_for(write_back: WriteBack) -> None:
    """Ask the cluster to write it; a second asking finds it written."""
    async_task(TASK, write_back_id=write_back.pk, task_name=f"write back {write_back.pk}")


def can_write_to(ref: SystemRef) -> bool:
    """Whether the ref's system has a connection that can write accounts."""
    connection = SourceConnection.objects.filter(system=ref.system_id).first()
    if connection is None:
        return False
    try:
        with opened(connection) as connector:
            return connector.capabilities.writes_account
    except SourceError:
        return False
