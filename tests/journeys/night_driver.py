"""A process of its own for a night that is to be killed: prepares data, runs the night, or tells what stands.

python -m tests.journeys.night_driver prepare
python -m tests.journeys.night_driver night [--die-after-step N | --die-at-write N]
python -m tests.journeys.night_driver requests
python -m tests.journeys.night_driver tell
"""

import argparse
import datetime as dt
import json
import os
import signal
import sys
from dataclasses import replace

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.population import make_population  # noqa: E402
from contacts.models import (  # noqa: E402
    Contact,
    GoldenPin,
    GroupAlias,
    GroupChange,
    GroupDecision,
    GroupRequest,
    Link,
    Mapping,
    Move,
    RequestRef,
    SystemRef,
)
from contacts.models.person_details import DETAIL_FIELDS  # noqa: E402
from contacts.services import first_placements, group_requests_applied, grouping_links, regroup  # noqa: E402
from contacts.services.check_invariants import check_invariants  # noqa: E402
from contacts.services.group_requests import (  # noqa: E402
    file_grouping,
    file_split,
    file_undo,
    file_ungrouping,
)
from contacts.services.systems import add_business_unit, add_ticket_system  # noqa: E402
from sync.models import NightRun  # noqa: E402
from sync.night import NIGHT  # noqa: E402
from sync.services.run_night import run_night  # noqa: E402
from ticketing.models import Purchase  # noqa: E402

FIRST_NIGHT = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)
BY_DAY = FIRST_NIGHT + dt.timedelta(hours=10)
SECOND_NIGHT = FIRST_NIGHT + dt.timedelta(days=1)
# Small enough that a night over a few refs has many transactions, and many places to die in between.
regroup.REFS_AT_ONCE = 15
first_placements.REFS_AT_ONCE = first_placements.REFS_AT_ONCE_EMBEDDED = 15
grouping_links.LINKS_AT_ONCE = 20
group_requests_applied.REQUESTS_AT_ONCE = 4


def prepare() -> None:
    """A night has been; then people arrived, were edited and decided about, and stored values went wrong."""
    call_command("migrate", verbosity=0)
    unit = add_business_unit("main")
    systems = {n: add_ticket_system(f"S{n}", name=f"S{n}", unit=unit, rank=n + 1) for n in range(1, 6)}
    rows = make_population(160, 3)[0].to_pylist()
    _arrive(rows[:100], systems, FIRST_NIGHT)
    run_night(trigger=NightRun.Trigger.COMMAND, now=FIRST_NIGHT, clock=timezone.now)
    _arrive(rows[100:], systems, BY_DAY)
    edited = list(SystemRef.objects.order_by("pk")[:60:4])
    for ref, other in zip(edited, rows[100:], strict=False):
        values = {name: other[name] or "" for name in ("first_name", "last_name", "email", "mobile")}
        SystemRef.objects.filter(pk=ref.pk).update(**values)
    _decide()
    _ask()
    for mapped in Mapping.objects.order_by("-pk")[:10]:
        GoldenPin.objects.create(
            contact_id=mapped.contact_id, field="city", system_ref_id=mapped.pk, origin="person", at=BY_DAY
        )
    Purchase.objects.bulk_create(
        Purchase(
            system=ref.system,
            system_ref=ref,
            purchase_id=f"P{ref.pk}",
            purchased_at=BY_DAY,
            amount=20,
            currency="GBP",
        )
        for ref in edited
    )


def _arrive(rows, systems, at) -> None:
    names = [name for name in rows[0] if name not in ("ref_id", "system_id", "date_of_birth")]
    SystemRef.objects.bulk_create(
        SystemRef(
            system=systems[row["system_id"]],
            system_ref=str(row["ref_id"]),
            arrived_at=at,
            date_of_birth=row["date_of_birth"],
            **{name: row[name] or "" for name in names},
        )
        for row in rows
    )


def _decide() -> None:
    together = Link.objects.filter(decision="joined").order_by("pk").values_list("left_id", "right_id")[:3]
    placed = list(Mapping.objects.filter(is_primary=True).order_by("pk").values_list("pk", flat=True))
    must = [tuple(sorted(pair)) for pair in zip(placed[:4:2], placed[-4::2], strict=True)]
    for kind, pairs in (("never", together), ("must", must)):
        for left, right in pairs:
            GroupDecision.objects.create(kind=kind, left_id=left, right_id=right, since=BY_DAY)


