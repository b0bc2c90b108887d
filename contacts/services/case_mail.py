"""Tells the service desk of cases by e-mail, each once; what does not go out is tried again."""

import json
import logging
from datetime import datetime

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.models import Case, Organisation
from contacts.services.cases import KEPT_HERE

log = logging.getLogger(__name__)

MAILING = "Mailing cases"
_LONGEST_ERROR = 200


def mail_cases(*, now: datetime) -> int:
    """Mail every case that waits for it; returns how many went out. Nothing without a service desk.

    One process at a time, and no transaction is open while the mail server is asked: a process that dies
    between the two sends that case a second time rather than never. Whoever finds another at work leaves it
    to that one, or to the next sweep.
    """
    address = Organisation.load().service_desk
    if not address:
        return 0
    try:
        with exclusive(MAILING):
            waiting = Case.objects.filter(mailed_at=None).exclude(mail_error=KEPT_HERE)
            return sum(_mail(case, address, now=now) for case in waiting.select_related("by").order_by("pk"))
    except AlreadyRunning:
        return 0


def _mail(case: Case, address: str, *, now: datetime) -> bool:
    try:
        message_of(case, address).send()
    except OSError as error:  # SMTP's own errors are such, too
        log.warning("Case %s could not be mailed (%s); it is tried again.", case.pk, type(error).__name__)
        said = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        Case.objects.filter(pk=case.pk).update(mail_error=said)
        return False
    Case.objects.filter(pk=case.pk).update(mailed_at=now, mail_error="")
    return True


def message_of(case: Case, address: str) -> EmailMessage:
    """The e-mail: what its author wrote and the facts in short, with all facts attached as JSON."""
    refs = [one.system_ref for one in case.refs.select_related("system_ref__system").order_by("system_ref")]
    first = case.comments.order_by("at", "pk").first()
    said = first.text if first and first.at == case.at else ""
    body = render_to_string("contacts/cases/mail.txt", {"case": case, "said": said, "refs": refs})
    message = EmailMessage(f"Case {case.pk}: GroupID {case.group_id}", body, None, [address])
    facts = json.dumps({"case": case.pk, **case.facts}, indent=2)
    message.attach(f"case-{case.pk}.json", facts, "application/json")
    return message
