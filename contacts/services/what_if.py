"""What other rules or another model would change: the engine twice over the same records, compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings

from contacts.group_plan import STANDING_SCHEMA, Plan
from contacts.grouping.candidates import KEY_KINDS, OutgrownKeys
from contacts.grouping.engine import group
from contacts.grouping.model import Model
from contacts.grouping.records import Grouping
from contacts.grouping.rules import key_kinds
from contacts.services.grouping_input import GroupingInput, read_input
from contacts.services.grouping_model import freeze, is_due, load_model, next_version
from contacts.services.matching_rules import RulesInForce, rules_in_force

EXAMPLES = 20
STEPS = ("reading the records", "grouping as now in force", "grouping as proposed", "comparing")

Progress = Callable[[int, int], None]  # steps done, and of how many


class Kind(StrEnum):
    """What would happen to the two sides of an example."""

    JOIN = "join"
    SPLIT = "split"


@dataclass(frozen=True)
class Example:
    """Two sides that would come together, or that would part; System Refs by id.

    Each side begins with the ref that the strongest link between the two sides ends in. `rule` is that
    link's, blank where the score alone made it: the link that would join them, or the one that holds them
    together now. `others` are the refs of further sides of the same group.
    """

    kind: Kind
    rule: str
    left: Sequence[int]
    right: Sequence[int]
    others: Sequence[int] = ()


@dataclass(frozen=True)
class WhatIf:
    """Groups as now in force and as proposed. `joined` and `split` balance as in group_plan.Counts."""

    groups_before: int
    groups_after: int
    joined: int
    split: int
    examples: Sequence[Example]


def what_if(
    *,
    model: Model | None = None,
    rules: RulesInForce | None = None,
    examples: int = EXAMPLES,
    progress: Progress | None = None,
) -> WhatIf:
    """What the next full run would change if this model or these rules were in force.

    Writes nothing and takes twice as long as the engine alone. It compares with what the rules in force make
    of the records as they are now, so that changes which wait for the night anyway are not counted.
    """

    def at(step: int) -> None:
        if progress:
            progress(step, len(STEPS))

    at(0)
    given, standing = read_input(), rules_in_force()
    proposed = rules or standing
    at(1)
    before = _grouped(given, _model_for(given, standing), standing)
    at(2)
    after = _grouped(given, model or _model_for(given, proposed), proposed)
    at(3)
    with _difference(given, before, after) as plan:
        found = WhatIf(
            groups_before=_groups(before),
            groups_after=plan.counts.contacts,
            joined=plan.counts.joined,
            split=plan.counts.split,
            examples=_examples(plan, before, after, most=examples),
        )
    at(4)
    return found


def _model_for(given: GroupingInput, rules: RulesInForce) -> Model:
    """The model that the next full run would use: the one in force, or a new one where that does not fit.

    It does not when there are many more or fewer refs, or when the rules need kinds of key it never learnt.
    """
    kinds = key_kinds(rules.rules)
    standing = None if is_due(given.refs.num_rows) else next_version()
    if standing is not None:
        model = load_model(standing)
        if {kind.name for kind in (*KEY_KINDS, *kinds)} <= set(model.key_kinds):
            return model
    return freeze(given.refs, default_country=given.default_country, extra_kinds=kinds)


def _grouped(given: GroupingInput, model: Model, rules: RulesInForce) -> Grouping:
    """With this model or, as a run does where keys have become common since, with a new one like it."""
    try:
        return _grouped_with(given, model, rules)
    except OutgrownKeys:
        kinds = key_kinds(rules.rules)
        fitting = freeze(given.refs, default_country=given.default_country, extra_kinds=kinds, like=model)
        return _grouped_with(given, fitting, rules)


def _grouped_with(given: GroupingInput, model: Model, rules: RulesInForce) -> Grouping:
    return group(
        given.refs,
        model=rules.applied_to(model),
        decisions=given.decisions,
        excluded_systems=given.excluded_systems,
        rules=rules.rules,
        default_country=given.default_country,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )


def _groups(grouping: Grouping) -> int:
    return len(grouping.partition["group_id"].unique())


def _difference(given: GroupingInput, before: Grouping, after: Grouping) -> Plan:
    """A plan as if the mapping said what is now in force: each group a Contact of the group's number."""
    ref_ids, group_ids = before.partition["ref_id"], before.partition["group_id"]
    standing = pa.table(
        {
            "ref_id": ref_ids,
            "contact_id": group_ids,
            "is_primary": pc.equal(ref_ids, group_ids),
            "is_hand_chosen": pa.repeat(False, len(ref_ids)),
        },
        schema=STANDING_SCHEMA,
    )
    return Plan(
        after.partition,
        standing=standing,
        order=given.refs,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )


def _examples(plan: Plan, before: Grouping, after: Grouping, *, most: int) -> list[Example]:
    rows = plan.ask(
        _EXAMPLES,
        {"most": most},
        links_before=before.links,
        links_after=after.links,
    )
    return [Example(Kind(kind), rule, left, right, others or []) for kind, rule, left, right, others in rows]


# A group that changes is shown by the strongest link between two of its sides. Examples are taken from each
# kind and rule in turn, of each the largest and the smallest by turns, so that twenty show what there is.
_EXAMPLES = """
with linked as (
    select 'join' as kind, l.rule, l.left_id, l.right_id, l.weight + l.household as strength,
        x.group_id as whole, x.contact_id as left_side, y.contact_id as right_side
    from links_after l join stands x on x.ref_id = l.left_id join stands y on y.ref_id = l.right_id
    where l.decision = 'joined' and x.group_id = y.group_id and x.contact_id <> y.contact_id
    union all
    select 'split', l.rule, l.left_id, l.right_id, l.weight + l.household,
        x.contact_id, x.group_id, y.group_id
    from links_before l join stands x on x.ref_id = l.left_id join stands y on y.ref_id = l.right_id
    where l.decision = 'joined' and x.contact_id = y.contact_id and x.group_id <> y.group_id
),
strongest as (
    select * from linked
    qualify row_number() over (
        partition by kind, whole order by strength desc, left_id, right_id
    ) = 1
),
sized as (
    select strongest.*, sizes.refs from strongest join (
        select 'join' as kind, group_id as whole, count(*) as refs from stands group by group_id
        union all select 'split', contact_id, count(*) from stands group by contact_id
    ) sizes using (kind, whole)
),
ranked as (
    select *, least(
        2 * row_number() over (partition by kind, rule order by refs desc, whole) - 1,
        2 * row_number() over (partition by kind, rule order by refs, whole desc)
    ) as turn
    from sized
),
chosen as (
    select * from ranked order by turn, refs desc, kind, rule, whole limit $most
),
sides as (
    select kind, whole, ref_id, if(kind = 'join', contact_id, group_id) as side
    from (select kind, whole from chosen) c join stands
    on whole = if(kind = 'join', group_id, contact_id)
)
select chosen.kind, chosen.rule,
    list(ref_id order by ref_id <> left_id, ref_id) filter (side = left_side),
    list(ref_id order by ref_id <> right_id, ref_id) filter (side = right_side),
    list(ref_id order by ref_id) filter (side not in (left_side, right_side))
from chosen join sides using (kind, whole)
group by chosen.kind, chosen.rule, whole, turn, refs
order by turn, refs desc, chosen.kind, chosen.rule, whole
"""
