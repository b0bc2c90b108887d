"""The weekly refresh: frequencies and bad keys learnt anew, and what that alone changes."""

from datetime import datetime

from contacts.exclusive import exclusive
from contacts.grouping.rules import key_kinds
from contacts.models import ModelVersion, SystemRef
from contacts.services.estimate import differences_of
from contacts.services.grouping_input import read_input
from contacts.services.grouping_model import active_version, freeze, is_due, store_model
from contacts.services.matching_rules import rules_in_force
from contacts.services.regroup import GROUPING


def refresh_when_due(*, now: datetime) -> ModelVersion | None:
    """Freeze a new version: after a week, or when there are twice or half as many refs.

    None where the last one still serves. The first version, and one for a population that has doubled, has
    nothing worth comparing with. The next run is a full one, and puts it in force unless the brake holds it.
    Raises AlreadyRunning.
    """
    with exclusive(GROUPING):
        refs = SystemRef.objects.count()
        if not is_due(refs, now=now):
            return None
        given = read_input()
        kinds = key_kinds(rules_in_force().rules)
        model = freeze(given.refs, default_country=given.default_country, extra_kinds=kinds)
        is_comparable = active_version() is not None and not is_due(refs)
        differences = differences_of(model) if is_comparable else {}
        return store_model(model, now=now, differences=differences, in_force=False)
