"""Every page of the admin by each role, for what is theirs to see and what is not, by GET and POST."""

import logging

import pytest
from django.test import Client

from contacts.models import Organisation, TicketSystem
from contacts.permissions import SystemRight, grant
from kore_site.roles import ADMINISTRATORS, CRM_MANAGERS, DATA_PROTECTION_OFFICERS, SALES_REPS
from tests.crawler.addresses import addresses
from tests.crawler.fingerprint import fingerprint
from tests.crawler.recipes import LEFT_OUT, admin_of, recipe_of
from tests.crawler.units import Units
from tests.factories import UserFactory

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
    *(pytest.mark.req(f"R-MDB-{number}") for number in (15, 16, 17, 32, 33, 34)),
]

A, M, R, O = ADMINISTRATORS, CRM_MANAGERS, SALES_REPS, DATA_PROTECTION_OFFICERS  # noqa: E741
NO_ROLE, ANONYMOUS, DISABLED = "no role", "anonymous", "disabled"
EVERYBODY = (A, M, R, O)

# Which roles a section is for, as PRODUCT.md says; what is not named is for superusers alone.
OPEN_TO = {
    "contacts.contact": EVERYBODY,
    "contacts.systemref": EVERYBODY,
    "contacts.ticketsystem": EVERYBODY,
    "contacts.businessunit": EVERYBODY,
    "ticketing.purchase": EVERYBODY,
    "contacts.ruleset": (A, M, O),
    "contacts.job": (A, M),
    "contacts.modelversion": (A, M),
    "contacts.primaryrulelist": (A, M),
    "contacts.organisation": (A, M),
    "contacts.rightsrecord": (A, M),
    "ticketing.sourceconnection": (A, M),
    "ticketing.pullrun": (A, M),
    "sync.nightrun": (A, M),
    "contacts.grouprequest": (A, M),
    "contacts.groupchange": (A, M),
    "contacts.groupdecision": (A, M),
    "contacts.reviewanswer": (A, M),
    "contacts.case": (A, M),
    "sync.nightplan": (A, M),
    "django_q.success": (A,),
    "django_q.failure": (A,),
    "django_q.ormq": (A,),
    "django_q.schedule": (A,),
}
# Who gets less: what is made by services or runs alone is nobody's to add, and nothing is deleted here.
NARROWER = {
    "contacts_systemref_add": (),
    "ticketing_purchase_add": (),
    "ticketing_pullrun_add": (),
    "contacts_organisation_add": (),
    "contacts_grouprequest_add": (),
    "contacts_groupchange_add": (),
    "contacts_reviewanswer_add": (),
    "contacts_case_add": (),  # raised from the page of a contact
    "contacts_contact_group": (A, M),
    "contacts_contact_ungroup": (A, M),
    "contacts_contact_split": (A, M),
    "contacts_contact_raise_case": (A, M),
    "sync_nightrun_add": (),
    "contacts_primaryrulelist_add": (),
    "contacts_ticketsystem_add": (A, M),
    "contacts_businessunit_add": (A, M),
    "contacts_primaryrulelist_edit": (A,),  # rules decide over every system: for those who see all
    "contacts_primaryrulelist_save": (A,),
    "contacts_primaryrulelist_now": (A,),
    "contacts_primaryrulelist_progress": (A,),
    "sync_nightrun_go_on": (A,),  # joins the records of every system
    "ticketing_sourceconnection_add": (A,),
    "ticketing_sourceconnection_settings": (A,),
    "django_q_success_add": (),
    "django_q_failure_add": (),
    "django_q_ormq_add": (),
    "django_q_schedule_add": (),
}
FORMS_ALONE = ("contacts_job_mend", "contacts_grouprequest_steer")
# A way back to the list, whatever number is asked for: so it says of none whether it is there.
LEAD_TO_THE_LIST = ("contacts_groupdecision_change", "contacts_reviewanswer_take_back")
# Not offered of a contact with one System Ref (R-CM-21), as theirs is.
PARTING = ("contacts_contact_ungroup", "contacts_contact_split")
# Which roles steer the systems, and see the names of all.
STEERED, STEERERS = ("contacts.ticketsystem", "contacts.businessunit"), (A, M)
OF_UNITS = (
    "contacts.contact",
    "contacts.systemref",
    "contacts.job",
    "ticketing.purchase",
    "ticketing.sourceconnection",
    "ticketing.pullrun",
)
# Which roles hold every system, later ones too (DECISIONS 11).
SEE_ALL = (A, O)


