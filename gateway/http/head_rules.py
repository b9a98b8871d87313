"""Refuses request heads that can be parsed, but that two servers could interpret differently. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

HOST_LENGTH = len(b"host")
CODING_LENGTH = len(b"transfer-encoding")
VERSIONS = frozenset({"1.0", "1.1"})
# TRACE returns what a proxy on the way added; CONNECT would make this server a proxy.
REFUSED_METHODS = frozenset({b"TRACE", b"CONNECT"})
_OFFER = frozenset({b"upgrade", b"http2-settings"})  # headers, and options of Connection (RFC 7540, 3.2)
_CODING = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*;[ \t]*[^,;]+)*")  # RFC 9112, 7
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(:[0-9]{0,5})?")


def refusal(version: str, method: bytes, hosts: Sequence[bytes], codings: Sequence[bytes] = ()) -> int:
    """Return the status to refuse a request with; 0 if it is valid (RFC 9112, 2.3 and 3.2; RFC 9110, 9.3).

    A request without a version (HTTP/0.9) has no headers, so the data after its first line has no meaning.
    """
    if version not in VERSIONS:
        return 400
    if codings and (status := _refusal_of_codings(version, codings)):
        return status
    if len(hosts) != 1:
        return 400 if hosts or version != "1.0" else 0
    if not is_host(hosts[0]):
        return 400
    return 400 if method in REFUSED_METHODS else 0


def _refusal_of_codings(version: str, values: Sequence[bytes]) -> int:
    """Return the status for these values of Transfer-Encoding; 0 if they are only `chunked` (RFC 9112, 6.1 and 6.3).

    The parser treats a body as chunked by the last coding and leaves the others on it: 501, as they are not decoded.
    400 if the end of the body is ambiguous: no chunked at the end, chunked twice, or a client of HTTP/1.0.
    """
    codings = [each.strip(b" \t").lower() for each in b",".join(values).split(b",")]
    if version == "1.0" or codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
        return 400
    others = codings[:-1]
    if not others:
        return 0
    is_sound = all(_CODING.fullmatch(each) and not each.startswith(b"chunked;") for each in others)
    return 501 if is_sound else 400


@lru_cache(maxsize=1024)
def is_host(value: bytes) -> bool:
    """Return whether it names one host, optionally with a port."""
    return _HOST.fullmatch(value) is not None


def without_offer(
    method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """Return a head without its protocol upgrade: the rest is an ordinary request."""
    lines = [method + b" " + target + b" HTTP/" + version.encode() + b"\r\n"]
    for name, value in headers:
        if name in _OFFER:
            continue
        if name == b"connection":
            value = b", ".join(_other_options(value))  # noqa: PLW2901
            if not value:
                continue
        lines.append(name + b": " + value + b"\r\n")
    return b"".join(lines) + b"\r\n"


def _other_options(value: bytes) -> list[bytes]:
    options = [option.strip() for option in value.split(b",")]
    return [option for option in options if option and option.lower() not in _OFFER]
