"""Submit: a rep's change of an account, with its history, queue objects and write-back, all or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from contacts.models import HeldValue, SystemRef
from contacts.models.history import as_text
from contacts.services.corrections import Correction, correct, settle
from ticketing.models import WriteBack
from ticketing.services.write_backs import (
    CannotSettle,
    State,
    check_may_settle,
    file_write_backs,
    locked,
    withdraw,
)


@dataclass(frozen=True)
class Submitted:
    """What was changed here, and what was filed for the source: to be written, to be done by people, both."""

    correction: Correction
    write_backs: tuple[WriteBack, ...]

    @property
    def write_back(self) -> WriteBack | None:
        """The first that was filed; None where there is nothing to file."""
        return self.write_backs[0] if self.write_backs else None


@transaction.atomic
def submit(
    ref: SystemRef,
    values: Mapping[str, Any],
    *,
    seen: Mapping[str, str] | None,
    by: User,
    now: datetime,
    follows: WriteBack | None = None,
    stood_before: bool = False,
) -> Submitted:
    """Change an account as `contacts.services.corrections.correct` does, and file it for its source.

    `follows`: the refused write-back that this one corrects. Raises what `correct` raises, nothing being
    written then. Safe under two callers: the ref's row is held until all of it is committed.
    """
    correction = correct(ref, values, seen=seen, by=by, now=now, stood_before=stood_before)
    return Submitted(correction, file_write_backs(correction, by=by, now=now, follows=follows))


@transaction.atomic
def send_again(
    write_back: WriteBack,
    values: Mapping[str, Any],
    *,
    by: User,
    now: datetime,
    seen: Mapping[str, str] | None = None,
) -> Submitted:
    """Submit the values of a refused write-back anew, corrected; the old one says so.

    Raises what `submit` raises, and CannotSettle where it is not refused any more: of two people who send
    it again, the second is told.
    """
    stands = locked(write_back)
    check_may_settle(stands, by)
    if stands.state != State.REFUSED:
        raise CannotSettle(f"This change is {stands.get_state_display()} by now. Look again.")
    submitted = submit(stands.system_ref, values, seen=seen, by=by, now=now, follows=stands)
    stands.state, stands.settled_by, stands.settled_at = State.SENT_AGAIN, by, now
    if not submitted.write_backs:  # the source says so already
        stands.state = State.DROPPED
    stands.save(update_fields=["state", "settled_by", "settled_at"])
    return submitted


@transaction.atomic
def settle_conflict(
    held: HeldValue, take_source: bool, *, by: User, now: datetime, seen: str | None = None
) -> Submitted:
    """Decide a conflict as `contacts.services.corrections.settle` does, and let the source know.

    What still had to reach the source of it is withdrawn; the person's value, where it is kept, is filed
    anew, against what the source says now. Raises what `settle` raises.
    """
    ref = SystemRef.objects.select_for_update(no_key=True, of=("self",)).get(pk=held.system_ref_id)
    open_one = HeldValue.objects.conflicts().filter(pk=held.pk).first()
    correction = settle(held, take_source, by=by, now=now, seen=seen)
    if open_one is None:
        return Submitted(correction, ())
    ours = {open_one.field: as_text(getattr(ref, open_one.field))}
    withdraw(ref, ours, by=by, now=now)
    if take_source:
        return Submitted(correction, ())
    kept = Correction(correction.ref, {open_one.field: open_one.source_value}, ours)
    return Submitted(correction, file_write_backs(kept, by=by, now=now))
