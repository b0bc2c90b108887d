"""Rows of one unit in every model whose rows can belong to one, each text of them marked."""

import datetime as dt
import itertools
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import models

from contacts.grouping.comparisons import COMPARISONS
from contacts.models import (
    AnswerMember,
    BusinessUnit,
    Case,
    CaseComment,
    CaseRef,
    Contact,
    GroupChange,
    GroupRequest,
    HeldLine,
    HeldRef,
    RequestRef,
    ReviewAnswer,
    SystemRef,
    TicketSystem,
)
from contacts.models import Mapping as Placement
from sync.models import PlanLine, PlanLineRef

from ..factories import NOW

APPS = ("contacts", "ticketing", "gdpr", "sync")

# What stands in the texts of a unit's records, and in the names of its systems and people: those who steer
# see names of systems, and nobody of another unit sees a record.
VALUE, NAMED = "zqxvalue", "zqxnamed"

# Texts of a closed set or a fixed form. Everything else is filled with the unit's mark.
FIXED: Mapping[str, Any] = {
    "contacts.SystemRef.country": "GB",
    "contacts.SystemRef.language": "en",
    "contacts.Contact.country": "GB",  # as its refs have it
    "contacts.Contact.language": "en",
    "contacts.RelatedName.role": "child",
    "contacts.GoldenPin.field": "email",
    "contacts.HeldValue.field": "city",
    "contacts.FieldChange.field": "phone",
    "contacts.GroupDecision.until": None,
    "contacts.Job.counts": {"created": 1, "rejected": 1},
    "contacts.RejectedRow.sent_in": None,
    "contacts.RejectedRow.column": "email",
    "contacts.GoneRef.reason": "merged",
    "contacts.RightsRecord.right": "view_records",
    "contacts.GroupChange.before": {},  # ids and moments, made beside the unit
    "contacts.GroupChange.after": {},
    "contacts.GroupChange.made": [],
    "contacts.GroupChange.lifted": [],
    "contacts.GroupChange.undone_by": None,
    "contacts.GroupRequest.undoes": None,
    "contacts.ReviewAnswer.rule": "",
    "contacts.ReviewAnswer.guard": "",
    "contacts.ReviewAnswer.made": [],
    "contacts.ReviewAnswer.lifted": [],
    "contacts.ReviewAnswer.asks_again_at": None,
    "contacts.ReviewAnswer.taken_back_at": None,
    "contacts.ReviewAnswer.taken_back_by": None,
    "contacts.Case.facts": {},
    "sync.PlanLine.group_ids": [],
    "sync.PlanLine.before": {},
    "sync.PlanLine.after": {},
    "contacts.Link.rule": "",
    "contacts.Link.guard": "",
    "contacts.Link.evidence": json.dumps([[0, 0.0, 0.0]] * len(COMPARISONS)),
    "contacts.Move.pins": [],
    "contacts.Move.rule": None,
    "ticketing.Purchase.currency": "GBP",
    "ticketing.Purchase.amount": 91827,
    "ticketing.Purchase.event_on": dt.date(2026, 2, 1),
    "ticketing.SourceConnection.connector": "sql_database",
    "ticketing.SourceConnection.date_format": "",
    "ticketing.SourceConnection.time_zone": "",
    "ticketing.SourceConnection.cursors": {},
    "ticketing.PullRun.data_set": "accounts",
    "ticketing.PullRun.columns": {},
    "ticketing.PullRun.since": {},
    "ticketing.PullRun.cursors": {},
    "ticketing.PullRun.counts": {},
    "ticketing.PullRun.seconds": {},
    "ticketing.PullRun.lag_seconds": None,
    "ticketing.WaitingRow.data_set": "accounts",
    "ticketing.PullAlarm.over_at": None,
    "ticketing.WriteBack.follows": None,
    "ticketing.WriteBack.state": "refused",
}
# JSON has a shape; each is made from the mark.
SHAPED: Mapping[str, Callable[[str], Any]] = {
    "contacts.Job.preview": lambda mark: [{"email": mark}],
    "contacts.Job.options": lambda mark: {"column_map": {mark: "email"}, "date_format": ""},
    "contacts.Job.ignored_columns": lambda mark: [mark],
    "ticketing.SourceConnection.options": lambda mark: {
        "url": f"sqlite:////nowhere/{mark}.db",
        "accounts_query": f"SELECT '{mark}'",
    },
    "ticketing.SourceConnection.mapping": lambda mark: {"accounts": {mark: "email"}},
    "ticketing.WriteBack.values": lambda mark: {"city": mark},
    "ticketing.WriteBack.before": lambda mark: {"city": f"{mark}before"},
}


