"""When a run is about to join more than may happen unseen: how much, and which rule or value is to blame."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import pyarrow as pa

from contacts.group_plan import Plan

CLEARLY_MORE = 1.5  # a Contact that is too large already may grow by half of what it was when somebody knew
WORTH_NAMING = 5  # System Refs that share a value before it is called to blame
# A ref and the Contact in which it stood.
KNOWN_SCHEMA = pa.schema([("ref_id", pa.int64()), ("contact_id", pa.int64())])
_NAMED = 5
_EXAMPLES = 5
_REFS_SHOWN = 5

# The details of a ref that can be to blame, as SQL that makes spellings of one value one.
_VALUES: Mapping[str, str] = {
    "email": "nullif(lower(trim(email)), '')",
    "mobile": "nullif(regexp_replace(mobile, '[^0-9]', '', 'g'), '')",
    "phone": "nullif(regexp_replace(phone, '[^0-9]', '', 'g'), '')",
    "address": "case when trim(address1) <> '' and trim(postcode) <> ''"
    " then lower(trim(address1)) || '|' || upper(replace(postcode, ' ', '')) end",
}


@dataclass(frozen=True)
class Limits:
    """How much may happen unseen.

    One run may join `share` percent of the Contacts into others, but never fewer than `floor`, and no
    Contact may come to hold more than `largest` System Refs.
    """

    share: int
    floor: int
    largest: int

    def joins(self, established: int) -> int:
        """How many of so many Contacts one run may join into others."""
        return max(self.floor, established * self.share // 100)


@dataclass(frozen=True)
class Blame:
    """What brings `refs` System Refs together: a rule (blank: the score alone), a value of `field`, or both.

    The value itself is not kept: it is read from `ref_ids`, some that hold it, for those who may see all of
    `system_ids`, the systems of all that hold it. `field` is blank where a rule joins by many values.
    """

    rule: str
    field: str
    refs: int
    ref_ids: Sequence[int] = ()
    system_ids: Sequence[int] = ()


@dataclass(frozen=True)
class Example:
    """A Contact as it would be: how many refs of how many Contacts, and the first of them.

    It is shown only to those who may see all of `system_ids`, the systems of all its refs.
    """

    refs: int
    contacts: int
    ref_ids: Sequence[int]
    system_ids: Sequence[int]


@dataclass(frozen=True)
class Held:
    """What a run would have done beyond its limits; ids and counts only.

    `joined` of the `established` Contacts would have gone into others, `may_join` of them may. `too_large`
    Contacts would have held more than `may_hold` refs, the largest of them `largest`. `alike`: into that many
    new Contacts would have gone refs that carry one e-mail under one name, for the engine takes it for
    everybody's. `parted` Contacts would have been split by a model that the run itself brings into force;
    `may_join` of them may. The worst blame comes first.
    """

    established: int
    joined: int
    may_join: int
    too_large: int
    largest: int
    may_hold: int
    alike: int
    blames: Sequence[Blame] = ()
    examples: Sequence[Example] = ()
    parted: int = 0

    @property
    def reasons(self) -> list[str]:
        """Why, in sentences without anybody's values."""
        said = []
        if self.joined > self.may_join:
            said.append(
                f"{self.joined:,} of {self.established:,} Contacts would be joined into others;"
                f" at most {self.may_join:,} may in one run."
            )
        if self.too_large:
            said.append(
                f"{_contacts(self.too_large)} would hold more than {self.may_hold:,} System Refs,"
                f" the largest {self.largest:,}."
            )
        if self.alike:
            said.append(
                f"New System Refs that carry one e-mail under one name would become {self.alike:,} Contacts"
                " of their own: the engine keeps them apart."
            )
        if self.parted > self.may_join:
            said.append(
                f"{self.parted:,} of {self.established:,} Contacts would be split by the new model that comes"
                f" with this run; at most {self.may_join:,} may in one run."
            )
        return said

    def is_within(self, accepted: "Held") -> bool:
        """Whether who accepted the other accepted this: it goes beyond its limits nowhere further."""
        return (
            self.joined <= max(self.may_join, accepted.joined)
            and self.too_large <= accepted.too_large
            and self.largest <= max(self.may_hold, accepted.largest)
            and self.alike <= accepted.alike
            and self.parted <= max(self.may_join, accepted.parted)
        )

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What `as_json` wrote; without the examples of old records that do not name their systems."""
        return cls(
            **{
                **told,
                "blames": [Blame(**blame) for blame in told["blames"]],
                "examples": [Example(**example) for example in told["examples"] if "system_ids" in example],
            }
        )


def growing(plan: Plan, *, limits: Limits) -> list[int]:
    """The refs of Contacts that are too large already and would grow."""
    plan.ask(_WEIGHED)
    return [ref_id for (ref_id,) in plan.ask(_GROWING, {"largest": limits.largest})]


def weigh(
    plan: Plan,
    links: pa.Table,
    *,
    refs: pa.Table,
    established: int,
    limits: Limits,
    known: pa.Table,
    has_new_model: bool,
) -> Held | None:
    """What goes beyond the limits, with what is to blame; None where the run may go on.

    `links` are the engine's (LINK_SCHEMA), `refs` in REF_SCHEMA cover the plan's. `known` (KNOWN_SCHEMA):
    where refs of Contacts that grow stood when somebody last knew how large these are; `has_new_model`:
    whether the run brings its model into force. Nothing but counts where nothing is beyond the limits; joins
    that a person decided are not counted.
    """
    plan.ask(_WEIGHED)
    plan.ask(_SEEN, known=known)
    joined, too_large, largest = plan.ask(_TOTALS, {"largest": limits.largest, "more": CLEARLY_MORE})[0]
    if joined > limits.joins(established):
        joined = max(0, joined - plan.ask(_BY_PERSONS, links=links)[0][0])
    plan.ask(_ALIKE, {"largest": limits.largest}, refs=refs)
    alike = plan.ask(_MOST_ALIKE)[0][0]
    parted = plan.ask(_PARTED)[0][0] if has_new_model else 0
    may_join = limits.joins(established)
    if max(joined, parted) <= may_join and not too_large and not alike:
        return None
    held = Held(established, joined, may_join, too_large, largest, limits.largest, alike, parted=parted)
    return replace(held, blames=_blames(plan, held, links=links, refs=refs), examples=_examples(plan, refs))


def _contacts(count: int) -> str:
    return "One Contact" if count == 1 else f"{count:,} Contacts"


def _blames(plan: Plan, held: Held, *, links: pa.Table, refs: pa.Table) -> list[Blame]:
    """Values that many of the refs in question share, and rules that join by others too; the worst first."""
    plan.ask(
        _CONCERNED,
        {"largest": held.may_hold, "more": CLEARLY_MORE, "by_share": held.joined > held.may_join},
        refs=refs,
    )
    plan.ask(_BRIDGES, links=links)
    spelt = " union all ".join(
        f"select ref_id, system_id, '{field}' as field, {value} as value from refs"
        for field, value in _VALUES.items()
    )
    plan.ask(_HELD_VALUES.format(spelt=spelt), refs=refs)
    by_value = plan.ask(_BY_VALUE, {"worth": WORTH_NAMING, "shown": _REFS_SHOWN, "named": _NAMED})
    values = [Blame(*row) for row in by_value]
    said = {blame.rule: blame.refs for blame in reversed(values)}
    rules = [Blame(*row) for row in plan.ask(_BY_RULE) if row[2] > said.get(row[0], 0)]
    return sorted([*values, *rules], key=lambda blame: (-blame.refs, blame.field == ""))


def _examples(plan: Plan, refs: pa.Table) -> list[Example]:
    asked = {"named": _EXAMPLES, "shown": _REFS_SHOWN}
    return [Example(*row) for row in plan.ask(_LARGEST, asked, refs=refs)]


# Groups that change: their refs, the Contacts these come from, and the largest of those as it stands.
_WEIGHED = """
create or replace temp table weighed as
with touched as (select stands.* from stands semi join changing using (group_id)),
before as (
    select contact_id, count(*) as refs from stands
    where contact_id in (select contact_id from touched) group by contact_id
)
select group_id, count(*) as refs, count(distinct contact_id) as contacts,
    coalesce(max(before.refs), 0) as before
