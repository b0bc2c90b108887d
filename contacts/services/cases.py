"""Cases: something went wrong with a record; raised with all facts, commented, solved (R-CM-24)."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django_q.tasks import async_task

from contacts.models import Case, CaseComment, CaseRef, Contact, GroupRequest, Organisation
from contacts.services.case_facts import gather_facts

MAY_RAISE = "contacts.add_case"
MAY_HANDLE = "contacts.change_case"
MAIL_TASK = "contacts.tasks.mail_cases"
KEPT_HERE = "No service desk was set: it is kept here alone."
LONGEST_TITLE = 150


class CannotRaise(Exception):
    """Says, in words for the person at the screen, why no case was raised or changed."""


class MayNotRaise(CannotRaise):
    """The right to it is missing, or the contact or case is not theirs to see; tells nothing hidden."""


@transaction.atomic
def raise_case(
    contact: Contact, *, title: str, text: str, by: User, now: datetime, request: GroupRequest | None = None
) -> Case:
    """Keep a case about this contact with all facts that `by` may see, and have the service desk told.

    `request`: the one after which the contact came back as it was. Raises MayNotRaise, CannotRaise without a
    title or for a request about another contact.
    """
    if not by.has_perm(MAY_RAISE) or not Contact.objects.visible_to(by).filter(pk=contact.pk).exists():
        raise MayNotRaise("You may not raise a case about this contact.")
    title = title.strip()
    if not title:
        raise CannotRaise("Say in a few words what is wrong.")
    if len(title) > LONGEST_TITLE:
        raise CannotRaise(f"The title is longer than {LONGEST_TITLE} characters; say the rest below it.")
    if request is not None and not _concerns(request, contact, by):
        raise CannotRaise("That request is not about this contact.")
    facts = gather_facts(contact, by=by, request=request, now=now)
    case = Case.objects.create(
        title=title,
        group_id=contact.pk,
        request=request,
        facts=facts.told,
        by=by,
        at=now,
        mail_error="" if Organisation.load().service_desk else KEPT_HERE,
    )
    CaseRef.objects.bulk_create(CaseRef(case=case, system_ref_id=ref) for ref in sorted(facts.ref_ids))
    if text.strip():
        CaseComment.objects.create(case=case, text=text.strip(), by=by, at=now)
    _have_it_mailed(case)
    return case


@transaction.atomic
def comment(case: Case, *, text: str, state: str, by: User, now: datetime) -> CaseComment:
    """Write to a case, put it into another state, or both; it is solved at `now`, or open again.

    Raises MayNotRaise, CannotRaise for a word that is no state, or where nothing is said and nothing changes.
    """
    case = _handled(case, by)
    text = text.strip()
    if state not in Case.State.values:
        raise CannotRaise("A case is open, in hand or solved.")
    is_changed = state != case.state
    if not text and not is_changed:
        raise CannotRaise("Write something, or choose another state.")
    if is_changed:
        case.state = state
        case.solved_at = now if state == Case.State.SOLVED else None
        case.save(update_fields=["state", "solved_at"])
    return CaseComment.objects.create(case=case, text=text, state=state if is_changed else "", by=by, at=now)


@transaction.atomic
def send_case(case: Case, *, by: User) -> Case:
    """Have the service desk told of a case that was kept here, or whose e-mail failed.

    Raises MayNotRaise, CannotRaise where it was sent or no address is set.
    """
    case = _handled(case, by)
    if case.mailed_at:
        raise CannotRaise("The service desk has it already.")
    if not Organisation.load().service_desk:
        raise CannotRaise("No address of a service desk is set: Settings, Organisation.")
    case.mail_error = ""
    case.save(update_fields=["mail_error"])
    _have_it_mailed(case)
    return case


def _concerns(request: GroupRequest, contact: Contact, by: User) -> bool:
    return GroupRequest.objects.visible_to(by).concerning(contact).filter(pk=request.pk).exists()


def _handled(case: Case, by: User) -> Case:
    """The case, locked, if it is this person's to handle."""
    if not by.has_perm(MAY_HANDLE) or not Case.objects.visible_to(by).filter(pk=case.pk).exists():
        raise MayNotRaise("You may not change this case.")
    return Case.objects.select_for_update().get(pk=case.pk)


def _have_it_mailed(case: Case) -> None:
    if not case.mail_error:
        transaction.on_commit(lambda: async_task(MAIL_TASK, task_name=f"mail case {case.pk}"))
