"""PurchasePrint: the print of the row that left a purchase as it is."""

from django.db import models

from contacts.models import RowPrint


class PurchasePrint(RowPrint):
    """The row that left a Purchase as it is; gone as well when its System Ref gets another number."""

    TRIGGERS = ("ticketing_purchase_drops_print", "ticketing_ref_drops_prints")
    PATH_TO_REF = "owner__system_ref"

    owner = models.OneToOneField(
        "ticketing.Purchase", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"print of {self.owner_id}"
