"""Whatever reps, the source's own people, pulls and write-backs do in any order, nothing is lost silently."""

import datetime as dt

import pytest
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts.models import FieldChange, HeldValue, SystemRef
from contacts.permissions import SystemRight, grant
from ticketing.models import PullRun, WriteBack
from ticketing.services.carry_out import carry_out
from ticketing.services.pull import pull
from ticketing.services.submit import submit
from ticketing.services.sweep_write_backs import sweep

from ..factories import NOW, TicketSystemFactory, UserFactory
from .sources import Box, connect, let_write

_CITIES = st.sampled_from(["Leeds", "York", "Hull"])
_DEEDS = st.one_of(
    st.tuples(st.just("submit"), _CITIES),
    st.tuples(st.just("theirs"), _CITIES),
    st.tuples(st.just("pull"), st.booleans()),
    st.tuples(st.just("carry"), st.none()),
    st.tuples(st.just("sweep"), st.none()),
)


@pytest.mark.slow
@pytest.mark.usefixtures("a_folder")
class TestAnyOrder(TestCase):
    @pytest.fixture
    def a_folder(self, tmp_path_factory):
        self.folders = tmp_path_factory

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(deeds=st.lists(_DEEDS, max_size=9))
    def test_in_the_end_both_say_the_same_or_a_person_is_asked(self, deeds):
        folder = self.folders.mktemp("box")
        with override_settings(
            ALLOW_LOOPBACK_SOURCES=True,
            SOURCE_FILE_ROOTS=[folder],
            CREDENTIAL_KEY_FILE=str(folder / "keys"),
        ):
            story = Story(Box(folder / "box.sqlite3"))
            for deed, what in deeds:
                getattr(story, deed)(what)
            story.come_to_rest()

        assert set(WriteBack.objects.values_list("state", flat=True)) <= {"written", "refused"}
        conflict = HeldValue.objects.filter(differs_since__isnull=False).exists()
        assert HeldValue.objects.exists() == conflict
        assert (story.here() == story.there()) != conflict
        changes = list(FieldChange.objects.filter(field="city").order_by("pk").values_list("before", "after"))
        texts = ["Leeds", *(after for _before, after in changes)]
        assert [before for before, _after in changes] == texts[:-1]
        assert texts[-1] == story.here()


class Story:
    """One account, of Leeds at first, here and at the box office, and what is done to it."""

    def __init__(self, box: Box) -> None:
        self.box = box
        box.customer("C1", first_name="Ann", city="Leeds")
        self.connection = connect(box, TicketSystemFactory(), now=NOW)
        let_write(self.connection, box, now=NOW)
        self.pull(True)
        self.rep = UserFactory()
        for right in SystemRight:
            grant(self.rep, right, on=self.connection.system)

    def here(self) -> str:
        return SystemRef.objects.get().city

    def there(self) -> str:
        [[city]] = self.box.ask("SELECT city FROM customers")
        return city

    def submit(self, city: str) -> None:
        submit(SystemRef.objects.get(), {"city": city}, seen=None, by=self.rep, now=timezone.now())

    def theirs(self, city: str) -> None:
        self.box.customer("C1", city=city)

    def pull(self, is_full: bool) -> None:
        self.connection.refresh_from_db()
        run = pull(self.connection, trigger=PullRun.Trigger.COMMAND, is_full=is_full, clock=timezone.now)
        assert run.state == PullRun.State.DONE

    def carry(self, _nothing: None) -> None:
        carry_out(self.connection, clock=timezone.now)

    def sweep(self, _nothing: None) -> None:
        sweep(clock=timezone.now)

    def come_to_rest(self) -> None:
        """Nobody does anything any more, and the cluster does its rounds."""
        later = timezone.now() + dt.timedelta(hours=2)
        carry_out(self.connection, clock=lambda: later)
        for _ in range(2):
            self.pull(True)
            sweep(clock=timezone.now)
