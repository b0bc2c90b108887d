"""The e-mails and phones that stand at several Contacts under different names, those of most people first.

Counted by the database over the refs that the user may see, at each call: one pass over them finds what
several Contacts hold, a second looks closely at that alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Case, Count, F, Max, Min, Q, QuerySet, Value, When, Window
from django.db.models.expressions import Combinable
from django.db.models.functions import Concat, Length, Right, RowNumber, StrIndex, Substr, Upper
from django.db.models.lookups import In

from contacts.models import SystemRef
from contacts.models.system_ref import digits_of
from contacts.services.shared_values import (
    CROWD,
    DIGITS,
    FEWEST_DIGITS,
    MANY_PEOPLE,
    ROLE_MAILBOXES,
    Look,
)

PER_PAGE = 50
NAMED = 6  # of the people at a value


class Field(StrEnum):
    """What is looked at; phones by their last digits, however they are written."""

    EMAIL = "email"
    MOBILE = "mobile"
    PHONE = "phone"


@dataclass(frozen=True)
class Named:
    """One of the people at a value, by one of their refs."""

    contact_id: int
    ref: SystemRef

    @property
    def name(self) -> str:
        return self.ref.full_name


@dataclass(frozen=True)
class Line:
    """A value and who holds it; `key` is the value as it is compared."""

    key: str
    value: str
    people: int
    look: Look
    named: Sequence[Named]

    @property
    def more(self) -> int:
        return max(self.people - len(self.named), 0)

    @property
    def place(self) -> str:
        """Where the page after this line begins: by the id of a ref, for an address holds no e-mail."""
        return f"{self.people}~{self.named[0].ref.pk}" if self.named else ""


@dataclass(frozen=True)
class LinesPage:
    """Some lines; `after`: the place of the last one if there are more."""

    lines: Sequence[Line]
    after: str


def shared_lines(
    user: User,
    *,
    field: Field = Field.EMAIL,
    look: Look | None = None,
    systems: Sequence[int] | None = None,
    after: str = "",
) -> LinesPage:
    """A page of values that several Contacts hold under different names; two queries, three beyond
    the first page.

    `systems`: only people with the value in one of these; `after`: the place of the line before the page.
    """
    refs = SystemRef.objects.visible_to(user).filter(mapping__isnull=False)
    if systems is not None:
        refs = refs.filter(system__in=systems)
    found = _counted(refs, field)
    if look is not None:
        found = found.filter(look=look.value)
    if place := _place(refs, field, after):
        people, key = place
        found = found.filter(Q(people__lt=people) | Q(people=people, key__gt=key))
    rows = list(found.order_by("-people", "key")[: PER_PAGE + 1])
    named = _named(refs, field, [row["key"] for row in rows[:PER_PAGE]])
    lines = [_line(row, field, named.get(row["key"], [])) for row in rows[:PER_PAGE]]
    return LinesPage(lines, lines[-1].place if len(rows) > PER_PAGE else "")


def _key(field: Field) -> Combinable:
    return Upper("email") if field is Field.EMAIL else Right(digits_of(field.value), DIGITS)


def _holding(refs: QuerySet[SystemRef], field: Field) -> Any:
    """The refs that hold something in the field, with its `key`."""
    held = refs.exclude(**{field.value: ""}).annotate(key=_key(field))
    if field is not Field.EMAIL:
        held = held.annotate(length=Length("key")).filter(length__gte=FEWEST_DIGITS)
    return held.order_by()


def _counted(refs: QuerySet[SystemRef], field: Field) -> Any:
    """Per value: key, people, look."""
    held = _holding(refs, field)
    # By the least and the greatest, which need no sorting: a million refs in a second or two.
    several = (
        held.values("key")
        .annotate(least=Min("mapping__contact"), greatest=Max("mapping__contact"))
        .filter(least__lt=F("greatest"))
        .values("key")
    )
    return (
        held.filter(key__in=several)
        .values("key")
        .annotate(
            people=Count("mapping__contact", distinct=True),
            names=Count(Upper(Concat("first_name", Value(" "), "last_name")), distinct=True),
            with_last=Count("mapping__contact", filter=~Q(last_name=""), distinct=True),
            lasts=Count(Upper("last_name"), filter=~Q(last_name=""), distinct=True),
            with_company=Count("mapping__contact", filter=~Q(company=""), distinct=True),
            companies=Count(Upper("company"), filter=~Q(company=""), distinct=True),
            with_house=Count("mapping__contact", filter=~Q(address1="") & ~Q(postcode=""), distinct=True),
            houses=Count(
                Upper(Concat("address1", Value("|"), "postcode")),
                filter=~Q(address1="") & ~Q(postcode=""),
                distinct=True,
            ),
        )
        .filter(names__gt=1)
        .annotate(look=_look(field))
        .values("key", "people", "look")
    )


def _look(field: Field) -> Case:
    """As shared_values.look_of says it: fewer companies, names or houses than people who have one."""
    crowd = Look.MAILBOX if field is Field.EMAIL else Look.OFFICE
    whens = [
        When(people__gte=CROWD, then=Value(crowd.value)),
        When(with_company__gt=F("companies"), then=Value(Look.OFFICE.value)),
        When(with_last__gt=F("lasts"), then=Value(Look.HOUSEHOLD.value)),
        When(with_house__gt=F("houses"), then=Value(Look.HOUSEHOLD.value)),
        When(people__gte=MANY_PEOPLE, then=Value(Look.OFFICE.value)),
    ]
    if field is Field.EMAIL:
        before_at = Substr("key", Value(1), StrIndex(Concat("key", Value("@")), Value("@")) - 1)
        roles = [Value(name.upper()) for name in ROLE_MAILBOXES]
        whens.insert(0, When(In(before_at, roles), then=Value(Look.MAILBOX.value)))
    return Case(*whens, default=Value(Look.UNCLEAR.value))


def _named(refs: QuerySet[SystemRef], field: Field, keys: Sequence[str]) -> dict[str, list[Named]]:
    """The first few people at each of these values."""
    if not keys:
        return {}
    nth = Window(RowNumber(), partition_by=["key"], order_by=["mapping__contact", "pk"])
    rows = _holding(refs, field).filter(key__in=keys).annotate(nth=nth).filter(nth__lte=4 * NAMED)
    found: dict[str, dict[int, Named]] = {}
    for ref in rows.select_related("system", "mapping").order_by("key", "nth"):
        found.setdefault(ref.key, {}).setdefault(ref.mapping.contact_id, Named(ref.mapping.contact_id, ref))
    return {key: list(people.values())[:NAMED] for key, people in found.items()}


def _line(row: dict[str, Any], field: Field, named: Sequence[Named]) -> Line:
    value = getattr(named[0].ref, field.value) if named else row["key"]
    return Line(row["key"], value, row["people"], Look(row["look"]), named)


def _place(refs: QuerySet[SystemRef], field: Field, after: str) -> tuple[int, str] | None:
    people, _, ref_id = after.partition("~")
    if not (people.isdecimal() and ref_id.isdecimal() and len(after) < 30):
        return None
    key = _holding(refs, field).filter(pk=int(ref_id)).values_list("key", flat=True).first()
    return (int(people), key) if key else None
