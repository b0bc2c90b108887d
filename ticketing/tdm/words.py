"""What a Submit did, in words: what changed, and what happens next."""

from collections.abc import Iterable

from django.contrib import messages
from django.http import HttpRequest

from contacts.models.person_details import name_of
from ticketing.models import WriteBack
from ticketing.services.submit import Submitted
from ticketing.services.write_backs import can_write_to


def tell(request: HttpRequest, submitted: Submitted) -> None:
    """Say it on the next page: as done where something was, else as a mere note."""
    is_done = submitted.correction.after or submitted.write_backs
    (messages.success if is_done else messages.info)(request, said_of(submitted))


def said_of(submitted: Submitted) -> str:
    """Names of fields and what comes next; never a value, since messages travel in cookies."""
    correction = submitted.correction
    if not correction.after and not submitted.write_backs:
        return "Nothing was changed: this is what the account says already."
    code = correction.ref.system.code
    changed = _listed(correction.after) if correction.after else ""
    sentences = [f"{changed[0].upper()}{changed[1:]} changed."] if changed else []
    for write_back in submitted.write_backs:
        fields = _listed(write_back.values)
        if write_back.state == WriteBack.State.WAITING:
            sentences.append(f"On its way to {code}: {fields}.")
        else:
            because = (
                f"{code} does not take {fields} from here; change it there yourself."
                if can_write_to(correction.ref)
                else f"Nothing can write to {code}; change it there yourself: {fields}."
            )
            sentences.append(f"{because} The task is filed.")
    return " ".join(sentences)


def _listed(fields: Iterable[str]) -> str:
    names = [name_of(field) for field in fields]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
