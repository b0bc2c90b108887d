"""The fake pretix as the contract of connectors wants a source: its accounts are customers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.ticketing.connectors.contract import Source
from tests.ticketing.connectors.fake_pretix import FakePretix, anonymised, customer, fake_pretix
from ticketing.connectors.base import Connector, Safety
from ticketing.connectors.pretix import KIND


class PretixSource(Source):
    """Customers of pretix; none can be deleted, only anonymised."""

    number = "system_ref"
    email = "email"
    rows_a_page = "ticketing.connectors.pretix_api.ROWS_OF_A_PAGE"

    def __init__(self, fake: FakePretix) -> None:
        self._fake = fake
        fake.on_request = self._tick

    def safety(self, **limits: Any) -> Safety:
        return Safety(allow_loopback=True, **limits)

    def open(self, *, safety: Safety | None = None, writes: bool = True) -> Connector:
        setup = self._fake.setup(write_token=self._fake.token if writes else "")
        return KIND.open(replace(setup, safety=safety or self.safety()))

    def put(self, number: str, email: str, *, ago: int = 0) -> None:
        changed = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
        for known in self._fake.customers:
            if known["identifier"] == number:
                known.update(email=email, last_modified=changed)
                return
        self._fake.customers.append(customer(number, email=email, last_modified=changed))

    def remove(self, number: str) -> None:
        (known,) = [one for one in self._fake.customers if one["identifier"] == number]
        known.update(anonymised(number), last_modified=datetime.now(UTC).isoformat())

    def merge(self, number: str, into: str) -> None:
        """pretix does not tell."""

    def list_all(self) -> None:
        """It is always whole."""

    def change_schema(self) -> None:
        for known in self._fake.customers:
            known["mail"] = known.pop("email")
        self._fake.customer_order = "mail"

    def _tick(self, _path: str) -> None:
        self._fake.now = datetime.now(UTC)


@contextmanager
def pretix_source(_folder: Path) -> Iterator[Source]:
    """A pretix that runs while the block does."""
    with fake_pretix() as fake:
        yield PretixSource(fake)
