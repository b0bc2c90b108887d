"""Connections, their pulls, and what these leave behind."""

import datetime as dt

import factory
from factory.django import DjangoModelFactory

from ticketing.models import PullAlarm, PullRun, SourceConnection, WaitingRow

from . import NOW, TicketSystemFactory


class ConnectionFactory(DjangoModelFactory):
    """A connection to a database file that does not exist."""

    class Meta:
        model = SourceConnection

    system = factory.SubFactory(TicketSystemFactory)
    connector = "sql_database"
    options = factory.LazyFunction(
        lambda: {"url": "sqlite:////nowhere/source.db", "accounts_query": "SELECT 1"}
    )
    hook_key = factory.Sequence(lambda n: f"hook-{n}")


class PullRunFactory(DjangoModelFactory):
    """A pull that went through in 90 seconds, unless told otherwise."""

    class Meta:
        model = PullRun

    connection = factory.SubFactory(ConnectionFactory)
    version = 1
    trigger = PullRun.Trigger.SCHEDULE
    state = PullRun.State.DONE
    phase = factory.LazyAttribute(
        lambda run: PullRun.Phase.OVER if run.state == PullRun.State.DONE else PullRun.Phase.DOWNLOAD
    )
    started_at = factory.Sequence(lambda n: NOW + dt.timedelta(hours=n))
    worked_at = factory.LazyAttribute(lambda run: run.started_at + dt.timedelta(seconds=90))
    ended_at = factory.LazyAttribute(
        lambda run: None if run.state in (PullRun.State.RUNNING, PullRun.State.FAILED) else run.worked_at
    )


class WaitingRowFactory(DjangoModelFactory):
    class Meta:
        model = WaitingRow

    connection = factory.SubFactory(ConnectionFactory)
    data_set = "accounts"
    key = factory.Sequence(lambda n: f"A{n}")
    row = factory.LazyAttribute(lambda row: {"id": row.key, "mail": row.value})
    column = "email"
    value = "ann"
    reason = "“ann” is no e-mail address."
    since = NOW
    tried_at = NOW


class PullAlarmFactory(DjangoModelFactory):
    class Meta:
        model = PullAlarm

    connection = factory.SubFactory(ConnectionFactory)
    kind = PullAlarm.Kind.FAILING
    message = "The source did not answer."
    raised_at = NOW
