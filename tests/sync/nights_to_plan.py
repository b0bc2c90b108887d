"""A base with everything that a night can have to do, and how to tell what a night did by other means."""

import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from django.apps import apps

from contacts.models import Contact, GroupChange, GroupDecision, Mapping, PrimaryRule, SystemRef
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.golden import refresh_golden
from contacts.services.group_requests import file_grouping, file_split, file_undo, file_ungrouping
from contacts.services.group_requests_applied import apply_requests
from contacts.services.primary_order import GivenRule
from contacts.services.regroup import regroup
from sync.models import NightRun, PlanLine
from sync.night import NIGHT, Step
from sync.night_effects import Effect, with_new_numbers
from sync.services.read_effects import known_group_ids, primary_effects
from sync.services.rehearse_night import read_off
from sync.services.run_night import run_night
from tests.factories import NOW, PurchaseFactory, TicketSystemFactory
from tests.factories.primary_rules import put_in_force
from ticketing.services.purchases import refresh_sums

NIGHT_AT = NOW + dt.timedelta(hours=14)
SUMS = ("spent_total", "last_purchased_at", "holds_season_ticket")
_SUMS_CALLED = dict(zip(SUMS, ("spent", "last purchase", "season ticket"), strict=True))


def person(number: int, **more) -> dict:
    """Somebody who is nobody else."""
    a, b = chr(97 + number % 26), chr(97 + number // 26 % 26)
    return {
        "first_name": f"Ann{a}{b}{a}",
        "last_name": f"Lee{b}{a}{b}",
        "email": f"person{number}@example.org",
        **more,
    }


def arrive(system, *people: dict) -> list[SystemRef]:
    start = SystemRef.objects.count()
    return SystemRef.objects.bulk_create(
        SystemRef(system=system, system_ref=str(1000 + start + n), arrived_at=NOW, **values)
        for n, values in enumerate(people)
    )


def contact_of(ref: SystemRef) -> Contact:
    return Contact.objects.get(mappings__system_ref=ref)


def edited(ref: SystemRef, **values) -> None:
    """As by a pull: the golden values of its Contact follow at once."""
    SystemRef.objects.filter(pk=ref.pk).update(**values)
    refresh_golden([contact_of(ref).pk], now=NOW)


def night_with_everything(seed: int) -> None:
    """Thirty people, twelve of them in two systems, and for the coming night some of each kind of work.

    `seed` deals out who is concerned; two cards in three are played.
    """
    dice = random.Random(seed)
    major, minor = TicketSystemFactory(code="MAJ", rank=2), TicketSystemFactory(code="MIN", rank=1)
    small = arrive(minor, *map(person, range(30)))
    large = arrive(major, *map(person, range(12)))
    regroup(now=NOW)
    singles, pairs = small[12:], list(zip(small, large, strict=False))
    dice.shuffle(singles)
    dice.shuffle(pairs)
    early = file_grouping(contact_of(singles[0]), [contact_of(singles[1])], by=None, now=NOW)
    apply_requests(NOW)
    regroup(now=NOW)
    put_in_force(GivenRule(PrimaryRule.Kind.LATEST_PURCHASE))
    number = 100

    def same_as(ref: SystemRef) -> dict:
        return {name: getattr(ref, name) for name in ("first_name", "last_name", "email")}

    def move_over() -> None:
        """An account of one person comes to say that it is another's: a split and a join at once."""
        edited(pairs[4][1], **same_as(pairs[5][0]))

    def refused() -> None:
        file_grouping(contact_of(singles[2]), [contact_of(singles[3])], by=None, now=NOW)
        left, right = sorted((singles[2].pk, singles[3].pk))
        GroupDecision.objects.create(kind="never", left_id=left, right_id=right, since=NOW)

    def bought() -> None:
        """Who does not lead bought last."""
        PurchaseFactory(system_ref=pairs[7][1], status="paid")
        refresh_sums([pairs[7][1].pk], now=NOW)

    cards: Sequence[Callable[[], object]] = (
        lambda: file_undo(GroupChange.objects.get(request=early), by=None, now=NOW),
        lambda: file_grouping(
            contact_of(singles[4]), [contact_of(r) for r in singles[5:7]], by=None, now=NOW
        ),
        lambda: file_ungrouping(contact_of(pairs[0][0]), by=None, now=NOW),
        lambda: file_split(contact_of(pairs[1][0]), [[pairs[1][1].pk]], by=None, now=NOW),
        refused,
        move_over,
        bought,
        lambda: arrive(major, *(same_as(ref) for ref in singles[7:9])),
        lambda: arrive(minor, *map(person, range(number, number + 3))),
        lambda: edited(pairs[2][0], **person(number + 10)),
        lambda: Contact.objects.filter(pk=contact_of(singles[9]).pk).update(
            city="Nowhere", email="x@y.example"
        ),
        lambda: Contact.objects.filter(pk=contact_of(pairs[3][0]).pk).update(last_name="Stale"),
        lambda: SystemRef.objects.filter(pk=singles[10].pk).update(spent_total=5),
        lambda: PurchaseFactory(system_ref=pairs[6][0], status="paid"),
        lambda: PurchaseFactory(system_ref=pairs[8][1], status="paid"),
    )
    for card in cards if not seed else dice.sample(cards, 10):
        card()


@dataclass
class Night:
    """A night that was run, and the effects that were read off its steps."""

    run: NightRun
    effects: list[Effect]


def run_and_read() -> Night:
    """Run the real night, and read off what each of its steps did."""
    known = known_group_ids()
    effects: list[Effect] = []

    def reading(step: Step) -> Step:
        read = _READ.get(step.name)
        if read is None:
            return step

        def run(now, progress):
            effects.extend(read(step, now, progress))
            return {}

        return replace(step, run=run)

    run = run_night(
        trigger=NightRun.Trigger.SCHEDULE,
        now=NIGHT_AT,
        clock=lambda: NIGHT_AT,
        steps=[reading(step) for step in NIGHT],
    )
    return Night(run, with_new_numbers(effects, known_up_to=known))


def _golden(step: Step, now, progress) -> list[Effect]:
    """By comparing every golden value before and after."""
    before = {pk: values for pk, *values in Contact.objects.values_list("pk", *DETAIL_FIELDS)}
    step.run(now, progress)
    effects = []
    for pk, *values in Contact.objects.order_by("pk").values_list("pk", *DETAIL_FIELDS):
        fields = [n for n, was, is_ in zip(DETAIL_FIELDS, before[pk], values, strict=True) if was != is_]
        if fields:
            refs = frozenset(Mapping.objects.filter(contact=pk).values_list("pk", flat=True))
            effects.append(Effect(PlanLine.Kind.GOLDEN, {}, {"fields": fields}, refs, (pk,)))
    return effects


def _sums(step: Step, now, progress) -> list[Effect]:
    """By comparing every sum before and after."""
    before = {pk: values for pk, *values in SystemRef.objects.values_list("pk", *SUMS)}
    step.run(now, progress)
    effects = []
    for pk, *values in SystemRef.objects.order_by("pk").values_list("pk", *SUMS):
        fields = [_SUMS_CALLED[n] for n, was, is_ in zip(SUMS, before[pk], values, strict=True) if was != is_]
        if fields:
            told = {"account": pk, "fields": fields}
            group = Mapping.objects.get(pk=pk).contact_id
            effects.append(Effect(PlanLine.Kind.SUMS, {}, told, frozenset([pk]), (group,)))
    return effects


_READ = {
    "Apply requests": read_off,
    "Group System Refs": read_off,
    "Refresh golden records": _golden,
    "Recount purchases": _sums,
    "Apply primary rules": lambda *given: read_off(*given, effects_since=primary_effects),
}


def groups() -> dict[str, list[int]]:
    """Who stands where: the refs of each Contact."""
    found: dict[str, list[int]] = {}
    for contact_id, ref_id in Mapping.objects.order_by("pk").values_list("contact_id", "pk"):
        found.setdefault(str(contact_id), []).append(ref_id)
    return found


def leaders() -> dict[str, int]:
    """The ref that leads each Contact."""
    return {str(c): ref for c, ref in Mapping.objects.filter(is_primary=True).values_list("contact_id", "pk")}


def played(lines: Sequence[Effect], before: dict[str, list[int]]) -> dict[str, list[int]]:
    """The groups after a night that did these lines and nothing else."""
    stands = dict(before)
    regrouping = {PlanLine.Kind.GROUP, PlanLine.Kind.SPLIT, PlanLine.Kind.REGROUP, PlanLine.Kind.PLACE}
    for line in lines:
        if line.kind in regrouping:
            assert {pk: stands[pk] for pk in line.before} == dict(line.before)
            for group_id in line.before:
                del stands[group_id]
            stands.update(line.after)
    return stands


def with_names_of_new(after: dict[str, list[int]], *, known_up_to: int) -> dict[str, list[int]]:
    """Groups with the new Contacts called "new 1", "new 2" … as a plan calls them."""
    new = sorted(int(group_id) for group_id in after if int(group_id) > known_up_to)
    names = {str(group_id): f"new {number}" for number, group_id in enumerate(new, start=1)}
    return {names.get(group_id, group_id): refs for group_id, refs in after.items()}


def without(lines: Sequence[Effect], held: Sequence[Effect]) -> list[Effect]:
    """The lines but for those held, and new Contacts counted anew."""
    left = [line for line in lines if line not in held]
    names = sorted({g for line in left for g in line.group_ids if isinstance(g, str)}, key=_number)
    renamed = {name: f"new {number}" for number, name in enumerate(names, start=1)}
    return [
        replace(
            line,
            group_ids=tuple(renamed.get(g, g) for g in line.group_ids),
            before={renamed.get(g, g): value for g, value in line.before.items()},
            after={renamed.get(g, g): value for g, value in line.after.items()},
        )
        for line in left
    ]


def _number(name: str) -> int:
    return int(name.split()[1])


def everything() -> dict[str, list]:
    """Every row of every table of ours and of the cluster's."""
    return {
        model._meta.label: list(model.objects.order_by("pk").values_list())
        for app in ("contacts", "ticketing", "sync", "django_q")
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
    }
