"""The commands around grouping: what they print, what they leave, how they end."""

import json
from collections import Counter
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from contacts.exclusive import exclusive
from contacts.models import (
    Contact,
    GoldenPin,
    GroupAlias,
    GroupDecision,
    GroupingRun,
    Mapping,
    ModelVersion,
    Move,
    PendingRef,
)
from contacts.services.check_invariants import check_invariants
from contacts.services.evaluate import Quality, measure
from contacts.services.regroup import GROUPING
from sync.models import NightRun
from sync.night import NIGHT
from tests.factories import (
    NOW,
    MappingFactory,
    PurchaseFactory,
    SystemRefFactory,
    TicketSystemFactory,
)

pytestmark = pytest.mark.django_db


def said(*command: object) -> str:
    out = StringIO()
    call_command(*map(str, command), stdout=out, stderr=StringIO())
    return out.getvalue()


def placed(**ref):
    """A ref at a Contact of its own, as a run leaves it."""
    mapped = MappingFactory(system_ref=SystemRefFactory(**ref))
    return moved(mapped)


def moved(mapped: Mapping) -> Mapping:
    Move.objects.create(
        system_ref_id=mapped.pk,
        to_group=mapped.contact_id,
        was_primary=False,
        is_primary=mapped.is_primary,
        cause=Move.Cause.PLACED,
        at=NOW,
    )
    return mapped


@pytest.mark.slow
@pytest.mark.req("R-CM-5", "R-CM-39")
def test_regroup_prints_its_counts_and_a_dry_run_changes_nothing():
    for name in ("1", "2"):
        SystemRefFactory(system_ref=name, first_name="Ann", last_name="Lee", email="ann@x.org")

    foretold = json.loads(said("regroup", "--dry-run", "--json"))
    unplaced = Mapping.objects.count()
    done = json.loads(said("regroup", "--full", "--json"))

    assert unplaced == 0
    assert list(done) == ["refs", "contacts", "joined", "split", "held", "seconds"]
    assert {**done, "seconds": 0} == {**foretold, "seconds": 0}
    assert (done["refs"], done["contacts"], done["joined"]) == (2, 1, 1)


def test_regroup_ends_with_1_and_a_sentence_while_another_run_is_at_work():
    with exclusive(GROUPING), pytest.raises(CommandError, match="Grouping is running already") as refusal:
        said("regroup")

    assert refusal.value.returncode == 1


@pytest.mark.slow
@pytest.mark.req("R-CM-39")
def test_run_night_prints_each_step():
    SystemRefFactory(first_name="Ann", last_name="Lee", email="ann@x.org")

    night = json.loads(said("run_night", "--json"))

    assert night["state"] == "done"
    assert [list(step) for step in night["steps"]] == [["name", "state", "counts", "seconds"]] * len(NIGHT)
    assert (NightRun.objects.get().trigger, Mapping.objects.count()) == ("command", 1)


def truth(folder, *rows: str):
    path = folder / "truth.csv"
    path.write_text("\n".join(["system,system_ref,person", *rows]), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize(
    ("shared", "quality"),
    [
        ({("ann", 1): 2, ("bo", 2): 1}, Quality(1.0, 1.0, 1.0, 2, 2)),
        ({("ann", 1): 1, ("ann", 2): 1}, Quality(1.0, 0.0, 0.0, 2, 1)),
        ({("ann", 1): 2, ("bo", 1): 2}, Quality(round(2 / 6, 6), 1.0, 0.5, 1, 4)),
        ({}, Quality(1.0, 1.0, 1.0, 0, 0)),
    ],
)
def test_quality_counts_pairs(shared, quality):
    assert measure(Counter(shared)) == quality


def test_evaluate_grouping_compares_the_mapping_with_the_truth(tmp_path):
    system = TicketSystemFactory(code="MLB")
    ann, _bo = (placed(system=system, system_ref=name) for name in ("1", "2"))
    MappingFactory(
        system_ref=SystemRefFactory(system=TicketSystemFactory(code="NHL"), system_ref="1"),
        contact=ann.contact,
        is_primary=False,
    )

    quality = json.loads(
        said("evaluate_grouping", truth(tmp_path, "MLB,1,ann", "MLB,2,ann", "NHL,1,ann"), "--json")
    )

    assert quality == {"precision": 1.0, "recall": 0.333333, "f1": 0.5, "groups": 2, "largest_group": 2}


def test_evaluate_grouping_names_the_rows_it_left_out_and_ends_with_1(tmp_path):
    system = TicketSystemFactory(code="MLB")
    placed(system=system, system_ref="1")
    SystemRefFactory(system=system, system_ref="2")
    out, error = StringIO(), StringIO()

    with pytest.raises(CommandError, match="3 rows were left out") as refusal:
        call_command(
            "evaluate_grouping",
            str(truth(tmp_path, "MLB,1,a", "MLB,2,b", "MLB,3,c", "MLB,1,a")),
            "--json",
            stdout=out,
            stderr=error,
        )

    assert refusal.value.returncode == 1
    assert json.loads(out.getvalue())["groups"] == 1
    assert error.getvalue().splitlines() == [
        "line 3: MLB 2 is unknown or not placed yet.",
        "line 4: MLB 3 is unknown or not placed yet.",
        "line 5: MLB 1 is named twice.",
    ]


@pytest.mark.parametrize(
    ("content", "reason", "code"),
    [
        (b"system,person\n", "lacks the column system_ref", 1),
        (b"\xff\xfe\x00", "not CSV in UTF-8", 1),
        (b"", "lacks the column system", 1),
        (None, "No such file", 2),
    ],
)
def test_evaluate_grouping_refuses_what_is_no_truth(tmp_path, content, reason, code):
    path = tmp_path / "truth.csv"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CommandError, match=reason) as refusal:
        said("evaluate_grouping", path)

    assert refusal.value.returncode == code


