"""What might be equal between two refs: the edits of which the engine is asked whether they would join."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from contacts.grouping.records import REF_SCHEMA
from contacts.grouping.worlds import Pair
from contacts.models import SystemRef
from contacts.services.why_not_rules import NAMES, WRITTEN, RuleStanding, written

# Asked of one by one, whatever the rules demand: the score weighs each of them.
_OF_THE_SCORE = ("e-mail", "mobile", "business phone", "date of birth", "last name", "first name", "address")
_BIRTH = "date of birth"
MOST_EDITS = 40


class Compared(Protocol):
    """A pair of refs, and how the rules stand to it (why_not.ComparedPair)."""

    @property
    def left(self) -> SystemRef: ...
    @property
    def right(self) -> SystemRef: ...
    @property
    def rules(self) -> Sequence[RuleStanding]: ...


@dataclass(frozen=True)
class Equal:
    """One field made equal: `taker` has what the other has in it."""

    field: str
    value: str
    taker: SystemRef


@dataclass(frozen=True)
class Edit:
    """What is made equal between two refs; `values` by ref id and column."""

    left: SystemRef
    right: SystemRef
    equal: Sequence[Equal]
    values: Sequence[tuple[int, str, Any]]

    @property
    def pair(self) -> Pair:
        return min(self.left.pk, self.right.pk), max(self.left.pk, self.right.pk)

    @property
    def fields(self) -> list[str]:
        return [equal.field for equal in self.equal]

    def applied_to(self, refs: pa.Table) -> pa.Table:
        """The refs as they would be."""
        rows = {row["ref_id"]: row for row in refs.to_pylist()}
        for ref_id, column, value in self.values:
            rows[ref_id][column] = value
        return pa.Table.from_pylist(list(rows.values()), schema=REF_SCHEMA)


def edits_between(strongest: Compared, pairs: Sequence[Compared]) -> list[Edit]:
    """The edits worth asking the engine about: for each rule what it lacks on the pair that lacks least, and
    of the strongest pair each field alone. Each also with the dates of birth, which may object."""
    found: dict[tuple[Pair, tuple[str, ...]], Edit] = {}
    wishes: list[tuple[Compared, tuple[str, ...]]] = [(strongest, (field,)) for field in _OF_THE_SCORE]
    for place in range(len(strongest.rules)):
        nearest = min(pairs, key=lambda pair: len(pair.rules[place].failing))
        wishes += [(nearest, fields) for fields in unmet(nearest.rules[place], nearest)]
    for pair, fields in wishes:
        for wanted in (fields, (*fields, _BIRTH)):
            edit = _edit(pair.left, pair.right, dict.fromkeys(wanted))
            if edit is not None:
                found.setdefault((edit.pair, tuple(sorted(edit.fields))), edit)
    return list(found.values())[:MOST_EDITS]


def unmet(rule: RuleStanding, pair: Compared) -> list[tuple[str, ...]]:
    """The sets of fields that would meet the rule: its failing ones, with one name or both."""
    fields = tuple(condition.field for condition in rule.failing if condition.field != NAMES)
    if all(condition.field != NAMES for condition in rule.failing):
        return [fields] if fields else []
    names = [n for n in ("last name", "first name") if n not in fields]
    choices = [names[:1], names[1:], names]
    return [(*fields, *chosen) for chosen in choices if chosen]


def _edit(left: SystemRef, right: SystemRef, fields: Iterable[str]) -> Edit | None:
    """None where one of the fields is blank on both sides, or where all are equal as they are."""
    equal, values = [], []
    for field in fields:
        made = _made_equal(left, right, field)
        if made is None:
            return None
        said, changed = made
        if changed:
            equal.append(said)
            values += changed
    return Edit(left, right, equal, values) if equal else None


def _made_equal(
    left: SystemRef, right: SystemRef, field: str
) -> tuple[Equal, list[tuple[int, str, Any]]] | None:
    columns = _columns(left, right, field)
    ways = [(left, right), (right, left)]
    if len(str(getattr(left, columns[0]) or "")) == 1:  # an initial learns the name, not the name its initial
        ways.reverse()
    for giver, taker in ways:
        if any(getattr(giver, column) for column in columns):
            changed = [
                (taker.pk, column, getattr(giver, column))
                for column in columns
                if getattr(giver, column) != getattr(taker, column)
            ]
            value = written(giver, field) if columns == WRITTEN[field] else str(getattr(giver, columns[0]))
            return Equal(field, value, taker), changed
    return None


def _columns(left: SystemRef, right: SystemRef, field: str) -> Sequence[str]:
    """Of a group of fields the first in which somebody has something."""
    if field != "any phone":
        return WRITTEN[field]
    filled = [c for ref in (left, right) for c in WRITTEN[field] if getattr(ref, c)]
    return filled[:1] or WRITTEN[field][:1]
