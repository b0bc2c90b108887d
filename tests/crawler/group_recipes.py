"""What the crawler does where groups are asked about: grouping, review, cases, rules and the plan."""

from collections.abc import Mapping

from contacts.models import Contact, GroupDecision, GroupRequest, HeldLine, ReviewAnswer, SystemRef
from sync.models import PlanLine

from .recipe import CONTACT, PLAIN, Recipe, of
from .units import OUR_REF

GROUP_RECIPES: Mapping[str, Recipe] = {
    "admin:contacts_contact_group": Recipe(
        fills=CONTACT.fills,
        asks=(
            lambda side: {"with": side.id(Contact)},
            lambda side: {"q": side.email, "master": side.id(Contact)},
            lambda side: {"q": side.name},
        ),
        sends=(
            lambda side: {"do": f"add-{side.id(Contact)}", "reason": "x"},
            lambda side: {"do": "confirm", "with": side.id(Contact), "master": side.id(Contact)},
            lambda side: {"do": "file", "with": side.id(Contact)},
        ),
    ),
    "admin:contacts_contact_ungroup": Recipe(
        fills=CONTACT.fills, sends=(lambda side: {"may_regroup": "yes", "reason": "x"},)
    ),
    "admin:contacts_contact_split": Recipe(
        fills=CONTACT.fills,
        asks=(lambda side: {"from": OUR_REF, "to": side.id(SystemRef)},),
        sends=(
            lambda side: {"do": "preview", f"part-{side.id(SystemRef)}": "1"},
            lambda side: {"do": "file", f"part-{side.id(SystemRef)}": "1", "may_regroup": "yes"},
        ),
    ),
    "admin:contacts_contact_raise_case": Recipe(
        fills=CONTACT.fills, sends=(lambda side: {"title": "x", "request": side.id(GroupRequest)},)
    ),
    "admin:contacts_contact_why_not": Recipe(
        asks=(
            lambda side: {"left": side.id(Contact)},
            lambda side: {"find_left": side.email, "find_right": side.id(Contact)},
            lambda side: {"find_right": side.name},
        )
    ),
    "admin:contacts_contact_shared": Recipe(
        asks=tuple(
            lambda side, field=field: {"of": field, "system": side.code, "after": side.email}
            for field in ("email", "phone", "mobile")
        )
    ),
    "admin:contacts_groupdecision_lift": Recipe(
        sends=(lambda side: {"decision": side.id(GroupDecision), "contact": side.id(Contact)},)
    ),
    "admin:contacts_groupdecision_restore": PLAIN,
    "admin:contacts_groupdecision_add": Recipe(
        sends=(lambda side: {"left": side.ref, "right": f"{side.code} {side.ref}", "reason": "x"},)
    ),
    "admin:contacts_groupchange_undo": Recipe(
        sends=(lambda side: {"may_regroup": "yes"}, lambda side: {"now": "1", "reason": "x"})
    ),
    "admin:contacts_grouprequest_changelist": Recipe(
        sends=tuple(
            lambda side, order=order: {"action": order, "chosen": side.id(GroupRequest)}
            for order in ("withdraw", "hold", "release")
        )
    ),
    "admin:contacts_grouprequest_steer": Recipe(
        fills={"request_id": of(GroupRequest)},
        sends=tuple(
            lambda side, order=order: {"do": order, "back": side.id(Contact)}
            for order in ("withdraw", "hold", "release", "process")
        ),
    ),
    "admin:contacts_case_comment": Recipe(sends=(lambda side: {"text": "forged", "state": "solved"},)),
    "admin:contacts_case_send": PLAIN,
    "admin:contacts_reviewanswer_changelist": Recipe(
        asks=(
            lambda side: {"left": side.id(Contact), "right": side.id(Contact) + 1},
            lambda side: {"system": side.code, "rule": "email"},
        )
    ),
    "admin:contacts_reviewanswer_answer": Recipe(
        sends=tuple(
            lambda side, said=said: {
                "left": side.id(Contact),
                "right": side.id(Contact) + 1,
                "said": said,
                "key": "x",
                "replaces": side.id(ReviewAnswer),
            }
            for said in ReviewAnswer.Answer.values
        )
    ),  # fmt: skip
    "admin:contacts_reviewanswer_safe": Recipe(
        sends=(lambda side: {"pair": f"{side.id(Contact)}-{side.id(Contact) + 1}-x"},)
    ),
    "admin:contacts_reviewanswer_answers": Recipe(
        asks=(lambda side: {"said": "later", "by": "me"}, lambda side: {"before": side.id(ReviewAnswer)})
    ),
    "admin:contacts_reviewanswer_take_back": Recipe(fills={"answer_id": of(ReviewAnswer)}),
    "admin:contacts_reviewanswer_agreement": PLAIN,
    "admin:sync_nightplan_changelist": Recipe(
        asks=(
            lambda side: {"kind": "split", "q": side.id(Contact)},
            lambda side: {"held": "1"},
        )
    ),
    "admin:sync_nightplan_export": Recipe(asks=(lambda side: {"q": side.id(Contact)},)),
    "admin:sync_nightplan_hold": Recipe(
        sends=(
            lambda side: {"hold": side.id(PlanLine)},
            lambda side: {"let_go": side.id(PlanLine)},
            lambda side: {"let_hold_go": side.id(HeldLine)},
        )
    ),
    "admin:sync_nightplan_make": PLAIN,
    "admin:sync_nightplan_progress": PLAIN,
    "admin:contacts_contact_changelist": Recipe(
        sends=(
            lambda side: {"action": "group", "chosen": side.id(Contact)},
            lambda side: {"action": "ungroup", "chosen": side.id(Contact), "confirmed": "1"},
            lambda side: {"action": "why-not", "chosen": [side.id(Contact), side.id(Contact) + 1]},
        )
    ),
}
