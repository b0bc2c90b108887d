"""The details of an account as a form: what stands, what was typed, what is wrong with it, what holds."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

import pycountry
from django.http import QueryDict

from contacts.models import HeldValue, SystemRef
from contacts.models.person_details import DETAIL_FIELDS, PersonDetails, name_of
from contacts.services.typed_values import typed_text

# In the order of the form; each tuple is one row of it.
ROWS = (
    ("title", "first_name", "last_name"),
    ("email", "phone", "mobile"),
    ("address1", "address2"),
    ("city", "postcode", "country"),
    ("company", "date_of_birth", "language"),
    ("external_customer_id",),
)
KINDS = {
    "email": "email",
    "phone": "tel",
    "mobile": "tel",
    "date_of_birth": "date",
    "country": "country",
}
MINE, THEIRS = "mine", "theirs"


@dataclass(frozen=True)
class Detail:
    """One field: `value` is what its input shows, `was` what stood when the page was made.

    `theirs`: what somebody else wrote meanwhile, to be chosen from; None where nobody did. `stands_now`: what
    the values of a refused write-back would replace; None where the input shows it. `is_told`: the source was
    told what holds here, so that what it said before is not what it says.
    """

    name: str
    value: str
    was: str
    error: str = ""
    held: HeldValue | None = None
    theirs: str | None = None
    choice: str = ""
    stands_now: str | None = None
    is_told: bool = False

    @property
    def label(self) -> str:
        return name_of(self.name)

    @property
    def kind(self) -> str:
        return KINDS.get(self.name, "text")

    @property
    def day(self) -> date | None:
        """The day that the input holds, to be printed: a browser shows it in its own country's way."""
        try:
            return date.fromisoformat(self.value) if self.kind == "date" else None
        except ValueError:
            return None

    @property
    def limit(self) -> int | None:
        """The longest value; a browser lets no more be typed."""
        return PersonDetails._meta.get_field(self.name).max_length  # type: ignore[union-attr]

    @property
    def is_changed(self) -> bool:
        return self.value != self.was

    @property
    def countries(self) -> Sequence[tuple[str, str]]:
        """All countries, and what stands where that is none of them."""
        known = _countries()
        codes = {code for code, _name in known}
        return known if not self.value or self.value in codes else [(self.value, self.value), *known]


@dataclass(frozen=True)
class Typed:
    """What was sent: by field the values, what the page had shown, and the choices between two values."""

    values: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    offered: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sent: QueryDict) -> "Typed":
        """Of the form as it was sent; what is no detail field is left aside."""
        return cls(
            values={name: sent[name] for name in DETAIL_FIELDS if name in sent},
            seen={name: sent[f"was_{name}"] for name in DETAIL_FIELDS if f"was_{name}" in sent},
            choices={name: sent.get(f"choose_{name}", "") for name in DETAIL_FIELDS},
            offered={name: sent[f"theirs_{name}"] for name in DETAIL_FIELDS if f"theirs_{name}" in sent},
        )

    @property
    def undecided(self) -> dict[str, str]:
        """Both values were offered of these, and neither was chosen; by field the other's."""
        return {n: text for n, text in self.offered.items() if self.choices.get(n) not in (MINE, THEIRS)}

    @property
    def meant(self) -> dict[str, str]:
        """The values without those given up for the other's."""
        return {n: v for n, v in self.values.items() if not (n in self.offered and self._gives_up(n))}

    @property
    def known(self) -> dict[str, str]:
        """What the person had before them: of what was chosen the value that somebody else wrote."""
        return {**self.seen, **self.offered}

    def leaves(self, name: str) -> bool:
        """Whether the field was sent as it had been shown."""
        return name in self.values and name not in self.offered and self.values[name] == self.seen.get(name)

    def _gives_up(self, name: str) -> bool:
        return self.choices.get(name) == THEIRS


def details(
    ref: SystemRef,
    held: Mapping[tuple[int, str], HeldValue],
    *,
    typed: Typed | None = None,
    errors: Mapping[str, str] | None = None,
    theirs: Mapping[str, str] | None = None,
    filled: Mapping[str, str] | None = None,
    told: Container[str] = (),
) -> list[list[Detail]]:
    """The rows of the form. `filled`: values to begin with, such as those of a refused write-back; `told`:
    the fields that the source was told as they stand.

    A field that was sent as it had been shown is shown as it stands by now.
    """
    typed = typed or Typed()
    errors, theirs, filled = errors or {}, theirs or {}, filled or {}

    def detail(name: str) -> Detail:
        stands = standing(ref, name)
        is_untouched = name not in theirs and typed.leaves(name)
        value = stands if is_untouched else typed.values.get(name, filled.get(name, stands))
        return Detail(
            name=name,
            value=value,
            was=stands if is_untouched else typed.known.get(name, stands),
            error=errors.get(name, ""),
            held=held.get((ref.pk, name)),
            theirs=theirs.get(name),
            choice=typed.choices.get(name, ""),
            stands_now=stands if name in filled and value != stands else None,
            is_told=name in told,
        )

    return [[detail(name) for name in row] for row in ROWS]


def standing(ref: SystemRef, name: str) -> str:
    """What stands in a field, as history writes it."""
    value: Any = getattr(ref, name)
    return typed_text(value)


@cache
def _countries() -> list[tuple[str, str]]:
    named = [(country.alpha_2, country.name) for country in pycountry.countries]
    return sorted(named, key=lambda choice: choice[1])
