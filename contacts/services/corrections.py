"""Corrects a System Ref by hand: history, golden values and what holds against its source, all in one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from contacts import guards
from contacts.models import FieldChange, HeldValue, Organisation, SystemRef, TicketSystem
from contacts.models import Mapping as Placement
from contacts.models.history import Origin, as_text
from contacts.models.person_details import DETAIL_FIELDS
from contacts.permissions import SystemRight, holds
from contacts.services.arrivals import Arrival
from contacts.services.changes import record_changes
from contacts.services.golden import refresh_golden
from contacts.services.typed_values import Wrong, check_phones, read_typed, typed_text

_NOBODY = Arrival(0, "")


class CannotCorrect(Exception):
    """Says, for the person at the screen, why nothing was changed."""


class MayNotCorrect(CannotCorrect):
    """The user lacks the right to change records of the ref's system."""


class Overtaken(CannotCorrect):
    """Somebody changed the same fields since the page was shown; `theirs` by field is what stands now."""

    def __init__(self, theirs: Mapping[str, str]) -> None:
        super().__init__("Somebody changed this account while you were at it: choose between both values.")
        self.theirs = dict(theirs)


@dataclass(frozen=True)
class Correction:
    """What was changed: by field, as history writes values, what stood before and what stands now."""

    ref: SystemRef
    before: Mapping[str, str]
    after: Mapping[str, str]


@transaction.atomic
def correct(
    ref: SystemRef,
    values: Mapping[str, Any],
    *,
    seen: Mapping[str, str] | None,
    by: User,
    now: datetime,
    stood_before: bool = False,
) -> Correction:
    """Let these detail fields of the ref be what a person says; the others stay.

    `seen`: by field what the person's page showed, as history writes it. A field that they left as they saw
    it is not touched; one that somebody else changed meanwhile raises Overtaken, nothing being written. None:
    the values are meant whatever stands. `stood_before`: they stood here once, be it as numbers that nobody
    could dial. Raises MayNotCorrect, CannotCorrect for a ref that is gone at its
    source or a guard that objects, and Wrong by field. Doing it again changes nothing. Of two callers the
    second waits for the ref's row and meets what the first wrote.
    """
    stands = _locked(ref)
    _check_correctable(stands, by)
    meant = _meant(values, seen)
    details = read_typed(values, meant, now=now) if stood_before else _read(stands, values, meant, now=now)
    changed = _changed(stands, details, seen)
    if changed:
        _ask_guards(stands, changed)
        _hold(stands, changed, by=by, now=now)
    return _written(stands, changed, origin=Origin.HAND, by=by, now=now)


@transaction.atomic
def return_to_source(
    ref: SystemRef, theirs: Mapping[str, str], *, instead_of: Mapping[str, str], now: datetime
) -> Correction:
    """Let fields be what the source says again, where they still are what a person wrote.

    Both by field and as history writes values; `theirs` must be readable, else Wrong. The hand edits hold no
    more. Safe under two callers and twice, as `correct`.
    """
    stands = _locked(ref)
    standing = [name for name in theirs if as_text(getattr(stands, name)) == instead_of.get(name)]
    HeldValue.objects.filter(system_ref=stands, field__in=standing).delete()
    return _as_source_says(stands, theirs, standing, now=now)


@transaction.atomic
def follow_source(
    ref: SystemRef, theirs: Mapping[str, str], *, instead_of: Mapping[str, str], now: datetime
) -> Correction:
    """Let fields be what the source made of what a person wrote, which it has been told.

    As `return_to_source`, but the hand edits hold on: a pull that began before may still bring the old
    values. What it says is what it said last from now on, for hand edits that came since too. Conflicts in
    which the source says now what stands are over. A field that was changed since by anybody but its source
    is left.
    """
    stands = _locked(ref)
    held = set(stands.held_values.values_list("field", flat=True))
    standing = [
        name for name in theirs if as_text(getattr(stands, name)) == instead_of.get(name) or name not in held
    ]
    agreed = [name for name in theirs if name in standing or as_text(getattr(stands, name)) == theirs[name]]
    stands.held_values.conflicts().filter(field__in=agreed).update(differs_since=None)
    for value in stands.held_values.filter(field__in=theirs, differs_since=None):
        value.source_value = theirs[value.field]
        value.save(update_fields=["source_value"])
    return _as_source_says(stands, theirs, standing, now=now)


@transaction.atomic
def hold_against(ref: SystemRef, said: Mapping[str, str | None], *, now: datetime) -> None:
    """Let hand edits meet what their source says for sure, having been told: by field, None for nothing.

    Where it says what stands, or nothing, the hand edit holds no more; where it says anything else, be it
    what it said before, somebody changed it there since, and a person has to choose.
    """
    stands = _locked(ref)
    blanks_count = stands.system.blanks_overwrite
    for held in stands.held_values.filter(field__in=said, differs_since=None):
        theirs = said[held.field]
        if theirs is None or theirs == as_text(getattr(stands, held.field)) or not (theirs or blanks_count):
            held.delete()
        else:
            ours = as_text(getattr(stands, held.field))  # which it has been told: nothing older ends this
            held.source_value, held.held_against, held.differs_since = theirs, ours, now
            held.save(update_fields=["source_value", "held_against", "differs_since"])