@dataclass
class Unit:
    """What a unit is called in its records and names, its numbers, and what was made for it, by model."""

    value: str
    named: str
    numbers: Iterator[int]
    made: dict[type[models.Model], list[Any]] = field(default_factory=dict)

    def keep(self, row: Any) -> Any:
        self.made.setdefault(type(row), []).append(row)
        return row

    def last(self, model: type[models.Model]) -> Any:
        return self.made[model][-1] if self.made.get(model) else None

    def make(self, model: type[models.Model], **given: Any) -> Any:
        """One row of the model, marked, pointing at what was made of this unit last."""
        return self.keep(model._base_manager.create(**{**self._values(model), **given}))

    def _values(self, model: type[models.Model]) -> dict[str, Any]:
        values = {}
        for column in model._meta.concrete_fields:
            label = f"{model._meta.label}.{column.name}"
            if column.generated:
                continue
            if label in FIXED:
                values[column.name] = FIXED[label]
            elif label in SHAPED:
                values[column.name] = SHAPED[label](self.value)
            elif (value := self._value(column)) is not _LEFT:
                values[column.name] = value
        return values

    def _value(self, column: Any) -> Any:
        if column.primary_key and not column.is_relation:
            return next(self.numbers)
        if column.is_relation:
            found = self.last(column.related_model)
            return _LEFT if found is None else found
        if column.choices:
            return column.default if column.has_default() else column.choices[0][0]
        if isinstance(column, models.JSONField):
            return [self.value] if column.default is list else {self.value: self.value}
        if isinstance(column, models.FileField):
            return f"imports/{self.value}.csv"
        if isinstance(column, models.CharField | models.TextField):
            mark = self.named if column.model in NAMES else self.value
            if column.name == "email":
                return f"{mark}{next(self.numbers)}@example.org"
            return f"{mark}{len(self.made.get(column.model, ())) + 1}{column.name}"[: column.max_length]
        if isinstance(column, models.BinaryField):
            return self.value.encode()
        if isinstance(column, models.UUIDField):
            return uuid.uuid5(uuid.NAMESPACE_URL, self.value)
        if isinstance(column, models.DateTimeField):
            return NOW
        if isinstance(column, models.DateField):
            return dt.date(1970, 5, 17)
        if column.has_default() or column.null:
            return _LEFT
        return 1


_LEFT = object()

# Whose texts are names of systems, units and people.
NAMES = (TicketSystem, BusinessUnit, User, Group, apps.get_model("contacts", "RightsRecord"))

# Reached from a system, and made by hand: the first rows of all, and what services keep.
BY_HAND = (
    BusinessUnit, TicketSystem, SystemRef, Contact, Placement,
    GroupRequest, RequestRef, GroupChange, HeldLine, HeldRef, ReviewAnswer, AnswerMember,
    Case, CaseRef, CaseComment, PlanLine, PlanLineRef,
)  # fmt: skip

# Rows that can be reached from a system and yet are of no unit, each with the reason.
OF_NO_UNIT: Mapping[str, str] = {
    "contacts.PrimaryRuleSystem": "rules name systems and are for those who steer; made beside the units",
    "contacts.PendingRef": "written by triggers; the id of a ref alone, no screen",
    "contacts.SystemRefPrint": "a hash for the importer, no screen; rows drop it by triggers",
    "contacts.RelatedNamePrint": "a hash for the importer, no screen",
    "ticketing.PurchasePrint": "a hash for the importer, no screen",
}


def of_a_unit() -> list[type[models.Model]]:
    """The models of our apps whose rows lead to a ticket system, unit or Contact, those asked for first."""
    reached: set[type[models.Model]] = {BusinessUnit, TicketSystem, SystemRef, Contact}
    ours = [model for label in APPS for model in apps.get_app_config(label).get_models()]
    order: list[type[models.Model]] = [*BY_HAND]
    found = True
    while found:
        leading = [
            model
            for model in ours
            if model not in order and any(_leads(column, reached) for column in model._meta.concrete_fields)
        ]
        ready = [model for model in leading if not _needs(model) & {*leading} - {model}]
        found = bool(ready)
        order += ready
        reached |= {*ready}
    return [model for model in order if model._meta.label not in OF_NO_UNIT]


def _leads(column: Any, reached: set[type[models.Model]]) -> bool:
    return column.is_relation and column.related_model in reached


def _needs(model: type[models.Model]) -> set[Any]:
    return {column.related_model for column in model._meta.concrete_fields if column.is_relation}


def text_fields(model: type[models.Model]) -> list[Any]:
    """The fields of a model that have to be marked."""
    return [
        column
        for column in model._meta.concrete_fields
        if isinstance(column, models.CharField | models.TextField | models.JSONField)
        and not column.choices
        and not column.generated
        and f"{model._meta.label}.{column.name}" not in FIXED
    ]


def permission_of_a_right() -> Any:
    """The permission row that a grant needs; the same for everybody."""
    systems = ContentType.objects.get_for_model(TicketSystem)
    return systems.permission_set.get(codename="view_records")


def numbers(first: int) -> Iterator[int]:
    """Ids that stand nowhere else, so that a page can be compared after taking them out."""
    return itertools.count(first)
