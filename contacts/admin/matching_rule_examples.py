"""The examples of a dry run for one reader: both sides field by field, what differs marked on the value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from contacts.contact_page.differences import Difference, difference
from contacts.grouping.rules import MUST
from contacts.models import RuleTrial, SystemRef
from contacts.models.person_details import name_of
from contacts.services.what_if import Kind

COMPARED = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "mobile",
    "company",
    "address1",
    "postcode",
    "city",
    "date_of_birth",
)
SHOWN_OF_A_SIDE = 1  # the pair that the link is between: both have to be in sight at once


@dataclass(frozen=True)
class Cell:
    """A value and how it stands to the first of its line that is not blank."""

    value: Any
    difference: Difference
    begins_right: bool


@dataclass(frozen=True)
class Shown:
    """One example: the first refs of both sides, and how many more there are."""

    is_join: bool
    rule: str
    refs: int
    left: Sequence[SystemRef]
    right: Sequence[SystemRef]
    lines: Sequence[tuple[str, Sequence[Cell]]]

    @property
    def more(self) -> int:
        """How many refs of the group have no column here."""
        return self.refs - len(self.left) - len(self.right)


def shown_examples(trial: RuleTrial, *, by: User, titles: Mapping[str, str], country: str) -> list[Shown]:
    """The examples of which the reader may see every ref; a part of a group would betray the rest.

    `titles`: what people call a rule, by its name. Two queries whatever their number.
    """
    wanted = {ref_id for example in trial.examples for ref_id in _refs(example)}
    refs = SystemRef.objects.visible_to(by).select_related("system").in_bulk(wanted)
    return [
        _shown(example, refs, titles, country)
        for example in trial.examples
        if all(ref_id in refs for ref_id in _refs(example))
    ]


def _refs(example: Mapping[str, Any]) -> list[int]:
    return [*example["left"], *example["right"], *example["others"]]


def _shown(
    example: Mapping[str, Any], refs: Mapping[int, SystemRef], titles: Mapping[str, str], country: str
) -> Shown:
    left = [refs[ref_id] for ref_id in example["left"][:SHOWN_OF_A_SIDE]]
    right = [refs[ref_id] for ref_id in example["right"][:SHOWN_OF_A_SIDE]]
    lines = []
    for field in COMPARED:
        values = [getattr(ref, field) for ref in (*left, *right)]
        if any(values):
            first = next(filter(None, values))
            standings = [difference(field, value, first, country=country) for value in values]
            cells = [
                Cell(value, standing, begins_right=at == len(left))
                for at, (value, standing) in enumerate(zip(values, standings, strict=True))
            ]
            lines.append((name_of(field), cells))
    return Shown(
        is_join=example["kind"] == Kind.JOIN,
        rule=_by(example["rule"], titles),
        refs=len(_refs(example)),
        left=left,
        right=right,
        lines=lines,
    )


def _by(rule: str, titles: Mapping[str, str]) -> str:
    if rule == MUST:
        return "a person's decision"
    return f"“{titles.get(rule, rule)}”" if rule else "the score"
