"""Cases: the facts they keep, who may raise and read them, and the e-mail to the service desk."""

import json
import socketserver
import threading

import pytest
from django.core import mail

from contacts.models import Case, CaseRef, Contact, GroupChange, GroupRequest, Move, Organisation
from contacts.permissions import SystemRight, grant
from contacts.services.came_back import came_back
from contacts.services.case_mail import mail_cases
from contacts.services.cases import (
    KEPT_HERE,
    CannotRaise,
    MayNotRaise,
    comment,
    raise_case,
    send_case,
)
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from sync.tasks import take_up

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

LATER = NOW.replace(day=14)
DESK = "desk@example.org"


@pytest.fixture
def mlb():
    return TicketSystemFactory(code="MLB")


@pytest.fixture
def manager(mlb):
    user = UserFactory(username="jdiaz", role=CRM_MANAGERS)
    grant(user, SystemRight.VIEW, on=mlb)
    return user


@pytest.fixture
def desk():
    Organisation.load()
    Organisation.objects.update(service_desk=DESK)


def contact_of(*systems) -> Contact:
    contact = Contact.objects.create(since=NOW)
    for number, system in enumerate(systems):
        ref = SystemRefFactory(system=system, first_name="Ann", email="ann@secret.example")
        MappingFactory(system_ref=ref, contact=contact, is_primary=number == 0)
    return contact


def refs_of(contact: Contact) -> list[int]:
    return list(contact.mappings.order_by("pk").values_list("pk", flat=True))


def parted_and_joined_again(contact: Contact, *, by) -> GroupRequest:
    """As an ungrouping and the night after it leave it: the second ref went, and came back."""
    stays, goes = refs_of(contact)
    away = contact.pk + 1000
    request = GroupRequest.objects.create(
        kind="ungroup", state="done", group_id=contact.pk, by=by, filed_at=NOW, settled_at=NOW
    )
    for ref in (stays, goes):
        request.refs.create(system_ref_id=ref, group_id=contact.pk, is_open=False)
    apart = {str(contact.pk): [stays], str(away): [goes]}
    whole = {str(contact.pk): [stays, goes]}
    for change, source, target in (
        (_change(whole, apart, at=NOW, request=request), contact.pk, away),
        (_change(apart, whole, at=LATER), away, contact.pk),
    ):
        Move.objects.create(
            system_ref_id=goes,
            from_group=source,
            to_group=target,
            was_primary=False,
            is_primary=False,
            cause=Move.Cause.JOINED,
            change=change,
            at=change.at,
        )
    return request


def _change(before, after, *, at, request=None) -> GroupChange:
    rest = {"since": NOW.isoformat(), "pins": [], "aliases": []}
    held = {
        group: {"refs": [[ref, True, "first_found", NOW.isoformat()] for ref in refs], **rest}
        for group, refs in before.items()
    }
    return GroupChange.objects.create(
        is_join=len(before) > 1, is_split=len(after) > 1, request=request, at=at, before=held, after=after
    )


@pytest.mark.req("R-CM-24")
def test_a_record_that_was_ungrouped_and_grouped_again_is_noticed_with_both_group_ids_and_dates(mlb, manager):
    contact = contact_of(mlb, mlb)
    stays, goes = refs_of(contact)
    request = parted_and_joined_again(contact, by=manager)

    found = came_back(contact, user=manager)
    case = raise_case(contact, title="They came back", text="", by=manager, now=LATER, request=request)

    assert (found.request, found.sides, found.joined.at) == (request, [[stays], [goes]], LATER)
    assert case.facts["came_back"] == {
        "request": request.pk,
        "parted_at": "2026-03-02T12:00:00+00:00",
        "group_ids": [contact.pk, contact.pk + 1000],
        "refs": [stays, goes],
        "change": found.joined.pk,
        "joined_at": "2026-03-14T12:00:00+00:00",
        "run": None,
        "rule": None,
    }
    assert [change["after"] for change in case.facts["changes"]] == [
        {str(contact.pk): [stays, goes]},
        {str(contact.pk): [stays], str(contact.pk + 1000): [goes]},
    ]
    assert {one["cause"] for one in case.facts["moves"]} == {"joined"}


