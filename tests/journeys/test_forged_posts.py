"""Whoever may see but not change sends forms that no page offers: refused, noted, and nothing is changed."""

import logging

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from contacts.models import (
    BusinessUnit,
    Case,
    FieldChange,
    GroupChange,
    GroupDecision,
    GroupRequest,
    HeldLine,
    HeldValue,
    Job,
    Organisation,
    RefusedAttempt,
    ReviewAnswer,
    SystemRef,
    TicketSystem,
)
from contacts.permissions import SystemRight
from kore_site.roles import ADMINISTRATORS, CRM_MANAGERS, SALES_REPS
from sync.models import PlanLine
from tests.crawler.fingerprint import fingerprint
from tests.crawler.rows import VALUE
from tests.crawler.units import Units
from ticketing.models import SourceConnection, WriteBack

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.req("R-MDB-17"),
    pytest.mark.req("R-MDB-27"),
    pytest.mark.req("R-MDB-28"),
    pytest.mark.req("R-MDB-29"),
]

ANYBODY, STEERERS = (SALES_REPS, CRM_MANAGERS), (CRM_MANAGERS, ADMINISTRATORS)
EVERYTHING = {
    "first_name": "Forged",
    "email": "forged@example.org",
    "system_ref": "forged",
    "changes-TOTAL_FORMS": "1",
    "changes-INITIAL_FORMS": "0",
    "changes-0-after": "forged",
}
# Where, what is sent, and by whom; `{ref}` and its like are the ids of what they may see.
FORGED = [
    *(
        (f"/admin/contacts/{page}/", {**EVERYTHING, button: "1"}, ANYBODY)
        for page in ("systemref/{ref}/change", "contact/{contact}/change")
        for button in ("_save", "_saveasnew", "_continue", "_addanother")
    ),
    ("/admin/ticketing/purchase/{purchase}/change/", {"amount": "0", "_save": "1"}, ANYBODY),
    *(
        (f"/admin/{page}/delete/", {"post": "yes"}, ANYBODY)
        for page in (
            "contacts/systemref/{ref}",
            "contacts/contact/{contact}",
            "ticketing/purchase/{purchase}",
        )
    ),
    ("/admin/contacts/systemref/add/", {**EVERYTHING, "system": "{system}"}, ANYBODY),
    ("/admin/contacts/contact/add/", {**EVERYTHING, "unit": "{unit}", "last_name": "Forged"}, ANYBODY),
    ("/admin/ticketing/purchase/add/", {"system_ref": "{ref}", "purchase_id": "forged"}, ANYBODY),
    ("/tdm/{contact}/", {"account": "{ref}", "city": "Forged", "seen_city": ""}, ANYBODY),
    ("/tdm/{contact}/", {"account": "{ref}", "city": "Forged", "follows": "{write_back}"}, ANYBODY),
    ("/tdm/{contact}/primary/", {"account": "{ref}"}, ANYBODY),
    ("/tdm/{contact}/primary/", {"account": "{ref}", "leave": "1"}, ANYBODY),
    ("/tdm/{contact}/revert/", {"account": "{ref}", "change": "{change}"}, ANYBODY),
    ("/tdm/conflicts/", {"settle": "keep {held}"}, ANYBODY),
    ("/tdm/conflicts/", {"settle": "take", "held": "{held}", "seen_{held}": ""}, ANYBODY),
    ("/tdm/write-backs/", {"settle": "drop {write_back}"}, ANYBODY),
    ("/tdm/write-backs/", {"settle": "done {write_back}"}, ANYBODY),
    ("/contact/{contact}/primary/", {"ref": "{ref}"}, ANYBODY),
    ("/contact/{contact}/crm-fields/", {"segment": "Forged", "owner": ""}, ANYBODY),
    ("/admin/contacts/job/import/", {"resource": "0", "system": "{system}", "import_file": None}, STEERERS),
    ("/admin/contacts/job/{job}/change/", {"confirm": "1"}, STEERERS),
    ("/admin/contacts/job/{job}/change/", {"cancel": "1"}, STEERERS),
    ("/admin/contacts/job/{job}/mend/", {"send": "1"}, STEERERS),
    ("/admin/ticketing/sourceconnection/{connection}/pull/", {}, STEERERS),
    ("/admin/ticketing/sourceconnection/{connection}/pause/", {"paused": "1"}, STEERERS),
    ("/admin/ticketing/sourceconnection/{connection}/test/", {}, STEERERS),
    ("/admin/ticketing/sourceconnection/{connection}/mapping/", {"accounts": "x"}, STEERERS),
    ("/admin/ticketing/sourceconnection/{connection}/settings/", {"every_minutes": "1"}, STEERERS),
    ("/admin/ticketing/sourceconnection/add/", {"system": "{system}", "connector": "pretix"}, STEERERS),
]
# What is asked of the groups and said of them: of reps, who have no right to it, on what is theirs to change.
GROUPING = [
    ("/admin/contacts/contact/{contact}/group/", {"do": "file", "with": "{other}"}),
    ("/admin/contacts/contact/", {"action": "group", "chosen": "{contact}"}),
    ("/admin/contacts/contact/", {"action": "ungroup", "chosen": "{contact}", "confirmed": "1"}),
    ("/admin/contacts/contact/{contact}/ungroup/", {"may_regroup": "yes"}),
    ("/admin/contacts/contact/{contact}/split/", {"do": "file", "part-{ref}": "1"}),
    ("/admin/contacts/contact/{contact}/raise-case/", {"title": "Forged"}),
    ("/admin/contacts/groupchange/{group_change}/undo/", {"may_regroup": "yes"}),
    ("/admin/contacts/groupchange/{group_change}/undo/", {"now": "1"}),
    *(
        ("/admin/contacts/grouprequest/{request}/steer/", {"do": order})
        for order in ("withdraw", "hold", "release", "process")
    ),
    *(
        ("/admin/contacts/grouprequest/", {"action": order, "chosen": "{request}"})
        for order in ("withdraw", "hold", "release")
    ),
    ("/admin/contacts/reviewanswer/answer/", {"left": "{contact}", "right": "{other}", "said": "same"}),
    ("/admin/contacts/reviewanswer/safe/", {"pair": "{contact}-{other}-x"}),
    ("/admin/contacts/reviewanswer/answers/{answer}/take-back/", {}),
    ("/admin/contacts/groupdecision/add/", {"left": "{ref}", "right": "{ref}", "reason": "Forged"}),
    ("/admin/contacts/groupdecision/lift/", {"decision": "{decision}"}),
    ("/admin/contacts/groupdecision/restore/", {}),
    ("/admin/contacts/case/{case}/comment/", {"text": "Forged", "state": "solved"}),
    ("/admin/contacts/case/{case}/send/", {}),
    ("/admin/sync/nightplan/hold/", {"hold": "{plan_line}"}),
    ("/admin/sync/nightplan/hold/", {"let_go": "{plan_line}"}),
    ("/admin/sync/nightplan/hold/", {"let_hold_go": "{held_line}"}),
    ("/admin/sync/nightplan/make/", {}),
]
# Lists have no actions and no fields.
ACTIONS = [
    {"action": "delete_selected", "_selected_action": "{ref}", "post": "yes"},
    {"action": "export_admin_action", "_selected_action": "{ref}"},
    {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": "{ref}", "_save": "1"},
]


@pytest.fixture
def units(caplog):
    for name in ("django.request", "kore_site.refusals"):
        caplog.set_level(logging.CRITICAL, name)
    units = Units()
    HeldValue.objects.update(differs_since="2026-03-02T12:00:00Z")
    Job.objects.update(state=Job.State.CHECKED)
    Organisation.load()
    return units


def filled(text, units):
    """The text with the ids of what the person may see."""
    side = units.our_side()
    ids = {
        "ref": SystemRef,
        "contact": type(units.shared),
        "system": TicketSystem,
        "held": HeldValue,
        "change": FieldChange,
        "write_back": WriteBack,
        "job": Job,
        "connection": SourceConnection,
        "group_change": GroupChange,
        "answer": ReviewAnswer,
        "decision": GroupDecision,
        "case": Case,
        "plan_line": PlanLine,
        "held_line": HeldLine,
    }
    named = {name: side.id(model) for name, model in ids.items()}
    named |= {"other": units.our_contact.pk, "request": units.ours.last(GroupRequest).pk}
    purchases = units.ours.made[SystemRef][0].purchases
    unit = units.ours.last(TicketSystem).business_unit_id
    return text.format(**named, purchase=purchases.get().pk, unit=unit)


def sent(data, units):
    file = SimpleUploadedFile("refs.csv", b"system_ref,email\n1,forged@example.org\n")
    return {filled(k, units): file if v is None else filled(v, units) for k, v in data.items()}


@pytest.mark.parametrize(
    ("role", "path", "data"),
    [
        pytest.param(role, path, data, id=f"{role} {path} {' '.join(data)[:30]}")
        for path, data, roles in FORGED
        for role in roles
    ],
)
def test_a_forged_change_is_refused_and_noted_and_changes_nothing(role, path, data, units, client):
    client.force_login(units.visitor(role, SystemRight.VIEW))
    path = filled(path, units)
    before = fingerprint()

    response = client.post(path, sent(data, units))

    assert response.status_code == 403
    assert fingerprint() == before
    assert list(RefusedAttempt.objects.values_list("method", "path", "status")) == [("POST", path, 403)]


@pytest.mark.req("R-CM-7", "R-CM-14", "R-CM-19", "R-CM-22", "R-CM-24")
@pytest.mark.parametrize(("path", "data"), GROUPING, ids=lambda given: str(given)[:60])
def test_a_rep_who_may_not_group_is_refused_at_every_door_to_it(path, data, units, client):
    client.force_login(units.visitor(SALES_REPS, *SystemRight))
    path = filled(path, units)
    before = fingerprint()

    response = client.post(path, sent(data, units))

    assert response.status_code == 403
    assert fingerprint() == before
    assert list(RefusedAttempt.objects.values_list("method", "path", "status")) == [("POST", path, 403)]


@pytest.mark.req("R-CM-7", "R-MDB-16")
def test_a_manager_who_sees_part_of_a_contact_is_refused_at_every_door_and_told_nothing_of_the_rest(
    units, client
):
    """Ours of the person of both may be seen and changed; to group needs the right to see every ref."""
    manager = units.visitor(CRM_MANAGERS, *SystemRight)
    client.force_login(manager)
    world = units.add_theirs()
    ours, theirs = world.ours, world.near
    shared = f"/admin/contacts/contact/{units.shared.pk}"
    requests, answers = units.theirs.made[GroupRequest], units.theirs.made[ReviewAnswer]
    before = fingerprint()
    partly = [
        (f"{shared}/group/", {"do": "file", "with": units.our_contact.pk}),
        (f"{shared}/ungroup/", {"may_regroup": "yes"}),
        (f"{shared}/split/", {"do": "file", f"part-{ours.id(SystemRef)}": "1"}),
    ]
    hidden = [
        *(
            (f"/admin/contacts/grouprequest/{asked.pk}/steer/", {"do": order})
            for asked in requests
            for order in ("withdraw", "hold", "release")
        ),
        *(
            (f"/admin/contacts/groupchange/{change.pk}/undo/", {"may_regroup": "yes"})
            for change in units.theirs.made[GroupChange]
        ),
        *((f"/admin/contacts/reviewanswer/answers/{given.pk}/take-back/", {}) for given in answers),
        *(
            (f"/admin/contacts/case/{case.pk}/comment/", {"text": "Forged"})
            for case in units.theirs.made[Case]
        ),
        *(("/admin/sync/nightplan/hold/", {"hold": line.pk}) for line in units.theirs.made[PlanLine]),
        *(("/admin/sync/nightplan/hold/", {"let_hold_go": hold.pk}) for hold in units.theirs.made[HeldLine]),
        (f"/admin/contacts/contact/{theirs.id(type(units.shared))}/ungroup/", {}),
    ]

    refused = [client.post(path, data) for path, data in partly]
    unseen = [(path, client.post(path, data).status_code) for path, data in hidden]

    assert [answer.status_code for answer in refused] == [403, 403, 403]
    for answer in refused:
        assert VALUE not in answer.content.decode()
        assert str(units.theirs.made[SystemRef][0].pk) not in answer.content.decode()
    assert unseen == [(path, 404) for path, _data in hidden]
    assert fingerprint() == before


@pytest.mark.parametrize("role", ANYBODY)
@pytest.mark.parametrize(
    "page",
    [
        "contacts/contact",
        "contacts/systemref",
        "contacts/job",
        "contacts/ticketsystem",
        "ticketing/purchase",
        "ticketing/sourceconnection",
    ],
)
@pytest.mark.parametrize("data", ACTIONS, ids=lambda data: next(iter(data.values())))
def test_an_action_that_no_list_offers_is_refused_and_noted_and_changes_nothing(
    role, page, data, units, client
):
    client.force_login(units.visitor(role, *SystemRight))
    path = f"/admin/{page}/"
    before = fingerprint()

    response = client.post(path, sent(data, units))

    assert response.status_code == 403
    assert fingerprint() == before
    assert list(RefusedAttempt.objects.values_list("method", "path", "status")) == [("POST", path, 403)]


def test_an_export_takes_no_ids(units, client):
    units.add_theirs()
    client.force_login(units.visitor(SALES_REPS, SystemRight.VIEW))
    theirs = [ref.pk for ref in units.theirs.made[SystemRef]]

    answer = client.post("/admin/contacts/systemref/export/", {"format": "0", "export_items": theirs})

    assert not answer.has_header("Content-Disposition")
    assert VALUE not in answer.content.decode()


@pytest.mark.parametrize("role", ANYBODY)
def test_what_is_hidden_is_refused_as_what_is_not_there(role, units, client):
    world = units.add_theirs()
    client.force_login(units.visitor(role, *SystemRight))
    contact = world.ours.id(type(units.shared))
    before = fingerprint()
    hidden = [
        ("/tdm/{contact}/", {"account": world.near.id(SystemRef), "city": "Forged"}),
        ("/tdm/{contact}/primary/", {"account": world.near.id(SystemRef)}),
        (
            "/tdm/{contact}/revert/",
            {"account": world.near.id(SystemRef), "change": world.near.id(FieldChange)},
        ),
        ("/tdm/conflicts/", {"settle": f"take {world.near.id(HeldValue)}"}),
        ("/tdm/write-backs/", {"settle": f"drop {world.near.id(WriteBack)}"}),
        ("/contact/{contact}/primary/", {"ref": world.near.id(SystemRef)}),
        ("/admin/contacts/contact/add/", {"unit": world.near.id(BusinessUnit), "last_name": "Forged"}),
    ]
    if role == CRM_MANAGERS:
        hidden.append(("/admin/contacts/job/import/", {"system": world.near.id(TicketSystem)}))

    statuses = {path: client.post(path.format(contact=contact), data).status_code for path, data in hidden}

    assert statuses == dict.fromkeys(statuses, 404)
    assert fingerprint() == before
    assert RefusedAttempt.objects.count() == len(hidden)


def test_a_hidden_conflict_sent_as_if_it_had_been_shown_is_noted_and_answered_as_one_settled_meanwhile(
    units, client
):
    world = units.add_theirs()
    client.force_login(units.visitor(SALES_REPS, *SystemRight))
    before = fingerprint()

    def answer_to(held):
        data = {"settle": f"take {held}", f"seen_{held}": "x"}
        answer = client.post("/tdm/conflicts/", data, follow=True)
        return answer.redirect_chain, [str(message) for message in answer.context["messages"]]

    assert answer_to(world.near.id(HeldValue)) == answer_to(world.absent.id(HeldValue))
    assert fingerprint() == before
    assert list(RefusedAttempt.objects.values_list("path", "status")) == [("/tdm/conflicts/", 404)]


def test_whoever_takes_part_in_a_confirmed_change_for_many_themselves_is_refused_whole(units, client):
    manager = units.visitor(CRM_MANAGERS, SystemRight.VIEW)
    client.force_login(manager)
    system, other = units.our_side().id(TicketSystem), units.our_side().id(User)
    sent = {"row": [f"u{manager.pk}", f"u{other}"], "on": system, "right": "change", "confirmed": "1"}
    before = fingerprint()

    response = client.post("/admin/contacts/rightsrecord/bulk/", sent)

    assert response.status_code == 403
    assert fingerprint() == before
    assert RefusedAttempt.objects.get().user == manager
