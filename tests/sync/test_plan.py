"""Tonight's plan: what it foretells is what the night then does, line by line, and nothing of it stays."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from contacts.exclusive import exclusive
from contacts.models import HeldLine, Mapping, SystemRef
from contacts.permissions import SystemRight, grant, systems_with
from contacts.services.brake import name_blames
from contacts.services.group_requests import file_grouping
from contacts.services.held_lines import AlreadyHeld, MayNotHold, hold, let_go
from contacts.services.regroup import GROUPING, regroup
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from sync.models import NightPlan, PlanLine
from sync.night import NIGHT
from sync.night_effects import hold_kind_of
from sync.night_held import read_brake
from sync.services import plan_night
from sync.services import rehearse_night as rehearsing
from sync.services.hold_plan_lines import CannotHoldLine, hold_line, let_line_go
from sync.services.plan_night import plan_when_changed, request_plan, take_up_plans
from sync.services.rehearse_night import REHEARSED, NightIsAtWork, rehearse_night
from sync.services.run_night import THE_NIGHT
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

from .nights_to_plan import (
    NIGHT_AT,
    arrive,
    contact_of,
    everything,
    groups,
    known_group_ids,
    leaders,
    night_with_everything,
    person,
    played,
    run_and_read,
    with_names_of_new,
    without,
)

pytestmark = [pytest.mark.django_db, pytest.mark.req("R-CM-15")]
Kind = PlanLine.Kind


def command(*options) -> str:
    out = StringIO()
    call_command("plan_night", *options, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def everyone():
    """Somebody who may do and see everything."""
    return UserFactory(is_superuser=True)


@pytest.mark.parametrize("seed", range(3))
def test_the_nights_effects_equal_the_plan_line_by_line_and_nothing_of_the_rehearsal_stays(seed):
    night_with_everything(seed)
    stands, known, before, led = everything(), known_group_ids(), groups(), leaders()

    plan = rehearse_night(night_at=NIGHT_AT)
    assert everything() == stands

    night = run_and_read()

    assert night.run.state == "done"
    assert night.effects == list(plan.lines)
    assert with_names_of_new(groups(), known_up_to=known) == played(plan.lines, before)
    told = {str(line.group_ids[0]): line for line in plan.lines if line.kind == Kind.PRIMARY}
    for group_id, ref in leaders().items():
        if before.get(group_id) == groups()[group_id] and led[group_id] != ref:
            assert (led[group_id], ref) == (told[group_id].before["primary"], told[group_id].after["primary"])
    if not seed:
        assert {line.kind for line in plan.lines} == set(Kind)


def test_lines_that_are_held_are_skipped_and_they_alone(everyone):
    """One line of each kind that a request asked for, and one that rules ask for, all in one night."""
    night_with_everything(0)
    before = rehearse_night(night_at=NIGHT_AT)
    plan = plan_night.plan_now(by=None, clock=lambda: NOW)
    chosen = {
        (line.kind, line.request_id is not None): line
        for line in before.lines
        if not _has_a_sequel(line, before.lines)
        and (line.request_id or hold_kind_of(line.kind, makes_contact_alone=line.makes_contact_alone))
    }
    assert set(chosen) == {
        (Kind.REQUEST, True), (Kind.GROUP, True), (Kind.SPLIT, True), (Kind.SPLIT, False),
        (Kind.REGROUP, False), (Kind.PLACE, False), (Kind.PRIMARY, False),
    }  # fmt: skip
    held = list(chosen.values())
    for effect in held:
        line = _line_of(plan, effect)
        hold_line(line, by=everyone, now=NOW)
        hold_line(line, by=everyone, now=NOW)

    after = rehearse_night(night_at=NIGHT_AT)
    night = run_and_read()

    assert list(after.lines) == without(before.lines, held)
    told = sorted((line.kind, sorted(line.ref_ids), line.before) for line in after.held)
    assert told == sorted((line.kind, sorted(line.ref_ids), line.before) for line in held)
    assert night.effects == list(after.lines)


def _has_a_sequel(line, lines) -> bool:
    """Whether another line of the night is about the same accounts, and goes by what this one does."""
    return any(other is not line and other.ref_ids & line.ref_ids for other in lines)


def _line_of(plan: NightPlan, effect) -> PlanLine:
    rows = PlanLine.objects.filter(plan=plan, kind=effect.kind, request=effect.request_id)
    return next(row for row in rows if row.before == effect.before and row.after == effect.after)


def test_a_held_line_is_let_go_and_the_night_does_it(everyone):
    night_with_everything(0)
    before = rehearse_night(night_at=NIGHT_AT)
    plan = plan_night.plan_now(by=None, clock=lambda: NOW)
    lines = list(PlanLine.objects.filter(plan=plan))
    for line in lines:
        if line.kind in (Kind.GOLDEN, Kind.SUMS) or (line.kind == Kind.PLACE and not line.before):
            with pytest.raises(CannotHoldLine):
                hold_line(line, by=everyone, now=NOW)
    for line in lines:
        if line.kind in (Kind.GROUP, Kind.SPLIT):
            hold_line(line, by=everyone, now=NOW)
            let_line_go(line, by=everyone, now=NOW)

    assert rehearse_night(night_at=NIGHT_AT) == before
    assert not HeldLine.objects.exists()


def test_every_step_of_the_night_that_does_something_to_records_is_rehearsed():
    """A new step has to be put into one of these: rehearsed, or without an effect on anybody's record."""
    without_effects = {
        "Index for search", "Check invariants", "Count the overview", "Count the reports", "Tidy up",
    }  # fmt: skip

    assert [step.name for step in NIGHT if step.name not in without_effects] == list(REHEARSED)


