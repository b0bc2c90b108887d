"""Ann's account at a box office that can be written: changed by a rep, carried out, pulled."""

from django.utils import timezone

from contacts.models import SystemRef
from ticketing.models import PullRun, WriteBack
from ticketing.services.carry_out import carry_out
from ticketing.services.pull import pull
from ticketing.services.submit import submit

from ..factories import NOW


def pulled(connection, **options) -> PullRun:
    connection.refresh_from_db()
    options = {"trigger": PullRun.Trigger.COMMAND, "clock": timezone.now, "sleep": lambda _: None, **options}
    return pull(connection, **options)


def ann() -> SystemRef:
    return SystemRef.objects.get(system_ref="C1")


def submitted(rep, *, now=NOW, **values) -> WriteBack:
    return submit(ann(), values, seen=None, by=rep, now=now).write_back


def carried(connection, *, now=NOW) -> list[str]:
    """Carry out what is due, and tell the states of all in the order they were filed."""
    carry_out(connection, clock=lambda: now)
    return list(WriteBack.objects.order_by("pk").values_list("state", flat=True))


def at_source(box, column="city") -> str:
    [[value]] = box.ask(f"SELECT {column} FROM customers WHERE number = 'C1'")
    return value
