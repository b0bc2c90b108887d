"""The facts of a case as its page shows them: ids become badges, names and sentences when they are read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from contacts.admin.review_shown import rule_title
from contacts.change_words import name_of_user
from contacts.grouping.rules import MUST
from contacts.models import Case, GroupDecision, GroupRequest, Move, SystemRef
from contacts.services.matching_rules import RulesInForce, rules_of_links


@dataclass(frozen=True)
class ShownRef:
    """A ref of the facts, and the GroupID that it stands under now; without a ref, it is gone."""

    ref: SystemRef | None
    since: datetime | None
    group_now: int | None


@dataclass(frozen=True)
class ShownFacts:
    """Each list as the template goes through it, newest first as kept."""

    refs: Sequence[ShownRef]
    came_back: Mapping[str, Any] | None
    changes: Sequence[Mapping[str, Any]]
    requests: Sequence[Mapping[str, Any]]
    decisions: Sequence[Mapping[str, Any]]
    links: Sequence[Mapping[str, Any]]
    moves: Sequence[Mapping[str, Any]]
    rules: int | None


def facts_shown(case: Case) -> ShownFacts:
    """Of a case that may be read: all its refs are visible then. A few queries; rules stand by title."""
    facts = case.facts
    refs = {
        one.system_ref_id: one.system_ref
        for one in case.refs.select_related("system_ref__system", "system_ref__mapping")
    }
    named = [*facts.get("changes", ()), *facts.get("requests", ()), *facts.get("decisions", ())]
    people = _people(one[key] for one in named for key in ("by", "lifted_by") if one.get(key))
    rules = rules_of_links()
    return ShownFacts(
        refs=[
            ShownRef(refs.get(one["ref"]), _moment(one["since"]), _group_of(refs.get(one["ref"])))
            for one in facts.get("refs", ())
        ],
        came_back=_came_back(facts.get("came_back"), refs, rules),
        changes=[
            one
            | _moments(one, "at", "undone_at")
            | {"by": people.get(one["by"], "")}
            | {side: _groups(one[side], refs) for side in ("before", "after")}
            for one in facts.get("changes", ())
        ],
        requests=[
            one
            | _moments(one, "filed_at", "settled_at")
            | {"by": people.get(one["by"], ""), "kind": GroupRequest.Kind(one["kind"]).label}
            for one in facts.get("requests", ())
        ],
        decisions=[
            one
            | _moments(one, "since", "lifted_at")
            | _ends(one, refs)
            | {"by": people.get(one["by"], ""), "lifted_by": people.get(one["lifted_by"], "")}
            | {"kind": GroupDecision.Kind(one["kind"]).label}
            for one in facts.get("decisions", ())
        ],
        links=[one | _ends(one, refs) | _rule(one, rules) for one in facts.get("links", ())],
        moves=[
            one | _moments(one, "at") | {"ref": refs.get(one["ref"]), "cause": Move.Cause(one["cause"]).label}
            for one in facts.get("moves", ())
        ],
        rules=facts.get("rules"),
    )


def _came_back(told: Any, refs: Mapping[int, SystemRef], rules: RulesInForce) -> Mapping[str, Any] | None:
    if not told:
        return None
    shown = [refs[ref] for ref in told["refs"] if ref in refs]
    return told | _moments(told, "parted_at", "joined_at") | _rule(told, rules) | {"refs": shown}


def _rule(one: Mapping[str, Any], rules: RulesInForce) -> dict[str, str]:
    """The rule by its title; blank where none is named."""
    if one.get("rule") == MUST:
        return {"rule": "a person’s word"}
    return {"rule": rule_title(one["rule"], rules) if one.get("rule") else ""}


def _groups(
    held: Mapping[str, Sequence[int]], refs: Mapping[int, SystemRef]
) -> list[tuple[int, list[SystemRef]]]:
    return [(int(group), [refs[ref] for ref in ids if ref in refs]) for group, ids in sorted(held.items())]


def _ends(pair: Mapping[str, Any], refs: Mapping[int, SystemRef]) -> dict[str, Any]:
    return {end: refs.get(pair[end]) for end in ("left", "right")}


def _people(ids: Iterable[int]) -> dict[int, str]:
    wanted = set(ids)
    return {one.pk: name_of_user(one) for one in User.objects.filter(pk__in=wanted)} if wanted else {}


def _group_of(ref: SystemRef | None) -> int | None:
    mapping = getattr(ref, "mapping", None)
    return mapping.contact_id if mapping else None


def _moments(one: Mapping[str, Any], *names: str) -> dict[str, datetime | None]:
    return {name: _moment(one[name]) for name in names}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