from touched left join before using (contact_id) group by group_id
"""
_GROWING = """
select ref_id from stands join weighed using (group_id) where before > $largest and refs > before
"""
# The most refs of a group that stood together when somebody last knew.
_SEEN = """
create or replace temp table seen as
select group_id, max(refs) as seen from (
    select group_id, known.contact_id, count(*) as refs from known join stands using (ref_id) group by all
) group by group_id
"""
_TOO_LARGE = """(refs > $largest and (before <= $largest or (
    refs > before and refs > greatest(coalesce(seen, 0), $largest) * $more
)))"""
_TOTALS = f"""
select coalesce(sum(contacts - 1) filter (contacts > 1), 0)::bigint, count(*) filter {_TOO_LARGE},
    coalesce(max(refs) filter {_TOO_LARGE}, 0)
from weighed left join seen using (group_id)
"""
_BY_PERSONS = """
select count(*) from (
    select distinct least(l.contact_id, r.contact_id), greatest(l.contact_id, r.contact_id)
    from links join stands l on l.ref_id = left_id join stands r on r.ref_id = right_id
    where decision = 'joined' and rule = 'person' and l.contact_id <> r.contact_id
)
"""
# New refs that say they are one person and go into too many new Contacts.
_ALIKE = """
create or replace temp table alike as
with said as (
    select ref_id, lower(trim(email)) as email, lower(trim(first_name) || ' ' || trim(last_name)) as name
    from refs where email <> ''
),
fresh as (
    select ref_id, group_id, email, name from said join stands using (ref_id) semi join new using (group_id)
),
sharing as (
    select email, name, count(distinct group_id) as groups from fresh
    where trim(name) <> '' group by all having groups > $largest
)
select ref_id, groups from fresh join sharing using (email, name)
"""
_MOST_ALIKE = "select coalesce(max(groups), 0) from alike"
_PARTED = """
select count(*) from (
    select contact_id from stands where contact_id is not null
    group by contact_id having count(distinct group_id) > 1
)
"""
_CONCERNED = f"""
create or replace temp table concerned as
select ref_id, group_id, contact_id from stands join weighed using (group_id) left join seen using (group_id)
where {_TOO_LARGE} or ($by_share and contacts > 1)
union select ref_id, group_id, contact_id from stands semi join alike using (ref_id)
"""
# The joined links in question that bring in what is not together yet.
_BRIDGES = """
create or replace temp table bridges as
select left_id, right_id, coalesce(rule, '') as rule
from links join concerned l on l.ref_id = left_id join concerned r on r.ref_id = right_id
where decision = 'joined' and l.group_id = r.group_id
    and (l.contact_id is null or r.contact_id is null or l.contact_id <> r.contact_id)
