"""What a held run tells the operator, at whose terminal every system may be seen: also the value to blame."""

from typing import Any

from contacts.group_brake import Held
from contacts.models import GroupingRun
from contacts.services.brake import NamedBlame, name_blames

HELD_CODE = 3  # the exit code of a command that the brake held
_TOLD = ("rule", "field", "value", "refs", "system_ref")


def held_in_words(run: GroupingRun) -> str:
    """Lines for a terminal, the reasons first, then what is to blame, the worst first."""
    lines = [*Held.from_json(run.held).reasons, *map(_line, name_blames(run, systems=None))]
    return "\n".join(lines)


def held_as_json(run: GroupingRun) -> dict[str, Any]:
    """{"reasons": [...], "blame": [{"rule", "field", "value", "refs", "system_ref"}]}, the worst first."""
    return {
        "reasons": Held.from_json(run.held).reasons,
        "blame": [{told: getattr(blame, told) for told in _TOLD} for blame in name_blames(run, systems=None)],
    }


def _line(blame: NamedBlame) -> str:
    rule = f"the rule “{blame.title or blame.rule}”" if blame.rule else "the score alone"
    if not blame.field:
        return f"To blame: {rule}, on {blame.refs:,} System Refs."
    value = f" “{blame.value}” (as {blame.system_ref})" if blame.value else ""
    return f"To blame: the {blame.field}{value}, in {blame.refs:,} System Refs, by {rule}."
