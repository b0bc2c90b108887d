"""Which addresses connections may reach: scheme, list of hosts, and every IP behind a name."""

import socket

import pytest

from ticketing.connectors.addresses import check_host, check_url
from ticketing.connectors.base import NotAllowed, Safety, Unreachable

ANYWHERE = Safety()
WITH_LOOPBACK = Safety(allow_loopback=True)

NEVER_PUBLIC = [
    "127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
    "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.0.9", "192.0.0.192", "192.88.99.1", "168.63.129.16",
    "3fff::1", "fd00:ec2::254", "100.100.100.200", "::ffff:168.63.129.16", "64:ff9b::a83f:8110",
]  # fmt: skip
NEVER_EVEN_WITH_LOOPBACK = [
    "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "168.63.129.16", "192.0.0.9",
    "192.88.99.1", "3fff::1", "100.100.100.200",
]  # fmt: skip


@pytest.mark.parametrize("ip", NEVER_PUBLIC)
def test_an_ip_that_is_not_public_is_refused(ip):
    with pytest.raises(NotAllowed):
        check_host(ip, 443, ANYWHERE)


@pytest.mark.parametrize("ip", NEVER_EVEN_WITH_LOOPBACK)
def test_the_loopback_setting_opens_no_link_local_multicast_nor_metadata_address(ip):
    with pytest.raises(NotAllowed):
        check_host(ip, 443, WITH_LOOPBACK)


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "fd00::1", "::ffff:127.0.0.1"])
def test_the_loopback_setting_opens_this_machine_and_private_networks(ip):
    assert check_host(ip, 443, WITH_LOOPBACK) == (ip,)


@pytest.mark.parametrize(
    "ip", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_a_public_ip_is_allowed(ip):
    assert len(check_host(ip, 443, ANYWHERE)) == 1


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "LOCALHOST.", "localhost"])
def test_loopback_is_recognised_however_it_is_written(host):
    with pytest.raises(NotAllowed):
        check_host(host, 443, ANYWHERE)


def test_a_name_is_refused_when_one_of_its_ips_is(monkeypatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: answers)

    with pytest.raises(NotAllowed):
        check_host("tickets.example.com", 443, ANYWHERE)


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("93.184.216.34", True), ("localhost", False), ("93.184.216.35", False),
    ],
)  # fmt: skip
def test_the_list_of_hosts_is_kept_to(host, is_allowed):
    safety = Safety(allow_loopback=True, allowed_hosts=("93.184.216.34", "example.com"))

    if is_allowed:
        check_host(host, 443, safety)
    else:
        with pytest.raises(NotAllowed, match="not among the hosts"):
            check_host(host, 443, safety)


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("example.com", True),
        ("db.Example.com", True),
        ("badexample.com", False),
        ("example.com.evil.org", False),
    ],
)
def test_a_listed_name_covers_whole_labels_only(monkeypatch, host, is_allowed):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: answers)
    safety = Safety(allowed_hosts=("*.example.com",))

    if is_allowed:
        assert check_host(host, 443, safety) == ("93.184.216.34",)
    else:
        with pytest.raises(NotAllowed):
            check_host(host, 443, safety)


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/", "ftp://93.184.216.34/", "file:///etc/passwd", "93.184.216.34", "https://",
        "", "https://user:secret@93.184.216.34/", "gopher://127.0.0.1:25/", "https://[::1", "http://10.0.0.1/",
    ],
)  # fmt: skip
def test_an_address_that_is_not_plain_https_is_refused(url):
    with pytest.raises(NotAllowed):
        check_url(url, WITH_LOOPBACK)


def test_http_is_spoken_to_this_machine_where_the_setting_says_so():
    target = check_url("http://127.0.0.1:8000/api", WITH_LOOPBACK)

    assert (target.origin, target.addresses) == (("http", "127.0.0.1", 8000), ("127.0.0.1",))


def test_a_name_that_nobody_knows_is_unreachable():
    with pytest.raises(Unreachable):
        check_url("https://nobody.invalid/", ANYWHERE)
