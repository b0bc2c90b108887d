"""The screens of the matching rules: who may read, try and save them, and what the editor says."""

import pytest
from django.urls import reverse

from contacts.exclusive import exclusive
from contacts.grouping.rules import DEFAULT_RULES
from contacts.models import RuleSet, RuleTrial
from contacts.permissions import SystemRight, grant
from contacts.services.matching_rules import save_rules
from contacts.services.regroup import GROUPING
from contacts.services.rule_trials import file_trial, resume_trials, run_trial
from kore_site.roles import ADMINISTRATORS, CRM_MANAGERS, DATA_PROTECTION_OFFICERS, SALES_REPS
from tests.contacts.test_matching_rules import CITY, SCORE, as_delivered, criterion, rule
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

EDITOR = reverse("admin:contacts_ruleset_changelist")
VERSIONS = reverse("admin:contacts_ruleset_versions")


@pytest.fixture
def system():
    return TicketSystemFactory(code="MLB")


@pytest.fixture
def manager(system):
    user = UserFactory(role=CRM_MANAGERS)
    grant(user, SystemRight.VIEW, on=system)
    return user


@pytest.fixture
def filed(monkeypatch):
    """The tasks given to the cluster, instead of a cluster."""
    tasks = []
    monkeypatch.setattr(
        "contacts.admin.matching_rules.async_task", lambda name, **given: tasks.append((name, given))
    )
    return tasks


def posted(*rules, based_on=1, score=None, **more):
    """What the editor sends for these rules."""
    data = {
        "based_on": based_on,
        "rules-TOTAL_FORMS": len(rules),
        "rules-INITIAL_FORMS": 0,
        "score-is_active": "on",
        **{f"score-{name}": value for name, value in (score or {}).items()},
        **more,
    }
    for at, each in enumerate(rules):
        own = f"rules-{at}"
        data |= {f"{own}-name": each["name"], f"{own}-title": each["title"], f"{own}-ORDER": at + 1}
        data |= {f"{own}-{flag}": "on" for flag in ("is_active", "names_must_agree") if each[flag]}
        data |= {
            f"{own}-criteria-TOTAL_FORMS": len(each["criteria"]),
            f"{own}-criteria-INITIAL_FORMS": 0,
        }
        for number, asked in enumerate(each["criteria"]):
            row = f"{own}-criteria-{number}"
            data |= {f"{row}-{name}": asked[name] for name in ("field", "comparator", "threshold")}
            data[f"{row}-ORDER"] = number + 1
            if asked["blank_is_no_objection"]:
                data[f"{row}-blank_is_no_objection"] = "on"
    return data


def errors(response):
    """Where the editor complains: the name of the field or form, and the sentence."""
    editor = response.context["editor"]
    found = [
        (form.add_prefix(name), text)
        for form in _forms(editor)
        for name, texts in form.errors.items()
        for text in texts
    ]
    return found + [("", problem) for problem in editor.problems]


def _forms(editor):
    for form in editor.formset.forms:
        yield form
        yield from form.criteria.forms
    yield editor.score


@pytest.mark.parametrize("role", [ADMINISTRATORS, CRM_MANAGERS])
def test_who_sees_every_system_gets_the_editor_with_the_rules_in_force(client, role, system):
    user = UserFactory(role=role)
    grant(user, SystemRight.VIEW, on=system)
    client.force_login(user)

    page = client.get(EDITOR)

    titles = [form["title"].value() for form in page.context["editor"].shown_rules]
    assert titles[:3] == [rule.title for rule in DEFAULT_RULES]
    assert b"Try these rules" in page.content
    assert client.get(reverse("admin:contacts_ruleset_add")).url == EDITOR


@pytest.mark.req("R-MDB-16")
def test_a_manager_who_does_not_see_every_system_reads_and_cannot_try_or_save(client, manager, filed):
    TicketSystemFactory(code="ELSE")
    client.force_login(manager)

    page = client.get(EDITOR)
    tried = client.post(EDITOR, posted(*as_delivered(), CITY, **{"try": 1}))

    assert b"Try these rules" not in page.content
    assert b"The e-mail is the same and the names agree." in page.content
    assert (tried.status_code, filed, RuleSet.objects.count()) == (403, [], 0)


def test_an_officer_reads_and_a_sales_rep_finds_nothing(client):
    client.force_login(UserFactory(role=DATA_PROTECTION_OFFICERS))
    assert [client.get(page).status_code for page in (EDITOR, VERSIONS)] == [200, 200]
    assert b"Try these rules" not in client.get(EDITOR).content

    client.force_login(UserFactory(role=SALES_REPS))
    assert [client.get(page).status_code for page in (EDITOR, VERSIONS)] == [403, 403]
    assert b"Matching rules" not in client.get(reverse("admin:index")).content