@transaction.atomic
def settle(
    held: HeldValue, take_source: bool, *, by: User, now: datetime, seen: str | None = None
) -> Correction:
    """Decide a conflict: the source's new value stands from now on, or the person's goes on holding.

    `seen`: what the page showed as the source's value; raises Overtaken where it says another by now. Raises
    MayNotCorrect, and CannotCorrect for a ref that is gone at its source. Doing it again changes nothing; of
    two people the first decides.
    """
    stands = _locked(held.system_ref)
    _check_correctable(stands, by)
    known = HeldValue.objects.conflicts().filter(pk=held.pk).first()
    if known is None:
        return Correction(stands, {}, {})
    if seen is not None and seen != known.source_value:
        raise Overtaken({known.field: known.source_value})
    if not take_source:
        HeldValue.objects.filter(pk=known.pk).update(
            differs_since=None, held_against=known.source_value, by=by, at=now
        )
        return Correction(stands, {}, {})
    details = read_typed({known.field: known.source_value}, [known.field], now=now)
    known.delete()
    return _written(stands, _differing(stands, details), origin=Origin.HAND, by=by, now=now)


def _as_source_says(
    stands: SystemRef, theirs: Mapping[str, str], fields: Iterable[str], *, now: datetime
) -> Correction:
    details = read_typed(theirs, fields, now=now)
    return _written(stands, _differing(stands, details), origin=Origin.PULL, by=None, now=now)


def _check_correctable(stands: SystemRef, by: User) -> None:
    if not holds(by, SystemRight.CHANGE, stands.system):
        raise MayNotCorrect(f"You may not change accounts of {stands.system.code}.")
    if stands.why_unchangeable:
        raise CannotCorrect(stands.why_unchangeable)


def _differing(stands: SystemRef, details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value != getattr(stands, name)}


def _locked(ref: SystemRef) -> SystemRef:
    refs = SystemRef.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "system__business_unit"
    )
    return refs.get(pk=ref.pk)


def _default_country() -> str:
    return Organisation.load().default_country


def _meant(values: Mapping[str, Any], seen: Mapping[str, str] | None) -> list[str]:
    """The detail fields among the values that the person really wrote something into."""
    given = [name for name in DETAIL_FIELDS if name in values]
    if seen is None:
        return given
    return [name for name in given if name not in seen or typed_text(values[name]) != seen[name]]


def _read(
    stands: SystemRef, values: Mapping[str, Any], meant: Iterable[str], *, now: datetime
) -> dict[str, Any]:
    """Raises Wrong, of all that cannot be taken at once: what cannot be read, and what nobody could dial."""
    errors: dict[str, str] = {}
    try:
        details = read_typed(values, meant, now=now)
    except Wrong as wrong:
        details, errors = wrong.readable, wrong.errors
    try:
        check_phones(details, country=details.get("country") or stands.country or _default_country())
    except Wrong as wrong:
        errors |= wrong.errors
    if errors:
        raise Wrong(errors)
    return details


def _changed(stands: SystemRef, details: Mapping[str, Any], seen: Mapping[str, str] | None) -> dict[str, Any]:
    """The fields that become something else. Raises Overtaken."""
    changed = _differing(stands, details)
    now_there = {name: as_text(getattr(stands, name)) for name in changed}
    theirs = {name: text for name, text in now_there.items() if seen and seen.get(name, text) != text}
    if theirs:
        raise Overtaken(theirs)
    return changed


def _ask_guards(stands: SystemRef, changed: Mapping[str, Any]) -> None:
    details = {name: changed.get(name, getattr(stands, name)) for name in DETAIL_FIELDS}
    arrival = _NOBODY._replace(system_ref=stands.system_ref, **details)
    for verdict in guards.verdicts([arrival], system=stands.system, way_in=Origin.HAND).values():
        if verdict.column in changed:
            raise Wrong({verdict.column: verdict.reason})
        raise CannotCorrect(verdict.reason)


def _hold(stands: SystemRef, changed: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """From now on the values hold against what the source said last, or may have been told in the meantime.

    One that its source said last holds too: the source may say by now what is replaced here.
    """
    if stands.system.kind == TicketSystem.Kind.HAND:
        return
    said = dict(stands.held_values.values_list("field", "source_value"))
    replaced = {name: as_text(getattr(stands, name)) for name in changed}
    against = {
        name: replaced[name] if said.get(name) in (None, as_text(value)) else said[name]
        for name, value in changed.items()
    }
    HeldValue.objects.bulk_create(
        [
            HeldValue(system_ref=stands, field=name, source_value=text, held_against=text, by=by, at=now)
            for name, text in against.items()
        ],
        update_conflicts=True,
        unique_fields=["system_ref", "field"],
        update_fields=["source_value", "held_against", "by", "at", "differs_since"],
    )


def _written(
    stands: SystemRef, changed: Mapping[str, Any], *, origin: Origin, by: User | None, now: datetime
) -> Correction:
    before = {name: as_text(getattr(stands, name)) for name in changed}
    after = {name: as_text(value) for name, value in changed.items()}
    if changed:
        SystemRef.objects.filter(pk=stands.pk).update(**changed)
        for name, value in changed.items():
            setattr(stands, name, value)
        FieldChange.objects.bulk_create(_told(stands, before, after, origin=origin, by=by, now=now))
        contact_ids = Placement.objects.filter(system_ref=stands).values_list("contact", flat=True)
        refresh_golden(contact_ids, now=now)
        record_changes(contact_ids, now=now)
        guards.tell_written([stands.pk], system=stands.system, way_in=origin, now=now)
    return Correction(stands, before, after)


def _told(
    stands: SystemRef,
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    origin: Origin,
    by: User | None,
    now: datetime,
) -> Iterable[FieldChange]:
    return [
        FieldChange(
            system_ref=stands,
            field=name,
            before=before[name],
            after=after[name],
            origin=origin,
            actor=by,
            at=now,
        )
        for name in after
    ]