@pytest.mark.req("R-CM-24")
def test_nothing_came_back_that_a_person_grouped_again_or_that_still_is_apart(mlb, manager):
    contact = contact_of(mlb, mlb)
    request = parted_and_joined_again(contact, by=manager)
    by_hand = GroupRequest.objects.create(
        kind="group", state="done", group_id=contact.pk, filed_at=LATER, settled_at=LATER
    )
    GroupChange.objects.filter(request=None).update(request=by_hand)

    assert came_back(contact, user=manager) is None

    GroupChange.objects.exclude(request=request).update(request=None)
    assert came_back(contact, user=manager) is not None
    contact.mappings.filter(pk=refs_of(contact)[1]).update(
        contact=Contact.objects.create(since=NOW), is_primary=True
    )
    assert came_back(contact, user=manager) is None


@pytest.mark.req("R-CM-24")
def test_facts_hold_no_value_of_a_person_and_nothing_that_their_author_may_not_see(mlb, manager):
    hidden = TicketSystemFactory(code="HID")
    contact = contact_of(mlb, mlb, hidden)
    seen, _also, unseen = refs_of(contact)
    GroupRequest.objects.create(
        kind="ungroup", group_id=contact.pk, filed_at=NOW, reason="Ann is the mother"
    ).refs.create(system_ref_id=unseen, group_id=contact.pk)

    case = raise_case(contact, title="Odd", text="Please look", by=manager, now=NOW)

    kept = json.dumps(case.facts)
    assert [one["ref"] for one in case.facts["refs"]] == refs_of(contact)[:2]
    assert case.facts["requests"] == []
    assert not any(word in kept for word in ("Ann", "secret", "HID", "mother"))
    assert CaseRef.objects.filter(system_ref=unseen).count() == 0
    assert CaseRef.objects.filter(case=case, system_ref=seen).count() == 1


def test_a_case_is_read_by_those_who_see_every_ref_of_it(mlb, manager):
    other = TicketSystemFactory()
    grant(manager, SystemRight.VIEW, on=other)
    narrow = UserFactory(role=CRM_MANAGERS)
    grant(narrow, SystemRight.VIEW, on=mlb)
    case = raise_case(contact_of(mlb, other), title="Odd", text="", by=manager, now=NOW)

    assert list(Case.objects.visible_to(manager)) == [case]
    assert list(Case.objects.visible_to(narrow)) == []
    with pytest.raises(MayNotRaise):
        comment(case, text="I saw it", state="open", by=narrow, now=NOW)


def test_raising_needs_the_right_the_contact_a_title_and_a_request_about_it(mlb, manager):
    contact, strange = contact_of(mlb), contact_of(TicketSystemFactory())
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=mlb)
    elsewhere = GroupRequest.objects.create(kind="ungroup", group_id=strange.pk, filed_at=NOW)

    for attempt, refusal in (
        ({"by": rep}, MayNotRaise),
        ({"contact": strange}, MayNotRaise),
        ({"title": "  "}, CannotRaise),
        ({"title": "x" * 151}, CannotRaise),
        ({"request": elsewhere}, CannotRaise),
    ):
        asked = {"contact": contact, "title": "Odd", "text": "", "by": manager, "now": NOW} | attempt
        with pytest.raises(refusal):
            raise_case(asked.pop("contact"), **asked)
    assert not Case.objects.exists()