"""
_HELD_VALUES = """
create or replace temp table held_values as
select * from ({spelt}) semi join concerned using (ref_id) where value is not null
"""
_BY_VALUE = """
with shared as (
    select field, value, count(*) as refs, list(ref_id order by ref_id)[:$shown] as ref_ids,
        list(distinct system_id) as system_ids
    from held_values group by field, value having count(*) >= $worth
    order by refs desc, field, min(ref_id) limit $named
),
rules as (
    select field, value, mode(rule order by rule) as rule from shared
    join held_values l using (field, value) join bridges on left_id = l.ref_id
    join held_values r on r.ref_id = right_id and r.field = shared.field and r.value = shared.value
    group by shared.field, shared.value
)
select coalesce(rule, ''), field, refs, ref_ids, system_ids from shared left join rules using (field, value)
order by refs desc, field
"""
_BY_RULE = """
select rule, '', count(distinct ref_id) from (
    select rule, left_id as ref_id from bridges union all select rule, right_id from bridges
) group by rule order by 3 desc, rule
"""
_LARGEST = """
select count(*), count(distinct contact_id), list(ref_id order by ref_id)[:$shown],
    list(distinct system_id)
from stands semi join concerned using (group_id) join refs using (ref_id)
group by group_id having count(*) > 1 order by 1 desc, group_id limit $named
"""
