"""Two isolated units: ours, whose people look, and theirs, of which nobody of ours may see anything."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import models

from contacts.models import (
    AnswerMember,
    BusinessUnit,
    Case,
    CaseComment,
    CaseRef,
    Contact,
    GoneRef,
    GroupAlias,
    GroupChange,
    GroupDecision,
    GroupedRef,
    GroupingRun,
    GroupRequest,
    HeldLine,
    HeldRef,
    Link,
    ModelVersion,
    Move,
    PrimaryRuleList,
    RequestRef,
    ReviewAnswer,
    RuleTrial,
    SystemRef,
    TicketSystem,
)
from contacts.models import Mapping as Placement
from contacts.permissions import SystemRight, grant
from contacts.services.golden import refresh_golden
from contacts.services.matching_rules import newest_version
from sync.models import NightPlan, NightRun, NightStep, PlanLine, PlanLineRef
from ticketing.models import PullRun, SourceConnection

from ..factories import NOW, UserFactory
from .rows import BY_HAND, NAMED, VALUE, Unit, numbers, of_a_unit, permission_of_a_right

OURS, THEIRS, ABSENT = 770001, 880001, 890001
# Known before they are made, to be sent beside what is theirs.
OUR_UNIT, OUR_REF, OUR_GONE_REF = 760001, 760002, 760003
# Of letters alone, as a name that is nearly meant; the last of them is of who is known last.
NAMES_OF_PEOPLE = ("ann", "ben", "cay", "don")
NOTHING = 899999  # an id that nothing has


@dataclass(frozen=True)
class Side:
    """Whose ids and values are asked for: by model the id, and what a person could type."""

    ids: dict[type[models.Model], int]
    code: str
    unit: str
    email: str
    ref: str
    name: str
    near_name: str  # of letters, and one of them another than in the last name
    hook: str
    text: str

    def id(self, model: type[models.Model]) -> int:
        return self.ids.get(model, NOTHING)

    @property
    def typed(self) -> list[str]:
        """All that is said back to whoever sends it."""
        ids = [str(pk) for pk in self.ids.values() if pk >= OUR_UNIT] + [str(NOTHING)]
        return [
            self.code,
            self.unit,
            self.email,
            self.ref,
            self.name,
            self.near_name,
            self.hook,
            self.text,
            *ids,
        ]


@dataclass
class World:
    """Both units: `near` is what theirs knows of the person of both, `far` another, `absent` nobody."""

    ours: Side
    near: Side
    far: Side
    absent: Side


class Units:
    """Makes ours at once, theirs when told to, so that both states of one database can be compared."""

    def __init__(self) -> None:
        self.ours = Unit("ourvalue", "ournamed", numbers(OURS))
        self.theirs = Unit(VALUE, NAMED, numbers(THEIRS))
        for model in (ModelVersion, PrimaryRuleList, GroupingRun, NightRun, NightPlan):
            row = model._base_manager.order_by("pk").first() or _common(model)
            for unit in (self.ours, self.theirs):
                unit.keep(row)
        NightStep.objects.create(run=self.ours.last(NightRun), position=1, name="Grouping", state="done")
        rules = newest_version()
        trial = RuleTrial.objects.create(
            rules=rules.rules,
            score=rules.score,
            based_on=rules.number,
            counts=dict.fromkeys(("groups_before", "groups_after", "joined", "split"), 3),
            state="done",
            created_at=NOW,
            finished_at=NOW,
        )
        self.ours.keep(trial)
        self.theirs.keep(trial)
        self._empty_system()
        self._begin(self.ours, code="OURS")
        self.shared = self._contact(self.ours)
        self._person(self.ours, self.shared, leads=True)
        self._more_accounts()
        self.our_contact = self._contact(self.ours)
        self._person(self.ours, self.our_contact, leads=True, is_last=True)
        self._hand_systems()
        self._refresh()

    def add_theirs(self) -> World:
        """Their system, its records and people; the person of both is led by theirs."""
        self._begin(self.theirs, code=f"{NAMED}SYS")
        Placement.objects.filter(contact=self.shared).update(is_primary=False)
        self._person(self.theirs, self.shared, leads=True)
        near = self._side(self.theirs)
        self._ties()
        alone = self._contact(self.theirs)
        self._person(self.theirs, alone, leads=True, is_last=True)
        self._name_in_trial()
        self._refresh()
        far = self._side(self.theirs)
        near.ids[Contact] = far.ids[Contact]  # the person of both is ours as well
        return World(self.our_side(), near, far, self.absent_side(far))

    def our_side(self) -> Side:
        """The ids of ours: of the person of both, whose ref is the first."""
        side = self._side(self.ours)
        side.ids.update({model: rows[0].pk for model, rows in self.ours.made.items()})
        return side

    def absent_side(self, like: Side) -> Side:
        """What never was, as far away as what is hidden."""
        ids = {model: pk - THEIRS + ABSENT if pk >= THEIRS else NOTHING for model, pk in like.ids.items()}
        mark = "zqxabsent"
        return Side(
            ids,
            f"{mark}SYS",
            f"{mark}unit",
            f"{mark}@example.org",
            f"{mark}-1",
            f"{mark}name",
            f"{mark}ayn",
            f"{mark}hook",
            mark,
        )

    def visitor(self, role: str | None, *rights: SystemRight) -> User:
        """Somebody of ours, with the rights on our systems."""
        user = UserFactory(role=role, first_name=f"Our {role} of {len(rights)} rights")
        for system in TicketSystem.objects.filter(pk__lt=THEIRS, pk__gte=OURS):
            for right in rights:
                grant(user, right, on=system)
        RuleTrial.objects.update(by=user)
        return user

    def _begin(self, unit: Unit, *, code: str) -> None:
        unit.keep(permission_of_a_right())
        unit.make(User, is_staff=True, is_superuser=False)
        unit.make(Group)
        unit.make(BusinessUnit, code=f"{unit.named}unit", **({"pk": OUR_UNIT} if unit is self.ours else {}))
        unit.make(TicketSystem, code=code, is_isolated=True, kind="ticketing")

    def _contact(self, unit: Unit) -> Contact:
        return unit.keep(Contact.objects.create(pk=next(unit.numbers), since=NOW))

    def _person(self, unit: Unit, contact: Contact, *, leads: bool, is_last: bool = False) -> None:
        """One ref of the contact and a row of it in every model; of the system itself they are made once."""
        unit.keep(contact)
        others = unit.made.get(SystemRef, [])
        known = {"pk": OUR_REF} if unit is self.ours and not others else {}
        name = f"{unit.value}{NAMES_OF_PEOPLE[len(others)]}"
        known |= {"first_name": f"{unit.value}first", "last_name": name}
        ref = unit.make(SystemRef, system_ref=f"{unit.value}-{len(others) + 1}", **known)
        unit.make(Placement, contact=contact, is_primary=leads)
        self._asked_and_done(unit, contact, [ref], is_open=is_last)
        renewed = {SystemRef, Contact}
        for model in of_a_unit():
            if model in BY_HAND or (model is GoneRef and not is_last):
                continue
            of_a_ref = any(column.related_model in renewed for column in _relations(model))
            if unit.made.get(model) and not of_a_ref:
                continue
            if of_a_ref:
                renewed.add(model)
            if (model in (Link, GroupDecision) and not others) or _lacks(unit, model):
                continue
            unit.make(model, **self._given(unit, model, ref, contact))

    def _asked_and_done(
        self, unit: Unit, contact: Contact, refs: Sequence[SystemRef], *, is_open: bool
    ) -> None:
        """Everything that people ask of the groups and say of them, about these refs of the contact."""
        system = {ref.system_id for ref in refs}
        asked = unit.make(
            GroupRequest,
            kind="ungroup",
            group_id=contact.pk,
            state="waiting" if is_open else "done",
            settled_at=None if is_open else NOW,
        )
        held = [ref.pk for ref in refs]
        stood = {"since": NOW.isoformat(), "pins": [], "aliases": []}
        stood["refs"] = [[pk, pk == held[0], "rule", NOW.isoformat()] for pk in held]
        change = unit.make(
            GroupChange,
            is_join=False,
            is_split=True,
            request=None if is_open else asked,
            before={str(contact.pk): stood},
            after={str(contact.pk): held[:1], str(next(unit.numbers)): held[1:]},
        )
        change.systems.set(system)
        line = unit.make(
            PlanLine,
            position=PlanLine.objects.count() + 1,
            kind="golden" if is_open else "split",
            group_ids=[contact.pk],
            before={str(contact.pk): held},
            after={"fields": ["city"], "account": held[0]} if is_open else {"new 1": held},
            request=None,
        )
        hold = unit.make(HeldLine, kind="regroup" if len(refs) == 1 else "primary")
        answer = unit.make(ReviewAnswer, weight=3.0, answer="later", request=None)
        case = unit.make(Case, group_id=contact.pk, request=asked)
        unit.make(CaseComment, case=case)
        for side, ref in enumerate(refs):
            unit.make(RequestRef, request=asked, system_ref=ref, group_id=contact.pk, is_open=is_open)
            unit.make(AnswerMember, answer=answer, system_ref=ref, side=side)
            unit.make(CaseRef, case=case, system_ref=ref)
            unit.make(PlanLineRef, line=line, system_ref=ref)
            unit.make(HeldRef, line=hold, kind=hold.kind, system_ref=ref)

    def _more_accounts(self) -> None:
        """Of the person of both: one that is gone and the first by its number, and another that stands."""
        leader = self.ours.last(SystemRef)
        for known, number in ((OUR_GONE_REF, 0), (next(self.ours.numbers), 9)):
            ref = copy(leader)
            ref.pk, ref.system_ref = known, f"{self.ours.value}-{number}"
            ref.save(force_insert=True)
            Placement.objects.create(contact=self.shared, system_ref=ref, since=NOW)
        GoneRef.objects.create(system_ref_id=OUR_GONE_REF, reason=GoneRef.Reason.MISSING, noticed_at=NOW)

    def _given(
        self, unit: Unit, model: type[models.Model], ref: SystemRef, contact: Contact
    ) -> dict[str, Any]:
        if model in (Link, GroupDecision):
            return {"left": unit.made[SystemRef][0], "right": ref}
        if model is GoneRef:
            return {"merged_into": unit.made[SystemRef][0]}
        if model is GroupAlias:
            return {"group_id": next(unit.numbers), "contact": contact}
        if model is Move:
            return {"from_group": next(unit.numbers), "to_group": contact.pk, "cause": "joined"}
        if model is PullRun:
            return {"state": "done", "phase": "over"}
        if model is GroupedRef:
            return {"content": next(unit.numbers)}
        return {}

    def _name_in_trial(self) -> None:
        """Examples of a dry run: a pair of theirs, and one of theirs with one of ours."""
        [trial] = self.theirs.made[RuleTrial]
        one, other = (ref.pk for ref in self.theirs.made[SystemRef])
        pairs = [(one, other), (self.ours.made[SystemRef][0].pk, one)]
        trial.examples = [
            {"kind": "join", "rule": "", "left": [left], "right": [right], "others": []}
            for left, right in pairs
        ]
        trial.save()

    def _ties(self) -> None:
        """What the engine and people said of a ref of ours and one of theirs."""
        ours, theirs = self.ours.made[SystemRef][0], self.theirs.made[SystemRef][0]
        for model in (Link, GroupDecision):
            self.theirs.make(model, left=ours, right=theirs)
        GroupAlias.objects.create(group_id=next(self.theirs.numbers), contact=self.shared, at=NOW)
        self._asked_and_done(self.theirs, self.shared, [ours, theirs], is_open=True)

    def _empty_system(self) -> None:
        """A third unit's, without records: nobody of ours sees every system, with theirs or without."""
        third = BusinessUnit.objects.create(pk=OURS - 1, code="third", name="Third")
        TicketSystem.objects.create(pk=OURS - 1, code="THIRD", name="Third", business_unit=third)

    def _hand_systems(self) -> None:
        """A hand system of ours, so that contacts can be entered."""
        unit = self.ours.made[BusinessUnit][0]
        TicketSystem.objects.create(
            pk=next(self.ours.numbers), code="HAND-OURS", name="Our desk", kind="hand", business_unit=unit
        )

    def _refresh(self) -> None:
        refresh_golden(Contact.objects.values_list("pk", flat=True), now=NOW)

    def _side(self, unit: Unit) -> Side:
        ids = {model: rows[-1].pk for model, rows in unit.made.items()}
        ref = unit.last(SystemRef)
        system = unit.last(TicketSystem)
        hook = unit.last(SourceConnection).hook_key
        names = (ref.email, ref.system_ref, ref.first_name, f"{ref.last_name[:-1]}q")
        # The beginning of every value: it finds them, and said back it is no mark.
        return Side(ids, system.code, system.business_unit.code, *names, hook, unit.value[:-1])


def _relations(model: type[models.Model]) -> list[Any]:
    return [column for column in model._meta.concrete_fields if column.is_relation]


def _lacks(unit: Unit, model: type[models.Model]) -> bool:
    """Whether a row that it needs is not there yet."""
    return any(not column.null and not unit.made.get(column.related_model) for column in _relations(model))


def _common(model: type[models.Model]) -> Any:
    """What is of no unit and has to be there."""
    given: dict[type[models.Model], dict[str, Any]] = {
        ModelVersion: {"number": 1, "population": 4, "settings": {}, "source": "by_hand", "created_at": NOW},
        PrimaryRuleList: {"number": 1, "at": NOW},
        GroupingRun: {
            "is_full": True,
            "model_version": ModelVersion.objects.first(),
            "started_at": NOW,
            "finished_at": NOW,
            "counts": {},
            "basis": {},
        },
        NightPlan: {"state": "done", "filed_at": NOW, "made_at": NOW, "night_at": NOW},
        NightRun: {"state": "done", "trigger": "schedule", "started_at": NOW, "finished_at": NOW},
    }
    return model._base_manager.create(**given[model])
