"""The brake: a run that would join far more than usual writes nothing, says why, and goes on when accepted."""

import pytest
from django.apps import apps

from contacts.models import Contact, Mapping, SystemRef
from contacts.services.brake import (
    HeldByBrake,
    name_blames,
)
from contacts.services.regroup import regroup
from tests.factories import NOW, TicketSystemFactory

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


# A run's own record, and the statistics that it froze of the refs as they are: no group hangs on them.
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
    before = everything_but_runs()

    with pytest.raises(HeldByBrake) as held:
        regroup(now=NOW)

    assert everything_but_runs() == before
    worst = name_blames(held.value.run, systems=None)[0]
    assert (worst.field, worst.value, worst.refs) == ("e-mail", "pat.stanley@gmail.example", 500)
    assert "pat.stanley" not in str(held.value)
    assert "pat.stanley" not in str(held.value.run.held)
    assert not Mapping.objects.filter(system_ref__email=SHARED["email"]).exists()
