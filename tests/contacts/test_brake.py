"""The brake: a run that would join far more than usual writes nothing, says why, and waits."""

import datetime as dt

import pytest
from django.apps import apps

from contacts.exclusive import exclusive, is_at_work
from contacts.grouping.model import Model
from contacts.models import (
    Contact,
    GroupDecision,
    GroupingRun,
    Mapping,
    ModelVersion,
    Organisation,
    SystemRef,
)
from contacts.permissions import SystemRight, grant, systems_with
from contacts.services.brake import (
    AlreadyAccepted,
    HeldByBrake,
    NothingIsHeld,
    Superseded,
    accept,
    example_groups,
    name_blames,
    standing_held,
)
from contacts.services.grouping_model import activate_version, active_version, store_model, waiting_version
from contacts.services.model_refresh import refresh_when_due
from contacts.services.regroup import regroup
from contacts.services.tidy_up import tidy_up
from tests.factories import NOW, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

NAMES = ("Ann Lee", "Bo Okafor", "Cy Marlow", "Di Reyes", "Ed Novak", "Fay Quist", "Gil Haas", "Hal Ito")


def person(number: int, **more) -> dict:
    """Somebody who is nobody else."""
    first, last = NAMES[number % len(NAMES)].split()
    return {
        "first_name": f"{first}{chr(97 + number // 26 % 26)}{chr(97 + number % 26)}",
        "last_name": f"{last}{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}",
        "email": f"person{number}@example.org",
        **more,
    }


def arrive(system, *people: dict) -> list[SystemRef]:
    start = SystemRef.objects.count()
    return SystemRef.objects.bulk_create(
        SystemRef(system=system, system_ref=str(start + n), arrived_at=NOW, **values)
        for n, values in enumerate(people)
    )


@pytest.fixture
def system():
    return TicketSystemFactory(code="MLB")


@pytest.fixture
def established(system):
    """A night has been: a hundred people, each in a Contact of their own."""
    refs = arrive(system, *map(person, range(100)))
    regroup(now=NOW)
    assert Contact.objects.count() == 100
    return refs


# A run's own record, and the statistics that it froze of the refs as they are: they wait, and no group hangs
# on them.
OF_THE_RUN = {"GroupingRun", "ModelVersion", "TermFrequency", "BadKey"}


def everything_but_runs() -> dict[str, list]:
    """Every row of every table of ours, but for what a run says of itself."""
    return {
        model._meta.label: list(model.objects.order_by("pk").values_list())
        for app in ("contacts", "ticketing", "sync")
        for model in apps.get_app_config(app).get_models()
        if model.__name__ not in OF_THE_RUN
    }


SHARED = {"first_name": "Pat", "last_name": "Stanley", "email": "pat.stanley@gmail.example"}


@pytest.mark.req("D-15", "D-26")
@pytest.mark.parametrize("varied", [False, True], ids=["alike to the letter", "with details of their own"])
def test_500_accounts_with_one_e_mail_and_name_stop_the_run_before_any_join(system, established, varied):
    own = [{"city": f"Town {n}", "postcode": f"LS{n} 1AB", "mobile": f"+44 7700 9{n:05}"} for n in range(500)]
    arrive(system, *[SHARED | (own[n] if varied else {}) for n in range(500)])
    before, model = everything_but_runs(), active_version()

    with pytest.raises(HeldByBrake) as held:
        regroup(now=NOW)

    assert everything_but_runs() == before
    assert active_version() == model
    worst = name_blames(held.value.run, systems=None)[0]
    assert (worst.field, worst.value, worst.refs) == ("e-mail", "pat.stanley@gmail.example", 500)
    assert "pat.stanley" not in str(held.value)
    assert "pat.stanley" not in str(held.value.run.held)
    assert not Mapping.objects.filter(system_ref__email=SHARED["email"]).exists()


@pytest.mark.req("D-15")
def test_the_night_stops_at_the_share_of_contacts_that_may_be_joined_and_names_the_rule(system):
    Organisation.load()
    Organisation.objects.update(brake_share=5, brake_floor=10)
    one, other = TicketSystemFactory(), TicketSystemFactory()
    arrive(one, *[person(n) for n in range(200)])
    twins = arrive(other, *[person(n, email=f"other{n}@example.org") for n in range(12)])
    regroup(now=NOW)
    assert Contact.objects.count() == 212
    for ref, twin in zip(SystemRef.objects.filter(system=one).order_by("pk")[:11], twins, strict=False):
        SystemRef.objects.filter(pk=twin.pk).update(email=ref.email)

    with pytest.raises(HeldByBrake, match=r"^11 of 212 Contacts would be joined into others; at most 10 may"):
        regroup(now=NOW)

    (blame,) = name_blames(standing_held(), systems=None)
    assert (blame.rule, blame.title, blame.field, blame.refs) == ("email", "Same e-mail", "", 22)
    assert Contact.objects.count() == 212
    Organisation.objects.update(brake_floor=11)
    assert regroup(now=NOW).joined == 11
    assert standing_held() is None


