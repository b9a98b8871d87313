"""Reads what trusted proxies report about their client: its address, its scheme and the host name that it requested.

X-Forwarded-For, -Proto and -Host are no standard; each proxy appends to a list or replaces it, in its own notation:
`HTTPS`, `https, http`, an address with its port. `Forwarded` (RFC 7239) is a standard: a list, one element per proxy.
The headers of a peer that is not in `server.trusted_proxies` are ignored.

A proxy that writes one kind passes the other kind on as its client wrote it. So of a request with both only
X-Forwarded-* is used, as most proxies write these; `Forwarded` is used only without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

from gateway.http.head_rules import is_host
from gateway.http.request import Application, Receive, Scope, Send
from tenants.addresses import plain

OTHERS = FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
STANDARD: Final = b"forwarded"
UNKNOWN: Final = "unknown"  # RFC 7239, 6.2; no list of addresses contains it
FORWARDED_HOST: Final = "forwarded_host"  # key in a scope
SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
MOST_PLACES: Final = 32  # per list; no installation has more proxies
MOST_ADDRESSES: Final = 4096  # in the cache
_PAIR: Final = re.compile(  # of an element, or empty; values that should be in quotes are accepted without them too
    r"[ \t]*+(?:([!#$%&'*+.^_`|~0-9A-Za-z-]++)=(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s\",;]*+)))?[ \t]*+([,;]|\Z)"
)
_QUOTED: Final = re.compile(r"\\(.)")


class Client(NamedTuple):
    """The trusted values; an empty text: the proxy did not report it."""

    address: str = ""
    port: int = 0
    scheme: str = ""
    host: bytes = b""


class TrustedProxies:
    """Checks whether an address is in one of these networks."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(network, strict=False) for network in networks]
        self.trusts = lru_cache(MOST_ADDRESSES)(self._looked_up)

    def _looked_up(self, address: str) -> bool:
        ip = plain(address)
        return ip is not None and any(ip in network for network in self._networks)

    def client_of(self, headers: Iterable[tuple[bytes, bytes]]) -> Client:
        """Return the client that the headers of a trusted proxy describe. Names are in lower case."""
        addresses: list[str] = []
        schemes: list[str] = []
        hosts: list[str] = []
        standard: list[bytes] = []
        has_other = False
        for name, value in headers:
            if name == FOR:
                addresses += [
                    place for place in _places(value) if place
                ]  # RFC 9110, 5.6.1: ignore empty ones
            elif name == PROTO:
                schemes += _places(value)
            elif name == HOST:
                hosts += _places(value)
            elif name == STANDARD:
                standard.append(value)
            has_other = has_other or name in OTHERS
        if standard and not has_other:
            return self._of_standard(b",".join(standard))
        addresses, schemes = addresses[-MOST_PLACES:], schemes[-MOST_PLACES:]
        at, address, port = self._client(addresses)
        place = at if len(schemes) == len(addresses) else 0
        return Client(address, port, _scheme(schemes, place), _host(hosts))

    def _of_standard(self, value: bytes) -> Client:
        """Return the client from the element that our first proxy wrote: the last element whose client is not one of
        our proxies. A value that breaks the grammar may be meant to hide a client, so then the client is unknown.
        """
        elements = _elements(value.decode("latin-1"))
        if elements is None:
            return Client(UNKNOWN)
        address, port, element = "", 0, {}
        for element in reversed(elements[-MOST_PLACES:]):
            address, port = _split(element.get("for", ""))
            if not self.trusts(address):
                break
        return Client(address, port, _scheme([element.get("proto", "")], 0), _host([element.get("host", "")]))

    def _client(self, addresses: Sequence[str]) -> tuple[int, str, int]:
        """Return the last entry that is not one of our proxies: any client may have written those before it."""
        for at in range(len(addresses) - 1, -1, -1):
            address, port = _split(addresses[at])
            if not self.trusts(address):
                return at, address, port
        return (0, *_split(addresses[0])) if addresses else (0, "", 0)


class Forwarded:
    """Wraps an application: it sees the clients of trusted proxies as if they had connected directly."""

    def __init__(self, application: Application, networks: Iterable[str]) -> None:
        self._application, self._proxies = application, TrustedProxies(networks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer: Any = scope.get("client")
        if peer and scope["type"] in {"http", "websocket"} and self._proxies.trusts(peer[0]):
            _apply(scope, self._proxies.client_of(scope["headers"]))
        await self._application(scope, receive, send)


def _apply(scope: Scope, client: Client) -> None:
    if client.address:
        scope["client"] = (client.address, client.port)
    if client.scheme:
        is_socket = scope["type"] == "websocket"
        scope["scheme"] = client.scheme.replace("http", "ws") if is_socket else client.scheme
    if client.host:  # in addition to Host, which reveals DNS rebinding (gateway/site/internal_access.py)
        scope[FORWARDED_HOST] = client.host


def _elements(value: str) -> list[dict[str, str]] | None:
    """Parse a `Forwarded` value (RFC 7239, 4), names in lower case; None if it breaks the grammar."""
    elements: list[dict[str, str]] = []
    element: dict[str, str] = {}
    at = 0
    while (found := _PAIR.match(value, at)) is not None:
        name, quoted, plain_value, end = found.groups()
        if name is not None:
            if name.lower() in element:
                return None
            element[name.lower()] = plain_value if quoted is None else _QUOTED.sub(r"\1", quoted)
        if end != ";" and element:
            elements.append(element)
            element = {}
        if not end:
            return elements
        at = found.end()
    return None


def _places(value: bytes) -> list[str]:
    return [place.strip().strip('"') for place in value.decode("latin-1").split(",")]


def _scheme(schemes: Sequence[str], at: int) -> str:
    """Return the scheme at the client's place: with as many schemes as addresses each belongs to one, else the first
    proxy's is used.
    """
    return SCHEMES.get(schemes[at].lower(), "") if schemes else ""


def _host(hosts: Sequence[str]) -> bytes:
    """Return the host that the client requested from the first proxy, if it is valid."""
    host = hosts[0].encode("latin-1") if hosts else b""
    return host if is_host(host) else b""


def _split(place: str) -> tuple[str, int]:
    """Return address and port of `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` or `[::1]:80`; other text is unchanged."""
    if place.startswith("["):
        address, _, rest = place[1:].partition("]")
        port = rest.removeprefix(":")
    elif place.count(":") == 1:
        address, _, port = place.partition(":")
    else:
        return place, 0
    return address, int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0  # noqa: PLR2004 - digits
