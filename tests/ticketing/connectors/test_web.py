"""The client for HTTP sources against a real server that is slow, hangs up, and answers by halves."""

import itertools
import socket
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.ticketing.connectors.web_server import (
    answer,
    cut_answer,
    half_answer,
    hang_up,
    keep_silent,
    web_server,
)
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
from ticketing.connectors.web import Web

SAFETY = Safety(allow_loopback=True, connect_seconds=5)
ACCOUNTS = {"results": [{"account": "A1", "name": "Ada Adams"}] * 20}


def _web(server, *, safety=SAFETY, **options):
    return Web(server.address, {"Authorization": "Token t"}, safety=safety, **options)


def test_json_is_read_with_our_headers():
    with web_server(answer(ACCOUNTS)) as server:
        assert _web(server).get_json(f"{server.address}/accounts?since=1") == ACCOUNTS

    (asked,) = server.asked
    assert asked[:2] == ("GET", "/accounts?since=1")
    assert asked[2]["Authorization"] == "Token t"


def test_a_body_is_sent_as_json_and_headers_are_found_in_either_case():
    with web_server(answer({"done": True}, headers={"X-Page-Generated": "now"})) as server:
        reply = _web(server).request("PATCH", f"{server.address}/accounts/A1", {"name": "Ada"})

    assert (reply.json(), reply.headers["x-page-generated"]) == ({"done": True}, "now")
    assert server.asked[0][0] == "PATCH"
    assert server.asked[0][3] == {"name": "Ada"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ChangedSchema), (401, LoginRefused), (403, LoginRefused), (404, ChangedSchema), (409, Conflict),
        (412, Conflict), (429, Unreachable), (500, Unreachable), (502, Unreachable), (503, Unreachable),
    ],
)  # fmt: skip
def test_a_failure_is_told_by_its_kind_with_advice(status, error):
    with web_server(answer({"detail": "Ada Adams"}, status=status)) as server, pytest.raises(error) as caught:
        _web(server).get_json(f"{server.address}/accounts/?email=ada@example.com")

    assert str(status) in str(caught.value)
    assert caught.value.advice
    assert "ada" not in f"{caught.value} {caught.value.advice}".lower()


@pytest.mark.parametrize("status", [404, 410])
def test_what_may_be_missing_is_none(status):
    with web_server(answer({}, status=status)) as server:
        assert _web(server).get_json(f"{server.address}/accounts/A9", may_be_missing=True) is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_not_followed(status):
    leads_on = answer({}, status=status, headers={"Location": "/elsewhere"})
    with web_server(leads_on) as server, pytest.raises(NotAllowed):
        _web(server).get_json(f"{server.address}/accounts")

    assert [path for _, path, _, _ in server.asked] == ["/accounts"]


@pytest.mark.parametrize(
    "broken", [half_answer(ACCOUNTS), cut_answer(ACCOUNTS), hang_up], ids=["half", "cut", "none"]
)
def test_an_answer_that_breaks_off_is_unreachable(broken):
    with web_server(broken) as server, pytest.raises(Unreachable):
        _web(server).get_json(f"{server.address}/accounts")


def test_a_server_that_keeps_silent_is_given_up():
    with web_server() as server:
        server.replies.append(keep_silent(server))
        with pytest.raises(Unreachable, match="did not answer in time"):
            _web(server, read_seconds=0.05).get_json(f"{server.address}/accounts")


def test_a_server_that_trickles_is_given_up_after_the_time_of_a_statement():
    hours = itertools.count(step=3600)
    with (
        web_server(answer(body=b"[" + b" " * 300_000 + b"]")) as server,
        pytest.raises(Unreachable, match="too slow"),
    ):
        _web(server, clock=lambda: next(hours)).get_json(f"{server.address}/accounts")


def test_an_answer_that_is_too_large_is_not_read_to_its_end():
    small = Safety(allow_loopback=True, most_bytes=100_000)
    with web_server(answer(body=b" " * 10_000_000)) as server, pytest.raises(TooMuch):
        _web(server, safety=small).get_json(f"{server.address}/accounts")