@pytest.mark.req("D-15", "D-26")
def test_500_accounts_with_one_e_mail_and_name_hold_the_plan_and_the_night_and_nothing_is_half_done(everyone):
    system, other = TicketSystemFactory(code="MLB"), TicketSystemFactory(code="MIN")
    refs = arrive(system, *map(person, range(100)))
    regroup(now=NOW)
    shared = {"first_name": "Pat", "last_name": "Stanley", "email": "pat.stanley@gmail.example"}
    arrive(system, *[shared | {"city": f"Town {n}"} for n in range(500)])
    asked = file_grouping(contact_of(refs[0]), [contact_of(refs[1])], by=None, now=NOW)
    manager, stranger = UserFactory(role=CRM_MANAGERS), UserFactory(role=CRM_MANAGERS)
    grant(manager, SystemRight.VIEW, on=system)
    grant(stranger, SystemRight.VIEW, on=other)
    stands = everything()

    plan = rehearse_night(night_at=NIGHT_AT)
    assert everything() == stands
    night = run_and_read()

    assert [(line.kind, line.request_id) for line in plan.lines] == [(Kind.GROUP, asked.pk)]
    assert night.effects == list(plan.lines)
    assert (night.run.state, night.run.held_grouping.held) == ("held", plan.brake)
    assert not Mapping.objects.filter(system_ref__email=shared["email"]).exists()
    assert [blame.value for blame in read_brake(plan.brake, user=manager).blames[:1]] == [shared["email"]]
    assert shared["email"] not in str(read_brake(plan.brake, user=stranger).blames)
    assert shared["email"] not in json.dumps(plan.brake)
    worst = name_blames(night.run.held_grouping, systems=systems_with(manager, SystemRight.VIEW))[0]
    assert (worst.value, worst.refs) == (shared["email"], 500)
    kept = plan_night.plan_now(by=None, clock=lambda: NIGHT_AT)
    assert kept.counts["brake"] == plan.brake


def test_a_night_too_large_to_be_rehearsed_is_told_in_numbers(monkeypatch):
    monkeypatch.setattr(rehearsing, "MOST_CHANGES", 5)
    arrive(TicketSystemFactory(), *map(person, range(10)))
    arrive(TicketSystemFactory(), *map(person, range(10)))
    stands = everything()

    plan = rehearse_night(night_at=NIGHT_AT)

    assert everything() == stands
    assert (plan.lines, plan.numbers["contacts"], plan.numbers["joined"]) == ((), 10, 10)
    assert "More than 5 System Refs would change" in plan.why_numbers


def test_a_rehearsal_that_keeps_records_for_too_long_is_given_up_and_leaves_nothing(monkeypatch):
    monkeypatch.setattr(rehearsing, "MOST_SECONDS", -1.0)
    monkeypatch.setattr(rehearsing, "MOST_SECONDS_EMBEDDED", -1.0)
    night_with_everything(1)
    stands = everything()

    assert "for too long" in rehearse_night(night_at=NIGHT_AT).why_numbers
    assert everything() == stands


