"""A client for HTTP sources that reaches checked addresses only and translates whatever goes wrong."""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError, TimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout, Url, parse_url
from urllib3.util.connection import create_connection

from ticketing.connectors.addresses import check_clear_text, check_host, check_ip, check_url
from ticketing.connectors.base import (
    ChangedSchema,
    Conflict,
    LoginRefused,
    NotAllowed,
    Safety,
    SourceError,
    TooMuch,
    Unreachable,
)

LONGEST_WAIT = 60  # seconds that a Retry-After is waited for here; a longer one ends the pull until then
MOST_WAITS = 3
READ_SECONDS = 60  # without a single byte
_BLOCK = 65_536
_TRY_LATER = "The next pull goes on where this one stopped."


@dataclass(frozen=True)
class Answer:
    """What came back, whole. Names of headers are found in either case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    where: str

    def json(self) -> Any:
        """The body as JSON. Raises ChangedSchema when it is a page for people, Unreachable when it is cut."""
        try:
            return json.loads(self.body)
        except ValueError:
            if self.body.lstrip().startswith(b"<"):
                raise ChangedSchema(
                    f"{self.where} answered with a web page instead of data.",
                    advice="Check that the address is that of the source's API.",
                ) from None
            raise Unreachable(f"The answer of {self.where} broke off.", advice=_TRY_LATER) from None


class Web:
    """One server, spoken to with the same headers. `sleep` and `clock` are the time's, for tests.

    It is spoken to at `base` only: a token must not travel to whatever address an answer names.
    """

    def __init__(
        self,
        base: str,
        headers: Mapping[str, str],
        *,
        safety: Safety,
        read_seconds: float = READ_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origin = check_url(base, safety).origin
        self._headers = dict(headers)
        self._safety = safety
        self._read_seconds = read_seconds
        self._sleep = sleep
        self._clock = clock
        self._pool = _checked_pool(safety)

    def get_json(self, url: str, *, may_be_missing: bool = False) -> Any:
        """What stands at an address; None where nothing does and that is no error. Raises SourceError."""
        answer = self.request("GET", url, may_be_missing=may_be_missing)
        return None if answer.status in (404, 410) else answer.json()

    def request(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        may_be_missing: bool = False,
    ) -> Answer:
        """Ask and read the whole answer; `body` is sent as JSON.

        A short Retry-After is waited for. Raises a SourceError for everything but success, except for
        a 404 or 410 that may be.
        """
        self._check_origin(url)
        sent = {**self._headers, **(headers or {})}
        for wait in range(MOST_WAITS + 1):
            answer = self._ask(method, url, body, sent)
            pause = _retry_after(answer)
            if pause is None or pause > LONGEST_WAIT or wait == MOST_WAITS:
                break
            self._sleep(pause)
        if not 200 <= answer.status < 300 and not (may_be_missing and answer.status in (404, 410)):
            raise _refusal(answer)
        return answer

    def close(self) -> None:
        """Let go of the server."""
        self._pool.clear()

    def _check_origin(self, url: str) -> None:
        if check_url(url, self._safety).origin != self._origin:
            raise NotAllowed(
                f"The source {self._origin[1]} named an address of another server.",
                advice="Check the address of the connection; it has to be the one the source calls itself.",
            )

    def _ask(self, method: str, url: str, body: object, headers: Mapping[str, str]) -> Answer:
        where = _where(parse_url(url))
        try:
            response = self._pool.request(
                method,
                url,
                json=body,
                headers=headers if body is None else {"Content-Type": "application/json", **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=Timeout(connect=self._safety.connect_seconds, read=self._read_seconds),
            )
            return Answer(response.status, response.headers, self._read(response, where), where)
        except HTTPError as error:
            raise _drop(error, where) from None

    def _read(self, response: BaseHTTPResponse, where: str) -> bytes:
        """The body, within the limits of size and time: each byte in time does not make an answer in time."""
        until = self._clock() + self._safety.statement_seconds
        body = bytearray()
        try:
            for block in response.stream(_BLOCK):
                body += block
                if len(body) > self._safety.most_bytes:
                    raise TooMuch(
                        f"An answer of {where} is larger than {self._safety.most_bytes:,} bytes.",
                        advice="Ask for smaller pages.",
                    )
                if self._clock() > until:
                    raise Unreachable(f"{where} is too slow to answer.", advice=_TRY_LATER)
        except SourceError:
            response.close()
            raise
        response.release_conn()
        return bytes(body)


def _checked_pool(safety: Safety) -> urllib3.PoolManager:
    """Connections that look at who is at the other end before anything is sent."""

    class CheckedHTTP(HTTPConnection):
        def _new_conn(self) -> Any:
            return _connect(self, safety, in_clear=True)

    class CheckedHTTPS(HTTPSConnection):
        def _new_conn(self) -> Any:
            return _connect(self, safety, in_clear=False)

    class HTTPPool(urllib3.HTTPConnectionPool):
        ConnectionCls = CheckedHTTP

    class HTTPSPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = CheckedHTTPS

    manager = urllib3.PoolManager(cert_reqs=ssl.CERT_REQUIRED)
    manager.pool_classes_by_scheme = {"http": HTTPPool, "https": HTTPSPool}
    return manager


def _connect(connection: HTTPConnection, safety: Safety, *, in_clear: bool) -> Any:
    """A socket to one of the host's checked IPs: its name is asked for once, so no second answer counts."""
    host = connection._dns_host
    failure: Exception | None = None
    for address in check_host(host, connection.port, safety):
        if in_clear:
            check_clear_text(address, host)
        try:
            sock = create_connection(
                (address, connection.port), connection.timeout, socket_options=connection.socket_options
            )
        except OSError as error:
            failure = error
            continue
        try:
            check_ip(sock.getpeername()[0], host, safety)
        except BaseException:
            sock.close()
            raise
        return sock
    raise NewConnectionError(connection, f"Failed to establish a new connection: {failure}") from failure


