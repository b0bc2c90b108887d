"""The source of the worked example in docs/connectors.md: accounts as JSON, and the code of that page."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.ticketing.connectors.contract import Source
from tests.ticketing.connectors.web_server import answer, web_server
from ticketing.connectors.base import Connector, Safety, Setup

PAGE = Path(__file__).parents[3] / "docs" / "connectors.md"
MODULE = "feed_of_the_docs"


def example() -> ModuleType:
    """The module that the page shows, as it stands there."""
    (code,) = re.findall(r"```python\n(\"\"\".*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module


class FeedSource(Source):
    """The server's accounts: number -> e-mail address and moment of change."""

    number = "number"
    email = "email"
    knows_moments = True
    is_database = False
    rows_a_page = f"{MODULE}.ROWS_A_PAGE"

    def __init__(self) -> None:
        self.kind = example().KIND
        self.address = ""
        self._accounts: dict[str, tuple[str, datetime]] = {}
        self._email = "email"

    def safety(self, **limits: Any) -> Safety:
        return Safety(allow_loopback=True, **limits)

    def open(self, *, safety: Safety | None = None, writes: bool = True) -> Connector:
        return self.kind.open(
            Setup({"url": self.address}, {"token": "t0ken"}, safety=safety or self.safety())
        )

    def put(self, number: str, email: str, *, ago: int = 0) -> None:
        self._accounts[number] = email, datetime.now(UTC) - timedelta(seconds=ago)

    def remove(self, number: str) -> None:
        del self._accounts[number]

    def merge(self, number: str, into: str) -> None:
        """The feed does not tell."""

    def list_all(self) -> None:
        """It is always whole."""

    def change_schema(self) -> None:
        self._email = "mail"

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer as the page says that the feed does."""
        place = urlsplit(handler.path)
        number = unquote(place.path.removeprefix("/accounts").removeprefix("/"))
        if handler.headers["Authorization"] != "Bearer t0ken":
            answer({}, status=401)(handler)
        elif not number:
            answer(self._page(**{name: values[0] for name, values in parse_qs(place.query).items()}))(handler)
        elif number in self._accounts:
            answer(self._shown(number))(handler)
        else:
            answer({}, status=404)(handler)

    def _page(self, *, limit: str, since: str = "", after: str = "") -> dict[str, Any]:
        now = datetime.now(UTC)
        begin = datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)
        found = [n for n, (_, at) in sorted(self._accounts.items()) if n > after and at >= begin]
        return {"now": now.isoformat(), "accounts": [self._shown(number) for number in found[: int(limit)]]}

    def _shown(self, number: str) -> dict[str, str]:
        return {"number": number, self._email: self._accounts[number][0]}


@contextmanager
def feed_source(_folder: Path) -> Iterator[Source]:
    """A feed that runs while the block does."""
    source = FeedSource()
    with web_server(source.reply) as server:
        source.address = server.address
        yield source
