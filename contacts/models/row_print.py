"""RowPrint: how a row that comes again as it was is known without being read anew (ADR 0008)."""

from collections.abc import Sequence
from typing import ClassVar

from django.db import models


class RowPrint(models.Model):
    """A keyed digest of the row that left a record as it is; holds no value in clear.

    It stands only as long as the record does and is what the row said: triggers take it away with any
    change, whoever makes it (`contacts.print_triggers`). Each record has one at most.
    """

    TRIGGERS: ClassVar[Sequence[str]] = ()  # without them all, no print of the table is believed
    PATH_TO_REF: ClassVar[str] = ""  # from a print to the System Ref whose person it is about

    print = models.UUIDField(db_index=True, editable=False)

    class Meta:
        abstract = True


class SystemRefPrint(RowPrint):
    """The row that left a System Ref as it is."""

    TRIGGERS = ("contacts_ref_drops_print",)
    PATH_TO_REF = "owner"

    owner = models.OneToOneField(
        "contacts.SystemRef", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"print of {self.owner_id}"
