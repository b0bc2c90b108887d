"""Where a contact would fall in two: the side that leaves when it is split at one link."""

from contacts.contact_page import drawing
from contacts.contact_page.parts import Shown
from contacts.contact_page.why import joined


def leaving_side(shown: Shown) -> list[int]:
    """Ref ids beyond the link that the address names by `from` and `to`, seen from the leader.

    None where it names no link, or the two ends hang together without it. Over the visible refs alone.
    """
    ends = [shown.asked.get(name, "") for name in ("from", "to")]
    if not all(end.isascii() and end.isdecimal() and len(end) < 19 for end in ends):
        return []
    left, right = sorted(int(end) for end in ends)
    others = {pair for pair in joined(shown) if pair != (left, right)}
    parts = drawing.parts(list(shown.refs), list(others))
    sides = [part for part in parts if left in part or right in part]
    away = [part for part in sides if shown.leader.system_ref_id not in part]
    return sorted(away[0]) if len(sides) == 2 else []
