"""CRM fields: owner, segment and details of a person as text or as a form, and why where they are text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import Q

from contacts.contact_page.parts import Badge, Shown
from contacts.models import BusinessUnit, CrmDetails, Organisation, SystemRef, TicketSystem
from contacts.models.history import as_text
from contacts.models.person_details import PersonDetails, name_of
from contacts.services.corrections import CannotCorrect, MayNotCorrect, Overtaken
from contacts.services.crm_fields import (
    CRM_FIELDS,
    EDITED,
    OWNER,
    SEGMENT,
    Edited,
    crm_lock,
    edit_crm_fields,
    owners,
    who_may_lift,
)
from contacts.services.hand_entry import hand_systems_of
from contacts.services.typed_values import Wrong
from contacts.system_rights import ask_whom

SEGMENTS_OFFERED = 50
# In the order of the panel; each tuple is one row of it.
ROWS = (
    (OWNER, SEGMENT, "company", "language"),
    ("title", "first_name", "last_name", "date_of_birth"),
    ("email", "phone", "mobile"),
    ("address1", "address2"),
    ("city", "postcode", "country"),
)
# The same as text, in columns.
COLUMNS = (ROWS[0], ROWS[1], ROWS[2], (*ROWS[3], *ROWS[4]))
_LABELS = {OWNER: "owner", SEGMENT: "segment"}


@dataclass(frozen=True)
class Field:
    """One CRM field: what it is called, what it says now and the ref that says it, and where to edit it.

    `theirs`: what somebody else wrote meanwhile; None where nobody did.
    """

    name: str
    label: str
    value: Any
    origin: SystemRef | None
    seen: str = ""
    input: forms.BoundField | None = None
    theirs: str | None = None


def crm_fields(shown: Shown) -> Mapping[str, Any]:
    """What panels/crm_fields.html shows: a form, or texts with the reason.

    While systems are isolated everybody is told the same, whatever their rights (DECISIONS 12).
    """
    lock = crm_lock(Organisation.load())
    reason = "" if lock else why_not_editable(shown.user)
    form = None if lock or reason else shown.refused or CrmFieldsForm(shown=shown)
    return {
        "lock": lock,
        "ask": _names(who_may_lift(shown.user)) if lock else "",
        "reason": reason,
        "form": form,
        "rows": [[_field(name, shown, form) for name in row] for row in (ROWS if form else COLUMNS)],
        "units": hand_systems_of(shown.user) if form else [],
        "segments": _segments(shown.user) if form else [],
    }


def crm_badges(shown: Shown) -> list[Badge]:
    """Owner and segment beside the name, where somebody says them."""
    crm = shown.crm
    segment, owner = crm.segment, _name(crm.owner) if crm.owner else ""
    told = [("Segment", segment, crm.segment_ref), ("Owner", owner, crm.owner_ref)]
    return [Badge(f"{what}: {said}", "off", f"As {ref} says") for what, said, ref in told if said]


def why_not_editable(user: User) -> str:
    """Why this user edits no CRM fields, with who can help it, as sentences; blank where they may."""
    if not user.has_perm("contacts.change_contact"):
        return f"Your role changes no contacts. {ask_whom(user)}"
    if not hand_systems_of(user):
        return f"You may not change the hand entry of a business unit. {ask_whom(user)}"
    return ""


class CrmFieldsForm(forms.Form):
    """What somebody types into the panel; what it means is for `edit_crm_fields` to say.

    Beside each field stands what the page showed in it, so that a value changed meanwhile is noticed.
    """

    owner = forms.ModelChoiceField(queryset=User.objects.none(), required=False, empty_label="nobody")
    segment = forms.CharField(required=False, widget=forms.TextInput(attrs={"list": "k-segments"}))
    unit = forms.ModelChoiceField(queryset=BusinessUnit.objects.none(), empty_label=None)

    def __init__(self, *args: Any, shown: Shown, **kwargs: Any) -> None:
        stands = {name: as_text(shown.golden[name].value) for name in EDITED if name in shown.golden}
        stands |= {OWNER: str(shown.crm.owner.pk) if shown.crm.owner else "", SEGMENT: shown.crm.segment}
        kwargs["initial"] = {**stands, "unit": _likely_unit(shown)}
        super().__init__(*args, **kwargs)
        self.shown = shown
        self.stands = {name: stands.get(name, "") for name in CRM_FIELDS}
        self.theirs: dict[str, str] = {}
        for name in EDITED:
            self.fields[name] = forms.CharField(required=False, widget=_widget(name))
        own: Any = self.fields["unit"]
        units = [system.business_unit_id for system in hand_systems_of(shown.user)]
        own.queryset = BusinessUnit.objects.filter(pk__in=units).order_by("name")
        self.has_units = len(units) > 1
        owner: Any = self.fields[OWNER]
        # Whoever looks after somebody stays to be chosen, also when they have left.
        still = Q(pk=shown.crm.owner.pk) if shown.crm.owner else Q()
        owner.queryset = (owners() | User.objects.filter(still)) if still else owners()
        owner.label_from_instance = _name

    @property
    def seen(self) -> dict[str, str]:
        """By field what the page showed when it was typed into; what stands now on a page that is fresh."""
        if not self.is_bound:
            return self.stands
        sent = {name: self.data.get(f"seen-{name}") for name in CRM_FIELDS}
        return {name: text for name, text in sent.items() if text is not None} | self.theirs

    def save(self, *, by: User, now: datetime) -> Edited | None:
        """Write it; None when something is wrong, which then stands beside its field.

        Raises MayNotCorrect for another's unit, and as `edit_crm_fields` does.
        """
        if not self.is_valid():
            if "unit" in self.errors:
                raise MayNotCorrect("You may not change CRM fields for this business unit.")
            return None
        values = {name: self.cleaned_data[name] for name in CRM_FIELDS if name in self.data}
        unit = self.cleaned_data["unit"]
        try:
            return edit_crm_fields(self.shown.contact, values, unit=unit, seen=self.seen, by=by, now=now)
        except Wrong as wrong:
            for name, said in wrong.errors.items():
                self.add_error(name, said)
        except Overtaken as overtaken:
            self.theirs = dict(overtaken.theirs)
        except MayNotCorrect:
            raise
        except CannotCorrect as refusal:
            self.add_error(None, str(refusal))
        return None


def called(name: str) -> str:
    """What a CRM field is called on every screen."""
    return _LABELS.get(name) or name_of(name)


def _field(name: str, shown: Shown, form: CrmFieldsForm | None) -> Field:
    value: Any
    if name in (OWNER, SEGMENT):
        crm = shown.crm
        value = (_name(crm.owner) if crm.owner else "") if name == OWNER else crm.segment
        origin = crm.owner_ref if name == OWNER else crm.segment_ref
    else:
        golden = shown.golden.get(name)
        value, origin = (golden.value, shown.refs[golden.ref_id]) if golden else ("", None)
    if form is None:
        return Field(name, called(name), value, origin)
    theirs = _shown_as(name, form.theirs[name]) if name in form.theirs else None
    return Field(name, called(name), value, origin, form.seen.get(name, ""), form[name], theirs)


def _shown_as(name: str, text: str) -> str:
    owner = User.objects.filter(pk=text).first() if name == OWNER and text else None
    return _name(owner) if owner else text


def _widget(name: str) -> forms.Widget:
    if name == "date_of_birth":
        return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    field = PersonDetails._meta.get_field(name)
    hints = {"country": "GB", "language": "en-GB"}
    attrs = {"autocomplete": "off", "placeholder": hints.get(name, "")}
    if name not in hints:
        attrs["maxlength"] = str(getattr(field, "max_length", None) or 200)
    return forms.EmailInput(attrs) if name == "email" else forms.TextInput(attrs)


def _likely_unit(shown: Shown) -> int | None:
    """The unit whose hand entry says something already, else that of the primary account, else the first."""
    units = [system.business_unit_id for system in hand_systems_of(shown.user)]
    leading = [shown.leader.system_ref.system.business_unit_id]
    entered = [
        r.system.business_unit_id for r in shown.refs.values() if r.system.kind == TicketSystem.Kind.HAND
    ]
    return next((unit for unit in (*entered, *leading, *units) if unit in units), None)


def _segments(user: User) -> Sequence[str]:
    """Segments in use, as far as the user may see them."""
    told = CrmDetails.objects.visible_to(user).exclude(segment="")
    return list(told.order_by("segment").values_list("segment", flat=True).distinct()[:SEGMENTS_OFFERED])


def _name(person: User) -> str:
    return person.get_full_name() or person.get_username()


def _names(people: Sequence[User]) -> str:
    return ", ".join(map(_name, people))
