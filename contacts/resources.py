"""The columns of each import and export file about people, declared once."""

from typing import Any

from django.db import models
from import_export.fields import Field

from contacts.cleaning import (
    read_birth,
    read_country,
    read_email,
    read_language,
    read_moment,
    read_phone,
    read_text,
)
from contacts.file_resources import ColumnField, FileResource, ShownField
from contacts.models import Contact, RelatedName, SystemRef
from contacts.models.person_details import DETAIL_FIELDS

LONGEST_NOTATION = 60  # of countries and dates, which are stored in other ways than written

# How details are read that are not just text.
DETAIL_READERS = {
    "email": read_email,
    "phone": read_phone,
    "mobile": read_phone,
    "country": read_country,
    "date_of_birth": read_birth,
    "language": read_language,
}
_UNLIKELY_TWICE = ("email", "phone", "mobile", "address1", "external_customer_id")


def _detail(field_name: str, django_field: models.Field) -> ColumnField:
    longest = django_field.max_length
    if longest is None or field_name == "country":
        longest = LONGEST_NOTATION
    return ColumnField(
        field_name,
        DETAIL_READERS.get(field_name, read_text),
        limit=longest,
        blank=django_field.get_default(),
        repeats=field_name not in _UNLIKELY_TWICE,
    )


class SystemRefResource(FileResource):
    """System Refs as their systems tell them; exports add where a ref belongs."""

    group_id = ShownField("group_id", "mapping__contact_id")
    system = ShownField("system", "system__code")
    system_ref = ColumnField("system_ref", limit=100, is_required=True)
    created_at = ColumnField("created_at", read_moment, limit=LONGEST_NOTATION, blank=None, repeats=True)
    updated_at = ColumnField("updated_at", read_moment, limit=LONGEST_NOTATION, blank=None, repeats=True)

    class Meta:
        model = SystemRef
        name = "System Refs"
        import_order = ("system_ref", *DETAIL_FIELDS, "created_at", "updated_at")  # of an Arrival's values
        export_order = fields = ("group_id", "system", *import_order)

    @classmethod
    def field_from_django_field(cls, field_name: str, django_field: models.Field, readonly: bool) -> Field:
        """A detail, with its reader and as long as the database takes it."""
        return _detail(field_name, django_field)


class RelatedNameResource(FileResource):
    """The other people on accounts, each with the System Ref whose account it is."""

    system = ShownField("system", "system_ref__system__code")
    system_ref = ColumnField("system_ref", attribute="system_ref__system_ref", limit=100, is_required=True)
    name_id = ColumnField("name_id", limit=100, is_required=True)
    role = ColumnField("role", limit=60, repeats=True)
    updated_at = ColumnField("updated_at", read_moment, limit=LONGEST_NOTATION, blank=None)

    class Meta:
        model = RelatedName
        name = "Related names"
        import_order = (  # of a NameLine's values
            "system_ref", "name_id", "role", "title", "first_name", "last_name", "email", "phone", "mobile",
            "date_of_birth", "updated_at",
        )  # fmt: skip
        export_order = fields = ("system", *import_order)

    @classmethod
    def field_from_django_field(cls, field_name: str, django_field: models.Field, readonly: bool) -> Field:
        """A detail, read as those of the account itself."""
        return _detail(field_name, django_field)


class ContactResource(FileResource):
    """Contacts by their GroupID, of ContactLines: what one user may see of each. Export only."""

    group_id = ShownField("group_id", "group_id")
    systems = ShownField("systems", "systems")
    system_refs = ShownField("system_refs", "system_refs")

    class Meta:
        model = Contact
        name = "Contacts"
        import_order = ()
        export_order = fields = ("group_id", *DETAIL_FIELDS, "systems", "system_refs")

    @classmethod
    def field_from_django_field(cls, field_name: str, django_field: models.Field, readonly: bool) -> Any:
        """A golden detail: never the stored one, which is over all refs."""
        return ShownField(field_name, f"values__{field_name}")
