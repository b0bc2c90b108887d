"""The screen of primary rules: editing by clicks alone, what would change, saving, and who may."""

import pytest
from django.urls import reverse
from django_q.models import OrmQ

from contacts import tasks
from contacts.exclusive import exclusive
from contacts.models import PrimaryRuleList, PrimaryRun
from contacts.permissions import ADMINISTRATORS, DATA_PROTECTION_OFFICERS, SystemRight, grant
from contacts.services.primary_order import GivenRule, Kind
from contacts.services.primary_rules import APPLYING, rules_in_force
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ...factories import SystemRefFactory, TicketSystemFactory, UserFactory
from ...factories.primary_rules import contact_of, in_order, leader_of, put_in_force

pytestmark = pytest.mark.django_db

LIST = reverse("admin:contacts_primaryrulelist_changelist")
EDIT = reverse("admin:contacts_primaryrulelist_edit")
SAVE = reverse("admin:contacts_primaryrulelist_save")
NOW_PAGE = reverse("admin:contacts_primaryrulelist_now")
PROGRESS = reverse("admin:contacts_primaryrulelist_progress")
SEASON, SPENT = GivenRule(Kind.SEASON_TICKET), GivenRule(Kind.MOST_SPENT)


@pytest.fixture
def manager(mlb, minors):
    """A CRM manager who may see the records of both systems."""
    user = UserFactory(role=CRM_MANAGERS, first_name="Jo", last_name="Diaz")
    for system in (mlb, minors):
        grant(user, SystemRight.VIEW, on=system)
    return user


@pytest.fixture
def as_manager(manager, client):
    client.force_login(manager)
    return client


def posted(*rules, based_on=0, **more) -> dict:
    """What the page sends for these rules."""
    fields = {"rules": len(rules), "based_on": based_on, **more}
    for place, rule in enumerate(rules):
        fields[f"kind-{place}"] = rule.kind.value
        fields[f"system-{place}"] = [*rule.systems, 0]
        if rule.is_active:
            fields[f"active-{place}"] = "on"
    return fields


def kinds(response) -> list[str]:
    return [line.rule.kind.value for line in response.context["lines"]]


def test_without_a_rule_the_page_says_that_nothing_switches(as_manager):
    page = as_manager.get(LIST).content.decode()

    assert "Nothing switches by itself" in page
    assert "moves nothing back" in page


@pytest.mark.parametrize(
    ("click", "expected"),
    [
        ("up-1", ["most_spent", "season_ticket"]),
        ("down-0", ["most_spent", "season_ticket"]),
        ("down-1", ["season_ticket", "most_spent"]),
        ("up-0", ["season_ticket", "most_spent"]),
        ("remove-0", ["most_spent"]),
        ("add-system_order", ["season_ticket", "most_spent", "system_order"]),
        ("add-nonsense", ["season_ticket", "most_spent"]),
        ("up-99", ["season_ticket", "most_spent"]),
        ("", ["season_ticket", "most_spent"]),
    ],
)
def test_each_click_changes_the_draft_and_saves_nothing(as_manager, click, expected):
    response = as_manager.post(EDIT, posted(SEASON, SPENT, do=click))

    assert kinds(response) == expected
    assert not PrimaryRuleList.objects.exists()


def test_what_the_page_sends_may_be_nonsense_and_is_then_left_out(as_manager):
    response = as_manager.post(
        EDIT,
        {"rules": "2", "kind-0": "most_spent", "kind-1": "x", "system-0": ["y", "9" * 30], "based_on": "z"},
    )

    assert (response.status_code, kinds(response)) == (200, ["most_spent"])


def test_before_saving_it_says_how_many_change_by_which_rule_with_examples_and_why(as_manager, mlb, minors):
    minor = SystemRefFactory(system=minors, system_ref="3004", spent_total=5)
    contact = contact_of(minor, SystemRefFactory(system=mlb, system_ref="2001"))
    richer = contact_of(
        SystemRefFactory(system=mlb, spent_total=5), SystemRefFactory(system=mlb, spent_total=80)
    )
    hand = contact_of(SystemRefFactory(system=minors), SystemRefFactory(system=mlb), by_hand=True)

    response = as_manager.post(EDIT, posted(in_order(mlb, minors), SPENT, do="try"))

    context = response.context
    assert (context["found"].changed, context["found"].kept) == (2, 1)
    assert [(rule["words"], rule["changed"], rule["kept"]) for rule in context["by_rule"]] == [
        ("Majors before Minors", 1, 1),
        ("Most spent", 1, 0),
    ]
    assert [(example["contact"].pk, example["why"]) for example in context["examples"]] == [
        (contact.pk, "Majors before Minors"),
        (richer.pk, "Most spent: £80, before: £5"),
    ]
    assert f"/{hand.pk}/" not in response.content.decode()
    assert leader_of(contact) == minor
    assert not PrimaryRuleList.objects.exists()


def test_a_rule_that_makes_no_sense_is_shown_again_with_what_is_wrong_beside_it(as_manager):
    response = as_manager.post(EDIT, posted(SEASON, GivenRule(Kind.SYSTEM_ORDER), do="try"))

    assert [line.error for line in response.context["lines"]] == ["", "Choose the system that goes first."]


def test_saving_puts_the_draft_in_force_and_leaves_applying_to_the_night(as_manager, manager, mlb, minors):
    minor = SystemRefFactory(system=minors)
    contact = contact_of(minor, SystemRefFactory(system=mlb))

    response = as_manager.post(SAVE, posted(in_order(mlb, minors), tonight="1"), follow=True)

    assert (rules_in_force().number, rules_in_force().version.by) == (1, manager)
    assert leader_of(contact) == minor
    page = response.content.decode()
    assert "Majors before Minors" in page
    assert "Jo Diaz" in page
    assert not OrmQ.objects.exists()


