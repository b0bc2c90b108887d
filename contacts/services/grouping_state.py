"""Keeps between runs what grouping knows of each ref: prints and keys, and who has to be grouped again."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction

from contacts.bulk import insert_table
from contacts.columnar import among, read_table
from contacts.grouping.keys import KEYS_SCHEMA, KNOWN_SCHEMA
from contacts.models import AppliedDecision, GroupDecision, GroupedRef, PendingRef, SystemRef
from contacts.services.grouping_input import only

ROWS_AT_ONCE = 5_000
_NUMBER = pa.schema([("number", pa.int64())])


@dataclass(frozen=True)
class Pending:
    """What no run has looked at yet, as seen at one moment: marks on refs, and decisions made or lifted."""

    marks: Sequence[int]
    ref_ids: Sequence[int]
    made: Sequence[int]
    lifted: Sequence[int]

    def __bool__(self) -> bool:
        return bool(self.ref_ids)


def read_pending() -> Pending:
    """Read it before the refs: what changes in between is marked anew, and waits for the next run."""
    marked = read_table(
        "SELECT id, system_ref_id FROM contacts_pendingref",
        pa.schema([("id", pa.int64()), ("ref_id", pa.int64())]),
    )
    ref_ids = set(marked["ref_id"].to_pylist())
    made: list[int] = []
    lifted: list[int] = []
    rows = GroupDecision.objects.pending().values_list("pk", "until", "left_id", "right_id")
    for pk, until, left, right in rows:
        (made if until is None else lifted).append(pk)
        ref_ids |= {left, right}
    return Pending(marked["id"].to_pylist(), sorted(ref_ids), made, lifted)


def settle_pending(pending: Pending, *, waiting: Collection[int], now: datetime) -> None:
    """A run is done with these, but for the `waiting` refs, which are marked for the next one."""
    for lifted in _chunks(pending.lifted):
        AppliedDecision.objects.filter(pk__in=lifted).delete()
    for chunk in _chunks(pending.made):
        with transaction.atomic():
            made = GroupDecision.objects.filter(pk__in=chunk)
            AppliedDecision.objects.bulk_create(
                [AppliedDecision(decision_id=pk, at=now) for pk in made.values_list("pk", flat=True)]
            )
    for marks in _chunks(pending.marks):
        condition, params = among("id", marks)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM contacts_pendingref WHERE {condition}", params)
    mark_pending(waiting)


def lift_spent_decisions(*, now: datetime) -> int:
    """End the decisions for one run that an earlier night's went by; returns how many.

    By the moment, not by the run: a night that was cut off and is taken up bears the same, and what it has
    parted is still to be seen in the morning (R-CM-23).
    """
    spent = GroupDecision.objects.standing().filter(is_for_one_run=True, applied__at__lt=now)
    return spent.update(until=now) if spent.exists() else 0


def mark_pending(ref_ids: Collection[int]) -> None:
    """Have these refs grouped again by the next run; those that are gone are left out."""
    for chunk in _chunks(sorted(ref_ids)):
        with transaction.atomic():
            living = SystemRef.objects.filter(pk__in=chunk).values_list("pk", flat=True)
            PendingRef.objects.bulk_create(
                [PendingRef(system_ref_id=pk) for pk in living], ignore_conflicts=True
            )


def known_prints(ref_ids: Collection[int] | None = None) -> pa.Table:
    """KNOWN_SCHEMA of these refs, or of all, as they were grouped last."""
    condition, params = only("system_ref_id", ref_ids)
    return read_table(
        f"SELECT system_ref_id, content FROM contacts_groupedref{condition}", KNOWN_SCHEMA, params
    )


def kept_keys(ref_ids: Collection[int]) -> pa.Table:
    """KEYS_SCHEMA of these refs as they were grouped last."""
    condition, params = among("system_ref_id", ref_ids)
    columns = ", ".join(["system_ref_id", *KEYS_SCHEMA.names[1:]])
    return read_table(f"SELECT {columns} FROM contacts_groupedref WHERE {condition}", KEYS_SCHEMA, params)


def holders(keys: Mapping[str, Collection[int]]) -> set[int]:
    """The refs that hold one of these keys: numbers by slot, or by "content"."""
    found: set[int] = set()
    for slot, numbers in keys.items():
        if numbers:
            condition, params = among(slot, numbers)
            table = read_table(
                f"SELECT system_ref_id FROM contacts_groupedref WHERE {condition}", _NUMBER, params
            )
            found.update(table["number"].to_pylist())
    return found


def write_keys(keys: pa.Table) -> None:
    """Keep these prints and keys (KEYS_SCHEMA) in the place of what was known of the refs.

    In transactions of a few thousand rows; refs that have gone since are left out.
    """
    for start in range(0, keys.num_rows, ROWS_AT_ONCE):
        chunk = keys.slice(start, ROWS_AT_ONCE)
        with transaction.atomic():
            condition, params = among("system_ref_id", chunk["ref_id"].to_pylist())
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM contacts_groupedref WHERE {condition}", params)
            condition, params = among("id", chunk["ref_id"].to_pylist())
            living = read_table(f"SELECT id FROM contacts_systemref WHERE {condition}", _NUMBER, params)
            chunk = chunk.filter(pc.is_in(chunk["ref_id"], living["number"]))
            insert_table(GroupedRef, chunk.rename_columns(["system_ref", *KEYS_SCHEMA.names[1:]]))


def _chunks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        yield numbers[start : start + ROWS_AT_ONCE]
