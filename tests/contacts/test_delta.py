"""A run over the changes alone comes to what a run over everything comes to."""

import datetime as dt

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import (
    GroupDecision,
    GroupedRef,
    GroupingRun,
    Link,
    Mapping,
    SystemRef,
    TicketSystem,
)
from contacts.services.regroup import regroup
from contacts.services.removal import remove_refs
from tests.contacts.test_group_writes import broken
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# People who can be taken for one another in every way there is: shared e-mails, blank names and initials,
# nicknames, namesakes of other dates, one house, names in the wrong boxes, and exact copies.
FIRST = ["Ann", "A", "", "Annie", "Robert", "Bob", "Lee"]
LAST = ["Marlow", "Marlowe", "Reyes", "Lee", ""]
EMAILS = ["", "ann@example.org", "bo@example.org", "an@example.org"]
MOBILES = ["", "07700 900123", "+44 7700 900123", "07700 900999"]
DATES = [None, dt.date(1980, 4, 2), dt.date(1980, 2, 4), dt.date(1954, 11, 30)]
PLACES = [("", ""), ("1 Quay Street", "LS1 4AB"), ("2 Quay Street", "LS1 4AB"), ("1 Quay Street", "")]

PEOPLE = st.builds(
    lambda first, last, email, mobile, born, place: {
        "first_name": first,
        "last_name": last,
        "email": email,
        "mobile": mobile,
        "date_of_birth": born,
        "address1": place[0],
        "postcode": place[1],
    },
    st.sampled_from(FIRST),
    st.sampled_from(LAST),
    st.sampled_from(EMAILS),
    st.sampled_from(MOBILES),
    st.sampled_from(DATES),
    st.sampled_from(PLACES),
)
SEATS = st.integers(0, 30)
STEPS = st.one_of(
    st.tuples(st.just("add"), PEOPLE),
    st.tuples(st.just("edit"), SEATS, PEOPLE),
    st.tuples(st.just("copy"), SEATS, SEATS),
    st.tuples(st.just("remove"), SEATS),
    st.tuples(st.just("must"), SEATS, SEATS),
    st.tuples(st.just("never"), SEATS, SEATS),
    st.tuples(st.just("lift"), SEATS),
)


def take(step) -> None:
    """Do one of STEPS to the refs there are."""
    verb, *given_ = step
    refs = list(SystemRef.objects.order_by("pk"))
    systems = list(TicketSystem.objects.order_by("pk"))
    if verb == "add":
        SystemRefFactory(system=systems[len(refs) % len(systems)], **given_[0])
        return
    ref = refs[given_[0] % len(refs)]
    if verb == "edit":
        SystemRef.objects.filter(pk=ref.pk).update(**given_[1])
    elif verb == "copy":
        like = refs[given_[1] % len(refs)]
        details = ("first_name", "last_name", "email", "mobile", "date_of_birth", "address1", "postcode")
        SystemRef.objects.filter(pk=ref.pk).update(**{name: getattr(like, name) for name in details})
    elif verb == "remove" and len(refs) > 8:
        remove_refs([ref.pk], now=NOW)
    elif verb in ("must", "never"):
        left, right = sorted([ref.pk, refs[given_[1] % len(refs)].pk])
        if left < right and not GroupDecision.objects.standing().filter(left=left, right=right).exists():
            GroupDecision.objects.create(kind=verb, left_id=left, right_id=right, since=NOW)
    elif verb == "lift":
        standing = list(GroupDecision.objects.standing().order_by("pk"))
        if standing:
            GroupDecision.objects.filter(pk=standing[given_[0] % len(standing)].pk).update(until=NOW)


def state() -> dict[str, object]:
    """All that a run writes, but for its own record and when."""
    members: dict[int, set[int]] = {}
    for ref_id, contact_id in Mapping.objects.values_list("pk", "contact_id"):
        members.setdefault(contact_id, set()).add(ref_id)
    link = [field.name for field in Link._meta.fields if field.name != "id"]
    return {
        "groups": {frozenset(refs) for refs in members.values()},
        "mapping": set(Mapping.objects.values_list("pk", "contact_id", "is_primary")),
        "links": set(Link.objects.values_list(*link)),
        "keys": set(GroupedRef.objects.values_list()),
    }


@pytest.mark.req("R-CM-1", "R-CM-2", "C-20", "D-3")
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(PEOPLE, min_size=14, max_size=20),
    st.lists(st.lists(STEPS, min_size=1, max_size=5), min_size=1, max_size=2),
)
def test_runs_over_the_changes_come_to_what_one_over_everything_comes_to(people, batches):
    with transaction.atomic():
        systems = [TicketSystemFactory(rank=10), TicketSystemFactory(rank=20, is_matched_across=False)]
        systems.append(TicketSystemFactory(rank=30))
        for number, person in enumerate(people):
            SystemRefFactory(system=systems[number % 3], **person)
        regroup(now=NOW)
        for steps in batches:
            for step in steps:
                take(step)
            regroup(now=NOW)
        by_changes = state()
        assert not GroupingRun.objects.order_by("-pk")[0].is_full
        assert broken() == []

        again = regroup(now=NOW, full=True)

        assert (again.joined, again.split, again.waiting) == (0, 0, 0)
        assert state() == by_changes
        transaction.set_rollback(True)
