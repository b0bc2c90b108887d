"""What becomes of each scored pair: joined, for a person to see, or refused; then from records to refs."""

from collections.abc import Sequence

import duckdb

from contacts.grouping.model import Model
from contacts.grouping.records import Guard
from contacts.grouping.rules import MUST, Holds, Outcome
from contacts.grouping.score import (
    beyond_names_sql,
    email_sql,
    evidence_sql,
    household_sql,
    same_name_and_house_sql,
    weight_sql,
)


def make_links(con: duckdb.DuckDBPyConnection, *, model: Model, ways: Sequence[Outcome]) -> None:
    """Make the table `links` from `scored`: the columns of LINK_SCHEMA, strength, is_must, is_forgiven.

    Reads `records`, `members` and `never`. "refused" here means a guard on the pair itself; the guards on
    whole groups come when clustering.
    """
    has_realms = con.execute("select exists (from records where realm is not null)").fetchall()[0][0]
    con.execute(f"""
        create or replace temp view pair_ways as
        select *, {_of_way([way.rule for way in ways])} as rule,
            {_of_way([way.holds.value for way in ways])} as holds
        from scored
    """)
    _find_ambiguous(con)
    con.execute(f"create or replace temp table decided as {_decided_sql(model, has_realms=has_realms)}")
    con.execute(f"create or replace temp table links as {_links_sql()}")
    con.execute("drop view pair_ways; drop table scored; drop table decided; drop table ambiguous")


def _of_way(values: Sequence[str]) -> str:
    """SQL: the value of the pair's way, null where it has none."""
    cases = " ".join(f"when {number} then '{value}'" for number, value in enumerate(values))
    return f"case way {cases} end"


def _find_ambiguous(con: duckdb.DuckDBPyConnection) -> None:
    """The table `ambiguous` (l, r): pairs that hold faintly, but whose blank or initial fits two people.

    l fits x, r fits y, and x and y clash under the same rule; each fits itself.
    """
    con.execute(f"""
        create or replace temp table ambiguous as
        with faint as (select l, r, rule from pair_ways where holds = '{Holds.FAINTLY}'),
        clash as (
            select l as x, r as y, rule from pair_ways where holds = '{Holds.CLASHES}'
            union all select r, l, rule from pair_ways where holds = '{Holds.CLASHES}'
        ),
        ends as (select l as a, rule from faint union select r, rule from faint),
        fits as (
            select l as a, r as b, rule from pair_ways semi join ends on l = a and pair_ways.rule = ends.rule
            where holds in ('{Holds.FAINTLY}', '{Holds.YES}')
            union all
            select r, l, rule from pair_ways semi join ends on r = a and pair_ways.rule = ends.rule
            where holds in ('{Holds.FAINTLY}', '{Holds.YES}')
            union all select a, a, rule from ends
        ),
        reached as (
            select distinct faint.l, faint.r, faint.rule, clash.y from faint
            join fits on fits.a = faint.l and fits.rule = faint.rule
            join clash on clash.x = fits.b and clash.rule = faint.rule
        )
        select distinct reached.l, reached.r from reached
        join fits on fits.a = reached.r and fits.b = reached.y and fits.rule = reached.rule
    """)


def _is_forgiven_sql(model: Model) -> str:
    """SQL: the dates of birth differ, but in these data that is sooner a wrong date than a namesake.

    Only where the model has learnt so (docs/adr/0005): father and son stay apart everywhere else.
    """
    if not model.doubts_dates:
        return "false"
    return f"(g_birth = 0 and {same_name_and_house_sql(model)} and household >= {model.join_household})"


def _decided_sql(model: Model, *, has_realms: bool) -> str:
    realms = "join records x on x.rec = pair_ways.l join records y on y.rec = pair_ways.r"
    email_weight, email_household = email_sql(model)
    return f"""
        with weighed as (
            select pair_ways.*, {weight_sql(model)}::double as weight,
                {household_sql(model)}::double as household,
                {"x.realm is distinct from y.realm" if has_realms else "false"} as is_apart,
                never.a is not null as is_never,
                case when holds = '{Holds.YES}' then rule
                    when holds = '{Holds.FAINTLY}' and ambiguous.l is null then rule
                    else '' end as holding_rule
            from pair_ways {realms if has_realms else ""}
            left join ambiguous on ambiguous.l = pair_ways.l and ambiguous.r = pair_ways.r
            left join never on never.a = pair_ways.l and never.b = pair_ways.r
        ),
        judged as (
            select *, holding_rule <> '' or case
                when holds is null or holding_rule <> '' then
                    weight >= {model.join_weight} and household >= {model.join_household}
                    and {beyond_names_sql(model)}
                -- The names contest the e-mail: the rest must suffice without it (C-5).
                else weight - {email_weight} >= {model.join_weight}
                    and household - {email_household} >= {model.join_household}
                    and {beyond_names_sql(model, but="email")}
                end as is_decided,
                {_is_forgiven_sql(model)} as is_forgiven
            from weighed
        ),
        guarded as (
            select * exclude (is_forgiven), is_decided and is_forgiven as is_forgiven,
                case
                    when is_apart then '{Guard.EXCLUDED}'
                    when is_never then '{Guard.NEVER}'
                    when is_decided and g_birth = 0 and holding_rule <> '{MUST}' and not is_forgiven
                        then '{Guard.BIRTH_DATE}'
                    when not is_decided and holds is not null then '{Guard.NAMES}'
                    else '' end as guard
            from judged
        )
        select l, r, weight, household, guard, is_forgiven, {evidence_sql(model)} as evidence,
            case when is_decided then holding_rule else coalesce(rule, '') end as rule,
            case when not is_decided then 'review' when guard = '' then 'joined'
                else 'refused' end as decision
        from guarded
        where is_decided or (
            guard in ('', '{Guard.NAMES}') and (
                holds is not null
                or (weight >= {model.review_weight} and household >= {model.review_household})
            )
        )
    """


def _links_sql() -> str:
    """From records to refs: copies hang on their lowest ref, or, if they do not join it, on the partner."""
    return f"""
        with copies as (select rec, ref_id from members where ref_id <> rec),
        loose as (
            select rec, ref_id from copies
            where rec not in (select l from decided where l = r and decision = 'joined')
        ),
        spread as (
            select l as a, r as b, decided.* exclude (l, r) from decided where l <> r
            union all
            select l, ref_id, decided.* exclude (l, r) from decided join copies on rec = l where l = r
            union all
            select ref_id, r, decided.* exclude (l, r) from decided join loose on rec = l
            where l <> r and decision = 'joined'
            union all
            select l, ref_id, decided.* exclude (l, r) from decided join loose on rec = r
            where l <> r and decision = 'joined'
        )
        select least(a, b) as left_id, greatest(a, b) as right_id, decision, rule, guard, weight, household,
            evidence, weight + household as strength, rule = '{MUST}' as is_must, is_forgiven,
            decision = 'joined' as is_joinable
        from spread
    """
