"""SystemRef: one customer record of one system; the evidence for everything said of a person."""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Replace, Upper

from contacts.models.holds import Holds
from contacts.models.person_details import PersonDetails
from contacts.models.ticket_system import TicketSystem
from contacts.permissions import SystemRight, sees_every_system, systems_with
from contacts.search_words import Word, words

if TYPE_CHECKING:
    from contacts.models.gone_ref import GoneRef

PHONE_PUNCTUATION = (" ", "-", "(", ")", "+", ".", "/")
_SEARCHED_AS_WRITTEN = (
    "system_ref",
    "first_name",
    "last_name",
    "email",
    "company",
    "city",
    "postcode",
    "external_customer_id",
)


def digits_of(field: str) -> "models.Expression | F":
    """The phone number without the punctuation people write it with."""
    text: models.Expression | F = F(field)
    for character in PHONE_PUNCTUATION:
        text = Replace(text, Value(character), Value(""))
    return text


class JoinedText(models.Func):
    """Texts one after the other with a blank between; flat: SQLite's parser refuses Concat's nesting."""

    template = "(%(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field = models.TextField()


def _search_text() -> models.Expression:
    searched = (*map(F, _SEARCHED_AS_WRITTEN), digits_of("phone"), digits_of("mobile"), F("related_text"))
    return Upper(JoinedText(*searched))


def holds(word: Word) -> Q:
    """A ref that holds the word in one of its spellings."""
    return reduce(or_, (Q(Holds("search_text", text)) for text in sorted(word.texts)))


def _holds_all(parts: Sequence[Word]) -> Q:
    return reduce(and_, map(holds, parts)) if parts else Q()


# When its system last changed it, as far as anybody knows; never null, so that a list can be sorted by it.
LAST_KNOWN_CHANGE = Coalesce("updated_at", "arrived_at")


class SystemRefQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "SystemRefQuerySet":
        """The refs of systems on which the user holds the right; one IN over a few ids, for some users."""
        if sees_every_system(user, right):
            return self
        return self.filter(system__in=systems_with(user, right))

    def search(self, text: str, *, default_country: str) -> "SystemRefQuerySet":
        """Refs in which every word of the text is found: names, e-mail, phone, the ref itself."""
        found = self
        for word in words(text, default_country=default_country):
            found = found.filter(holds(word) | _holds_all(word.parts))
        return found

    def of(self, contact) -> "SystemRefQuerySet":
        """The refs of one Contact."""
        return self.filter(mapping__contact=contact)

    def unplaced(self) -> "SystemRefQuerySet":
        """Refs that no run has placed into a Contact yet."""
        return self.filter(mapping=None)

    def standing(self) -> "SystemRefQuerySet":
        """Refs that are not gone at their source, as far as is known."""
        return self.filter(gone=None)

    def first_found(self) -> "SystemRefQuerySet":
        """In the order that makes a ref the primary one (PRODUCT.md, "Golden record"; R-MDB-7, 8)."""
        return self.order_by(
            "arrived_at", "system__rank", F("created_at").asc(nulls_last=True), "system_ref", "pk"
        )


class SystemRef(PersonDetails):
    """One client identifier in one ticket system, with that system's details of the person.

    Written by `contacts.services` only. Each value is as the system writes it, cleaned of blanks around it
    and of placeholders; what is made of it for matching is the engine's business.
    """

    system = models.ForeignKey(TicketSystem, on_delete=models.PROTECT, related_name="system_refs")
    system_ref = models.CharField("System Ref", max_length=100)
    created_at = models.DateTimeField("created in its system", null=True, blank=True)
    updated_at = models.DateTimeField("updated in its system", null=True, blank=True)
    arrived_at = models.DateTimeField(
        "first found", help_text="When the run began that brought it here: the same moment for a whole run."
    )

    # Kept by ticketing in the transaction that writes the purchases (LAYOUT.md, "Purchase").
    spent_total = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    last_purchased_at = models.DateTimeField(null=True, blank=True)
    holds_season_ticket = models.BooleanField(default=False)

    # What is searched of its related names, kept in the transaction that writes them.
    related_text = models.TextField(blank=True, default="", db_default="", editable=False)

    search_text = models.GeneratedField(
        expression=_search_text(), output_field=models.TextField(), db_persist=True, editable=False
    )

    objects = SystemRefQuerySet.as_manager()

    class Meta:
        verbose_name = "System Ref"
        verbose_name_plural = "System Refs"
        constraints = [
            models.UniqueConstraint(fields=["system", "system_ref"], name="system_ref_unique_in_its_system"),
            models.CheckConstraint(condition=~models.Q(system_ref=""), name="system_ref_is_not_blank"),
        ]
        indexes = [
            models.Index(Upper("email"), name="system_ref_by_email", condition=~models.Q(email="")),
            # What its list sorts by; they end in the id, which turns the list's pages.
            models.Index(fields=["last_name", "id"], name="system_ref_by_last_name"),
            models.Index(LAST_KNOWN_CHANGE, "id", name="system_ref_by_change"),
        ]

    def __str__(self) -> str:
        return f"{self.system.code} {self.system_ref}"

    @property
    def departure(self) -> "GoneRef | None":
        """How it is gone at its source; None while it stands there, as far as is known."""
        return getattr(self, "gone", None)

    @property
    def why_unchangeable(self) -> str:
        """Why nothing can be changed at its source, as a sentence; blank where nothing is in the way."""
        return self.departure.why_unchangeable if self.departure else ""
