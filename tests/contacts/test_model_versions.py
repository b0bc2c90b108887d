"""Model versions: proposed, compared, put in force, refreshed weekly, and kept while somebody needs them."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pyarrow as pa
import pytest
from django.core.management import call_command

from benchmarks.few_sets import NAMES, FewFields, population
from contacts.models import GroupingRun, Mapping, ModelEstimate, ModelVersion, Organisation
from contacts.permissions import SystemRight, grant
from contacts.services.estimate import differences_of, file_estimate, run_estimate
from contacts.services.grouping_input import read_input
from contacts.services.grouping_model import (
    CannotActivate,
    MayNotActivate,
    activate_version,
    active_version,
    freeze,
    is_due,
    load_model,
    prune_models,
    store_model,
    waiting_version,
)
from contacts.services.grouping_terms import basis_of
from contacts.services.matching_rules import newest_version, rules_in_force, save_rules
from contacts.services.model_refresh import refresh_when_due
from contacts.services.regroup import regroup
from contacts.services.rule_checks import THRESHOLDS
from kore_site.roles import CRM_MANAGERS

from ..factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

WEIGHTS = {"birth": [[0.8, 0.00002, 0.01], [0.01, 0.00003, 0.0003], [0.03, 0.0015, 0.006],
                     [0.02, 0.0046, 0.007], [0.01, 0.0008, 0.008], [0.13, 0.99, 0.98]]}  # fmt: skip


def people() -> list[Any]:
    """Two records of one person and one of another."""
    system = TicketSystemFactory()
    ann = {"first_name": "Ann", "last_name": "Marlow", "email": "ann@example.org"}
    return [
        SystemRefFactory(system=system, **ann),
        SystemRefFactory(system=system, **ann),
        SystemRefFactory(system=system, first_name="Bob", last_name="Okafor", email="bob@example.org"),
    ]


def proposal(**values: Any) -> ModelVersion:
    """A version as an estimate keeps it, over the refs that are there."""
    given = read_input()
    model = replace(freeze(given.refs, default_country=given.default_country), **values)
    return store_model(model, now=NOW, source=ModelVersion.Source.ESTIMATE, in_force=False)


def test_a_proposal_is_in_force_only_once_somebody_puts_it_there():
    people()
    regroup(now=NOW)
    standing = active_version()
    proposed = proposal(weights=WEIGHTS)

    assert active_version() == standing

    activate_version(proposed, by=None, now=NOW)
    activate_version(proposed, by=None, now=NOW + timedelta(hours=1))  # again changes nothing

    assert active_version() == proposed
    assert list(ModelVersion.objects.filter(is_active=True)) == [proposed]
    assert active_version().activated_at == NOW


def test_the_run_after_activation_is_full_and_does_what_the_differences_said():
    system = TicketSystemFactory()
    ann = {"first_name": "Ann", "last_name": "Marlow", "postcode": "LS1 4AB", "address1": "12 Quay St"}
    SystemRefFactory(system=system, **ann, date_of_birth="1980-02-03")
    SystemRefFactory(system=system, **ann, date_of_birth=None, mobile="07700900123")
    SystemRefFactory(system=system, **ann, date_of_birth=None, email="ann@example.org")
    regroup(now=NOW)
    proposed = proposal(join_weight=900.0)
    rules_alone = differences_of(load_model(proposed))
    activate_version(proposed, by=None, now=NOW)

    done = regroup(now=NOW + timedelta(hours=1))

    assert (done.joined, done.split) == (rules_alone["joined"], rules_alone["split"])
    assert GroupingRun.objects.order_by("-pk").first().is_full
    assert Mapping.objects.values("contact").distinct().count() == rules_alone["groups_after"]


def test_a_refresh_keeps_learnt_weights_and_learns_the_rest_anew():
    people()
    activate_version(proposal(weights=WEIGHTS, join_weight=4.5, names_suffice=True), by=None, now=NOW)

    refreshed = refresh_when_due(now=NOW + timedelta(days=7))

    assert refreshed is not None
    assert (waiting_version(), active_version().number) == (refreshed, 1)
    assert refreshed.source == ModelVersion.Source.REFRESH
    model = load_model(refreshed)
    assert (model.weights, model.join_weight, model.names_suffice) == (WEIGHTS, 4.5, True)
    assert {name: refreshed.differences[name] for name in ("joined", "split", "compared_with")} == {
        "joined": 0,
        "split": 0,
        "compared_with": 1,
    }
    regroup(now=NOW + timedelta(days=7))
    assert (waiting_version(), active_version()) == (None, refreshed)


@pytest.mark.parametrize(("days", "due"), [(6, False), (7, True)])
def test_a_version_is_refreshed_after_a_week_and_not_before(days, due):
    people()
    refresh_when_due(now=NOW)

    assert is_due(3) is False
    assert (refresh_when_due(now=NOW + timedelta(days=days)) is not None) is due


def test_what_somebody_puts_in_force_is_not_followed_by_a_refresh_from_before():
    people()
    regroup(now=NOW)
    proposed = proposal(weights=WEIGHTS)
    refresh_when_due(now=NOW + timedelta(days=7))
    activate_version(proposed, by=None, now=NOW + timedelta(days=7, hours=1))

    regroup(now=NOW + timedelta(days=7, hours=2))

    assert active_version() == proposed


@pytest.mark.req("D-14")
def test_the_thresholds_of_the_rules_never_become_the_models_own():
    people()
    regroup(now=NOW)
    own = {name: active_version().settings[name] for name in THRESHOLDS}
    rules = newest_version().rules
    score = {"is_active": True, **{name: value + 1.5 for name, value in own.items()}}
    save_rules(rules, score, based_on=1, by=UserFactory(is_superuser=True), now=NOW)

    refresh_when_due(now=NOW + timedelta(days=7))
    regroup(now=NOW + timedelta(days=7))
    SystemRefFactory.create_batch(4, system=TicketSystemFactory())  # more than twice as many
    regroup(now=NOW + timedelta(days=8))

    kept = [{name: version.settings[name] for name in own} for version in ModelVersion.objects.all()]
    assert kept == [own] * 3
    assert basis_of(
        active_version(), load_model(active_version()), rules_in_force()
    ).terms.model.join_weight == (own["join_weight"] + 1.5)


def test_a_proposal_for_a_population_that_has_doubled_since_is_refused():
    refs = people()
    proposed = proposal(weights=WEIGHTS)
    for _ in range(4):
        SystemRefFactory(system=refs[0].system)

    with pytest.raises(CannotActivate) as refusal:
        activate_version(proposed, by=None, now=NOW)

    assert str(refusal.value) == "Model 1 was made for 3 System Refs and there are 7 now. Estimate again."


def test_only_a_manager_who_sees_every_system_puts_a_version_in_force():
    refs = people()
    proposed = proposal(weights=WEIGHTS)
    manager = UserFactory(role=CRM_MANAGERS)

    with pytest.raises(MayNotActivate):
        activate_version(proposed, by=manager, now=NOW)

    grant(manager, SystemRight.VIEW, on=refs[0].system)
    activate_version(proposed, by=type(manager).objects.get(pk=manager.pk), now=NOW)
    assert active_version().by == manager


def test_the_newest_proposal_outlives_the_tidying_up_and_older_ones_do_not():
    people()
    regroup(now=NOW)
    older, newest = proposal(weights=WEIGHTS), proposal(weights=WEIGHTS)

    prune_models()

    assert set(ModelVersion.objects.values_list("number", flat=True)) == {1, newest.number}
    assert not ModelVersion.objects.filter(pk=older.pk).exists()


def test_on_few_refs_the_command_keeps_the_preset_and_says_why():
    people()
    regroup(now=NOW)
    out = StringIO()

    call_command("estimate_grouping_model", "--activate", "--json", stdout=out)

    assert json.loads(out.getvalue()) == {
        "version": 1,
        "activated": False,
        "reason": "There are 3 System Refs; 500 are the fewest to learn from. The weights stay as they are.",
    }
    assert active_version().number == 1


def test_an_estimate_asked_for_on_a_screen_is_run_once_and_tells_its_reason():
    refs = people()
    manager = UserFactory(role=CRM_MANAGERS)
    grant(manager, SystemRight.VIEW, on=refs[0].system)

    asked = file_estimate(by=manager, now=NOW)
    again = file_estimate(by=manager, now=NOW)
    run_estimate(asked.pk, clock=lambda: NOW)
    run_estimate(asked.pk, clock=lambda: NOW)

    asked.refresh_from_db()
    assert again == asked
    assert (asked.state, asked.version, asked.finished_at) == (ModelEstimate.State.DONE, None, NOW)
    assert asked.message.startswith("There are 3 System Refs")


@pytest.mark.slow
def test_from_learning_to_the_next_run_the_groups_change_as_was_shown():
    refs, _truth = FewFields(
        "journey", lambda: population(1_500, 6), NAMES | {"city": 0.1, "date_of_birth": 0.2}
    ).make()
    system = TicketSystemFactory()
    fields = [name for name in refs.column_names if name not in ("ref_id", "system_id")]
    rows: pa.Table = refs.select(fields)
    for row in rows.to_pylist():
        SystemRefFactory(system=system, **row)
    regroup(now=NOW)
    before = Mapping.objects.values("contact").distinct().count()
    out = StringIO()

    call_command("estimate_grouping_model", "--json", stdout=out)
    told = json.loads(out.getvalue())
    proposed = ModelVersion.objects.get(number=told["version"])
    activate_version(proposed, by=None, now=NOW)
    Organisation.load()
    Organisation.objects.update(brake_share=100)
    done = regroup(now=NOW + timedelta(hours=1))

    shown = proposed.differences
    assert (list(told), told["activated"]) == (["version", "activated", "reason"], False)
    assert shown["joined"] > 0
    assert (shown["groups_before"], shown["groups_after"]) == (before, done.contacts)
    assert (done.joined, done.split) == (shown["joined"], shown["split"])
