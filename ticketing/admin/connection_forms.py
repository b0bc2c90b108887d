"""The form of a connection, made of what its connector asks for; secrets go in and never come out."""

import re
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from contacts.models import TicketSystem
from ticketing.connectors.base import Kind, Option
from ticketing.models import SourceConnection
from ticketing.services.connections import BadConnection, Wanted, wanted_of

MINUTES = {"minutes": 1, "hours": 60, "days": 24 * 60}
HOURS = {"hours": 1, "days": 24}
SECONDS = {"seconds": 1, "minutes": 60}
# Under which part of the form each setting stands.
READING = ("date_format", "time_zone")
SCHEDULE = ("every_minutes", "overlap_minutes", "list_hours", "full_days")
LIMITS = ("most_rows", "statement_seconds")
_PASSWORD = re.compile(r"(://[^/@:]*):([^/@]*)@")


class SpanWidget(forms.MultiWidget):
    """A number and its unit, side by side."""

    def __init__(self, units: Mapping[str, int], label: str) -> None:
        self.units = units
        number = forms.NumberInput(attrs={"min": 1, "aria-label": label})
        unit = forms.Select(choices=[(name, name) for name in units], attrs={"aria-label": f"{label}: unit"})
        super().__init__({"amount": number, "unit": unit})

    def decompress(self, value: int | None) -> list[Any]:
        """The number in the largest unit that leaves no fraction."""
        if not value:
            return [value, next(iter(self.units))]
        unit = max((name for name in self.units if value % self.units[name] == 0), key=self.units.__getitem__)
        return [value // self.units[unit], unit]


class SpanField(forms.MultiValueField):
    """A span of time in the smallest of its units, whichever it was written in."""

    widget: SpanWidget

    def __init__(self, units: Mapping[str, int], *, label: str, help_text: str) -> None:
        self.units = units
        amount = forms.IntegerField(min_value=1, max_value=1_000_000)
        unit = forms.ChoiceField(choices=[(name, name) for name in units])
        widget = SpanWidget(units, label)
        super().__init__((amount, unit), widget=widget, label=label, help_text=help_text)

    def compress(self, values: Sequence[Any]) -> int | None:
        return values[0] * self.units[values[1]] if values else None


class ConnectionForm(forms.Form):
    """Settings of one connection of one connector. `systems` are those to choose from; None keeps its own."""

    system = forms.ModelChoiceField(queryset=TicketSystem.objects.none(), empty_label="choose one")
    date_format = forms.CharField(
        required=False,
        max_length=40,
        label="date format, if not ISO",
        help_text="Dates are read as 2026-03-12; a format such as %d/%m/%Y adds another way.",
    )
    time_zone = forms.ChoiceField(
        required=False, label="time zone of its moments", help_text="For moments that come without one."
    )
    every_minutes = SpanField(
        MINUTES, label="Pull every", help_text="What changed since the last pull is read each time."
    )
    overlap_minutes = SpanField(
        MINUTES,
        label="Reach back by",
        help_text="Each pull begins so far before the last one, for rows dated back or written late.",
    )
    list_hours = SpanField(
        HOURS,
        label="List all accounts every",
        help_text="To find those that are gone or merged at the source.",
    )
    full_days = forms.IntegerField(
        min_value=0,
        max_value=3650,
        label="Pull everything every (days)",
        help_text="For rows that were dated back further; 0: never.",
    )
    most_rows = forms.IntegerField(min_value=1, max_value=10**12, label="Most rows of a data set in one pull")
    statement_seconds = SpanField(
        SECONDS, label="Longest query", help_text="The source ends a query that takes longer."
    )

    starts = forms.BooleanField(required=False, label="pull by schedule at once")

    def __init__(
        self,
        *args: Any,
        kind: Kind,
        systems: QuerySet[TicketSystem] | None,
        connection: SourceConnection | None = None,
        zone: str,
        **kwargs: Any,
    ) -> None:
        self.kind = kind
        self.connection = connection
        same_kind = connection is not None and connection.connector == kind.name
        standing = wanted_of(connection) if connection is not None else Wanted(kind.name, {})
        given = standing.options if same_kind else {}
        set_at = {}
        if connection is not None and same_kind:
            set_at = dict(connection.secrets.values_list("name", "set_at"))
        super().__init__(*args, initial=_initial(standing, given, kind, kwargs.pop("initial", {})), **kwargs)
        if systems is None:
            del self.fields["system"], self.fields["starts"]
        else:
            self.fields["system"].queryset = systems
        self.fields["time_zone"].choices = [
            ("", f"the organisation's ({zone})"),
            *((name, name) for name in sorted(zoneinfo.available_timezones())),
        ]
        for option in kind.options:
            self._add(option, set_at=set_at.get(option.name))
        self._describe()

    def _add(self, option: Option, *, set_at: Any) -> None:
        name = field_name(option)
        widget: forms.Widget
        if option.is_secret:
            widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        elif option.is_long:
            widget = forms.Textarea(
                attrs={"rows": 7 if option.is_required else 2, "spellcheck": "false", "class": "cn-code"}
            )
        else:
            widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
        self.fields[name] = forms.CharField(
            required=option.is_required and set_at is None,
            label=option.label,
            help_text=option.help,
            widget=widget,
            strip=not option.is_secret,
        )
        self.fields[name].set_at = set_at
        self.fields[name].is_needed = option.is_required
        if option.is_secret and set_at is not None and not option.is_required:
            self.fields[f"clear-{option.name}"] = forms.BooleanField(
                required=False, label=f"take away the {option.label.lower()} that is set"
            )

    def _describe(self) -> None:
        """Tie each input to its remark and its error, for those who hear the page."""
        for name, field in self.fields.items():
            if isinstance(field, SpanField) or name.startswith(("clear-", "starts")):
                continue
            field.widget.attrs["aria-describedby"] = f"{name}-about"
            if self.is_bound and name in self.errors:
                field.widget.attrs["aria-invalid"] = "true"

    def wanted(self) -> Wanted:
        """The settings as given. Call when the form is valid."""
        given = self.cleaned_data
        standing = self.connection
        same_kind = standing is not None and standing.connector == self.kind.name
        return Wanted(
            connector=self.kind.name,
            options={o.name: given[field_name(o)] for o in self.kind.options if not o.is_secret},
            secrets=self._secrets(),
            mapping=standing.mapping if standing is not None and same_kind else {},
            **{name: given[name] for name in (*READING, *SCHEDULE, *LIMITS)},
        )

    def _secrets(self) -> dict[str, str]:
        """Those that were given, and blank those to be taken away; a field left blank keeps what is set."""
        secrets = {}
        for option in self.kind.options:
            if not option.is_secret:
                continue
            if value := self.cleaned_data[field_name(option)]:
                secrets[option.name] = value
            elif self.cleaned_data.get(f"clear-{option.name}"):
                secrets[option.name] = ""
        return secrets

    def refuse(self, refusal: BadConnection) -> None:
        """Put the refusal beside the field that it names, else over the form."""
        named = next((field_name(o) for o in self.kind.options if o.name == refusal.field), refusal.field)
        self.add_error(named if named in self.fields else None, str(refusal))
        if named in self.fields:
            self.fields[named].widget.attrs["aria-invalid"] = "true"

    def parts(self) -> dict[str, Any]:
        """The fields as the page shows them: by part, each with its name."""
        options = [field_name(o) for o in self.kind.options if not o.is_secret]
        secrets = [
            (self[field_name(o)], self[f"clear-{o.name}"] if f"clear-{o.name}" in self.fields else None)
            for o in self.kind.options
            if o.is_secret
        ]
        return {
            "options": [self[name] for name in options],
            "secrets": secrets,
            "reading": [self[name] for name in READING],
            "schedule": [self[name] for name in SCHEDULE],
            "limits": [self[name] for name in LIMITS],
        }


def without_passwords(posted: QueryDict, kind: Kind) -> QueryDict:
    """What was sent, with the password of an address among the credentials: no answer shows it again."""
    given = posted.copy()
    for option in kind.options:
        name = field_name(option)
        found = None if option.is_secret else _PASSWORD.search(given.get(name, ""))
        if found is None or "password" not in kind.secrets:
            continue
        given[name] = _PASSWORD.sub(r"\1@", given[name], count=1)
        if not given.get("secret-password"):
            given["secret-password"] = unquote(found[2])
    return given


def field_name(option: Option) -> str:
    """What the field of an option is called in the form; no option may hide a setting of the same name."""
    return f"{'secret' if option.is_secret else 'option'}-{option.name}"


def _initial(
    standing: Wanted, options: Mapping[str, str], kind: Kind, more: Mapping[str, Any]
) -> dict[str, Any]:
    initial: dict[str, Any] = {name: getattr(standing, name) for name in (*READING, *SCHEDULE, *LIMITS)}
    for option in kind.options:
        if not option.is_secret:
            initial[field_name(option)] = options.get(option.name, "" if options else option.default)
    return {**initial, **more}