def test_a_case_is_commented_put_in_hand_solved_and_opened_again(mlb, manager):
    case = raise_case(contact_of(mlb), title="Odd", text="Why?", by=manager, now=NOW)

    comment(case, text="Looking", state="in_hand", by=manager, now=NOW)
    comment(case, text="", state="solved", by=manager, now=LATER)
    case.refresh_from_db()
    assert (case.state, case.solved_at) == ("solved", LATER)
    comment(case, text="Again!", state="open", by=manager, now=LATER)

    case.refresh_from_db()
    assert (case.state, case.solved_at) == ("open", None)
    assert list(case.comments.order_by("pk").values_list("text", "state")) == [
        ("Why?", ""),
        ("Looking", "in_hand"),
        ("", "solved"),
        ("Again!", "open"),
    ]
    for text, state in (("", "open"), ("Hm", "lost")):
        with pytest.raises(CannotRaise):
            comment(case, text=text, state=state, by=manager, now=NOW)


@pytest.mark.req("R-CM-24")
def test_the_service_desk_is_told_once_with_the_facts_attached(mlb, manager, desk):
    contact = contact_of(mlb)
    [ref] = [mapping.system_ref for mapping in contact.mappings.all()]

    case = raise_case(contact, title="Odd", text="Please look at it.", by=manager, now=NOW)
    mail_cases(now=LATER)
    mail_cases(now=LATER)

    [sent] = mail.outbox
    assert (sent.subject, sent.to) == (f"Case {case.pk}: GroupID {contact.pk}", [DESK])
    assert "Please look at it." in sent.body
    assert f"MLB {ref.system_ref} (ref {ref.pk})" in sent.body
    [(name, content, kind)] = sent.attachments
    assert (name, kind) == (f"case-{case.pk}.json", "application/json")
    assert json.loads(content) == {"case": case.pk, **case.facts}
    assert "ann@secret" not in sent.body + content
    case.refresh_from_db()
    assert (case.mailed_at, case.mail_error) == (LATER, "")


def test_without_a_service_desk_a_case_is_kept_here_and_can_be_sent_later(mlb, manager):
    case = raise_case(contact_of(mlb), title="Odd", text="", by=manager, now=NOW)
    assert case.mail_error == KEPT_HERE
    with pytest.raises(CannotRaise, match="No address"):
        send_case(case, by=manager)

    Organisation.objects.update(service_desk=DESK)
    assert mail_cases(now=NOW) == 0  # those raised before stay where they were meant to
    send_case(case, by=manager)

    assert mail_cases(now=LATER) == 1
    with pytest.raises(CannotRaise, match="already"):
        send_case(case, by=manager)


class Refusing(socketserver.StreamRequestHandler):
    """A mail server that takes no message while `server.refuses`, and keeps what it takes."""

    def handle(self):
        self.wfile.write(b"220 desk\r\n")
        while line := self.rfile.readline().strip().upper():
            if line.startswith(b"DATA") and not self.server.refuses:
                self.wfile.write(b"354 go on\r\n")
                kept = iter(self.rfile.readline, b".\r\n")
                self.server.messages.append(b"".join(kept))
            elif line.startswith(b"MAIL") and self.server.refuses:
                self.wfile.write(b"451 not now\r\n")
                continue
            self.wfile.write(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 ok\r\n")


@pytest.fixture
def mail_server(settings):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        server.daemon_threads, server.messages, server.refuses = True, [], True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        yield server
        server.shutdown()


def test_an_email_that_the_server_refuses_is_recorded_and_the_sweep_tries_it_again(
    mlb, manager, desk, mail_server
):
    case = raise_case(contact_of(mlb), title="Odd", text="", by=manager, now=NOW)

    assert mail_cases(now=NOW) == 0
    case.refresh_from_db()
    assert (case.mailed_at, case.mail_error.split(":")[0]) == (None, "SMTPSenderRefused")
    mail_server.refuses = False
    take_up()

    case.refresh_from_db()
    assert case.mailed_at is not None
    assert case.mail_error == ""
    [message] = mail_server.messages
    assert f"Subject: Case {case.pk}: GroupID {case.group_id}".encode() in message
