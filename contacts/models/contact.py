"""Contact: the golden record; its id is the GroupID. GroupAlias: where a retired GroupID leads."""

from collections.abc import Sequence
from hashlib import sha256

from django.core.cache import cache
from django.db import models
from django.db.models import Exists, OuterRef, Prefetch, prefetch_related_objects

from contacts.models.found_at_once import FEWEST_LETTERS, Among, contacts_of_few
from contacts.models.mapping import Mapping, Move
from contacts.models.near_names import near_names
from contacts.models.person_details import PersonDetails
from contacts.models.system_ref import SystemRef, holds
from contacts.permissions import SystemRight, sees_every_system, systems_with
from contacts.search_words import Word, words

SECONDS_SURE = 600  # for which a list goes on being long


class ContactQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "ContactQuerySet":
        """Contacts with at least one System Ref on whose system the user holds the right (R-MDB-32)."""
        if sees_every_system(user, right):
            return self
        refs = Mapping.objects.filter(
            contact=OuterRef("pk"), system_ref__system__in=systems_with(user, right)
        )
        return self.filter(Exists(refs))

    def surely_more_than(self, count: int, user) -> bool:
        """Whether the user sees more Contacts than this: True is certain, False says nothing.

        Asked of the primary refs that the user may see. Each stands for a Contact, so that the database may
        stop at so many refs and has to look none of their Contacts up. That there are more is remembered for
        a while, for everybody with these very rights: ten thousand people do not vanish within minutes.
        """
        systems = sorted(systems_with(user, SystemRight.VIEW))
        known = f"long-list-{sha256(f'{count} {systems}'.encode()).hexdigest()}"
        if cache.get(known):
            return True
        seen = Mapping.objects.filter(is_primary=True, system_ref__system__in=systems)
        there_are = seen[: count + 1].count() > count
        if there_are:
            cache.set(known, True, timeout=SECONDS_SURE)
        return there_are

    def with_visible_refs(self, user) -> "ContactQuerySet":
        """Each contact with `visible_mappings`: those over the refs that the user may see, by rank.

        Which of them leads is for `contacts.services.leaders` to say. Two queries more, whatever the number
        of rows.
        """
        return self.prefetch_related(visible_mappings(user), "pins")

    def load_visible_refs(self, contacts: Sequence["Contact"], user) -> list["Contact"]:
        """The contacts that have any, with `visible_mappings` as above, over contacts of which only ids need
        be known; pins are loaded for those whose values they choose, who do not see every system.
        """
        asked = [visible_mappings(user), *([] if sees_every_system(user) else ["pins"])]
        prefetch_related_objects(contacts, *asked)
        return [contact for contact in contacts if contact.visible_mappings]  # type: ignore[attr-defined]

    def search(self, text: str, user, *, default_country: str) -> "ContactQuerySet":
        """Contacts in which every word of the text is found, over the refs that the user may see alone.

        Names in any order, e-mail, phone in any notation, System Ref, external customer ID, company, city,
        postcode, GroupID and retired GroupID. Words may be found in different refs of one Contact.
        """
        found = self
        for word in words(text, default_country=default_country):
            found = found.filter(pk__in=_holding(word, user))
        return found

    def search_at_once(self, text: str, user, *, default_country: str) -> "ContactQuerySet":
        """The Contacts that `search` finds, for a list that asks for them several times.

        On PostgreSQL one query is made here, for the Contacts of the words that few refs hold.
        """
        asked = words(text, default_country=default_country)
        looked_up = [word for word in asked if word.is_plain and word.shortest >= FEWEST_LETTERS]
        refs = SystemRef.objects.visible_to(user)
        of_few = dict(
            zip(looked_up, contacts_of_few([refs.filter(holds(w)) for w in looked_up]), strict=True)
        )
        few = [ids for ids in of_few.values() if ids is not None]
        found = self.filter(Among(set.intersection(*few))) if few else self
        for word in asked:
            if of_few.get(word) is None:
                found = found.filter(pk__in=_holding(word, user))
        return found

    def exactly(self, text: str, user) -> "ContactQuerySet":
        """Contacts whose GroupID, or visible System Ref, is the whole text: to be shown first."""
        text = text.strip()
        spellings = {text, text.upper(), text.lower(), text.capitalize()}
        # The systems are named even to those who see them all: the index begins with the system.
        refs = SystemRef.objects.filter(
            system__in=systems_with(user, SystemRight.VIEW), system_ref__in=spellings
        )
        exact = Mapping.objects.filter(system_ref__in=refs).values_list("contact_id")
        if text.isdecimal() and len(text) < 19:
            exact = exact.union(Contact.objects.filter(pk=int(text)).values_list("pk"), all=True)
        return self.filter(pk__in=exact)

    def named_nearly(self, text: str, user) -> list[int]:
        """Ids of Contacts whose name, on a ref that the user may see, nearly is the text; nearest first."""
        return near_names(SystemRef.objects.visible_to(user), text)

    def in_systems(self, systems, user) -> "ContactQuerySet":
        """Contacts with a ref in one of these systems, among those that the user may see."""
        visible = SystemRef.objects.visible_to(user).filter(system__in=systems)
        return self.filter(pk__in=Mapping.objects.filter(system_ref__in=visible).values("contact"))


