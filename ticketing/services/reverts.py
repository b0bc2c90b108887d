"""Reverts one change of an account: what stood before stands again, here and at its source."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from contacts.models import FieldChange, SystemRef
from contacts.models.history import as_text
from contacts.models.person_details import DETAIL_FIELDS, name_of
from contacts.permissions import SystemRight, holds
from contacts.services.corrections import CannotCorrect, MayNotCorrect
from ticketing.services.submit import Submitted, submit


class CannotRevert(CannotCorrect):
    """Says, for the person at the screen, why there is nothing to go back to."""


@transaction.atomic
def revert(change: FieldChange, *, by: User, now: datetime) -> Submitted:
    """Submit what stood in the change's field before it, whoever changed it, and whatever stands now.

    What stood here is taken, be it a number that nobody could dial. It holds as every hand edit does: the
    source's coming with the reverted value again changes nothing.
    Raises MayNotCorrect without the right to change the account, whatever the change is; CannotRevert for
    what is no change of a value, or where that stands already; and what `submit` raises. Of two people who
    revert one change at once the second is told.
    """
    system = change.system_ref.system
    if not holds(by, SystemRight.CHANGE, system):  # before anything is said about the change
        raise MayNotCorrect(f"You may not change accounts of {system.code}.")
    if why_not := why_not_revertible(change):
        raise CannotRevert(why_not)
    ref = SystemRef.objects.select_for_update(no_key=True, of=("self",)).get(pk=change.system_ref_id)
    if as_text(getattr(ref, change.field)) == change.before:
        raise CannotRevert(f"This is what the {name_of(change.field)} is already.")
    return submit(ref, {change.field: change.before}, seen=None, by=by, now=now, stood_before=True)


def why_not_revertible(change: FieldChange) -> str:
    """Why a line of history cannot be reverted, as a sentence; blank where it can."""
    if not change.field:
        return "This is how the account came: there is nothing before it."
    if change.field not in DETAIL_FIELDS:
        return "Only the source can change this."
    return ""