def test_saving_and_applying_now_files_one_run_that_the_cluster_does(
    as_manager, manager, mlb, minors, django_capture_on_commit_callbacks
):
    major = SystemRefFactory(system=mlb)
    contact = contact_of(SystemRefFactory(system=minors), major)

    with django_capture_on_commit_callbacks(execute=True):
        as_manager.post(SAVE, posted(in_order(mlb, minors), now="1"))
        as_manager.post(NOW_PAGE)  # a second click

    run = PrimaryRun.objects.get()
    task = OrmQ.objects.get().task
    assert (task["func"], task["kwargs"]) == ("contacts.tasks.apply_primary_rules", {"run_id": run.pk})
    waiting = as_manager.get(PROGRESS)
    assert (waiting.status_code, "waits for the cluster" in waiting.content.decode()) == (200, True)
    assert tasks.apply_primary_rules(run_id=run.pk) == "1 primaries changed."
    assert tasks.apply_primary_rules(run_id=run.pk) == "Nothing is left to do."
    assert (leader_of(contact), PrimaryRun.objects.get().by) == (major, manager)
    done = as_manager.get(PROGRESS)
    assert (done.status_code, "primary switched" in done.content.decode()) == (286, True)


def test_a_run_filed_while_the_rules_are_applied_already_is_dropped(as_manager, mlb, minors):
    put_in_force(in_order(mlb, minors))
    as_manager.post(NOW_PAGE)

    with exclusive(APPLYING):
        said = tasks.apply_primary_rules(run_id=PrimaryRun.objects.get().pk)

    assert said == "Applying the primary rules is running already."
    assert not PrimaryRun.objects.exists()


def test_a_run_that_was_cut_off_is_told_as_such(as_manager, mlb, minors):
    version = put_in_force(in_order(mlb, minors))
    PrimaryRun.objects.create(
        rule_list=version, filed_at=version.at, started_at=version.at, total=5, changed=2
    )

    assert "the next night does the rest" in as_manager.get(LIST).content.decode()


def test_who_edits_an_older_version_loses_nothing_of_the_newer(as_manager, mlb, minors):
    put_in_force(SEASON)

    response = as_manager.post(SAVE, posted(SPENT, based_on=0))

    assert response.status_code == 409
    assert "saved version 1 while you were editing" in response.content.decode()
    assert [rule.kind for rule in rules_in_force().rules] == [Kind.SEASON_TICKET]


# ---- who may ----


@pytest.mark.req("R-MDB-16")
def test_a_manager_who_may_not_see_every_system_reads_the_rules_and_hears_no_count(client, mlb, minors):
    contact_of(SystemRefFactory(system=minors), SystemRefFactory(system=mlb))
    version = put_in_force(in_order(mlb, minors))
    PrimaryRun.objects.create(rule_list=version, filed_at=version.at, finished_at=version.at, changed=77)
    manager = UserFactory(role=CRM_MANAGERS)
    grant(manager, SystemRight.VIEW, on=mlb)
    client.force_login(manager)

    page = client.get(LIST)
    answers = [
        client.post(EDIT, posted(SEASON, do="try")),
        client.post(SAVE, posted(SEASON, based_on=1)),
        client.get(NOW_PAGE),
        client.post(NOW_PAGE),
        client.get(PROGRESS),
    ]

    assert "you may not see those of all of them" in page.content.decode()
    assert "Majors before Minors" in page.content.decode()
    assert "77" not in page.content.decode()
    assert [answer.status_code for answer in answers] == [403] * 5
    assert rules_in_force().number == 1


@pytest.mark.parametrize("role", [SALES_REPS, DATA_PROTECTION_OFFICERS])
def test_who_does_not_steer_does_not_come_near(client, mlb, role):
    user = UserFactory(role=role)
    grant(user, SystemRight.VIEW, on=mlb)
    client.force_login(user)

    answers = [
        client.get(LIST),
        client.post(EDIT, posted(SEASON, do="try")),
        client.post(SAVE, posted(SEASON)),
        client.post(NOW_PAGE),
        client.get(PROGRESS),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5


def test_a_system_made_later_is_one_that_has_to_be_seen_too(as_manager):
    TicketSystemFactory()

    assert as_manager.post(EDIT, posted(SEASON, do="try")).status_code == 403


def test_an_administrator_edits(client, mlb):
    administrator = UserFactory(role=ADMINISTRATORS)
    grant(administrator, SystemRight.VIEW, on=mlb)
    client.force_login(administrator)

    assert client.post(EDIT, posted(SEASON, do="try")).status_code == 200


def test_the_pages_ask_as_often_for_three_contacts_and_versions_as_for_one(
    as_manager, mlb, minors, django_assert_max_num_queries
):
    def grow(rules):
        contact_of(SystemRefFactory(system=minors), SystemRefFactory(system=mlb))
        put_in_force(*rules)

    counts = []
    for rules in ([in_order(mlb, minors)], [in_order(mlb, minors), SEASON], [SPENT, in_order(mlb, minors)]):
        grow(rules)
        if len(rules) == 1 or rules[0] == SPENT:
            with django_assert_max_num_queries(40) as page:
                as_manager.get(LIST)
            with django_assert_max_num_queries(40) as tried:
                as_manager.post(EDIT, posted(in_order(mlb, minors), SEASON, do="try"))
            counts.append((len(page), len(tried)))

    assert counts[0] == counts[1]