def test_while_a_night_or_a_grouping_is_at_work_there_is_no_plan_and_the_reason_is_told():
    with exclusive(THE_NIGHT), pytest.raises(NightIsAtWork):
        rehearse_night(night_at=NIGHT_AT)
    with exclusive(GROUPING), pytest.raises(CommandError, match="running already"):
        command()

    assert NightPlan.objects.get().state == "failed"


def test_the_command_prints_lines_that_name_accounts_and_says_what_is_held(everyone):
    system = TicketSystemFactory(code="MLB")
    one, two = arrive(system, person(1), person(2))
    assert (
        command().strip()
        == "Place                   nothing -> new 1 (MLB 1000) It came in since the last night.\n"
        "Place                   nothing -> new 2 (MLB 1001) It came in since the last night."
    )
    regroup(now=NOW)
    assert command().strip() == "The coming night would change nothing."
    master, child = contact_of(one), contact_of(two)
    request = file_grouping(master, [child], by=None, now=NOW)
    SystemRef.objects.filter(pk=one.pk).update(spent_total=3)

    line = {
        "kind": "group",
        "group_ids": [master.pk, child.pk],
        "before": {str(master.pk): ["MLB 1000"], str(child.pk): ["MLB 1001"]},
        "after": {str(master.pk): ["MLB 1000", "MLB 1001"]},
        "held": False,
    }
    sums = {
        "kind": "sums",
        "group_ids": [master.pk],
        "before": {},
        "after": {"account": "MLB 1000", "fields": ["spent"]},
        "held": False,
    }
    assert json.loads(command("--json")) == [line, sums]

    hold_line(PlanLine.objects.filter(request=request).latest("pk"), by=everyone, now=NOW)
    assert json.loads(command("--json")) == [line | {"held": True}, sums]


def test_a_plan_is_filed_once_made_when_something_changed_and_taken_up_where_it_was_lost(monkeypatch):
    by = UserFactory()
    assert request_plan(by=by, now=NOW) == request_plan(by=None, now=NOW)
    assert NightPlan.objects.count() == 1

    assert take_up_plans(clock=lambda: NOW) == 1
    assert not plan_when_changed(clock=lambda: NOW)
    arrive(TicketSystemFactory(), person(1))
    assert plan_when_changed(clock=lambda: NOW)
    NightPlan.objects.create(state="running", filed_at=NOW)
    assert take_up_plans(clock=lambda: NOW) == 0
    assert NightPlan.objects.order_by("pk").last().error == "It was cut off. Make it anew."

    monkeypatch.setattr(plan_night, "KEPT_PLANS", 2)
    plan_night.plan_now(by=None, clock=lambda: NOW)
    assert [plan.state for plan in NightPlan.objects.order_by("pk")] == ["done", "failed", "done"]


def test_a_line_is_held_by_who_may_group_and_sees_every_ref_and_by_nobody_else():
    system, hidden = TicketSystemFactory(), TicketSystemFactory()
    mine, other = SystemRefFactory(system=system), SystemRefFactory(system=hidden)
    manager, rep = UserFactory(role=CRM_MANAGERS), UserFactory(role=SALES_REPS)
    for user in (manager, rep):
        grant(user, SystemRight.VIEW, on=system)
    regroup_kind = HeldLine.Kind.REGROUP

    for by, refs in ((rep, [mine.pk]), (manager, [mine.pk, other.pk]), (manager, [])):
        with pytest.raises(MayNotHold):
            hold(refs, kind=regroup_kind, by=by, now=NOW)
    line = hold([mine.pk], kind=regroup_kind, by=manager, now=NOW)
    assert hold([mine.pk], kind=regroup_kind, by=manager, now=NOW) == line
    third = SystemRefFactory(system=system)
    with pytest.raises(AlreadyHeld):
        hold([mine.pk, third.pk], kind=regroup_kind, by=manager, now=NOW)
    with pytest.raises(MayNotHold):
        let_go(line, by=rep)
    let_go(line, by=manager)
    let_go(line, by=manager)

    assert not HeldLine.objects.exists()
