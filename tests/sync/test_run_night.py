"""Walking the night: every step recorded, one night at a time, a night that was cut off taken up again."""

import datetime as dt
import itertools
from contextlib import ExitStack

import pytest
from django_q.models import OrmQ

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.group_brake import Held
from contacts.models import Contact, GroupingRun, Mapping, ModelVersion, Move
from contacts.permissions import CLUSTER_USER
from contacts.services.brake import AlreadyAccepted, Superseded, hold
from contacts.services.check_invariants import check_invariants
from contacts.services.golden_check import refresh_every_golden
from contacts.services.regroup import regroup
from sync import tasks
from sync.models import NightRun
from sync.night import NIGHT, Step
from sync.services.release_night import RELEASE_TASK, release_night
from sync.services.run_night import PATIENCE, THE_NIGHT, is_cut_off, run_night
from tests.factories import NOW, MappingFactory, PurchaseFactory, SystemRefFactory, UserFactory
from ticketing.services.recount import recount_purchases

pytestmark = pytest.mark.django_db


def ticking():
    moments = (NOW + dt.timedelta(seconds=n) for n in itertools.count())
    return lambda: next(moments)


def night(*steps: Step, **more) -> NightRun:
    return run_night(
        **{"trigger": NightRun.Trigger.COMMAND, "now": NOW, "clock": ticking(), "steps": steps} | more
    )


def says(**counts) -> Step:
    return Step(f"Says {counts}", "A step that does its work.", lambda now, progress: counts)


def told(run: NightRun) -> list[tuple]:
    return list(run.steps.order_by("position").values_list("name", "state", "counts"))


class SecretError(Exception):
    """One whose text holds what a database would print."""


def _fail(now, progress):
    progress(3, 10)
    raise SecretError("Key (email)=(ann@x.org) already exists.")


FAILS = Step("Fails", "A step that cannot do its work.", _fail)


def test_a_night_records_what_each_step_did_and_who_asked_for_it():
    manager = UserFactory()

    run = night(says(joined=2), says(split=1), by=manager, trigger=NightRun.Trigger.HAND)

    assert (run.state, run.by, run.trigger, run.started_at) == ("done", manager, "hand", NOW)
    assert run.finished_at > NOW
    assert told(run) == [
        ("Says {'joined': 2}", "done", {"joined": 2}),
        ("Says {'split': 1}", "done", {"split": 1}),
    ]


def test_a_failed_step_ends_the_night_but_for_what_is_independent_and_tells_no_values():
    cleans = Step("Cleans", "Independent.", lambda now, progress: {"dropped": 1}, is_independent=True)

    run = night(says(one=1), FAILS, says(two=2), cleans)

    assert run.state == "failed"
    assert [state for _name, state, _counts in told(run)] == ["done", "failed", "waiting", "done"]
    failed = run.steps.get(name="Fails")
    assert failed.error.startswith("SecretError in test_run_night.py, line ")
    assert "ann@x.org" not in failed.error
    assert (failed.done, failed.total) == (3, 10)


def test_the_log_tells_no_values_either(caplog):
    night(FAILS)

    assert "Fails of night" in caplog.text
    assert "ann@x.org" not in caplog.text


@pytest.mark.req("R-CM-39")
def test_a_night_that_was_cut_off_goes_on_with_the_first_step_that_is_not_done():
    ran = []

    def power_cut(now, progress):
        ran.append("second")
        if ran.count("second") == 1:
            raise KeyboardInterrupt
        return {}

    steps = (
        Step("First", "", lambda now, progress: ran.append("first") or {}),
        Step("Second", "", power_cut),
        Step("Third", "", lambda now, progress: ran.append("third") or {}),
    )
    with pytest.raises(KeyboardInterrupt):
        night(*steps)
    assert is_cut_off()

    run = night(*steps)

    assert ran == ["first", "second", "second", "third"]
    assert (NightRun.objects.get(), run.state, run.resumed) == (run, "done", 1)
    assert not is_cut_off()


