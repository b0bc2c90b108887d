"""What a grouping run goes by, and whether the links that stand were made with the same."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from contacts.grouping.delta import CODE, Terms
from contacts.grouping.model import Model
from contacts.models import GroupingRun, ModelVersion, Organisation, SystemRef
from contacts.services.grouping_input import excluded_systems, standing_decisions
from contacts.services.grouping_model import active_version, is_due, load_model, waiting_version
from contacts.services.matching_rules import RulesInForce, rules_in_force


@dataclass(frozen=True)
class Basis:
    """The terms of a run, and their fingerprint, by which a later run knows whether it may build on it.

    `version` is None for a dry run with a model that is not kept.
    """

    version: ModelVersion | None
    terms: Terms
    fingerprint: dict[str, Any]


def basis_of(version: ModelVersion | None, model: Model, rules: RulesInForce) -> Basis:
    """What a run with this model and these rules goes by now."""
    excluded = excluded_systems()
    country = Organisation.load().default_country
    terms = Terms(
        model=rules.applied_to(model),
        rules=rules.rules,
        decisions=standing_decisions(),
        excluded_systems=excluded,
        default_country=country,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )
    fingerprint = {
        "model": version and version.pk,
        "rules": rules.number,
        "excluded": sorted(excluded),
        "country": country,
        "code": CODE,
    }
    return Basis(version, terms, fingerprint)


def standing_basis(*, now: datetime) -> Basis | None:
    """What a delta run may build on; None where only a full run will do.

    That is before the first full run and after one that was cut off; when a new model is due or waits to be
    in force; when the rules, the excluded systems, the country or the code are no longer those of the last
    full run; and for as long as a rule lets a pair depend on any number of others.
    """
    version = active_version()
    last = GroupingRun.objects.last_full()
    if version is None or last is None or last.finished_at is None or is_due(SystemRef.objects.count()):
        return None
    if waiting_version() is not None:
        return None
    basis = basis_of(version, load_model(version), rules_in_force())
    if basis.fingerprint != last.basis or not (basis.terms.is_local and basis.terms.knows_its_keys):
        return None
    return basis
