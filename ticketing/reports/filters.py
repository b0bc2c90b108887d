"""What a reader may choose of a report; nothing offers or names a system out of their sight."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from contacts.models import TicketSystem
from ticketing.models import Purchase
from ticketing.services.report_sums import Asked, Part

PERIOD = ("first", "last")
_OLDEST, _LATEST = date(1900, 1, 1), date(2200, 1, 1)


class MonthField(forms.CharField):
    """A month as browsers send it, 2026-03; its first day."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"type": "month", "placeholder": "YYYY-MM"})
        super().__init__(required=False, widget=widget, **kwargs)

    def clean(self, value: Any) -> date | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            day = datetime.strptime(f"{text}-01", "%Y-%m-%d").date()  # noqa: DTZ007  (a day has no zone)
        except ValueError:
            day = date.min
        if not _OLDEST <= day < _LATEST:
            raise ValidationError("Write a month like 2026-03.")
        return day


class Filters(forms.Form):
    """The filters of one report; those it does not take are left out."""

    by = forms.ChoiceField(
        label="By", required=False, choices=[(Part.MONTH, "month"), (Part.SEASON, "season")]
    )
    first = MonthField(label="From")
    last = MonthField(label="To")
    season = forms.RegexField(
        r"^(19|20|21)\d\d$",
        label="Season",
        required=False,
        error_messages={"invalid": "Write a year like 2026."},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "maxlength": 4}),
    )
    unit = forms.TypedChoiceField(label="Unit", required=False, coerce=int, empty_value=None)
    system = forms.ChoiceField(label="System", required=False)
    kind = forms.ChoiceField(label="Kind", required=False, choices=[("", "any"), *Purchase.Kind.choices])
    status = forms.ChoiceField(
        label="Status", required=False, choices=[("", "paid less refunded"), *Purchase.Status.choices]
    )

    def __init__(self, data: Any, *, takes: Collection[str], visible: Sequence[TicketSystem]) -> None:
        super().__init__(data, auto_id="filter_%s")
        self._by_code = {system.code: system for system in visible}
        units = {system.business_unit_id: system.business_unit.name for system in visible}
        self.fields["system"].choices = [("", "any"), *((code, code) for code in self._by_code)]  # type: ignore[attr-defined]
        self.fields["unit"].choices = [("", "any"), *sorted(units.items(), key=lambda unit: unit[1])]  # type: ignore[attr-defined]
        for name in set(self.fields) - set(takes):
            del self.fields[name]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        first, last = given.get("first"), given.get("last")
        if first and last and last < first:
            raise ValidationError("The period ends before it begins.")
        return given

    @property
    def is_set(self) -> bool:
        """Whether anything but the way of telling apart is chosen."""
        return any(value for name, value in self.data.items() if name in self.fields and name != "by")

    def chosen(self) -> "Chosen":
        """What a valid form asks for."""
        given = self.cleaned_data
        last = given.get("last")
        return Chosen(
            Asked(
                by=Part(given.get("by") or Part.MONTH),
                kind=given.get("kind", ""),
                status=given.get("status", ""),
                season=int(given.get("season") or 0) or None,
                first=given.get("first"),
                until=(last + timedelta(days=31)).replace(day=1) if last else None,
            ),
            self._by_code.get(given.get("system", "")),
            given.get("unit"),
        )


@dataclass(frozen=True)
class Chosen:
    """Which purchases, and which systems among the visible ones."""

    asked: Asked
    system: TicketSystem | None
    unit_id: int | None
