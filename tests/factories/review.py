"""People who review, and links between refs as a run would have written them."""

import json

from contacts.grouping.comparisons import COMPARISONS
from contacts.grouping.model import Model
from contacts.models import Contact, Link, ModelVersion, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.golden import refresh_golden
from kore_site.roles import CRM_MANAGERS

from . import NOW, MappingFactory, SystemRefFactory, UserFactory


def reviewer(*systems, **more):
    """A CRM manager who may view these systems."""
    user = UserFactory(role=CRM_MANAGERS, **more)
    for system in systems:
        grant(user, SystemRight.VIEW, on=system)
    return user


def placed(system, *more_systems, **values) -> Contact:
    """A Contact with a ref in each system, all with these values."""
    contact = Contact.objects.create(since=NOW)
    for number, one in enumerate((system, *more_systems)):
        ref = SystemRefFactory(system=one, **values)
        MappingFactory(system_ref=ref, contact=contact, is_primary=number == 0)
    refresh_golden([contact.pk], now=NOW)
    contact.refresh_from_db()
    return contact


def link(one, other, weight=5.0, *, decision="review", household=None, levels=None, **more) -> Link:
    """Between two refs, or the first ones of two Contacts; `levels`: {comparison: (level, bits, bits)}."""
    levels = {"first": (6, 3.0, 1.0), "email": (4, 8.0, 1.0)} if levels is None else levels
    evidence = [levels.get(comparison.key, (-1, 0, 0)) for comparison in COMPARISONS]
    left, right = sorted(_ref_id(of) for of in (one, other))
    return Link.objects.create(
        left_id=left,
        right_id=right,
        decision=decision,
        weight=weight,
        household=weight / 2 if household is None else household,
        evidence=json.dumps(evidence),
        model_version=model_version(),
        **more,
    )


def _ref_id(of) -> int:
    return of.pk if isinstance(of, SystemRef) else of.mappings.order_by("pk")[0].pk


def model_version() -> ModelVersion:
    """The preset model, frozen; made once."""
    settings = json.loads(Model.preset(100_000).to_json())
    del settings["hash_key"]
    version, _made = ModelVersion.objects.get_or_create(
        number=1,
        defaults={"is_active": True, "population": 100_000, "settings": settings, "created_at": NOW},
    )
    return version