def test_trying_files_a_dry_run_and_saves_nothing(client, manager, filed, django_capture_on_commit_callbacks):
    client.force_login(manager)

    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(EDITOR, posted(*as_delivered(), CITY, **{"try": 1}))

    trial = RuleTrial.objects.get()
    assert answer.url == reverse("admin:contacts_ruleset_trial", args=[trial.pk])
    assert filed == [
        ("contacts.tasks.try_rules", {"trial_id": trial.pk, "task_name": f"try_rules {trial.pk}"})
    ]
    assert [rule["name"] for rule in trial.rules] == ["email", "address", "phone", "same_company_and_city"]
    assert trial.rules[:3] == as_delivered()
    assert RuleSet.objects.count() == 0


@pytest.mark.slow
def test_a_dry_run_says_how_many_join_with_examples_and_its_rules_can_be_saved(client, manager, system):
    home = {"system": system, "company": "Corvid", "city": "Durham"}
    SystemRefFactory(**home, first_name="Ann", last_name="Lee")
    SystemRefFactory(**home, first_name="Bo", last_name="Okafor")
    trial = file_trial([*as_delivered(), CITY], SCORE, based_on=1, by=manager, now=NOW)
    run_trial(trial.pk, clock=lambda: NOW)
    client.force_login(manager)
    address = reverse("admin:contacts_ruleset_trial", args=[trial.pk])

    page = client.get(address)
    saved = client.post(address, {"save": 1, "note": "For the box office."}, follow=True)

    [example] = page.context["examples"]
    assert (example.is_join, example.rule, example.refs) == (True, "“Same company and city”", 2)
    marks = {label: [cell.difference.value for cell in cells] for label, cells in example.lines}
    assert marks == {
        "first name": ["same", "other"],
        "last name": ["same", "other"],
        "company": ["same", "same"],
        "city": ["same", "same"],
    }
    assert "<b>1</b> group would join, <b>0</b> would split." in page.content.decode()
    made = RuleSet.objects.get(is_active=True)
    assert (made.number, made.author, made.note) == (2, manager, "For the box office.")
    assert "Version 2 is in force." in saved.content.decode()


@pytest.mark.req("R-MDB-16")
def test_a_dry_run_is_absent_for_who_does_not_see_every_system(client, manager):
    trial = file_trial([*as_delivered(), CITY], SCORE, based_on=1, by=manager, now=NOW)
    TicketSystemFactory(code="ELSE")
    client.force_login(UserFactory(role=CRM_MANAGERS))
    here, nowhere = (reverse("admin:contacts_ruleset_trial", args=[pk]) for pk in (trial.pk, 99_999))

    assert [client.get(address).status_code for address in (here, nowhere)] == [404, 404]
    assert client.get(f"{here}progress/").status_code == 404
    assert client.get(EDITOR, {"trial": trial.pk}).status_code == 404
    assert list(client.get(EDITOR).context["trials"]) == []


@pytest.mark.req("R-MDB-16")
def test_an_example_is_shown_only_where_every_ref_of_it_is_visible(client, manager, system):
    ours, gone = SystemRefFactory(system=system), SystemRefFactory(system=system)
    example = {"kind": "join", "rule": "", "left": [ours.pk], "right": [gone.pk], "others": []}
    trial = RuleTrial.objects.create(
        rules=as_delivered(),
        score=SCORE,
        based_on=1,
        state="done",
        created_at=NOW,
        finished_at=NOW,
        counts={"joined": 1, "split": 0, "groups_before": 2, "groups_after": 1, "compared_with": 1},
        examples=[example],
    )
    gone.delete()
    client.force_login(manager)

    page = client.get(reverse("admin:contacts_ruleset_trial", args=[trial.pk]))

    assert page.context["examples"] == []
    assert b"No example to show" in page.content


def test_what_is_wrong_is_said_at_the_very_criterion_and_nothing_is_lost(client, manager, filed):
    client.force_login(manager)
    wrong = rule(
        "Loose",
        criterion("mobile", "fuzzy"),
        criterion("first name", "fuzzy", 0.2),
        criterion("", "normalised"),
        criterion("mobile"),
    )

    page = client.post(EDITOR, posted(as_delivered()[0], wrong, **{"try": 1}))

    assert errors(page) == [("rules-1-criteria-2-field", "Choose a field.")]
    wrong["criteria"][2]["field"] = "city"
    page = client.post(EDITOR, posted(as_delivered()[0], wrong, **{"try": 1}))
    assert errors(page) == [
        (
            "rules-1-criteria-0-comparator",
            "Two values of mobile are the same or they are not: choose normalised or exact.",
        ),
        ("rules-1-criteria-1-threshold", "Between 0.5 and 1."),
        ("rules-1-criteria-3-field", "This rule asks for mobile already."),
    ]
    shown = page.context["editor"].shown_rules[1]
    assert [row["field"].value() for row in shown.shown_criteria()] == [
        "mobile",
        "first name",
        "city",
        "mobile",
    ]
    assert page.content.count(b'class="k-error"') == 3
    assert (filed, RuleTrial.objects.count()) == ([], 0)