def test_what_persons_decided_to_join_is_not_counted(system, established):
    Organisation.objects.update(brake_floor=10)
    for left, right in zip(established[:30:2], established[1:30:2], strict=True):
        GroupDecision.objects.create(kind="must", left=left, right=right, since=NOW - dt.timedelta(hours=1))

    assert regroup(now=NOW).joined == 15


def test_a_first_load_is_no_cause_to_stop_nor_is_one_that_was_cut_off(system, monkeypatch):
    arrive(system, *[SHARED] * 40, *map(person, range(40)))

    class PowerCutError(Exception):
        pass

    def cut(*_, **__):
        raise PowerCutError

    with monkeypatch.context() as patched:
        patched.setattr("contacts.services.regroup.write_links", cut)
        with pytest.raises(PowerCutError):
            regroup(now=NOW)
    SystemRef.objects.filter(pk__in=[ref.pk for ref in arrive(system, SHARED)]).update(phone="020 7946 0000")
    regroup(now=NOW)

    assert GroupingRun.objects.exclude(held={}).count() == 0
    assert Contact.objects.count() == 41


def test_people_who_arrive_in_groups_of_ordinary_size_are_no_cause(system, established):
    Organisation.objects.update(brake_floor=1, brake_share=1)
    arrive(system, *[person(200 + n // 3) for n in range(300)])

    assert regroup(now=NOW).contacts == 200


def test_a_first_load_after_a_try_with_one_record_is_no_cause_but_the_next_load_is(system):
    arrive(system, person(0))
    regroup(now=NOW)
    later = NOW + dt.timedelta(days=1)
    arrive(system, *[SHARED] * 40, *map(person, range(1, 40)))

    assert regroup(now=later).contacts == 41

    arrive(system, *[SHARED | {"email": "pat@example.org", "last_name": "Stone"}] * 40)
    with pytest.raises(HeldByBrake):
        regroup(now=later + dt.timedelta(days=1))


def test_a_contact_that_was_accepted_may_grow_by_half_of_that_and_not_by_half_each_night(system, established):
    def night(number: int, *, more: int) -> None:
        arrive(system, *[SHARED] * more)
        regroup(now=NOW + dt.timedelta(days=number))

    night(1, more=20)
    with pytest.raises(HeldByBrake, match="the largest 32"):
        night(2, more=12)
    accept(None, by=None, now=NOW)
    night(3, more=0)
    night(4, more=15)

    with pytest.raises(HeldByBrake, match="the largest 49"):
        night(5, more=2)
    accept(None, by=None, now=NOW)
    night(6, more=0)
    night(7, more=20)


def test_new_refs_with_one_e_mail_and_name_are_no_cause_where_they_come_into_one_contact(system):
    arrive(system, *[SHARED] * 70, *map(person, range(40)))
    regroup(now=NOW)
    arrive(system, *[SHARED] * 31)

    assert regroup(now=NOW + dt.timedelta(days=1)).contacts == 41


@pytest.mark.req("D-15")
def test_a_new_model_that_would_split_too_many_contacts_is_held_unless_somebody_chose_it(system):
    Organisation.load()
    Organisation.objects.update(brake_share=5, brake_floor=10)
    couples = [person(n // 2) for n in range(80)]
    arrive(system, *couples)
    regroup(now=NOW)
    assert Contact.objects.count() == 40
    refs = list(SystemRef.objects.order_by("pk"))
    for number, ref in enumerate(refs[:40:2]):
        SystemRef.objects.filter(pk=ref.pk).update(**person(500 + number))
    refreshed = refresh_when_due(now=NOW + dt.timedelta(days=8))

    with pytest.raises(HeldByBrake, match="^20 of 40 Contacts would be split by the new model"):
        regroup(now=NOW + dt.timedelta(days=8))

    assert Contact.objects.count() == 40
    activate_version(refreshed, by=None, now=NOW + dt.timedelta(days=8))
    assert regroup(now=NOW + dt.timedelta(days=8)).split == 20


def test_a_contact_that_is_too_large_already_stops_a_night_only_when_it_grows_by_half(system):
    arrive(system, *[SHARED] * 40, *map(person, range(40)))
    regroup(now=NOW)
    arrive(system, *[SHARED] * 10)
    regroup(now=NOW)
    arrive(system, *[SHARED] * 26)

    with pytest.raises(HeldByBrake, match="more than 30 System Refs, the largest 76"):
        regroup(now=NOW)


@pytest.mark.req("R-CM-39")
def test_what_was_accepted_goes_on_and_what_grew_since_is_held_again(system, established):
    arrive(system, *[SHARED] * 40)
    with pytest.raises(HeldByBrake):
        regroup(now=NOW)
    manager = UserFactory()
    accept(standing_held(), by=manager, now=NOW)
    arrive(system, *[SHARED] * 5)

    with pytest.raises(HeldByBrake, match="the largest 45"):
        regroup(now=NOW)
    accept(None, by=manager, now=NOW)
    regroup(now=NOW)

    assert Mapping.objects.filter(system_ref__email=SHARED["email"]).values("contact").distinct().count() == 1
    assert standing_held() is None
    runs = GroupingRun.objects.order_by("pk").values_list("accepted_by", flat=True)
    assert list(runs) == [None, manager.pk, manager.pk, None]


def test_a_run_that_was_accepted_and_cut_off_in_the_middle_stays_accepted(system, established, monkeypatch):
    monkeypatch.setattr("contacts.services.regroup.REFS_AT_ONCE", 5)
    arrive(system, *[SHARED] * 40)
    with pytest.raises(HeldByBrake):
        regroup(now=NOW)
    accept(None, by=None, now=NOW)

    def cut(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("contacts.services.regroup.write_links", cut)
        with pytest.raises(KeyboardInterrupt):
            regroup(now=NOW)
    regroup(now=NOW)

    assert standing_held() is None


def test_only_what_is_held_now_can_be_accepted_and_only_once(system, established):
    with pytest.raises(NothingIsHeld):
        accept(None, by=None, now=NOW)
    arrive(system, *[SHARED] * 40)
    with pytest.raises(HeldByBrake) as first:
        regroup(now=NOW)
    with pytest.raises(HeldByBrake) as second:
        regroup(now=NOW)

    with pytest.raises(Superseded):
        accept(first.value.run, by=None, now=NOW)
    accept(second.value.run, by=None, now=NOW)
    with pytest.raises(AlreadyAccepted):
        accept(second.value.run, by=None, now=NOW)


@pytest.mark.req("R-MDB-16")
def test_the_value_to_blame_is_named_only_to_who_may_see_every_system_that_holds_it(system, established):
    elsewhere = TicketSystemFactory()
    arrive(system, *[SHARED] * 39)
    arrive(elsewhere, SHARED)
    with pytest.raises(HeldByBrake) as held:
        regroup(now=NOW)
    some, all_ = UserFactory(), UserFactory()
    grant(some, SystemRight.VIEW, on=system)
    for each in (system, elsewhere):
        grant(all_, SystemRight.VIEW, on=each)

    seen = [
        name_blames(held.value.run, systems=systems_with(user, SystemRight.VIEW))[0] for user in (some, all_)
    ]

    assert [(blame.value, blame.field, blame.refs) for blame in seen] == [
        ("", "e-mail", 40),
        (SHARED["email"], "e-mail", 40),
    ]
    assert seen[0].system_ref == ""


@pytest.mark.req("R-MDB-16")
def test_an_example_is_shown_only_to_who_may_see_every_system_of_its_refs(system, established):
    elsewhere = TicketSystemFactory()
    arrive(system, *[SHARED] * 39)
    arrive(elsewhere, SHARED)
    with pytest.raises(HeldByBrake) as held:
        regroup(now=NOW)
    run, all_ = held.value.run, frozenset({system.pk, elsewhere.pk})

    seen = [len(example_groups(run, systems=systems)) for systems in (frozenset({system.pk}), all_)]
    for example in run.held["examples"]:
        del example["system_ids"]

    assert seen == [0, 1]
    assert example_groups(run, systems=all_) == []


def test_a_value_that_was_mended_since_is_not_named_wrongly(system, established):
    refs = arrive(system, *[SHARED] * 40)
    with pytest.raises(HeldByBrake) as held:
        regroup(now=NOW)

    SystemRef.objects.filter(pk=refs[0].pk).update(email="mended@example.org")
    once_mended = name_blames(held.value.run, systems=None)[0].value
    for ref in refs:
        SystemRef.objects.filter(pk=ref.pk).update(email=f"{ref.pk}@example.org")
    all_mended = name_blames(held.value.run, systems=None)[0].value

    assert (once_mended, all_mended) == (SHARED["email"], "")


@pytest.mark.req("D-15", "D-26")
def test_a_held_night_leaves_the_model_in_force_and_every_proposal_until_it_is_let_go_on(system, established):
    model = active_version()
    older, newest = (
        store_model(Model.preset(100), now=NOW, source=ModelVersion.Source.ESTIMATE, in_force=False)
        for _ in range(2)
    )
    arrive(system, *[SHARED] * 40)
    later = NOW + dt.timedelta(days=7)

    refreshed = refresh_when_due(now=later)
    for _night in range(2):
        with pytest.raises(HeldByBrake):
            regroup(now=later)
        tidy_up(later, lambda done, total: None)

    assert (active_version(), waiting_version()) == (model, refreshed)
    assert set(ModelVersion.objects.all()) == {model, older, newest, refreshed}
    accept(None, by=None, now=later)
    regroup(now=later)
    tidy_up(later, lambda done, total: None)
    assert (active_version(), waiting_version()) == (refreshed, None)
    assert not ModelVersion.objects.filter(pk=older.pk).exists()


def test_a_dry_run_is_not_held(system, established):
    arrive(system, *[SHARED] * 40)

    assert regroup(now=NOW, dry_run=True).contacts == 101


def test_nobody_holds_a_work_until_somebody_does():
    with exclusive("a work"):
        assert is_at_work("a work")
    assert not is_at_work("a work")
