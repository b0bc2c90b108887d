"""Lines of tonight's plan as people read them: accounts by name, what is held now, and why."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from contacts.models import Contact, GroupRequest, HeldLine, HeldRef, SystemRef
from contacts.services.golden import golden_of
from sync.models import NightPlan, NightRun, PlanLine, PlanLineRef
from sync.night_effects import BY_RULE, REGROUPED, hold_kind_of
from sync.services.hold_plan_lines import line_hold_kind

# In the order of a plan: the heading of each kind and what its lines are called.
KINDS: Mapping[str, str] = {
    PlanLine.Kind.REQUEST: "Requests that would fail",
    PlanLine.Kind.GROUP: "Group",
    PlanLine.Kind.SPLIT: "Split",
    PlanLine.Kind.REGROUP: "Regroup",
    PlanLine.Kind.PRIMARY: "Primary accounts",
    PlanLine.Kind.PLACE: "Place",
    PlanLine.Kind.GOLDEN: "Golden records",
    PlanLine.Kind.SUMS: "Sums of purchases",
}
_WHY_NOT_HELD = {
    PlanLine.Kind.PLACE: "A new account has to stand somewhere; nobody else changes by it.",
    PlanLine.Kind.GOLDEN: "It is repaired because it is not what the accounts say.",
    PlanLine.Kind.SUMS: "It is repaired because it is not what the purchases say.",
}
_MENDED = {
    PlanLine.Kind.PLACE: "It came in since the last night.",
    PlanLine.Kind.GOLDEN: "It is not what the accounts say.",
    PlanLine.Kind.SUMS: "They are not what the purchases say.",
}


@dataclass(frozen=True)
class Side:
    """A Contact before or after: its number, or "new 1"; its accounts. Blank number: accounts alone.

    `name` is what it is called now, as the reader may see it; blank where that is not asked or not known.
    """

    group_id: str
    refs: Sequence[SystemRef]
    name: str = ""

    @property
    def is_new(self) -> bool:
        """Whether only the night gives it its number."""
        return bool(self.group_id) and not self.group_id.isdigit()


@dataclass(frozen=True)
class ShownLine:
    """One line. `contacts` are those that it is about, by name alone; `holds`: the held lines that keep it;
    `why_not_held` where it cannot be held at all.
    """

    line: PlanLine
    contacts: Sequence[Side]
    before: Sequence[Side]
    after: Sequence[Side]
    fields: Sequence[str]
    why: str
    request: GroupRequest | None
    is_held: bool
    holds: Sequence[HeldLine]
    why_not_held: str

    @property
    def before_text(self) -> str:
        """The accounts before, for a table without colours: "1 (MLB 2001) + 2 (MIN 7)"."""
        return _text(self.before)

    @property
    def after_text(self) -> str:
        """The accounts after, or the fields that are repaired."""
        return ": ".join(part for part in (_text(self.after), ", ".join(self.fields)) if part)

    @property
    def is_over(self) -> bool:
        """Whether the request behind it was settled since the plan was made."""
        return self.request is not None and not self.request.is_open

    @property
    def held_since(self) -> Sequence[tuple[User | None, datetime]]:
        """Who holds it and since when, where that is known."""
        if self.request is not None:
            held_at = self.request.held_at if self.is_held else None
            return [(self.request.held_by, held_at)] if held_at else []
        return [(hold.by, hold.at) for hold in self.holds]


def read_lines(lines: Iterable[PlanLine], *, reader: User | AnonymousUser | None = None) -> list[ShownLine]:
    """The lines in words; five queries for any number of them. Give it only lines that the reader may see.

    With a reader Contacts have names, of the accounts that the reader may see, and of a hold with an account
    out of sight nothing is told but that the line is held: four queries more.
    """
    given = list(lines)
    by_line = refs_of(given)
    refs = _named({ref_id for ids in by_line.values() for ref_id in ids})
    held = _held_refs(refs)
    told = _told_holds(held.values(), reader)
    ids = {line.request_id for line in given if line.request_id}
    requests = GroupRequest.objects.select_related("by", "held_by").in_bulk(ids)
    names = _names(given, reader) if reader is not None else {}
    return [
        _shown(line, by_line.get(line.pk, set()), refs, held, told, requests.get(line.request_id or 0), names)
        for line in given
    ]


def _names(lines: Iterable[PlanLine], reader: User | AnonymousUser) -> dict[str, str]:
    """By GroupID the golden name of the Contacts that lines tell of and that stand now."""
    told = {str(name) for line in lines for name in (*line.group_ids, *line.before, *line.after)}
    ids = [int(name) for name in told if name.isdecimal()]
    rows: Any = Contact.objects.visible_to(reader).with_visible_refs(reader).in_bulk(ids)
    return {str(pk): _name(contact) for pk, contact in rows.items()}


def _name(contact: Any) -> str:
    golden = golden_of(contact.visible_mappings, contact.pins.all())
    return " ".join(str(golden[field].value) for field in ("first_name", "last_name") if field in golden)


def refs_of(lines: Iterable[PlanLine]) -> dict[int, set[int]]:
    """The refs that each line is about; one query."""
    found: dict[int, set[int]] = {}
    rows = PlanLineRef.objects.filter(line__in=[line.pk for line in lines])
    for line_id, ref_id in rows.values_list("line_id", "system_ref_id"):
        found.setdefault(line_id, set()).add(ref_id)
    return found


def as_json(shown: ShownLine) -> dict[str, Any]:
    """A line for programs: numbers of Contacts, new ones as "new 1", and accounts as "MLB 2001"."""
    line = shown.line
    refs = {ref.pk: str(ref) for side in (*shown.before, *shown.after) for ref in side.refs}
    return {
        "kind": line.kind,
        "group_ids": line.group_ids,
        "before": _spelt(line.before, refs),
        "after": _spelt(line.after, refs),
        "held": shown.is_held,
        **({"reason": shown.why} if line.kind == PlanLine.Kind.REQUEST else {}),
    }


def counts_by_kind(plan: NightPlan, user: Any) -> dict[str, int]:
    """How many lines of each kind the reader may see, in the order of a plan; one query."""
    rows = PlanLine.objects.filter(plan=plan).visible_to(user).order_by()
    counts = dict(rows.values_list("kind").annotate(lines=Count("pk", distinct=True)))
    return {kind: counts[kind] for kind in KINDS if kind in counts}


def holds_elsewhere(plan: NightPlan | None, user: Any) -> list[tuple[HeldLine, list[SystemRef]]]:
    """Held lines that the reader may see and that no line of the plan touches any more, with their refs."""
    holds = list(HeldLine.objects.visible_to(user).select_related("by").order_by("-at", "-pk"))
    if not holds:
        return []
    refs_by_hold: dict[int, set[int]] = {}
    for hold_id, ref_id in HeldRef.objects.filter(line__in=holds).values_list("line_id", "system_ref_id"):
        refs_by_hold.setdefault(hold_id, set()).add(ref_id)
    every = {ref_id for ids in refs_by_hold.values() for ref_id in ids}
    touched: set[tuple[str, int]] = set()
    if plan is not None:
        rows = PlanLineRef.objects.filter(line__plan=plan, line__request=None, system_ref__in=every)
        for kind, ref_id in rows.values_list("line__kind", "system_ref_id"):
            touched.add((hold_kind_of(kind, makes_contact_alone=False) or "", ref_id))
    refs = _named(every)
    return [
        (hold, [refs[pk] for pk in sorted(refs_by_hold.get(hold.pk, ())) if pk in refs])
        for hold in holds
        if not any((hold.kind, ref_id) in touched for ref_id in refs_by_hold.get(hold.pk, ()))
    ]


def outdated_by(plan: NightPlan, user: User | AnonymousUser) -> str:
    """What happened since an outdated plan was made, as far as this reader may know it; two queries."""
    since = plan.made_at or plan.filed_at
    if NightRun.objects.filter(started_at__gt=since).exists():
        return "A night ran since this plan was made: what stands here may be done already."
    filed = GroupRequest.objects.visible_to(user).filter(filed_at__gt=since).count()
    if filed:
        return f"{filed:,} request{'' if filed == 1 else 's'} came in since this plan was made."
    return "Something changed since this plan was made: records, requests, rules or holds."


def touching(lines: QuerySet[PlanLine]) -> QuerySet[PlanLine]:
    """Those of the lines that somebody holds now."""
    regrouping = Q(kind__in=REGROUPED, request=None) & ~Q(before={})
    switching = Q(kind=PlanLine.Kind.PRIMARY, reason=BY_RULE)
    return lines.filter(
        Q(request__state=GroupRequest.State.HELD)
        | (regrouping & _touches(HeldLine.Kind.REGROUP))
        | (switching & _touches(HeldLine.Kind.PRIMARY))
    )


def _touches(kind: HeldLine.Kind) -> Q:
    held = HeldRef.objects.filter(kind=kind).values("system_ref")
    return Q(Exists(PlanLineRef.objects.filter(line=OuterRef("pk"), system_ref__in=held)))


def _text(sides: Sequence[Side]) -> str:
    return " + ".join(_side_text(side) for side in sides)


def _side_text(side: Side) -> str:
    accounts = ", ".join(str(ref) for ref in side.refs)
    return f"{side.group_id} ({accounts})" if side.group_id else accounts


def _shown(
    line: PlanLine,
    ref_ids: Collection[int],
    refs: Mapping[int, SystemRef],
    held: Mapping[tuple[str, int], HeldLine],
    told: AbstractSet[int],
    request: GroupRequest | None,
    names: Mapping[str, str],
) -> ShownLine:
    kind = line_hold_kind(line) or ""
    holds = {held[kind, ref_id].pk: held[kind, ref_id] for ref_id in ref_ids if (kind, ref_id) in held}
    if request is not None:
        holds = {}
    is_told = holds.keys() <= told
    why_not_held = "" if kind else _WHY_NOT_HELD.get(PlanLine.Kind(line.kind), "It is over.")
    return ShownLine(
        line=line,
        contacts=[Side(name, [], names.get(name, "")) for name in map(str, line.group_ids)],
        before=_sides(line.before, refs, names),
        after=_sides(
            line.after, refs, {name: names.get(name, "") for name in line.after.keys() - line.before}
        ),
        fields=[str(name).replace("_", " ") for name in line.after.get("fields", ())],
        why=line.reason or ("" if request else _MENDED.get(PlanLine.Kind(line.kind), "")),
        request=request,
        is_held=request.state == GroupRequest.State.HELD if request else bool(holds),
        holds=[hold for hold in holds.values() if hold.pk in told],
        why_not_held="" if request else (why_not_held if is_told else "It is held."),
    )


def _sides(told: Mapping[str, Any], refs: Mapping[int, SystemRef], names: Mapping[str, str]) -> list[Side]:
    if "fields" in told:
        return [Side("", [refs[pk]]) for pk in [told.get("account", 0)] if pk in refs]
    if "primary" in told:
        return [Side("", [refs[pk]]) for pk in (told["primary"],) if pk in refs]
    return [
        Side(name, [refs[pk] for pk in ids if pk in refs], names.get(name, "")) for name, ids in told.items()
    ]


def _spelt(told: Mapping[str, Any], refs: Mapping[int, str]) -> dict[str, Any]:
    """Refs by name; one that was removed since the plan was made is left out."""
    spelt: dict[str, Any] = {}
    for name, value in told.items():
        if name == "fields":
            spelt[name] = list(value)
        elif isinstance(value, int):
            spelt[name] = refs.get(value, "")
        else:
            spelt[name] = [refs[pk] for pk in value if pk in refs]
    return spelt


def _named(ref_ids: Collection[int]) -> dict[int, SystemRef]:
    rows = SystemRef.objects.filter(pk__in=list(ref_ids)).select_related("system__business_unit")
    return {ref.pk: ref for ref in rows}


def _held_refs(ref_ids: Collection[int]) -> dict[tuple[str, int], HeldLine]:
    rows = HeldRef.objects.filter(system_ref__in=list(ref_ids)).select_related("line__by")
    return {(row.kind, row.system_ref_id): row.line for row in rows}


def _told_holds(holds: Iterable[HeldLine], reader: User | AnonymousUser | None) -> set[int]:
    """Those of which the reader may see every ref."""
    ids = {hold.pk for hold in holds}
    if reader is None or not ids:
        return ids
    return set(HeldLine.objects.visible_to(reader).filter(pk__in=ids).values_list("pk", flat=True))
