"""A grouping request as people read it: what it does, to which Contacts, and how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from contacts.models import GroupRequest, SystemRef

# How a state looks: a shape and a tone (kore.css), beside the word.
TONES = {
    GroupRequest.State.WAITING: "busy",
    GroupRequest.State.HELD: "warn",
    GroupRequest.State.DONE: "good",
    GroupRequest.State.FAILED: "bad",
    GroupRequest.State.WITHDRAWN: "off",
}


@dataclass(frozen=True)
class RequestInWords:
    """A request; asks the database nothing where `refs__system_ref__system`, `by` and
    `held_by` are loaded.

    `group_ids`: the Contacts it was filed about, the master of a grouping first. `leaving`: of a split the
    refs of each new Contact. `sides`: the first GroupIDs with their names, where they were read.
    """

    request: GroupRequest
    group_ids: Sequence[int]
    ref_count: int
    leaving: Sequence[Sequence[SystemRef]]
    sides: Sequence[tuple[int, str]] = ()

    @property
    def tone(self) -> str:
        return TONES[GroupRequest.State(self.request.state)]

    @property
    def by(self) -> str:
        """Who filed it; somebody whose account is gone has no name."""
        return person(self.request.by)

    @property
    def held_by(self) -> str:
        """Who holds it."""
        return person(self.request.held_by)

    @property
    def way_out(self) -> str:
        """What can be done where it stands in the way of another."""
        return way_out(self.request)

    @property
    def children(self) -> Sequence[int]:
        """The GroupIDs that a grouping retires."""
        return self.group_ids[1:]

    @property
    def sentence(self) -> str:
        """What it asks for, in one line, by GroupIDs and System Refs."""
        return self.seen_from(0)

    def seen_from(self, group_id: int) -> str:
        """The same as it reads on the page of one of its Contacts, which is "this record" there."""
        here = {one: "this record" if one == group_id else str(one) for one in self.group_ids}
        master = "this record" if self.request.group_id == group_id else str(self.request.group_id)
        match self.request.kind:
            case GroupRequest.Kind.GROUP:
                return f"join {listed([here[one] for one in self.children])} into {master}"
            case GroupRequest.Kind.UNGROUP:
                return f"ungroup {master}: {self.ref_count} System Refs, each a Contact of its own"
            case GroupRequest.Kind.SPLIT:
                groups = [listed([str(ref) for ref in refs]) for refs in self.leaving]
                return f"split {master}: {'; '.join(groups)} to {_new_contacts(len(groups))}"
        return f"undo what was done to {master}"


def request_in_words(request: GroupRequest) -> RequestInWords:
    """The request with what its refs tell of it."""
    refs = sorted(request.refs.all(), key=lambda one: (one.part, one.pk))
    parts: dict[int, list[SystemRef]] = {}
    for one in refs:
        if one.part:
            parts.setdefault(one.part, []).append(one.system_ref)
    is_split = request.kind == GroupRequest.Kind.SPLIT
    return RequestInWords(
        request=request,
        group_ids=list(dict.fromkeys([request.group_id, *(one.group_id for one in refs)])),
        ref_count=len(refs),
        leaving=list(parts.values()) if is_split else [],
    )


def way_out(request: GroupRequest) -> str:
    """What can be done about an open request that stands in the way: no night ends a held one."""
    if request.state == GroupRequest.State.HELD:
        return "Withdraw it, or let it go into the coming night."
    return "Withdraw it first, or wait for the night."


def person(user) -> str:
    """A person's name, or what they sign in with; blank for nobody."""
    return (user.get_full_name() or user.get_username()) if user else ""


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _new_contacts(count: int) -> str:
    return "a new Contact" if count == 1 else f"{count} new Contacts"
