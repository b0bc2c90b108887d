"""Submit: a rep's change of an account, with its history, queue objects and write-back, all or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from contacts.models import SystemRef
from contacts.services.corrections import Correction, correct
from ticketing.models import WriteBack
from ticketing.services.write_backs import file_write_back


@dataclass(frozen=True)
class Submitted:
    """What was changed here, and what was filed for the source; None where there is nothing to file."""

    correction: Correction
    write_back: WriteBack | None


@transaction.atomic
def submit(
    ref: SystemRef,
    values: Mapping[str, Any],
    *,
    seen: Mapping[str, str] | None,
    by: User,
    now: datetime,
    follows: WriteBack | None = None,
) -> Submitted:
    """Change an account as `contacts.services.corrections.correct` does, and file it for its source.

    `follows`: the refused write-back that this one corrects. Raises what `correct` raises, nothing being
    written then. Safe under two callers: the ref's row is held until all of it is committed.
    """
    correction = correct(ref, values, seen=seen, by=by, now=now)
    return Submitted(correction, file_write_back(correction, by=by, now=now, follows=follows))
