"""Applying the primary rules in the background: filed by a person, done by the cluster."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import models, transaction

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.models import Organisation, PrimaryRun
from contacts.services.primary_rule_list import MayNotSaveRules, may_steer_primary_rules
from contacts.services.primary_rules import APPLYING, apply_primary_rules, rules_in_force

GIVEN_UP_AFTER = timedelta(hours=1)  # a run that no cluster took by then may be filed again


class CannotFileRun(Exception):
    """Says, for the person at the screen, why the rules are not applied now."""


class RunState(models.TextChoices):
    """How a run stands; its row does not say whether the process at it still lives."""

    WAITING = "waiting", "waits for the cluster"
    RUNNING = "running", "running"
    CUT_OFF = "cut_off", "cut off"
    DONE = "done", "done"


def state_of(run: PrimaryRun) -> RunState:
    """Whether the run waits, is at work, was cut off (the next night does the rest) or is done."""
    if run.finished_at:
        return RunState.DONE
    if run.started_at is None:
        return RunState.WAITING
    try:
        with exclusive(APPLYING):
            return RunState.CUT_OFF
    except AlreadyRunning:
        return RunState.RUNNING


def latest_run() -> PrimaryRun | None:
    """The run that was filed or begun last."""
    return PrimaryRun.objects.select_related("by", "rule_list").order_by("-pk").first()


@transaction.atomic
def file_primary_run(*, by: User, now: datetime) -> PrimaryRun:
    """Ask for the rules in force to be applied before the night; the caller gives the run to the cluster.

    Raises MayNotSaveRules without the right to steer the rules, CannotFileRun where there are none or a run
    waits or is at work already. Two callers at once file one run.
    """
    if not may_steer_primary_rules(by):
        raise MayNotSaveRules("Only managers who may see every ticket system apply the primary rules.")
    Organisation.objects.select_for_update().get(pk=Organisation.load().pk)
    in_force = rules_in_force()
    if in_force.version is None or not in_force.active:
        raise CannotFileRun("No rule is switched on, so there is nothing to apply.")
    last = latest_run()
    if last is not None:
        state = state_of(last)
        if state == RunState.WAITING and last.filed_at > now - GIVEN_UP_AFTER:
            raise CannotFileRun("They are filed already and begin as soon as the cluster takes them.")
        if state == RunState.RUNNING:
            raise CannotFileRun("They are being applied at this moment.")
    return PrimaryRun.objects.create(rule_list=in_force.version, by=by, filed_at=now)


def apply_filed_run(run_id: int, *, now: datetime) -> str:
    """Do what was filed; returns what came of it, in words. Doing it again finds nothing left.

    Where the night or a command is at it already, that does the same work: the filed run is dropped.
    """
    run = PrimaryRun.objects.select_related("by").filter(pk=run_id).first()
    if run is None or run.finished_at:
        return "Nothing is left to do."
    try:
        applied = apply_primary_rules(now=now, by=run.by, run=run)
    except AlreadyRunning as refusal:
        PrimaryRun.objects.filter(pk=run_id, started_at=None).delete()
        return str(refusal)
    return f"{applied.changed} primaries changed."
