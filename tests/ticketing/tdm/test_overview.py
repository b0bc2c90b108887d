"""What the first page tells a rep and a manager of the TDM."""

import pytest

from contacts.models import HeldValue
from contacts.permissions import SystemRight, grant
from kore_site.roles import CRM_MANAGERS
from ticketing.models import WriteBack
from ticketing.tdm.overview import work_of

from ...factories import NOW, UserFactory
from .conftest import account_of, rep_of

pytestmark = pytest.mark.django_db

State = WriteBack.State


def write_back(ref, state, by=None) -> WriteBack:
    is_settled = state not in (State.WAITING, State.TO_DO)
    return WriteBack.objects.create(
        system_ref=ref, values={"email": "new@example.org"}, before={"email": ""}, state=state, by=by, at=NOW,
        settled_at=NOW if is_settled else None, reason="No." if state == State.REFUSED else "",
    )  # fmt: skip


@pytest.mark.req("R-SYS-2")
def test_a_rep_is_told_of_their_own_write_backs_and_finds_a_fan_in_the_tdm(as_rep, rep, person, mlb):
    ann = person((mlb, {"first_name": "Ann"}))
    ref = account_of(ann, mlb)
    refused = write_back(ref, State.REFUSED, rep)
    write_back(ref, State.WRITTEN, rep)
    write_back(ref, State.TO_DO, rep_of("other", mlb))

    page = as_rep.get("/admin/")

    work = page.context["work"]
    assert (work.waiting, work.refused, work.to_do, list(work.newest)) == (0, 1, 0, [refused])
    assert "My write-backs" in page.text
    assert 'action="/tdm/"' in page.text
    assert f'href="/tdm/{ann.pk}/?account={ref.pk}"' in page.text


@pytest.mark.req("R-MDB-16")
def test_a_manager_is_told_what_needs_somebody_over_the_systems_they_see(client, person, mlb, minors):
    manager = UserFactory(role=CRM_MANAGERS)
    grant(manager, SystemRight.VIEW, on=mlb)
    client.force_login(manager)
    ann = person((mlb, {}), (minors, {}))
    task = write_back(account_of(ann, mlb), State.TO_DO)
    write_back(account_of(ann, mlb), State.WAITING)
    write_back(account_of(ann, minors), State.REFUSED)
    for system in (mlb, minors):
        HeldValue.objects.create(system_ref=account_of(ann, system), field="email", at=NOW, differs_since=NOW)

    work = client.get("/admin/").context["work"]

    assert (work.waiting, work.refused, work.to_do, work.conflicts) == (1, 0, 1, 1)
    assert list(work.newest) == [task]


def test_whoever_sees_no_write_backs_is_told_of_none():
    assert work_of(UserFactory(), mine=True) is None
