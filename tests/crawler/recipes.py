"""What the crawler does at each address beyond asking for it: what it sends, and what it asks with.

A page that every admin has needs no entry here. Any other address does, also an empty one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django_q.models import Failure, OrmQ, Schedule, Success

from contacts.models import (
    BusinessUnit,
    Contact,
    FieldChange,
    HeldValue,
    Job,
    ModelVersion,
    Organisation,
    PrimaryRuleList,
    RightsRecord,
    RuleSet,
    RuleTrial,
    SystemRef,
    TicketSystem,
)
from contacts.models.person_details import DETAIL_FIELDS
from sync.models import NightPlan, NightRun
from ticketing.models import SourceConnection, WriteBack
from ticketing.tdm.finding import FILTERS

from .addresses import Address
from .group_recipes import GROUP_RECIPES
from .recipe import CONTACT, PLAIN, Recipe, Sent, of
from .rows import of_a_unit
from .units import OUR_GONE_REF, OUR_REF, OUR_UNIT, Side


def _always(value: Any) -> Callable[[Side], Any]:
    return lambda side: value


def _file(side: Side) -> SimpleUploadedFile:
    return SimpleUploadedFile("refs.csv", f"system_ref,email\n{side.ref},{side.email}\n".encode())


# What each filter of the wizard is asked with; the sums are those of one purchase here, and of two.
FILTERED: Mapping[str, Sent] = {
    "system": lambda side: {"system": side.code},
    "season": lambda side: {"season": "2026"},
    "least": lambda side: {"least": "91828"},
    "most": lambda side: {"most": "91827"},
    "owner": lambda side: {"owner": side.id(User)},
}


JOB = Recipe(fills={"object_id": of(Job)})
CONNECTION = Recipe(fills={"object_id": of(SourceConnection)})
TRIAL = Recipe(fills={"trial_id": of(RuleTrial)})
EXPORT = Recipe(
    sends=(
        lambda side: {"format": "0"},
        lambda side: {"format": "1"},
        lambda side: {"format": "0", "export_items": side.id(SystemRef), "resource": "0"},
    ),
    asks=(lambda side: {"q": side.email}, lambda side: {"system": side.code}),
)

# The other reports and files are where the pages lead.
REPORT_ASKS: tuple[Sent, ...] = (
    lambda side: {"system": side.code},
    lambda side: {"unit": side.id(BusinessUnit)},
)

RECIPES: Mapping[str, Recipe] = {
    "home": PLAIN,
    "healthz": PLAIN,
    "admin:index": PLAIN,
    "admin:search": Recipe(
        asks=(lambda side: {"s": side.text}, lambda side: {"s": side.email, "extended": 1})
    ),
    "admin:refresh_overview": PLAIN,
    "admin:login": Recipe(
        asks=(lambda side: {"next": f"/contact/{side.id(Contact)}/"},),
        sends=(lambda side: {"username": side.email, "password": "x"},),
    ),
    "admin:password_change": PLAIN,
    "admin:password_change_done": PLAIN,
    "admin:autocomplete": Recipe(
        asks=tuple(
            lambda side, model=model, name=name: {
                "app_label": model._meta.app_label,
                "model_name": model._meta.model_name,
                "field_name": name,
                "term": side.text,
            }
            for model, name in (
                (SystemRef, "system"),
                (TicketSystem, "business_unit"),
                (SourceConnection, "system"),
            )
        )
    ),
    "admin:jsi18n": PLAIN,
    "admin:view_on_site": Recipe(
        fills={
            "content_type_id": lambda side: ContentType.objects.get_for_model(Contact).pk,
            "object_id": of(Contact),
        }
    ),
    "admin:auth_user_password_change": Recipe(fills={"id": of(User)}),
    "admin:app_list": PLAIN,
    "admin/(?P<url>.*)$": PLAIN,
    "contact": CONTACT,
    "choose_primary": Recipe(
        fills=CONTACT.fills,
        sends=(
            lambda side: {"ref": side.id(SystemRef)},
            lambda side: {"ref": side.id(SystemRef), "leave": "1"},
            lambda side: {"ref": OUR_GONE_REF},
            lambda side: {"ref": OUR_REF},
        ),
    ),
    "crm_fields": Recipe(
        fills=CONTACT.fills,
        sends=(
            lambda side: {"account": side.id(SystemRef), "owner": side.id(User), "segment": "forged"},
            lambda side: {name: "forged" for name in DETAIL_FIELDS},
        ),
    ),
    "tdm:find": Recipe(
        asks=(
            lambda side: {"q": side.email},
            lambda side: {"q": side.ref, "system": side.code},
            lambda side: {"q": side.name, "owner": side.id(User)},
            lambda side: {"q": side.near_name},
            *(FILTERED[name] for name in FILTERS),
        )
    ),
    "tdm:conflicts": Recipe(
        asks=(lambda side: {"system": side.code},),
        sends=(
            lambda side: {"settle": f"keep {side.id(HeldValue)}"},
            lambda side: {"settle": f"take {side.id(HeldValue)}", f"seen_{side.id(HeldValue)}": "x"},
            lambda side: {"settle": "keep", "held": [side.id(HeldValue)], "back": side.id(Contact)},
        ),
    ),
    "tdm:write_backs": Recipe(
        asks=(lambda side: {"system": side.code}, lambda side: {"state": "open", "mine": "1"}),
        sends=(
            lambda side: {"settle": f"drop {side.id(WriteBack)}"},
            lambda side: {"settle": f"done {side.id(WriteBack)}", "account": side.id(SystemRef)},
        ),
    ),
    "tdm:contact": Recipe(
        fills=CONTACT.fills,
        asks=(
            lambda side: {"account": side.id(SystemRef)},
            lambda side: {"account": side.id(SystemRef), "show": "history"},
            lambda side: {"correct": side.id(WriteBack)},
        ),
        sends=(
            lambda side: {"account": side.id(SystemRef), "city": "Leeds", "seen_city": ""},
            lambda side: {"account": OUR_REF, "follows": side.id(WriteBack), "city": "Leeds"},
        ),
    ),
    "tdm:primary": Recipe(
        fills=CONTACT.fills,
        sends=(
            lambda side: {"account": side.id(SystemRef)},
            lambda side: {"account": side.id(SystemRef), "leave": "1"},
            lambda side: {"account": OUR_GONE_REF},
        ),
    ),
    "tdm:revert": Recipe(
        fills=CONTACT.fills,
        sends=(
            lambda side: {"account": side.id(SystemRef), "change": side.id(FieldChange)},
            lambda side: {"account": OUR_REF, "change": side.id(FieldChange)},
        ),
    ),
    "reports": PLAIN,
    "report": Recipe(fills={"key": _always("months")}, asks=REPORT_ASKS),
    "report_afresh": Recipe(fills={"key": _always("months")}),
    "report_export": Recipe(fills={"key": _always("months"), "kind": _always("csv")}, asks=REPORT_ASKS),
    "view_as": Recipe(fills={"user_id": of(User)}, is_of_a_unit=False),
    "stop_viewing_as": PLAIN,
    "admin:contacts_rightsrecord_save": PLAIN,
    "admin:contacts_rightsrecord_bulk": PLAIN,
    "admin:contacts_rightsrecord_undo": PLAIN,
    "admin:contacts_rightsrecord_audit": PLAIN,
    "admin:contacts_rightsrecord_audit_export": PLAIN,
    "admin:contacts_rightsrecord_refused": PLAIN,
    "demo_change": Recipe(fills={"connection_id": of(SourceConnection)}),
    "source_hint": Recipe(fills={"hook_key": lambda side: side.hook}),
    "admin:sync_nightrun_run": PLAIN,
    "admin:sync_nightrun_held": PLAIN,
    "admin:sync_nightrun_go_on": Recipe(fills={"object_id": of(NightRun)}),
    "admin:sync_nightrun_progress": Recipe(fills={"object_id": of(NightRun)}),
    "admin:ticketing_sourceconnection_mapping_preview": CONNECTION,
    "admin:ticketing_sourceconnection_abilities": CONNECTION,
    "admin:ticketing_sourceconnection_progress": CONNECTION,
    "admin:ticketing_sourceconnection_settings": CONNECTION,
    "admin:ticketing_sourceconnection_mapping": CONNECTION,
    "admin:ticketing_sourceconnection_pause": Recipe(
        fills=CONNECTION.fills, sends=(lambda side: {"paused": "1"},)
    ),
    "admin:ticketing_sourceconnection_test": CONNECTION,
    "admin:ticketing_sourceconnection_pull": CONNECTION,
    "admin:ticketing_sourceconnection_rejected": Recipe(
        fills={**CONNECTION.fills, "data_set": _always("accounts")}
    ),
    "admin:ticketing_pullrun_progress": PLAIN,
    "admin:ticketing_pullrun_accept": PLAIN,
    "admin:ticketing_purchase_export": EXPORT,
    "admin:contacts_contact_export": EXPORT,
    "admin:contacts_systemref_export": EXPORT,
    "admin:contacts_job_progress": JOB,
    "admin:contacts_job_rejected": JOB,
    "admin:contacts_job_mend": Recipe(fills=JOB.fills, sends=(lambda side: {"send": "1"},)),
    "admin:contacts_job_import": Recipe(
        sends=(
            lambda side: {"resource": "0", "system": side.id(TicketSystem), "import_file": _file(side)},
            lambda side: {"resource": "1", "system": side.id(TicketSystem), "import_file": _file(side)},
        )
    ),
    "admin:contacts_ruleset_versions": PLAIN,
    "admin:contacts_ruleset_trial": TRIAL,
    "admin:contacts_ruleset_trial_progress": TRIAL,
    "admin:contacts_modelversion_estimate": PLAIN,
    "admin:contacts_modelversion_progress": Recipe(fills={"estimate_id": _always(1)}),
    "admin:contacts_modelversion_version": Recipe(fills={"number": _always(1)}),
    "admin:contacts_modelversion_activate": Recipe(fills={"number": _always(1)}),
    "admin:contacts_primaryrulelist_edit": PLAIN,
    "admin:contacts_primaryrulelist_save": PLAIN,
    "admin:contacts_primaryrulelist_now": PLAIN,
    "admin:contacts_primaryrulelist_progress": PLAIN,
    # More than the pages that every admin has:
    "admin:contacts_contact_add": Recipe(
        sends=(
            lambda side: {"unit": side.id(BusinessUnit), "last_name": "Marlow", "email": side.email},
            lambda side: {"unit": OUR_UNIT, "last_name": "Marlow", "email": side.email},
        )
    ),
    "admin:contacts_contact_change": Recipe(
        asks=tuple(
            lambda side, panel=panel: {"panel": panel}
            for panel in (
                "accounts",
                "timeline",
                "history",
                "why",
                "related",
                "purchases",
                "groupings",
                "household",
                "none",
            )
        )
    ),
    **GROUP_RECIPES,
    "admin:contacts_job_change": Recipe(sends=(lambda side: {"confirm": "1"}, lambda side: {"cancel": "1"})),
    "admin:ticketing_sourceconnection_add": Recipe(
        asks=(lambda side: {"system": side.id(TicketSystem), "connector": "sql_database"},),
        sends=(lambda side: {"system": side.id(TicketSystem), "connector": "sql_database"},),
    ),
}

# Asked for in another way, or not at all.
LEFT_OUT: Mapping[str, str] = {
    "admin:logout": "it would end the walk; it shows nobody anything",
    "healthz_tasks": "whether the cluster works, by the clock; it tells of no record",
}

# Admins of what is of no unit, with their row; what has none is asked for by an id of nothing.
OF_THE_WHOLE: Mapping[type[models.Model], str] = {
    Organisation: "the one row",
    NightPlan: "a plan is of every system; its lines are shown where every ref is in sight",
    NightRun: "a night goes over every system; totals are the organisation's, for those who steer",
    RuleTrial: "its examples are shown where every ref is in sight",
    PrimaryRuleList: "rules name systems, for those who steer",
    Success: "administrators' lists",
    Failure: "administrators' lists",
    OrmQ: "administrators' lists",
    Schedule: "administrators' lists",
    RightsRecord: "who holds which right: names of systems and people, for those who decide about rights",
    ModelVersion: "weights, of nobody",
    RuleSet: "rules, of nobody",
    User: "superusers alone",
    Group: "superusers alone",
}

# What any list is asked with: searches by their values, their ids and codes, and lookups nobody declared.
LIST_ASKS: tuple[Sent, ...] = (
    lambda side: {"q": side.email},
    lambda side: {"q": side.ref},
    lambda side: {"q": side.name},
    lambda side: {"q": str(side.id(Contact))},
    lambda side: {"system": side.code},
    lambda side: {"unit": side.unit, "o": "-1"},
    lambda side: {"system__id__exact": side.id(TicketSystem)},
    lambda side: {"email__startswith": side.text},
    lambda side: {"system_ref__email__icontains": side.text, "_to_field": "email", "_popup": "1"},
    lambda side: {"mappings__system_ref__system": side.id(TicketSystem), "e": "1"},
    lambda side: {"after": side.id(Contact), "o": "2.-3"},
    lambda side: {"all": "", "p": "2"},
)
# Lists of what is of no unit are asked less.
FEW_ASKS: tuple[Sent, ...] = LIST_ASKS[:1]
LIST_SENDS: tuple[Sent, ...] = (
    lambda side: {"action": "delete_selected", "_selected_action": [side.id(SystemRef), side.id(Contact)]},
    lambda side: {
        "action": "export_admin_action",
        "_selected_action": side.id(SystemRef),
        "select_across": "1",
    },
    lambda side: {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": side.id(SystemRef)},
)
OBJECT_SENDS: tuple[Sent, ...] = (
    lambda side: {"_save": "1", "post": "yes", **dict.fromkeys(DETAIL_FIELDS, "forged")},
    lambda side: {"_saveasnew": "1", "system": side.id(TicketSystem), "system_ref": "forged"},
)

_STOCK = ("changelist", "add", "history", "delete", "change")


def recipe_of(address: Address) -> Recipe | None:
    """What to do at the address; None where nobody has said."""
    given = RECIPES.get(address.key)
    model = admin_of(address)
    if model is None:
        return given
    page = address.name.rpartition("_")[2]
    is_stock = page in _STOCK or not address.name
    if given is None and not (is_stock and (model in of_a_unit() or model in OF_THE_WHOLE)):
        return None
    given = given or PLAIN
    fills = {"object_id": of(model), **given.fills}
    if model not in of_a_unit() or model in OF_THE_WHOLE:
        return Recipe(given.sends, (*FEW_ASKS, *given.asks), fills, is_of_a_unit=False)
    if page == "changelist":
        return Recipe((*LIST_SENDS, *given.sends), (*LIST_ASKS, *given.asks), fills)
    if page in ("add", "change", "delete"):
        return Recipe((*OBJECT_SENDS, *given.sends), given.asks, fills)
    return Recipe(given.sends, given.asks, fills)


def admin_of(address: Address) -> type[models.Model] | None:
    """The model whose admin has this page."""
    for model in admin.site._registry:
        if address.route.startswith(f"admin/{model._meta.app_label}/{model._meta.model_name}/"):
            return model
    return None
