"""Which addresses connections may reach: scheme, name, and every IP behind it (SYNC.md, design rule 10)."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from ticketing.connectors.base import NotAllowed, Safety, Unreachable

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS = {"https": 443, "http": 80}
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")  # all that has been handed out as global unicast
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_PRIVATE = [
    ipaddress.ip_network(text)
    for text in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]
# Where clouds tell machines about themselves, keys included, and what Python wrongly takes for public.
_NEVER = [
    ipaddress.ip_network(text)
    for text in (
        "169.254.169.254/32", "fd00:ec2::254/128", "168.63.129.16/32", "100.100.100.200/32",
        "192.0.0.0/24", "192.88.99.0/24", "3fff::/20",
    )
]  # fmt: skip
_LOOPBACK_ADVICE = "Addresses of this machine and of private networks need ALLOW_LOOPBACK_SOURCES=1."


@dataclass(frozen=True)
class Target:
    """Where an address leads, checked; `addresses` are IPs, each of which may be reached."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]

    @property
    def origin(self) -> tuple[str, str, int]:
        """What has to be equal for two addresses to be the same server's."""
        return self.scheme, self.host, self.port


def check_url(url: str, safety: Safety) -> Target:
    """Where an address of the web leads. Raises NotAllowed, or Unreachable when its name is not known."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        raise NotAllowed("This is no address.", advice="It looks like https://tickets.example.com.") from None
    if not parts.host or parts.scheme not in DEFAULT_PORTS:
        raise NotAllowed(
            "The address has to begin with https://.", advice="It looks like https://tickets.example.com."
        )
    if parts.auth:
        raise NotAllowed(
            "The address holds a user name or a password.", advice="Give credentials as secrets."
        )
    host = plain_host(parts.host)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    addresses = check_host(host, port, safety)
    if parts.scheme == "http":
        for address in addresses:
            check_clear_text(address, host)
    return Target(parts.scheme, host, port, addresses)


def check_host(host: str, port: int, safety: Safety) -> tuple[str, ...]:
    """The IPs behind a host's name, all of which may be reached. Raises NotAllowed or Unreachable.

    One that may not be reached refuses the name: whoever answers for it could choose between them.
    """
    host = plain_host(host)
    if not is_listed(host, safety):
        raise NotAllowed(
            f"{host} is not among the hosts that may be read.",
            advice="An administrator of this installation can allow it by the setting ALLOWED_SOURCE_HOSTS.",
        )
    addresses = _resolve(host, port)
    for address in addresses:
        check_ip(address, host, safety)
    return addresses


def plain_host(host: str) -> str:
    """A host's name as it is compared: lower case, without brackets and the last full stop."""
    return host.strip("[]").rstrip(".").lower()


def is_listed(host: str, safety: Safety) -> bool:
    """Whether a name is on the list of hosts or under one that is; without a list every name is."""
    listed = [plain_host(entry.lstrip("*.")) for entry in safety.allowed_hosts]
    return not listed or any(host == entry or host.endswith(f".{entry}") for entry in listed)


def check_ip(address: str, host: str, safety: Safety) -> None:
    """Refuse an IP that connections may not reach; `host` is how it is called in the message."""
    ip = innermost(ipaddress.ip_address(address.partition("%")[0]))
    may_be_private = is_private(ip) and not _is_in(ip, _NEVER)
    if may_be_private and safety.allow_loopback:
        return
    if not _is_public(ip):
        raise NotAllowed(
            f"{host} leads to {ip}, which is no public address.",
            advice=_LOOPBACK_ADVICE if may_be_private else "Connections reach public addresses only.",
        )


def check_clear_text(address: str, host: str) -> None:
    """Refuse to speak without encryption, except within this machine. Raises NotAllowed."""
    if not is_loopback(address):
        raise NotAllowed(f"{host} may only be read encrypted.", advice="Begin the address with https://.")


def is_loopback(address: str) -> bool:
    """Whether an IP is this machine's own."""
    return innermost(ipaddress.ip_address(address.partition("%")[0])).is_loopback


def is_private(ip: Ip) -> bool:
    """Whether an IP is this machine's or a private network's; link-local ones are neither."""
    return _is_in(ip, _PRIVATE)


def _is_in(ip: Ip, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def innermost(ip: Ip) -> Ip:
    """The IPv4 address that an IPv6 one carries (mapped, compatible, 6to4, NAT64), else the IP itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip.ipv4_mapped:
        return ip.ipv4_mapped
    if ip.sixtofour:
        return ip.sixtofour
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _is_public(ip: Ip) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_V6:
        return False
    if _is_in(ip, _NEVER):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local)


def _resolve(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(
            f"The name {host} is not known.", advice="Check the address for a slip of the pen."
        ) from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