def _where(parts: Url) -> str:
    """How a message names an address: without its query, which may hold what somebody is called."""
    return f"{parts.host}{parts.path or ''}"


def _drop(error: HTTPError, where: str) -> SourceError:
    """What a failure below HTTP means."""
    if isinstance(error, SSLError):
        return Unreachable(
            f"{where} has no certificate that can be trusted.",
            advice="The source's operator has to mend its certificate, or this machine lacks its authority.",
        )
    if isinstance(error, NewConnectionError):
        return Unreachable(
            f"Nobody answers at {where}.", advice="Check the address, and that the source is running."
        )
    if isinstance(error, TimeoutError):
        return Unreachable(f"{where} did not answer in time.", advice=_TRY_LATER)
    return Unreachable(f"The answer of {where} broke off.", advice=_TRY_LATER)


def _retry_after(answer: Answer) -> float | None:
    """Seconds that a busy server asks to wait, dates by its own clock; None where it does not ask."""
    text = answer.headers.get("Retry-After", "").strip()
    if answer.status not in (429, 503) or not text:
        return None
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        now = parsedate_to_datetime(answer.headers.get("Date", "")) if "Date" in answer.headers else None
    except ValueError:
        return None
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


def _refusal(answer: Answer) -> SourceError:
    """What an answer other than success means."""
    status, where = answer.status, answer.where
    if status in (401, 403):
        return LoginRefused(
            f"{where} does not accept the credentials ({status}).",
            advice="Check the token or the password, and that it may read this.",
        )
    if 300 <= status < 400:
        return NotAllowed(
            f"{where} leads elsewhere ({status}), and redirects are not followed.",
            advice="Give the address that it leads to, if it is the right one.",
        )
    if status in (409, 412):
        return Conflict(f"{where} was changed by somebody else ({status}).", advice="Read it again.")
    if status == 429 or status >= 500:
        busy = "is asked too often" if status == 429 else "failed"
        return Unreachable(
            f"{where} {busy} ({status}).", advice=_TRY_LATER, retry_after=_retry_after(answer) or 0
        )
    if status in (404, 410):
        return ChangedSchema(f"There is nothing at {where} ({status}).", advice="Check the address.")
    return ChangedSchema(
        f"{where} does not understand the request ({status}).",
        advice="Check the options; the source may have changed with a new version.",
    )
