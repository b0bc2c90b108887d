"""Looks again at accounts that were written, and that no pull has brought as they were written since."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice

from django.db.models import Exists, OuterRef

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.models import HeldValue, SystemRef
from contacts.models.any_of import AnyOf
from contacts.services.corrections import hold_against
from ticketing.connectors.base import Connector, SourceError
from ticketing.models import SourceConnection, WriteBack
from ticketing.services.carry_out import MEETS_ALL
from ticketing.services.connections import opened
from ticketing.services.pull_download import Clock
from ticketing.services.source_values import said_of

MOST_AT_ONCE = 200  # accounts
State = WriteBack.State


def confirm_written(connection: SourceConnection, *, clock: Clock) -> int:
    """Settle hand edits that were written before the last pull began and hold still; returns for how many
    accounts.

    That pull would have released them, had it brought the account as it was written. Either the source's
    moment of change does not move with our write, or somebody changed it back there: the account itself
    tells. No pull that could bring what was before the write is under way any more. What cannot be read is
    left for the next time.
    """
    fields = {} if connection.is_paused else _unconfirmed(connection)
    if not fields:
        return 0
    try:
        with exclusive(f"write back {connection.pk}"), opened(connection) as connector:
            refs = SystemRef.objects.standing().filter(pk__in=fields).select_related("system")
            return sum(_confirm(ref, fields[ref.pk], connector, connection, now=clock()) for ref in refs)
    except (AlreadyRunning, SourceError):
        return 0


def _confirm(
    ref: SystemRef,
    fields: Collection[str],
    connector: Connector,
    connection: SourceConnection,
    *,
    now: datetime,
) -> bool:
    """Let one account tell; whether it was there and could be read. Raises what meets all others too."""
    try:
        account = connector.read_account(ref.system_ref)
        said = said_of(account, connection, now=now) if account else {}
    except MEETS_ALL:
        raise
    except SourceError:
        return False
    if account:
        hold_against(ref, {name: said.get(name) for name in fields}, now=now)
    return account is not None


def _unconfirmed(connection: SourceConnection) -> Mapping[int, set[str]]:
    """By the ref's id, the fields that hold though they were written, nothing of them being on its way."""
    began = connection.fresh_as_of
    if began is None:
        return {}
    written = WriteBack.objects.filter(
        system_ref=OuterRef("system_ref"), state=State.WRITTEN, settled_at__lt=began
    )
    held: dict[int, set[str]] = defaultdict(set)
    holding = HeldValue.objects.filter(system_ref__system=connection.system_id, differs_since=None)
    for ref_id, name in holding.filter(Exists(written)).values_list("system_ref", "field"):
        held[ref_id].add(name)
    sure: dict[int, set[str]] = defaultdict(set)
    told = WriteBack.objects.filter(AnyOf("system_ref", list(held))).order_by("pk")
    for write_back in told.iterator():
        if write_back.state == State.WRITTEN and (write_back.settled_at or began) < began:
            sure[write_back.system_ref_id] |= write_back.values.keys()
        elif write_back.state in (State.WAITING, State.TO_DO, State.WRITTEN):
            sure[write_back.system_ref_id] -= write_back.values.keys()
    found = ((ref_id, both) for ref_id in sorted(held) if (both := sure[ref_id] & held[ref_id]))
    return dict(islice(found, MOST_AT_ONCE))