def test_a_night_cut_off_before_an_upgrade_that_changed_its_steps_is_given_up():
    def power_cut(now, progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        night(Step("Of old", "", power_cut))

    run = night(says(new=1))

    assert list(NightRun.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "done"]
    assert (run.state, run.resumed) == ("done", 0)


def test_a_second_night_is_refused_with_a_sentence_while_one_runs():
    with exclusive(THE_NIGHT), pytest.raises(AlreadyRunning, match=r"^The night is running already\.$"):
        night(says(one=1))

    assert not NightRun.objects.exists()


def test_a_step_tells_how_far_it_is_while_it_runs():
    seen = []

    def works(now, progress):
        progress(5, 5)
        seen.append(NightRun.objects.get().steps.values_list("state", "done", "total").get())
        return {}

    night(Step("Works", "", works))

    assert seen == [("running", 5, 5)]


def _hold(now, progress):
    version = ModelVersion.objects.create(number=1, population=1, settings={}, created_at=NOW)
    hold(HELD, is_full=True, version=version, now=now)


HELD = Held(established=90, joined=60, may_join=50, too_large=0, largest=0, may_hold=30, alike=0)
SAYS_WHY = "60 of 90 Contacts would be joined into others; at most 50 may in one run."


@pytest.mark.req("D-26")
def test_a_held_step_ends_the_night_held_but_for_what_is_independent():
    cleans = Step("Cleans", "Independent.", lambda now, progress: {"dropped": 1}, is_independent=True)

    run = night(says(one=1), Step("Joins", "", _hold), says(two=2), cleans)

    assert (run.state, run.held_grouping) == ("held", GroupingRun.objects.get())
    assert [state for _name, state, _counts in told(run)] == ["done", "held", "waiting", "done"]
    assert run.steps.get(name="Joins").error == SAYS_WHY
    assert run.finished_at is not None


def test_a_held_night_that_was_let_go_on_does_what_is_left_and_another_begins_anew():
    ran = []

    def joins(now, progress):
        ran.append("joins")
        if ran == ["joins"]:
            _hold(now, progress)
        return {"joined": 60}

    steps = (says(one=1), Step("Joins", "", joins), says(two=2))
    held = night(*steps)
    release_night(held, by=UserFactory(is_superuser=True), now=NOW)

    gone_on = night(*steps)
    another = night(*steps)

    assert (gone_on, gone_on.state, another.state) == (held, "done", "done")
    assert gone_on.steps.get(name="Joins").error == ""
    assert [counts for _name, _state, counts in told(gone_on)] == [{"one": 1}, {"joined": 60}, {"two": 2}]
    assert another != held
    assert ran == ["joins"] * 3


def test_a_held_night_that_nobody_let_go_on_is_superseded_by_the_next():
    held = night(Step("Joins", "", _hold))

    after = night(says(one=1))

    assert NightRun.objects.held_now() is None
    with pytest.raises(Superseded):
        release_night(held, by=UserFactory(is_superuser=True), now=NOW)
    assert (after.state, NightRun.objects.get(pk=held.pk).state) == ("done", "held")


def test_a_night_is_let_go_on_once_and_filed_for_the_cluster_once():
    held = night(Step("Joins", "", _hold))
    one, other = UserFactory(is_superuser=True), UserFactory(is_superuser=True)

    release_night(held, by=one, now=NOW)
    with pytest.raises(AlreadyAccepted):
        release_night(NightRun.objects.get(), by=other, now=NOW)

    assert GroupingRun.objects.get().accepted_by == one
    assert [task.task["func"] for task in OrmQ.objects.all()] == [RELEASE_TASK]


def test_the_cluster_takes_up_only_a_night_that_was_let_go_on(monkeypatch):
    monkeypatch.setattr("sync.tasks.run_night", lambda: "taken up")
    idle = tasks.go_on()
    held = night(Step("Joins", "", _hold))
    waiting = tasks.go_on()
    release_night(held, by=UserFactory(is_superuser=True), now=NOW)

    assert (idle, waiting, tasks.go_on()) == (*["No night waits to go on."] * 2, "taken up")


def test_a_step_waits_for_work_that_excludes_its_own_and_says_so():
    waited = []
    somebodys = ExitStack()
    somebodys.enter_context(exclusive("Grouping"))

    def works(now, progress):
        with exclusive("Grouping"):
            return {"joined": 1}

    def pause(seconds):
        waited.append((seconds, NightRun.objects.get().steps.get().error))
        if len(waited) == 3:
            somebodys.close()

    run = night(Step("Works", "", works), pause=pause)

    assert waited == [(5.0, "Waits: Grouping is running already.")] * 3
    assert (run.state, run.steps.get().error) == ("done", "")


def test_a_step_does_not_wait_for_ever():
    waited = []
    with exclusive("Grouping"):

        def works(now, progress):
            with exclusive("Grouping"):
                return {}

        run = night(Step("Works", "", works), pause=waited.append)

    assert (run.state, run.steps.get().error) == ("failed", "Grouping is running already.")
    assert sum(waited) == PATIENCE.total_seconds()


@pytest.mark.slow
@pytest.mark.req("R-CM-39", "R-CM-5")
def test_the_whole_night_groups_repairs_recounts_and_finds_everything_whole():
    one = SystemRefFactory(first_name="Ann", last_name="Lee", email="ann@x.org")
    other = SystemRefFactory(first_name="Ann", last_name="Lee", email="ann@x.org")
    PurchaseFactory(system_ref=one, amount=70)

    run = night(*NIGHT)

    assert [(name, state) for name, state, _counts in told(run)] == [(step.name, "done") for step in NIGHT]
    one.refresh_from_db()
    assert (one.mapping.contact_id, float(one.spent_total)) == (other.mapping.contact_id, 70.0)
    assert [verdict.name for verdict in check_invariants() if verdict.broken] == []


def test_a_stored_golden_value_that_is_wrong_is_found_and_repaired():
    alone = MappingFactory(system_ref__first_name="Ann", system_ref__date_of_birth=dt.date(1980, 1, 1))
    first = MappingFactory(system_ref__first_name="Bo")
    MappingFactory(contact=first.contact, is_primary=False, system_ref__email="bo@x.org")
    refresh_every_golden(NOW, lambda done, total: None)
    Contact.objects.filter(pk=alone.contact_id).update(date_of_birth=None)
    Contact.objects.filter(pk=first.contact_id).update(email="wrong@x.org")

    counts = refresh_every_golden(NOW, lambda done, total: None)

    assert counts == {"contacts": 2, "repaired": 2}
    assert Contact.objects.get(pk=alone.contact_id).date_of_birth == dt.date(1980, 1, 1)
    assert Contact.objects.get(pk=first.contact_id).email == "bo@x.org"
    assert refresh_every_golden(NOW, lambda done, total: None)["repaired"] == 0


def test_sums_that_are_wrong_are_found_and_recounted_and_others_are_not_touched():
    wrong = PurchaseFactory(amount=20).system_ref
    nothing_left = SystemRefFactory(spent_total=99, holds_season_ticket=True, last_purchased_at=NOW)
    SystemRefFactory()

    counts = recount_purchases(NOW, lambda done, total: None)

    assert counts == {"repaired": 2}
    wrong.refresh_from_db()
    nothing_left.refresh_from_db()
    assert (float(wrong.spent_total), wrong.last_purchased_at) == (20.0, NOW)
    assert (float(nothing_left.spent_total), nothing_left.last_purchased_at) == (0.0, None)
    assert recount_purchases(NOW, lambda done, total: None) == {"repaired": 0}


def test_a_broken_invariant_fails_the_night_and_names_what_is_broken():
    lost = Contact.objects.create(since=NOW)
    (check,) = (step for step in NIGHT if step.name == "Check invariants")

    run = night(check)

    assert run.state == "failed"
    assert run.steps.get().error == f"Broken: every Contact has System Refs: 1 (GroupID {lost.pk})."


def contact_without_a_primary():
    mapped = MappingFactory(is_primary=False)
    Move.objects.create(
        system_ref=mapped.system_ref, to_group=mapped.contact_id, was_primary=False, is_primary=False,
        cause="placed", at=NOW,
    )  # fmt: skip
    return mapped


@pytest.mark.req("R-MDB-6")
def test_a_contact_without_a_primary_is_found_and_the_next_run_gives_it_one():
    mapped = contact_without_a_primary()

    found = [verdict.name for verdict in check_invariants() if verdict.broken]
    regroup(now=NOW)

    assert found == ["every Contact has exactly one primary System Ref"]
    assert Mapping.objects.get(pk=mapped.pk).is_primary
    assert [verdict.name for verdict in check_invariants() if verdict.broken] == []


def test_the_task_runs_the_night_in_the_clusters_own_name_and_says_when_one_runs_already():
    said = tasks.run_night()

    run = NightRun.objects.get()
    assert (said, run.by.username, run.trigger) == (f"Night {run.pk}: done", CLUSTER_USER, "schedule")
    with exclusive(THE_NIGHT):
        assert tasks.run_night() == "The night is running already."


def test_what_was_cut_off_is_taken_up_and_nothing_is_begun_otherwise():
    idle = tasks.take_up()
    begun = NightRun.objects.create(trigger="hand", started_at=NOW)
    for position, step in enumerate(NIGHT, start=1):
        begun.steps.create(position=position, name=step.name, state="done" if position < 6 else "waiting")

    taken_up = tasks.take_up()

    begun.refresh_from_db()
    assert (idle, taken_up) == ("Nothing was cut off.", f"Night {begun.pk}: done")
    assert (begun.state, begun.resumed, begun.trigger) == ("done", 1, "hand")