@pytest.fixture
def units(caplog):
    for name in ("django.request", "kore_site.refusals", "contacts.admin_files"):
        caplog.set_level(logging.CRITICAL, name)
    Organisation.load()
    return Units()


def signed_in(who, units):
    """A browser of somebody with both rights on our systems, and of those who see all on every one."""
    client = Client(raise_request_exception=False)
    if who != ANONYMOUS:
        user = units.visitor(who if who in EVERYBODY else None, *SystemRight) if who != DISABLED else None
        user = user or UserFactory(role=M, is_active=False)
        for system in TicketSystem.objects.all() if who in SEE_ALL else ():
            for right in SystemRight:
                grant(user, right, on=system)
        client.force_login(user)
    return client


def pages():
    """Every admin page of a model: its label, what its url is called, and how its address is made."""
    for address in addresses():
        model, recipe = admin_of(address), recipe_of(address)
        if model is None or recipe is None or address.key in LEFT_OUT or not address.name:
            continue
        name = address.name.removeprefix("admin:")
        yield model._meta.label_lower, name, address, recipe


def path_of(address, recipe, side):
    return address.path({part: recipe.fills[part](side) for part in address.parts})


def is_for(who, label, name) -> bool:
    """Whether the page is one of this role's."""
    is_open = who in OPEN_TO.get(label, ()) and who in NARROWER.get(name, EVERYBODY)
    return is_open and not name.endswith("_delete")


def expected(who, label, name, *, sees) -> set[int]:
    """The statuses that a GET may have."""
    if who in (ANONYMOUS, DISABLED):
        return {
            302,
            403,
        }  # to the sign-in; a part that a page asks for says 403, or a sign-in would stand in it
    if name in LEAD_TO_THE_LIST and is_for(who, label, name):
        return {200, 302}
    if name.endswith("_delete") or not sees or who not in OPEN_TO.get(label, ()):
        return {403, 404, 405}
    if name in FORMS_ALONE or not is_for(who, label, name):
        return {403}
    if name in PARTING:
        return {200, 403}
    return {200} if name in MUST_OPEN else {200, 286, 302, 404, 405}


# Where a page is shown and nothing else; others may redirect, or take forms alone.
MUST_OPEN = frozenset(
    f"{label.replace('.', '_')}_{page}"
    for label in OPEN_TO
    for page in ("changelist", "change")
    if label != "contacts.organisation"  # one row: the list leads to it
    and (page == "changelist" or (label in OF_UNITS or label in STEERED))
)


def sees_theirs(who, label) -> bool:
    return who in SEE_ALL or (label in STEERED and who in STEERERS)


@pytest.mark.parametrize("who", [*EVERYBODY, NO_ROLE, ANONYMOUS, DISABLED])
def test_every_page_opens_to_those_it_is_for_and_to_nobody_else(who, units):
    world = units.add_theirs()
    client = signed_in(who, units)
    wrong = {}

    before = fingerprint()
    for label, name, address, recipe in pages():
        sides = {"ours": world.ours}
        if address.parts and recipe.is_of_a_unit:
            sides |= {"theirs": world.far, "nothing": world.absent}
        for whose, side in sides.items():
            sees = whose == "ours" or (whose == "theirs" and sees_theirs(who, label))
            may = expected(who, label, name, sees=sees)
            path = path_of(address, recipe, side)
            answer = client.get(path)
            if _status(answer) not in may or _is_let_in(answer, may):
                wrong[f"GET {path}"] = answer.status_code
            if sees and is_for(who, label, name):
                continue  # what they may do there, the tests of the page say
            for data in ({}, {"_save": "1", "post": "yes", "confirm": "1", "name": "Forged"}):
                answer = client.post(path, data)
                if answer.status_code not in {302, 403, 404, 405} or _is_let_in(answer, {302, 403}):
                    wrong[f"POST {path} {data}"] = answer.status_code

    assert wrong == {}
    assert fingerprint() == before


def _is_let_in(answer, may) -> bool:
    """Whether a redirect of somebody who is not let in leads elsewhere than to the sign-in."""
    return _status(answer) == 302 and 200 not in may and "/login/" not in answer["Location"]


def _status(answer) -> int:
    """The stock admin says by a way to its first page that nothing is there."""
    return 404 if answer.status_code == 302 and answer["Location"] == "/admin/" else answer.status_code


def test_every_section_says_whom_it_is_for():
    labels = {label for label, *_ in pages()}

    assert labels == {*OPEN_TO, "auth.user", "auth.group"}
