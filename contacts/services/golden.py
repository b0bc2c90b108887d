"""Golden values from mappings: the one bridge between the tables and `survivorship`."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import pyarrow as pa
from django.db import transaction

from contacts.bulk import update_rows
from contacts.columnar import moment
from contacts.models import Contact, GoldenPin, Mapping, SystemRef
from contacts.models.any_of import AnyOf
from contacts.models.person_details import DETAIL_FIELDS, PersonDetails
from contacts.services.changes import record_changes
from contacts.services.leaders import leader_of
from contacts.survivorship import ADDRESS, ADDRESS_FIELDS, Golden, RefValues, golden_values
from contacts.survivorship_tables import FACT_SCHEMA, facts

_BLANKS = {field.name: field.get_default() for field in PersonDetails._meta.local_fields}
_FACTS = ("rank", "arrived_at", "created_at", "updated_at", "system_ref", "last_purchased_at", "spent_total")
_READ = (
    "contact_id",
    "system_ref_id",
    "is_primary",
    "system_ref__system__rank",
    *(f"system_ref__{name}" for name in _FACTS[1:]),
    *(f"system_ref__{name}" for name in DETAIL_FIELDS),
)
_FIRST_DETAIL = len(_READ) - len(DETAIL_FIELDS)

# What survivorship needs of refs in a table, and the SQL for it over `ref` and its `system`.
DETAIL_SCHEMA = pa.schema(
    [(name, pa.date32() if blank is None else pa.string()) for name, blank in _BLANKS.items()]
)
FACTS_AND_DETAILS = pa.schema([*(FACT_SCHEMA.field(name) for name in facts()), *DETAIL_SCHEMA])
REF_COLUMNS = {
    "system_rank": "system.rank",
    "updated_at": moment("ref.updated_at"),
    "created_at": moment("ref.created_at"),
    "last_purchased_at": moment("ref.last_purchased_at"),
}


def golden_of(mappings: Sequence[Mapping], pins: Iterable[GoldenPin]) -> dict[str, Golden]:
    """The golden values over these mappings of one Contact, each with the ref it comes from.

    Given all mappings it is what the Contact stores; given those visible to a user, what that user is shown.
    Where the primary is not among them, the one that is shown as such leads. Of several pins on a field the
    newest counts among those to the refs given. Asks the database nothing when `system_ref__system` and
    `system_ref__gone` are loaded with the mappings.
    """
    leader = leader_of(mappings) if mappings else None
    given = {mapping.system_ref_id for mapping in mappings}
    counted = sorted((p for p in pins if p.system_ref_id in given), key=lambda pin: (pin.at, pin.pk))
    return golden_values(
        [_ref_values(mapping.system_ref, is_primary=mapping is leader) for mapping in mappings],
        {pin.field: pin.system_ref_id for pin in counted},
    )


def golden_rows(contact_ids: Sequence[int]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """What each of these Contacts should store, as (id, the values of DETAIL_FIELDS), over all its refs.

    Two queries for a few thousand Contacts; Contacts without refs are left out.
    """
    pins = _pins_of(contact_ids)
    rows = Mapping.objects.filter(contact__in=contact_ids).order_by("contact_id").values_list(*_READ)
    for contact_id, members in groupby(rows, key=lambda row: row[0]):
        alike = list(members)
        if len(alike) == 1:  # most people: their one ref says it all
            yield contact_id, alike[0][_FIRST_DETAIL:]
            continue
        golden = golden_values([_from_row(row) for row in alike], pins.get(contact_id, {}))
        yield contact_id, _as_stored(golden)


def origins(contact_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """For each of these Contacts, the ref that each of its golden values comes from, over all its refs.

    By what can be pinned: the address is one block. Two queries for a few thousand Contacts.
    """
    pins = _pins_of(contact_ids)
    rows = Mapping.objects.filter(AnyOf("contact", contact_ids)).order_by("contact_id").values_list(*_READ)
    found: dict[int, dict[str, int]] = {}
    for contact_id, members in groupby(rows, key=lambda row: row[0]):
        golden = golden_values([_from_row(row) for row in members], pins.get(contact_id, {}))
        found[contact_id] = {
            ADDRESS if field in ADDRESS_FIELDS else field: value.ref_id for field, value in golden.items()
        }
    return found


def refresh_golden(contact_ids: Iterable[int], *, now: datetime) -> int:
    """Store the golden values of these Contacts where they differ from what stands; returns how many did.

    Call it in the transaction that changed their refs, mappings or pins, with at most a few thousand ids. It
    locks the Contacts in the order of their ids, so that two callers never wait for each other, and notes
    each changed Contact for the CRMs.
    """
    wanted = sorted(set(contact_ids))
    if not wanted:
        return 0
    with transaction.atomic():
        locked = Contact.objects.filter(pk__in=wanted).select_for_update().order_by("pk")
        stands = {pk: tuple(values) for pk, *values in locked.values_list("pk", *DETAIL_FIELDS)}
        changed = [
            (*values, contact_id)
            for contact_id, values in golden_rows(wanted)
            if contact_id in stands and stands[contact_id] != values
        ]
        update_rows(Contact, DETAIL_FIELDS, changed)
        record_changes((row[-1] for row in changed), now=now)
    return len(changed)


def _pins_of(contact_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """By Contact and field, of several the newest."""
    pins: dict[int, dict[str, int]] = {}
    newest_last = GoldenPin.objects.filter(contact__in=contact_ids).order_by("at", "pk")
    for contact_id, field, ref_id in newest_last.values_list("contact_id", "field", "system_ref_id"):
        pins.setdefault(contact_id, {})[field] = ref_id
    return pins


def _as_stored(golden: dict[str, Golden]) -> tuple[Any, ...]:
    return tuple(golden[name].value if name in golden else blank for name, blank in _BLANKS.items())


def _from_row(row: Sequence[Any]) -> RefValues:
    _contact, ref_id, is_primary, rank, arrived, created, updated, system_ref, purchased, spent, *values = row
    return RefValues(
        ref_id=ref_id,
        is_primary=is_primary,
        system_rank=rank,
        arrived_at=arrived,
        created_at=created,
        updated_at=updated,
        system_ref=system_ref,
        last_purchased_at=purchased,
        spent_total=float(spent),
        values=dict(zip(DETAIL_FIELDS, values, strict=True)),
    )


def _ref_values(ref: SystemRef, *, is_primary: bool) -> RefValues:
    return RefValues(
        ref_id=ref.pk,
        is_primary=is_primary,
        system_rank=ref.system.rank,
        arrived_at=ref.arrived_at,
        created_at=ref.created_at,
        updated_at=ref.updated_at,
        system_ref=ref.system_ref,
        last_purchased_at=ref.last_purchased_at,
        spent_total=float(ref.spent_total),
        values={field: getattr(ref, field) for field in DETAIL_FIELDS},
    )
