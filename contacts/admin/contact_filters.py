"""The filters over the list of Contacts: each asks the refs that the user may see, and no others."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from contacts.models import CrmDetails, SystemRef, TicketSystem
from contacts.permissions import systems_of


def visible_systems(request: HttpRequest) -> list[TicketSystem]:
    """The systems the user may see, with their units, in the order of their ranks."""
    return systems_of(request.user)


class ByVisibleRefs(SimpleListFilter):
    """A filter that says which refs a Contact must have one of."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(request, *args, **kwargs)

    @property
    def is_offered(self) -> bool:
        """Whether there is anything to choose."""
        return True

    def visible_refs(self) -> QuerySet[SystemRef]:
        return SystemRef.objects.visible_to(self.request.user)

    def contacts_of(self, queryset: QuerySet, refs: QuerySet[SystemRef]) -> QuerySet:
        return queryset.filter(pk__in=refs.filter(mapping__isnull=False).values("mapping__contact"))


class SystemFilter(ByVisibleRefs):
    title = "system"
    parameter_name = "system"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(system.code, str(system)) for system in visible_systems(request)]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        if not self.value():
            return queryset
        chosen = [system.pk for system in visible_systems(request) if system.code == self.value()]
        return queryset.in_systems(chosen, request.user)


class UnitFilter(ByVisibleRefs):
    title = "business unit"
    parameter_name = "unit"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        units = {system.business_unit.code: system.business_unit.name for system in visible_systems(request)}
        return sorted(units.items(), key=lambda unit: unit[1])

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        if not self.value():
            return queryset
        chosen = [s.pk for s in visible_systems(request) if s.business_unit.code == self.value()]
        return queryset.in_systems(chosen, request.user)


class SystemsCountFilter(ByVisibleRefs):
    title = "known in"
    parameter_name = "systems"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("one", "one system"), ("several", "several systems"), ("refs", "several System Refs")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        if self.value() not in ("one", "several", "refs"):
            return queryset
        counted = "system_ref" if self.value() == "refs" else "system_ref__system"
        seen = Q(mappings__system_ref__in=self.visible_refs())
        counts = Count(f"mappings__{counted}", filter=seen, distinct=True)
        wanted = {"seen_in": 1} if self.value() == "one" else {"seen_in__gt": 1}
        ids = queryset.model.objects.alias(seen_in=counts).filter(**wanted).values("pk")
        return queryset.filter(pk__in=ids)


class EmailFilter(ByVisibleRefs):
    title = "e-mail"
    parameter_name = "email"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("yes", "with e-mail"), ("no", "without e-mail")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        if self.value() not in ("yes", "no"):
            return queryset
        having = (
            self.visible_refs().exclude(email="").filter(mapping__isnull=False).values("mapping__contact")
        )
        return queryset.filter(pk__in=having) if self.value() == "yes" else queryset.exclude(pk__in=having)


class BoughtFilter(ByVisibleRefs):
    title = "bought"
    parameter_name = "bought"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [
            ("30", "in the last 30 days"),
            ("90", "in the last 90 days"),
            ("365", "in the last year"),
            ("730", "in the last two years"),
            ("ever", "at any time"),
            ("never", "never"),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        value = self.value()
        buyers = self.visible_refs().filter(last_purchased_at__isnull=False)
        if value == "never":
            return queryset.exclude(pk__in=buyers.filter(mapping__isnull=False).values("mapping__contact"))
        if value and value.isdecimal() and len(value) < 5:
            buyers = buyers.filter(last_purchased_at__gte=timezone.now() - timedelta(days=int(value)))
        return self.contacts_of(queryset, buyers) if value else queryset


class OwnerFilter(ByVisibleRefs):
    """By who looks after the person, as visible records say; offered once anybody looks after somebody."""

    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        told = CrmDetails.objects.visible_to(request.user)
        found = User.objects.filter(Exists(told.filter(owner=OuterRef("pk"))))
        others = found.order_by("last_name", "first_name", "username")
        named = [(str(one.pk), one.get_full_name() or one.get_username()) for one in others]
        mine = [(pk, "my contacts") for pk, _name in named if pk == str(request.user.pk)]
        return [*mine, *(one for one in named if one[0] != str(request.user.pk))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if not value:
            return queryset
        told = CrmDetails.objects.visible_to(request.user)
        is_known = value.isdecimal() and len(value) < 10
        own = told.filter(owner=int(value)) if is_known else told.none()
        return self.contacts_of(queryset, self.visible_refs().filter(crm_details__in=own))
