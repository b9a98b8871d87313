"""Where addresses typed by people may lead: nowhere inside, unless the operator allows it.

`is_forbidden` is pure; `check_url` resolves the host's name once, within a timeout. A name that does not
resolve is let through: it leads nowhere, and who opens the socket must ask `is_forbidden` again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

RESOLVE_TIMEOUT_S = 2.0
HINT = "An address inside the network must be named in server.egress_allow in the configuration."
_INSIDE_NAMES = ("localhost", "metadata.google.internal")
_INSIDE_SUFFIXES = (".localhost", ".local", ".internal")
_NAT64 = ip_network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class EgressRefused(ValueError):
    """`reason` is for the person who typed the address."""

    def __init__(self, reason: str, hint: str = HINT) -> None:
        self.reason, self.hint = reason, hint
        super().__init__(f"{reason} {hint}".strip())


def is_forbidden(address: str, allow: Iterable[str] = ()) -> bool:
    """Whether an IP address is not of the public internet: loopback, private, link-local, metadata."""
    ip = _unwrapped(ip_address(address.partition("%")[0]))
    if any(ip in ip_network(network, strict=False) for network in allow):
        return False
    return not ip.is_global or ip.is_multicast


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
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
