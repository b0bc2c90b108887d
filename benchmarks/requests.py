"""A night with a thousand grouping requests and nothing else, beside a full run over the same records."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

from django.db import connection  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.regroup import fill, settle, times  # noqa: E402
from contacts.models import Contact, GroupChange, GroupRequest  # noqa: E402
from contacts.services.group_requests import (  # noqa: E402
    file_grouping,
    file_split,
    file_undo,
    file_ungrouping,
)
from contacts.services.group_requests_applied import apply_requests  # noqa: E402
from contacts.services.regroup import regroup  # noqa: E402

MOST_OF_A_FULL_RUN = 0.1
SHARES = {"group": 0.5, "ungroup": 0.2, "split": 0.1, "undo": 0.2}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refs", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=1_000)
    options = parser.parse_args()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        return 0 if run(options.refs, options.requests) else 1
    finally:
        teardown_databases(databases, verbosity=0)


def run(refs: int, requests: int) -> bool:
    """Fill, group, ask, and measure; whether the target was met."""
    fill(refs)
    regroup(now=timezone.now(), full=True)
    settle()
    full = seconds_of(lambda: regroup(now=timezone.now(), full=True))
    before = group_some(round(requests * SHARES["undo"]))
    apply_requests(timezone.now())
    regroup(now=timezone.now())
    tonight = ask(requests, undoing=before)
    applied = seconds_of(lambda: apply_requests(timezone.now()))
    grouped = seconds_of(lambda: regroup(now=timezone.now()))
    states = dict(
        GroupRequest.objects.filter(pk__in=tonight).values_list("state").annotate(count=Count("pk"))
    )
    print(
        json.dumps(
            {"requests": states, "apply_seconds": round(applied, 2), "group_seconds": round(grouped, 2)}
        )
    )
    name = f"{refs:,} refs, {len(tonight):,} requests on {connection.vendor}: seconds, beside a full run"
    return times(name, applied + grouped, full, MOST_OF_A_FULL_RUN) and set(states) == {"done"}


def group_some(count: int) -> list[int]:
    """File so many groupings of two Contacts each; returns the requests' ids."""
    singles = spread(2 * count, several=False)
    pairs = zip(singles[::2], singles[1::2], strict=True)
    return [file_grouping(one, [other], by=None, now=timezone.now()).pk for one, other in pairs]


def ask(count: int, *, undoing: Sequence[int]) -> list[int]:
    """File so many requests of all kinds, on Contacts from everywhere; returns their ids.

    Undone are the groupings that the requests `undoing` made.
    """
    now = timezone.now()
    filed = group_some(round(count * SHARES["group"]))
    changes = GroupChange.objects.filter(request__in=undoing)
    filed += [file_undo(change, by=None, now=now).pk for change in changes]
    apart = round(count * SHARES["ungroup"])
    several = spread(apart + round(count * SHARES["split"]), several=True)
    filed += [file_ungrouping(contact, by=None, now=now).pk for contact in several[:apart]]
    for contact in several[apart:]:
        leaving = contact.mappings.filter(is_primary=False).values_list("pk", flat=True)[:1]
        filed.append(file_split(contact, [list(leaving)], by=None, now=now).pk)
    return filed


def spread(count: int, *, several: bool) -> list[Contact]:
    """So many Contacts of one ref, or of several, that no request is about, from everywhere."""
    sign = ">" if several else "="
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT contact_id FROM contacts_mapping WHERE system_ref_id NOT IN"
            " (SELECT system_ref_id FROM contacts_requestref)"
            f" GROUP BY contact_id HAVING count(*) {sign} 1 ORDER BY contact_id"
        )
        ids = [row[0] for row in cursor.fetchall()]
    step = max(len(ids) // count, 1)
    return list(Contact.objects.filter(pk__in=ids[::step][:count]).order_by("pk"))


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