def test_rows_stand_by_their_places_and_removed_and_blank_ones_are_left_out(client, manager, filed):
    client.force_login(manager)
    data = posted(*as_delivered(), rule("Blank"), **{"try": 1})
    data |= {"rules-0-ORDER": 9, "rules-1-DELETE": "on", "rules-0-criteria-TOTAL_FORMS": 4}
    data |= {"rules-3-title": "", "rules-3-ORDER": ""}

    client.post(EDITOR, data)

    assert [rule["name"] for rule in RuleTrial.objects.get().rules] == ["phone", "email"]


def test_saving_untried_takes_a_tick(client, manager):
    client.force_login(manager)
    data = posted(*as_delivered(), CITY, save=1, note="Quick.")

    refused = client.post(EDITOR, data)
    count = RuleSet.objects.count()
    client.post(EDITOR, data | {"untried": "1"})

    assert (errors(refused), count) == (
        [("", "Try the rules first, or tick that you save them untried.")],
        0,
    )
    assert RuleSet.objects.get(is_active=True).note == "Quick."


def test_the_second_of_two_editors_is_told_what_the_first_changed_and_keeps_their_own(client, manager, filed):
    other = UserFactory(username="jay", is_superuser=True)
    save_rules([*as_delivered(), CITY], SCORE, based_on=1, by=other, now=NOW)
    client.force_login(manager)
    mine = rule("Same mobile", criterion("mobile"), criterion("last name"))

    page = client.post(EDITOR, posted(*as_delivered(), mine, **{"try": 1}))

    said = [text for _field, text in errors(page)]
    assert said[0].startswith("Version 2 was saved by jay since you began.")
    assert "“Same company and city” was added" in said[0]
    assert [form["title"].value() for form in page.context["editor"].shown_rules][-1] == "Same mobile"
    assert b'name="based_on" value="2"' in page.content
    assert RuleTrial.objects.count() == 0


def test_the_versions_say_what_each_changed_and_an_old_one_is_taken_up_again(client, manager):
    off = [*as_delivered()[:2], as_delivered()[2] | {"is_active": False}]
    save_rules(off, SCORE | {"join_weight": 8}, based_on=1, by=manager, now=NOW, note="Too many flats.")
    client.force_login(manager)

    page = client.get(VERSIONS)
    taken_up = client.get(EDITOR, {"version": 1})
    unknown = client.get(EDITOR, {"version": 7})

    said = [(one["made"].number, one["changes"]) for one in page.context["versions"]]
    assert said == [
        (
            2,
            [
                "“Same name and business phone” was switched off.",
                "The score: joined from, versus a stranger, 8 (before: as the model says).",
            ],
        ),
        (1, []),
    ]
    assert [form["is_active"].value() for form in taken_up.context["editor"].shown_rules[:3]] == [True] * 3
    assert taken_up.context["editor"].based_on == 2
    assert unknown.status_code == 404


@pytest.mark.parametrize("versions", [2, 4])
def test_the_versions_cost_the_same_queries_however_many_there_are(
    client, manager, versions, django_assert_max_num_queries
):
    for number in range(1, versions + 1):
        save_rules(
            as_delivered(),
            SCORE | {"join_weight": 7 + number},
            based_on=number,
            by=UserFactory(is_superuser=True),
            now=NOW,
        )
    client.force_login(manager)

    with django_assert_max_num_queries(15) as counted:
        client.get(VERSIONS)

    assert len(counted) <= 15


def test_an_older_version_taken_up_is_said_not_to_be_in_force(client, manager, system):
    save_rules([*as_delivered(), CITY], SCORE, based_on=1, by=manager, now=NOW, note="")
    client.force_login(manager)

    older = client.get(EDITOR, {"version": 1})
    standing = client.get(EDITOR, {"version": 2})

    assert "Below stand the rules of version 1" in older.content.decode()
    assert "they are not in force until you save them" in older.content.decode()
    assert "Below stand the rules" not in standing.content.decode()


def test_a_dry_run_waits_for_the_grouping_at_work_and_says_so(client, manager, system):
    SystemRefFactory(system=system)
    trial = file_trial([*as_delivered(), CITY], SCORE, based_on=1, by=manager, now=NOW)
    client.force_login(manager)

    with exclusive(GROUPING):
        run_trial(trial.pk, clock=lambda: NOW)
        waiting = client.get(reverse("admin:contacts_ruleset_trial", args=[trial.pk])).content.decode()
    resume_trials(clock=lambda: NOW)

    assert "A grouping run is at work and needs the memory." in waiting
    trial.refresh_from_db()
    assert trial.state == RuleTrial.State.DONE