def visible_mappings(user) -> Prefetch:
    """What loads the mappings of the refs that the user may see, as `visible_mappings`.

    In an order that does not know the primary: where that is hidden, its place would tell.
    """
    mappings = (
        Mapping.objects.filter(system_ref__in=SystemRef.objects.visible_to(user))
        .select_related("system_ref__system__business_unit", "system_ref__gone")
        .order_by("system_ref__system__rank", "system_ref__system_ref")
    )
    return Prefetch("mappings", queryset=mappings, to_attr="visible_mappings")


def _holding(word: Word, user) -> models.QuerySet:
    """Ids of the Contacts with the word, as one column.

    A union and no condition with OR: PostgreSQL then reads each part by its index, where it would otherwise
    ask every Contact.
    """
    refs = SystemRef.objects.visible_to(user).filter(holds(word))
    ways = [Mapping.objects.filter(system_ref__in=refs).values_list("contact_id")]
    if word.number is not None:
        aliases = GroupAlias.objects.visible_to(user).filter(group_id=word.number)
        ways += [Contact.objects.filter(pk=word.number).values_list("pk"), aliases.values_list("contact_id")]
    if word.parts:
        having_all = Contact.objects.all()
        for part in word.parts:
            having_all = having_all.filter(pk__in=_holding(part, user))
        ways.append(having_all.values_list("pk"))
    return ways[0].union(*ways[1:], all=True) if ways[1:] else ways[0]


class Contact(PersonDetails):
    """One person: the golden record over all System Refs mapped to it. Its id is the GroupID.

    The stored details are the golden values over *all* refs and serve only people who may see them all;
    for anyone else the values are computed over the refs visible to them (DECISIONS 10). Written by
    `contacts.services.golden` only.
    """

    since = models.DateTimeField(help_text="When this GroupID was allotted.")

    objects = ContactQuerySet.as_manager()

    class Meta:
        # One for each column that its list sorts by; they end in the id, which turns the list's pages.
        indexes = [
            models.Index(fields=[field, "id"], name=f"contact_by_{field}")
            for field in ("last_name", "email", "city")
        ]

    def __str__(self) -> str:
        # No personal values: the admin log and error texts print this (DECISIONS 26).
        return f"GroupID {self.pk}"


class GroupAliasQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "GroupAliasQuerySet":
        """Aliases that the user could have known: one of the refs they may see was under that GroupID.

        Without that condition an alias would tell that records of a hidden system were joined (R-MDB-34).
        """
        if sees_every_system(user, right):
            return self
        moved = Move.objects.filter(
            from_group=OuterRef("group_id"),
            system_ref__mapping__contact=OuterRef("contact"),
            system_ref__system__in=systems_with(user, right),
        )
        return self.filter(Exists(moved))


class GroupAlias(models.Model):
    """A retired GroupID and one Contact that it lives on in; several rows when it was split up (R-CM-26)."""

    group_id = models.BigIntegerField(db_index=True)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="aliases")
    at = models.DateTimeField()

    objects = GroupAliasQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group_id", "contact"], name="alias_once_per_successor"),
            models.CheckConstraint(
                condition=~models.Q(group_id=models.F("contact")), name="no_contact_is_its_own_alias"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_id} → {self.contact_id}"
