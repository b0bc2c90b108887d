"""The columns of each import and export file about people."""

from typing import cast

from django.db import models

from contacts.cleaning import (
    Column,
    read_birth,
    read_country,
    read_email,
    read_language,
    read_moment,
    read_phone,
    read_text,
)
from contacts.models import SystemRef
from contacts.models.person_details import DETAIL_FIELDS

_READERS = {
    "email": read_email,
    "phone": read_phone,
    "mobile": read_phone,
    "country": read_country,
    "date_of_birth": read_birth,
    "language": read_language,
}
_UNLIKELY_TWICE = ("email", "phone", "mobile", "address1", "external_customer_id")
_LONGEST_NOTATION = 60  # of countries and dates, which are stored in other ways than written


def _detail(name: str) -> Column:
    field = cast("models.Field", SystemRef._meta.get_field(name))
    reads_otherwise = name in ("country", "date_of_birth")
    return Column(
        name,
        _READERS.get(name, read_text),
        limit=field.max_length if field.max_length and not reads_otherwise else _LONGEST_NOTATION,
        blank=field.get_default(),
        repeats=name not in _UNLIKELY_TWICE,
    )


# In the order of an Arrival's values.
SYSTEM_REF_COLUMNS = (
    Column("system_ref", read_text, limit=100, is_required=True),
    *map(_detail, DETAIL_FIELDS),
    Column("created_at", read_moment, limit=_LONGEST_NOTATION, blank=None),
    Column("updated_at", read_moment, limit=_LONGEST_NOTATION, blank=None),
)
