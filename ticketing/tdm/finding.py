"""Finding a fan: what the wizard asks for, and the rows that it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from contacts.list_pages import ListPages, NoSuchPage, Order, Page
from contacts.models import Contact, CrmDetails, GroupAlias, SystemRef, TicketSystem
from contacts.models import Mapping as Placement
from contacts.models.system_ref import holds
from contacts.permissions import sees_every_system, systems_of
from contacts.search_words import Word
from contacts.services.golden import golden_of
from ticketing.models import Purchase
from ticketing.tdm.access import asked_in
from ticketing.tdm.printed import Printed, other_spelling, printed

PER_PAGE = 50
MINE = "me"
FILTERS = ("system", "season", "least", "most", "owner")


@dataclass(frozen=True)
class Asked:
    """What somebody looks for: a text, and filters as the address has them, blank where not asked."""

    text: str
    system: str = ""
    season: str = ""
    least: str = ""
    most: str = ""
    owner: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "Asked":
        return cls(asked_in(parameters, "q"), **{name: asked_in(parameters, name) for name in FILTERS})

    @property
    def filters(self) -> dict[str, str]:
        """The filters that are set."""
        return {name: getattr(self, name) for name in FILTERS if getattr(self, name)}

    @property
    def is_blank(self) -> bool:
        return not self.text and not self.filters


@dataclass(frozen=True)
class Fan:
    """One line of the results, over the refs that the user may see."""

    group_id: int
    name: str
    email: str
    city: str
    accounts: Sequence[tuple[TicketSystem, str]]
    spent: Decimal
    last_purchased_at: datetime | None
    holds_season_ticket: bool


@dataclass(frozen=True)
class Found:
    """A page of Contacts: `is_near` where nobody is called as typed, and these nearly are."""

    page: Page
    pages: ListPages
    is_near: bool = False


@dataclass(frozen=True)
class Wizard:
    """One search by one user; it finds by what that user may see, and by nothing else (R-MDB-16)."""

    asked: Asked
    user: User
    country: str

    def found(self, place: Mapping[str, str]) -> Found:
        """The page of the results that an address asks for; the first where it asks for none there is."""
        text = self._printed.text
        rows = self._searched(text)
        pages = ListPages(rows, Order(), per_page=PER_PAGE, first=self._first(rows, text))
        if text and not pages.known and (respelt := other_spelling(text)):
            pages = ListPages(self._filtered.exactly(respelt, self.user), Order(), per_page=PER_PAGE)
        if text and not pages.known:
            near = self._near()
            if near.known:
                return Found(near.page({}), near, is_near=True)
        try:
            return Found(pages.page(place), pages)
        except NoSuchPage:
            return Found(pages.page({}), pages)

    def _first(self, rows: Any, text: str) -> Sequence[int]:
        """Whoever has the whole text for an e-mail, GroupID or System Ref; few of those have no digit."""
        if "@" in text:
            exact = rows.filter(pk__in=self._with_email(text))
        elif any(letter.isdecimal() for letter in text):
            exact = rows.exactly(text, self.user)
        else:
            return ()
        return sorted(exact.values_list("pk", flat=True), reverse=True)

    def _with_email(self, text: str) -> QuerySet:
        """The search finds by the trigrams of an e-mail; of those the ones that are the whole of it."""
        seen = SystemRef.objects.visible_to(self.user).filter(holds(Word(frozenset({text}))))
        whole = seen.filter(email__iexact=text)
        return Placement.objects.filter(system_ref__in=whole).values("contact")

    def _near(self) -> ListPages:
        """Those nearly called so, the nearest first: they are no more than a page."""
        near = Contact.objects.all().named_nearly(self.asked.text, self.user)
        rows = self._filtered.filter(pk__in=near)
        pages = ListPages(rows if near else rows.none(), Order(), per_page=PER_PAGE)
        pages.known.sort(key=near.index)
        return pages

    def _searched(self, text: str) -> QuerySet:
        if not text:
            return self._filtered
        if group_id := self._printed.group_id:
            retired = GroupAlias.objects.visible_to(self.user).filter(group_id=group_id)
            return self._filtered.filter(Q(pk=group_id) | Q(pk__in=retired.values("contact")))
        return self._filtered.search_at_once(text, self.user, default_country=self.country)

    @cached_property
    def _printed(self) -> Printed:
        return printed(self.asked.text, systems_of(self.user))

    @cached_property
    def _filtered(self) -> Any:
        rows = Contact.objects.visible_to(self.user)
        for code in filter(None, (self.asked.system, self._printed.system)):
            chosen = [system.pk for system in systems_of(self.user) if system.code == code]
            rows = rows.in_systems(chosen, self.user)
        season = self.asked.season
        if season.isdecimal() and len(season) <= 4 and int(season):
            rows = rows.filter(pk__in=self._buyers(int(season)))
        if self.asked.owner:
            rows = rows.filter(pk__in=self._looked_after())
        for limit, sign in (("least", "gte"), ("most", "lte")):
            amount = _amount(getattr(self.asked, limit))
            if amount is not None:
                rows = self._by_spend(rows, {f"spent__{sign}": amount})
        return rows

    def _buyers(self, year: int) -> QuerySet:
        """Contacts that bought for events of the year; what names no event counts when it was bought."""
        in_season = Q(event_on__year=year) | Q(event_on=None, purchased_at__year=year)
        bought = Purchase.objects.visible_to(self.user).filter(in_season)
        return bought.filter(system_ref__mapping__isnull=False).values("system_ref__mapping__contact")

    def _looked_after(self) -> QuerySet:
        owner = str(self.user.pk) if self.asked.owner == MINE else self.asked.owner
        owned = CrmDetails.objects.visible_to(self.user).filter(
            owner=int(owner) if owner.isdecimal() and len(owner) < 19 else 0
        )
        return owned.filter(system_ref__mapping__isnull=False).values("system_ref__mapping__contact")

    def _by_spend(self, rows: Any, wanted: Mapping[str, Decimal]) -> Any:
        """By what was spent in all over the visible refs.

        Few rows are asked one by one, where others find them; else all sums are made at once.
        """
        seen = Placement.objects.filter(system_ref__in=SystemRef.objects.visible_to(self.user))
        spent = Sum("system_ref__spent_total")
        if self.asked.text:
            of_row = seen.filter(contact=OuterRef("pk")).order_by().values("contact").annotate(spent=spent)
            return rows.filter(Exists(of_row.filter(**wanted)))
        sums = seen.order_by().values("contact").annotate(spent=spent).filter(**wanted)
        return rows.filter(pk__in=sums.values("contact"))


def fans(group_ids: Sequence[int], user: User) -> list[Fan]:
    """The Contacts as lines, in this order, without those that the user may not see; two queries."""
    if not group_ids:
        return []
    if sees_every_system(user):
        stored = Contact.objects.in_bulk(list(group_ids))
        rows = [stored[pk] for pk in group_ids if pk in stored]
    else:
        rows = [Contact(pk=pk) for pk in group_ids]
    return [_fan(contact, user) for contact in Contact.objects.load_visible_refs(rows, user)]


def _fan(contact: Any, user: User) -> Fan:
    mappings = contact.visible_mappings
    if sees_every_system(user):
        values = {name: getattr(contact, name) for name in ("first_name", "last_name", "email", "city")}
    else:
        golden = golden_of(mappings, contact.pins.all())
        values = {name: golden[name].value for name in golden}
    refs = [mapping.system_ref for mapping in mappings]
    return Fan(
        group_id=contact.pk,
        name=f"{values.get('first_name', '')} {values.get('last_name', '')}".strip(),
        email=values.get("email", ""),
        city=values.get("city", ""),
        accounts=_accounts(refs),
        spent=sum((ref.spent_total for ref in refs), Decimal(0)),
        last_purchased_at=max((r.last_purchased_at for r in refs if r.last_purchased_at), default=None),
        holds_season_ticket=any(ref.holds_season_ticket for ref in refs),
    )


def _accounts(refs: Sequence[SystemRef]) -> list[tuple[TicketSystem, str]]:
    """Each system once: with the System Ref, or how many there are of several."""
    by_system: dict[TicketSystem, list[str]] = {}
    for ref in sorted(refs, key=lambda ref: (ref.system.rank, ref.system.code)):
        by_system.setdefault(ref.system, []).append(ref.system_ref)
    return [(system, f"×{len(refs)}" if len(refs) > 1 else refs[0]) for system, refs in by_system.items()]


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or abs(amount) >= 10**10:
        return None
    return amount.quantize(Decimal("0.01"))