def test_a_web_page_is_no_data():
    with (
        web_server(answer(body=b"<html>Sign in</html>")) as server,
        pytest.raises(ChangedSchema, match="web page"),
    ):
        _web(server).get_json(f"{server.address}/accounts")


@pytest.mark.parametrize("status", [429, 503])
def test_a_short_wait_is_kept_and_then_asked_again(status):
    waits = []
    with web_server(answer({}, status=status, headers={"Retry-After": "7"}), answer(ACCOUNTS)) as server:
        assert _web(server, sleep=waits.append).get_json(f"{server.address}/accounts") == ACCOUNTS

    assert waits == [7]


def test_a_wait_given_as_a_date_is_measured_by_the_clock_of_the_server():
    dates = {"Date": "Wed, 01 Jan 2020 10:00:00 GMT", "Retry-After": "Wed, 01 Jan 2020 10:00:20 GMT"}
    waits = []

    def busy(handler):
        handler.send_response_only(429)
        for name, value in {**dates, "Content-Length": "0"}.items():
            handler.send_header(name, value)
        handler.end_headers()

    with web_server(busy, answer(ACCOUNTS)) as server:
        _web(server, sleep=waits.append).get_json(f"{server.address}/accounts")

    assert waits == [20]


def test_a_long_wait_ends_the_pull_and_says_when_to_come_again():
    waits = []
    with (
        web_server(answer({}, status=429, headers={"Retry-After": "3600"})) as server,
        pytest.raises(Unreachable) as caught,
    ):
        _web(server, sleep=waits.append).get_json(f"{server.address}/accounts")

    assert (caught.value.retry_after, waits, len(server.asked)) == (3600, [], 1)


def test_waiting_has_an_end():
    waits = []
    with (
        web_server(answer({}, status=429, headers={"Retry-After": "5"})) as server,
        pytest.raises(Unreachable) as caught,
    ):
        _web(server, sleep=waits.append).get_json(f"{server.address}/accounts")

    assert (caught.value.retry_after, waits) == (5, [5, 5, 5])


def test_nobody_at_the_address_is_unreachable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unreachable, match="Nobody answers"):
            Web(address, {}, safety=SAFETY).get_json(address)


def test_the_token_goes_to_the_connections_own_server_only():
    with web_server(answer(ACCOUNTS)) as ours, web_server(answer(ACCOUNTS)) as other:
        web = _web(ours)
        with pytest.raises(NotAllowed, match="another server"):
            web.get_json(f"{other.address}/accounts")

    assert other.asked == []


def test_a_name_that_changes_its_ip_after_the_check_reaches_nothing(monkeypatch):
    with web_server(answer(ACCOUNTS)) as server:
        port = server.address.rpartition(":")[2]
        address = f"http://localhost:{port}"
        web = Web(address, {}, safety=SAFETY)
        lookups = iter([["127.0.0.1"], ["169.254.169.254"]])

        def rebound(*_args, **_kwargs):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, int(port))) for ip in next(lookups)]

        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        with pytest.raises(NotAllowed, match="169.254.169.254"):
            web.get_json(address)

    assert server.asked == []


def test_without_the_setting_no_server_of_this_machine_is_reached():
    with web_server(answer(ACCOUNTS)) as server, pytest.raises(SourceError):
        _web(server, safety=Safety())

    assert server.asked == []


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost that nobody vouches for, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    path = tmp_path / "localhost.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return path


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    with web_server(answer(ACCOUNTS), certificate=certificate) as server:
        address = server.address.replace("127.0.0.1", "localhost")
        with pytest.raises(Unreachable, match="certificate"):
            Web(address, {"Authorization": "Token t"}, safety=SAFETY).get_json(address)

    assert server.asked == []


def test_a_certificate_is_compared_with_the_name_though_the_ip_is_spoken_to(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with web_server(answer(ACCOUNTS), certificate=certificate) as server:
        address = server.address.replace("127.0.0.1", "localhost")

        assert Web(address, {}, safety=SAFETY).get_json(address) == ACCOUNTS
        with pytest.raises(Unreachable, match="certificate"):
            Web(server.address, {}, safety=SAFETY).get_json(server.address)