@pytest.mark.req("R-MDB-6")
def test_export_mapping_writes_every_placed_ref_and_no_formula(tmp_path):
    system = TicketSystemFactory(code="MLB")
    second = MappingFactory(system_ref=SystemRefFactory(system=system, system_ref="=1+1"), is_primary=False)
    first = MappingFactory(system_ref=SystemRefFactory(system=system, system_ref="2"), contact=second.contact)
    SystemRefFactory(system=system, system_ref="unplaced")
    path = tmp_path / "mapping.csv"

    printed = said("export_mapping", path)

    group_id = first.contact_id
    assert path.read_text().splitlines() == [
        "group_id,system,system_ref,is_primary",
        f"{group_id},MLB,2,true",
        f"{group_id},MLB,'=1+1,false",
    ]
    assert printed == f"2 System Refs written to {path}.\n"
    assert list(tmp_path.iterdir()) == [path]


def test_export_mapping_says_where_it_may_not_write(tmp_path):
    with pytest.raises(CommandError, match="No such file or directory") as refusal:
        said("export_mapping", tmp_path / "nowhere" / "mapping.csv")

    assert refusal.value.returncode == 2


def test_check_invariants_of_a_whole_database_ends_with_0():
    placed()

    checked = json.loads(said("check_invariants", "--json"))

    assert checked["whole"] is True
    assert {verdict["broken"] for verdict in checked["invariants"]} == {0}


def no_refs():
    Contact.objects.create(since=NOW)


def no_primary():
    moved(MappingFactory(is_primary=False))


def by_hand_but_not_primary():
    mapped = placed()
    moved(MappingFactory(contact=mapped.contact, is_primary=False, primary_by="hand"))


def no_move():
    MappingFactory()


def pin_of_another():
    GoldenPin.objects.create(
        contact=placed().contact, field="email", system_ref=placed().system_ref, origin="person", at=NOW
    )


def living_alias():
    GroupAlias.objects.create(group_id=placed().contact_id, contact=placed().contact, at=NOW)


def lost_number():
    mapped = placed()
    Move.objects.create(
        system_ref_id=mapped.pk, from_group=None, to_group=10**9, was_primary=False, is_primary=True,
        cause="placed", at=NOW,
    )  # fmt: skip
    moved(mapped)


def decide(kind, left, right):
    version = ModelVersion.objects.create(number=1, population=2, settings={}, created_at=NOW)
    GroupingRun.objects.create(model_version=version, started_at=NOW, finished_at=NOW)
    earlier = NOW.replace(year=2025)
    GroupDecision.objects.create(kind=kind, left_id=left.pk, right_id=right.pk, since=earlier)
    PendingRef.objects.all().delete()  # the run has been over them


def must_but_apart():
    decide("must", placed(), placed())


def never_but_together():
    mapped = placed()
    decide("never", mapped, moved(MappingFactory(contact=mapped.contact, is_primary=False)))


def excluded_but_shared():
    mapped = placed(system=TicketSystemFactory(is_matched_across=False))
    moved(MappingFactory(contact=mapped.contact, is_primary=False))


def stale_golden():
    placed(first_name="Ann")


def wrong_system():
    mapped = placed()
    purchase = PurchaseFactory(system_ref=mapped.system_ref, amount=0, status="reserved")
    purchase.system = TicketSystemFactory()
    purchase.save()


def wrong_sum():
    placed(spent_total=5)


@pytest.mark.parametrize(
    ("breaks", "name"),
    [
        (no_refs, "every Contact has System Refs"),
        (no_primary, "every Contact has exactly one primary System Ref"),
        (by_hand_but_not_primary, "only a primary is chosen by hand or by a rule"),
        (no_move, "the last move of a System Ref says where it is"),
        (pin_of_another, "a pin points to a System Ref of its Contact"),
        (living_alias, "a GroupID that lives is nobody's alias"),
        (lost_number, "every GroupID that was ever allotted lives or leads somewhere"),
        (must_but_apart, "two refs that belong together by decision are together, or the pair is held"),
        (never_but_together, "two refs that never belong together are apart"),
        (
            excluded_but_shared,
            "no ref of a system that is not matched across shares a Contact with another system",
        ),
        (stale_golden, "stored golden values are what the System Refs say"),
        (wrong_system, "a purchase is of the system of its System Ref"),
        (wrong_sum, "the sums that a System Ref keeps are those of its purchases"),
    ],
)
def test_every_invariant_finds_what_breaks_it_and_nothing_else(breaks, name):
    breaks()

    assert [verdict.name for verdict in check_invariants() if verdict.broken] == [name]
    with pytest.raises(CommandError, match="1 of 14 invariants are broken"):
        said("check_invariants")
