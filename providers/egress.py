"""Egress rules for addresses typed by people: none inside the network, unless the operator allows it.

Public addresses are defined here, not by the interpreter's version. `is_forbidden` is pure; `check_url` resolves
the host's name once, within a timeout. A name that does not resolve is let through: it leads nowhere, and the code
that opens the socket must call `is_forbidden` again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

RESOLVE_TIMEOUT_S = 2.0
HINT = "An address inside the network must be named in server.egress_allow in the configuration."
_INSIDE_NAMES = ("localhost", "metadata.google.internal")
_INSIDE_SUFFIXES = (".localhost", ".local", ".internal")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: packets end up at the IPv4 address in its last 32 bits
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})  # RFC 5214: the same for these, in the tunneling machine
_MULTICAST_AND_RESERVED = IPv4Network("224.0.0.0/3")
# IANA, "IPv4 Special-Purpose Address Registry"; and where a cloud's machines get their credentials.
_INSIDE_4 = tuple(
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        "168.63.129.16/32",  # Azure's WireServer
    )
)
# IANA, "IPv6 Special-Purpose Address Registry": the non-public parts of the only allocated block, 2000::/3.
_GLOBAL_6 = IPv6Network("2000::/3")
_INSIDE_6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocols: Teredo, benchmarks, ORCHID, ...
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3ffe::/16",  # the former 6bone
        "3fff::/20",
    )
)

Address = IPv4Address | IPv6Address


class EgressRefused(ValueError):
    """`reason` is for the person who typed the address."""

    def __init__(self, reason: str, hint: str = HINT) -> None:
        self.reason, self.hint = reason, hint
        super().__init__(f"{reason} {hint}".strip())


def is_forbidden(address: str, allow: Iterable[str] = ()) -> bool:
    """Whether packets to an IP address stay inside, and no network in `allow` contains it."""
    if is_public(address):
        return False
    ip = ip_address(address.partition("%")[0])
    every = {ip, _unwrapped(ip)}
    return not any(each in ip_network(network, strict=False) for network in allow for each in every)


def is_public(address: str) -> bool:
    """Whether packets to an IP address go to the public internet. Raises ValueError."""
    ip = _unwrapped(ip_address(address.partition("%")[0]))
    if isinstance(ip, IPv4Address):
        return ip not in _MULTICAST_AND_RESERVED and not any(ip in block for block in _INSIDE_4)
    if ip not in _GLOBAL_6 or any(ip in block for block in _INSIDE_6):
        return False
    is_tunnel = int(ip) >> 32 & 0xFFFF_FFFF in _ISATAP
    return not is_tunnel or is_public(str(_last_32_bits(ip)))


def check_url(url: str, allow: Iterable[str] = (), timeout_s: float = RESOLVE_TIMEOUT_S) -> None:
    """Raise EgressRefused unless this is an http(s) URL that leads outside or to an allowed network."""
    allow = tuple(allow)
    host = _host(url)
    if not allow and (host in _INSIDE_NAMES or host.endswith(_INSIDE_SUFFIXES)):
        raise EgressRefused(f"'{host}' is inside this network.")
    for address in _addresses(host, timeout_s):
        if is_forbidden(address, allow):
            raise EgressRefused(f"'{host}' leads to {address}, which is inside this network.")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        _ = parts.port
    except ValueError:
        raise EgressRefused("This is not a URL.", "Write it like https://api.example.com/v1.") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise EgressRefused("This is not an http or https URL.", "Write it like https://api.example.com/v1.")
    if parts.username is not None or parts.password is not None:
        raise EgressRefused("A URL may not carry a password.", "Use the credential field.")
    return host


def _addresses(host: str, timeout_s: float) -> set[str]:
    try:
        return {str(ip_address(host))}
    except ValueError:
        pass
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="resolve")
    try:
        found = pool.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM).result(timeout_s)
    except (OSError, UnicodeError):
        return set()
    except FutureTimeoutError:
        raise EgressRefused(f"The name '{host}' could not be resolved in time.", "Try again.") from None
    finally:
        pool.shutdown(wait=False)
    return {str(entry[4][0]) for entry in found}


def _unwrapped(ip: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one, if that is where packets end up."""
    if isinstance(ip, IPv4Address):
        return ip
    return _last_32_bits(ip) if ip in _NAT64 else ip.ipv4_mapped or ip


def _last_32_bits(ip: IPv6Address) -> IPv4Address:
    return IPv4Address(int(ip) & 0xFFFF_FFFF)
