"""Who spent most: Contacts by what they spent where the reader may look, and by nothing else."""

from zoneinfo import ZoneInfo

from django.urls import reverse

from contacts.models import Contact
from contacts.services.exports import contact_lines
from contacts.templatetags.kore import money
from ticketing.reports.built import Built
from ticketing.reports.charts import bars
from ticketing.reports.scope import Scope
from ticketing.reports.table import Column, Figure, Kind, Row, Table
from ticketing.services.report_sums import other_sums, top_buyers

MOST = 50
DRAWN = 10


def buyers_report(scope: Scope) -> Built:
    """The Contacts with the highest sums over the visible systems, always counted for this look.

    Their names are golden over the visible System Refs; only who may open contacts is told names.
    """
    currency, zone = scope.organisation.currency, ZoneInfo(scope.organisation.time_zone)
    found = top_buyers(scope.ids, scope.asked, zone, currency=currency, most=MOST)
    ids = [buyer.contact_id for buyer in found]
    others = other_sums(ids, scope.ids, scope.asked, zone, but=currency)
    may_open = scope.user.has_perm("contacts.view_contact")
    visible = Contact.objects.visible_to(scope.user).filter(pk__in=ids)
    lines = {line.group_id: line for line in contact_lines(visible, user=scope.user)}
    by_code = {system.code: system for system in scope.visible}
    columns = [
        *([Column("name", Kind.TEXT)] if may_open else []),
        Column("known in", Kind.SYSTEMS),
        Column("purchases"),
        Column("spent", Kind.MONEY, currency=currency),
        Column("other currencies", Kind.TEXT),
    ]
    rows, drawn = [], []
    for rank, buyer in enumerate((buyer for buyer in found if buyer.contact_id in lines), start=1):
        line = lines[buyer.contact_id]
        name = " ".join(filter(None, map(line.values.get, ("first_name", "last_name"))))
        systems = [by_code[code] for code in line.systems.split("; ") if code in by_code]
        beside = ", ".join(money(amount, other) for other, amount in others.get(buyer.contact_id, []))
        figures = [
            *([Figure(name)] if may_open else []),
            Figure(systems),
            Figure(buyer.lines),
            Figure(buyer.spent),
            Figure(beside),
        ]
        address = reverse("admin:contacts_contact_change", args=[line.group_id]) if may_open else ""
        rows.append(Row(str(line.group_id), rank, figures, address=address))
        label = (name if may_open else "") or str(line.group_id)
        drawn.append((label, money(buyer.spent, currency), buyer.spent, "0"))
    chart = bars(f"What the first {DRAWN} spent", drawn[:DRAWN]) if drawn else None
    return Built(Table("GroupID", columns, rows), chart)
