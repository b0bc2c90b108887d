"""Nights and their steps."""

import datetime as dt

import factory
from factory.django import DjangoModelFactory

from sync.models import NightRun, NightStep

from . import NOW


class NightRunFactory(DjangoModelFactory):
    class Meta:
        model = NightRun

    state = "done"
    trigger = "schedule"
    started_at = factory.Sequence(lambda n: NOW + dt.timedelta(days=n))
    finished_at = factory.LazyAttribute(
        lambda run: None if run.state == "running" else run.started_at + dt.timedelta(seconds=90)
    )


class NightStepFactory(DjangoModelFactory):
    class Meta:
        model = NightStep

    run = factory.SubFactory(NightRunFactory)
    position = factory.Sequence(lambda n: n)
    name = factory.Sequence(lambda n: f"Step {n}")
    state = "done"
