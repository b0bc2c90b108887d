"""A contact by hand: the form and its page; enter_contact does the work."""

from typing import Any

from django import forms
from django.http import HttpRequest

from contacts.models import BusinessUnit, Contact
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.hand_entry import (
    CannotEnter,
    Entered,
    email_notice,
    enter_contact,
    hand_systems_of,
)

# In the order of the form; each tuple is one row of it.
ROWS = (
    ("unit",),
    ("title", "first_name", "last_name"),
    ("email", "phone", "mobile"),
    ("company", "date_of_birth", "language"),
    ("address1", "address2"),
    ("city", "postcode", "country"),
    ("external_customer_id",),
)


def units_of(user: Any) -> Any:
    """The units whose hand system the user may change records of."""
    units = {system.business_unit_id for system in hand_systems_of(user)}
    return BusinessUnit.objects.filter(pk__in=units).order_by("name")


class EntryForm(forms.ModelForm):
    """The details of a person, none of them required by itself, and the unit they are entered for."""

    unit = forms.ModelChoiceField(queryset=BusinessUnit.objects.none(), label="for", empty_label=None)
    date_of_birth = forms.DateField(
        required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )

    class Meta:
        model = Contact
        fields = DETAIL_FIELDS

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        unit: Any = self.fields["unit"]
        unit.queryset = units_of(user)
        self.fields["first_name"].widget.attrs["autofocus"] = True
        self.fields["email"].widget.input_type = "email"
        for name, field in self.fields.items():
            field.widget.attrs |= {"aria-invalid": "true"} if name in self.errors else {}

    def rows(self) -> list[list[forms.BoundField]]:
        """The fields as they stand on the page; a single unit needs no choice."""
        return [[self[name] for name in row] for row in ROWS]

    def names_a_unit_not_offered(self) -> bool:
        """Whether a unit was sent that no page offered to this person, be it there or not."""
        return bool(self.data.get("unit")) and self.has_error("unit", "invalid_choice")

    def notice(self) -> str:
        """Which visible contacts have this e-mail already; blank when none."""
        return email_notice(self.cleaned_data.get("email", ""), by=self.user)

    def enter(self, *, now: Any) -> Entered | None:
        """Make the contact; None when it was refused, with the reason on its field."""
        values = {name: self.cleaned_data.get(name) for name in DETAIL_FIELDS}
        try:
            return enter_contact(values, unit=self.cleaned_data["unit"], by=self.user, now=now)
        except CannotEnter as refusal:
            self.add_error(refusal.field or None, str(refusal))
            return None


def is_confirmed(request: HttpRequest, form: EntryForm) -> bool:
    """Whether the person saves in the knowledge of the very notice that would be shown."""
    return request.POST.get("seen_notice", "") == form.notice()