def _ask() -> None:
    """Requests of every kind, on Contacts that nothing else is about."""
    busy = GroupDecision.objects.values_list("left", flat=True).union(
        GroupDecision.objects.values_list("right", flat=True)
    )
    calm = Contact.objects.exclude(mappings__system_ref__in=list(busy)).order_by("pk")
    singles = [contact for contact in calm if contact.mappings.count() == 1][:10]
    several = [contact for contact in calm if contact.mappings.count() > 1][:3]
    by_day = {"by": None, "now": BY_DAY}
    first = file_grouping(singles[0], [singles[1]], **by_day)
    group_requests_applied.process_now(first, **by_day)
    file_undo(GroupChange.objects.get(request=first), **by_day)
    file_ungrouping(several[0], **by_day)
    leaving = several[1].mappings.filter(is_primary=False).first()
    file_split(several[1], [[leaving.pk]], **by_day)
    file_grouping(singles[2], singles[3:5], **by_day)
    file_grouping(singles[5], [singles[6]], **by_day)
    file_ungrouping(several[2], may_regroup=True, **by_day)


def requests() -> None:
    """Apply the requests in processes that die before their first write, before their second, and so on."""
    deaths = 0
    while not _dies_at(deaths + 1):
        deaths += 1
        for request in GroupRequest.objects.all():
            changes = GroupChange.objects.filter(request=request).count()
            is_open = RequestRef.objects.filter(request=request, is_open=True).exists()
            assert (changes, is_open) == ((0, True) if request.state == "waiting" else (1, False)), request
    print(json.dumps({"deaths": deaths}))


def _dies_at(nth: int) -> bool:
    """Whether a process that dies before its n-th write has nothing left to do before that."""
    connection.close()
    child = os.fork()
    if not child:
        writes = 0

        def count(execute, sql, params, many, context):
            nonlocal writes
            if sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE", "COPY")):
                writes += 1
                if writes == nth:
                    os.kill(os.getpid(), signal.SIGKILL)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(count):
            group_requests_applied.apply_requests(SECOND_NIGHT)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


def night(die_after_step: int | None, die_at_write: int | None) -> None:
    """Run the night; die as a process dies that is killed, after a step's work or before the n-th write."""
    steps = list(NIGHT)
    if die_after_step is not None:
        steps[die_after_step] = replace(steps[die_after_step], run=_then_die(steps[die_after_step].run))
    writes = 0

    def count(execute, sql, params, many, context):
        nonlocal writes
        if sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            writes += 1
            if writes == die_at_write:
                os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        run = run_night(trigger=NightRun.Trigger.COMMAND, now=SECOND_NIGHT, clock=timezone.now, steps=steps)
    print(json.dumps({"state": run.state, "resumed": run.resumed, "writes": writes}))


def _then_die(work):
    def run(now, progress):
        work(now, progress)
        os.kill(os.getpid(), signal.SIGKILL)

    return run


def tell() -> None:
    """What is broken, and what the night left: Contacts by the order of their GroupIDs, not by number.

    A transaction that was killed may have taken numbers of a sequence with it.
    """
    names = dict(SystemRef.objects.values_list("pk", "system_ref"))
    rank = {pk: n for n, pk in enumerate(Contact.objects.order_by("pk").values_list("pk", flat=True))}
    numbers = Move.objects.order_by("to_group").values_list("to_group", flat=True).distinct()
    nth = {number: n for n, number in enumerate(numbers)}
    mappings = Mapping.objects.values_list("system_ref_id", "contact_id", "is_primary", "primary_by")
    links = Link.objects.values_list("left_id", "right_id", "decision", "rule", "guard", "evidence")
    aliases = GroupAlias.objects.values_list("group_id", "contact_id")
    pins = GoldenPin.objects.values_list("contact_id", "field", "system_ref_id")
    told = {
        "mapping": sorted([names[ref], rank[contact], *rest] for ref, contact, *rest in mappings),
        "golden": [list(map(str, row)) for row in Contact.objects.order_by("pk").values_list(*DETAIL_FIELDS)],
        "aliases": sorted([nth[number], rank[contact]] for number, contact in aliases),
        "links": sorted([names[left], names[right], *rest] for left, right, *rest in links),
        "pins": sorted([rank[contact], field, names[ref]] for contact, field, ref in pins),
        "sums": sorted(
            [names[pk], str(spent)] for pk, spent in SystemRef.objects.values_list("pk", "spent_total")
        ),
        "moves": sorted(_moves(names)),
        "requests": [
            [request.kind, request.state, GroupChange.objects.filter(request=request).count()]
            for request in GroupRequest.objects.order_by("pk")
        ],
        "broken": [verdict.name for verdict in check_invariants() if verdict.broken],
    }
    print(json.dumps(told))


def _moves(names):
    """How often each ref moved, and why."""
    return [
        [names[ref.pk], *ref.moves.order_by("pk").values_list("cause", flat=True)]
        for ref in SystemRef.objects.prefetch_related("moves")
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prepare", "night", "requests", "tell"])
    parser.add_argument("--die-after-step", type=int)
    parser.add_argument("--die-at-write", type=int)
    options = parser.parse_args()
    if options.what == "night":
        night(options.die_after_step, options.die_at_write)
    else:
        {"prepare": prepare, "requests": requests, "tell": tell}[options.what]()
    sys.exit(0)
