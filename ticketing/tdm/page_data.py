"""What the TDM page of a contact shows, over the accounts that the user may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q
from django.http import HttpRequest
from django.utils import timezone

from contacts.admin_access import organisation_of
from contacts.contact_page.lead import Lead, choosable, lead
from contacts.contact_page.parts import Shown
from contacts.contact_page.waiting import WaitingLine, waiting
from contacts.models import (
    Contact,
    GoldenPin,
    GoneRef,
    HeldValue,
    Organisation,
    RelatedName,
    RequestRef,
    SystemRef,
)
from contacts.models import Mapping as Placement
from contacts.models.history import as_text
from contacts.permissions import SystemRight, systems_with
from contacts.services.leaders import leader_first
from contacts.system_rights import why_unchangeable
from ticketing.models import Purchase, WriteBack

PURCHASES_OF_ACCOUNT = 12
PURCHASES_IN_ALL = 40
WRITE_BACKS_SHOWN = 5
WRITE_BACKS_READ = 60
NAMES_SHOWN = 12
# What somebody, or the cluster, still has to deal with.
OPEN = (WriteBack.State.WAITING, WriteBack.State.REFUSED, WriteBack.State.TO_DO)
# What the source says by now, as far as anybody knows.
TOLD = (WriteBack.State.WRITTEN, WriteBack.State.DONE)


@dataclass(frozen=True)
class Tab:
    """One account of the contact: `waits` where something of it is on its way, or needs somebody."""

    ref: SystemRef
    is_primary: bool
    is_open: bool
    gone: GoneRef | None
    conflicts: int
    waits: bool


class Fan(Shown):
    """A contact in the TDM. Everything is read once, in a number of queries that no account adds to."""

    @cached_property
    def gone(self) -> dict[int, GoneRef]:
        """Loaded with the refs."""
        return {ref.pk: ref.departure for ref in self.refs.values() if ref.departure}

    @cached_property
    def account(self) -> SystemRef:
        """The account whose tab is open: the one asked for, else the one that leads."""
        asked = self.asked.get("account", "")
        wanted = int(asked) if asked.isdecimal() and len(asked) < 19 else 0
        return self.refs.get(wanted) or self.leader.system_ref

    @cached_property
    def name(self) -> str:
        parts = [self.golden[f].value for f in ("first_name", "last_name") if f in self.golden]
        return " ".join(map(str, parts))

    @cached_property
    def held(self) -> dict[tuple[int, str], HeldValue]:
        """The values that hold against their source, by ref and field."""
        if not any(getattr(mapping, "has_held", True) for mapping in self.mappings):
            return {}
        rows = HeldValue.objects.filter(system_ref__in=self.refs).select_related("by")
        return {(value.system_ref_id, value.field): value for value in rows}

    @cached_property
    def write_backs(self) -> Sequence[WriteBack]:
        """Of all accounts, the newest first."""
        if not any(getattr(mapping, "has_write_backs", True) for mapping in self.mappings):
            return []
        rows = WriteBack.objects.filter(system_ref__in=self.refs).select_related("by", "settled_by")
        return list(rows.order_by("-pk")[:WRITE_BACKS_READ])

    def waiting(self, organisation: Organisation) -> Sequence[WaitingLine]:
        """What the night is asked to do to the contact, as far as the user may see it."""
        if not any(getattr(mapping, "has_requests", True) for mapping in self.mappings):
            return []
        return waiting(self, organisation)

    @cached_property
    def purchases(self) -> Sequence[Purchase]:
        """The newest in all systems, and the newest of the open account, in one query."""
        of_all = Purchase.objects.filter(system_ref__in=self.refs).order_by("-purchased_at", "-pk")
        newest, of_account = of_all[:PURCHASES_IN_ALL], of_all.filter(system_ref=self.account)
        chosen = Q(pk__in=newest.values("pk")) | Q(pk__in=of_account[:PURCHASES_OF_ACCOUNT].values("pk"))
        found = list(of_all.filter(chosen))
        for purchase in found:
            purchase.system_ref = self.refs[purchase.system_ref_id]
        return found

    @cached_property
    def why_unchangeable(self) -> str:
        """Why the user cannot change the open account; blank where they can."""
        return why_unchangeable(self.user, self.account)

    def tabs(self) -> list[Tab]:
        """One for each account, the one that leads first."""
        leader = self.leader.system_ref_id
        waiting = {w.system_ref_id for w in self.write_backs if w.state in OPEN}
        conflicts = [ref for (ref, _field), value in self.held.items() if value.differs_since]
        return [
            Tab(
                ref=ref,
                is_primary=ref.pk == leader,
                is_open=ref.pk == self.account.pk,
                gone=self.gone.get(ref.pk),
                conflicts=conflicts.count(ref.pk),
                waits=ref.pk in waiting,
            )
            for ref in self.refs.values()
        ]

    def lead(self) -> Lead:
        return lead(self)

    def may_lead(self) -> bool:
        """Whether the user may let the open account lead by hand."""
        return self.account.pk in choosable(self)

    def related_names(self) -> Sequence[RelatedName]:
        """The other people on the open account."""
        if not self.account.related_text:
            return []
        names = RelatedName.objects.filter(system_ref=self.account)
        return list(names.order_by("last_name", "first_name", "pk")[: NAMES_SHOWN + 1])


def fan_of(request: HttpRequest, group_id: int, *, account: str = "") -> Fan | None:
    """The contact as the user of the request may see it; None where they may not, or it is not there."""
    rows = list(_mappings(request, group_id))
    if not rows:
        return None
    mappings = list({row.pk: row for row in rows}.values())
    organisation = organisation_of(request)
    asked = request.GET.dict() | ({"account": account} if account else {})
    return Fan(
        contact=_contact(rows),
        user=request.user,
        mappings=leader_first(mappings),
        now=timezone.now(),
        currency=organisation.currency,
        country=organisation.default_country,
        asked=asked,
    )


def _mappings(request: HttpRequest, group_id: int) -> Any:
    """Those of visible refs with all that is to one of them, and whether there is more to be asked for.

    A mapping comes once for each pin on its ref: pins on refs out of sight choose nothing here.
    """
    return (
        Placement.objects.filter(
            contact=group_id, system_ref__system__in=systems_with(request.user, SystemRight.VIEW)
        )
        .select_related(
            "contact", "system_ref__system__business_unit", "system_ref__gone__merged_into__system"
        )
        .annotate(
            pin=FilteredRelation("system_ref__pins", condition=Q(system_ref__pins__contact=F("contact"))),
            pin_id=F("pin__pk"),
            pin_field=F("pin__field"),
            pin_at=F("pin__at"),
            has_held=Exists(HeldValue.objects.filter(system_ref=OuterRef("system_ref"))),
            has_write_backs=Exists(WriteBack.objects.filter(system_ref=OuterRef("system_ref"))),
            has_requests=Exists(RequestRef.objects.filter(system_ref=OuterRef("system_ref"))),
        )
        .order_by("system_ref__system__rank", "system_ref__system_ref")
    )


def _contact(rows: Sequence[Any]) -> Contact:
    """The contact with its pins, as they came with the mappings."""
    contact = rows[0].contact
    pins = [
        GoldenPin(
            pk=row.pin_id,
            contact=contact,
            field=row.pin_field,
            system_ref_id=row.system_ref_id,
            at=row.pin_at,
        )
        for row in rows
        if row.pin_id
    ]
    contact._prefetched_objects_cache = {"pins": pins}
    return contact


def told_fields(fan: Fan) -> frozenset[str]:
    """The fields of the open account that its source was told as they stand."""
    ref = fan.account
    told = [one for one in fan.write_backs if one.system_ref_id == ref.pk and one.state in TOLD]
    return frozenset(
        name for one in told for name, value in one.values.items() if value == as_text(getattr(ref, name))
    )


def states_in_words(found: Sequence[WriteBack], ref: SystemRef) -> Mapping[str, Any]:
    """The write-backs of an account: those that somebody waits for, then the last that are settled."""
    own = [one for one in found if one.system_ref_id == ref.pk]
    is_open = [one for one in own if one.state in OPEN]
    settled = [one for one in own if one not in is_open]
    return {"open": is_open, "settled": settled[: max(WRITE_BACKS_SHOWN - len(is_open), 1)]}
