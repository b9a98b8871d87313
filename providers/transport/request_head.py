"""The origin of a request and its head on the wire (RFC 9112). Pure; parsed addresses are cached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from providers.errors.exceptions import ConnectFailed

_PORTS: Final = {"http": 80, "https": 443}
_AS_IT_IS: Final = "%/:@!$&'()*+,;=-._~"  # RFC 3986: legal in a path; already quoted text stays unchanged
_FORBIDDEN: Final = re.compile(r"[^\t\x20-\x7e\x80-\xff]")  # RFC 9110, 5.5: not allowed in a field's value
_NO_TOKEN: Final = re.compile(r"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")  # RFC 9110, 5.6.2


class Origin(msgspec.Struct, frozen=True):
    """The origin of a connection."""

    host: str
    port: int
    is_tls: bool
    is_guarded: bool = False  # may reach the public internet only


class RequestTarget(msgspec.Struct, frozen=True):
    """A parsed address: `after_method` is the rest of the request line and the fields of every request."""

    origin: Origin
    after_method: str


@lru_cache(maxsize=4096)
def request_target(url: str, *, is_guarded: bool = False) -> RequestTarget:
    """Parse an address. Raises ConnectFailed if this is not an http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii")
    except ValueError as error:
        raise ConnectFailed(f"not an address: {error}"[:200]) from None
    if parts.scheme not in _PORTS or not host:
        raise ConnectFailed("not an http or https address")
    default = _PORTS[parts.scheme]
    name = host.decode()
    shown = f"[{name}]" if ":" in name else name
    if port not in {None, default}:
        shown += f":{port}"
    path = quote(parts.path or "/", safe=_AS_IT_IS)
    if parts.query:
        path += "?" + quote(parts.query, safe=_AS_IT_IS + "?")
    if _FORBIDDEN.search(shown) or " " in shown:
        raise ConnectFailed("not an address: the host has characters that no host has")
    return RequestTarget(
        Origin(name, port or default, parts.scheme == "https", is_guarded),
        f" {path} HTTP/1.1\r\nhost: {shown}\r\naccept-encoding: identity\r\n",
    )


def origin_text(url: str) -> str:
    """Return scheme, host and port of an address's origin; "" if it has none."""
    try:
        origin = request_target(url).origin
    except ConnectFailed:
        return ""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{'https' if origin.is_tls else 'http'}://{host}:{origin.port}"


def head_of(method: str, target: RequestTarget, headers: Mapping[str, str], length: int) -> bytes:
    """Return the head of a request. Raises ConnectFailed, which names the field but never shows its value."""
    lines = [method, target.after_method, f"content-length: {length}\r\n"]
    if _FORBIDDEN.search("".join(headers.values())) or _NO_TOKEN.search("".join(headers)):
        name = next(name for name in headers if _FORBIDDEN.search(headers[name]) or _NO_TOKEN.search(name))
        raise ConnectFailed(f"the header {name!r:.80} cannot be sent")
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")
