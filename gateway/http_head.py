"""Which heads of requests are refused although they can be parsed: what two servers could read differently. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

HOST_LENGTH = len(b"host")
VERSIONS = frozenset({"1.0", "1.1"})
# TRACE gives back what a proxy on the way added, a CONNECT makes this server one.
REFUSED_METHODS = frozenset({b"TRACE", b"CONNECT"})
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(:[0-9]{0,5})?")


def refusal(version: str, method: bytes, hosts: Sequence[bytes]) -> int:
    """Return the status to refuse a request with; 0: it is sound (RFC 9112, 2.3 and 3.2; RFC 9110, 9.3).

    A request without a version (HTTP/0.9) has no headers, so nothing that follows its first line means anything.
    """
    if version not in VERSIONS:
        return 400
    if len(hosts) != 1:
        return 400 if hosts or version != "1.0" else 0
    if not _is_host(hosts[0]):
        return 400
    return 400 if method in REFUSED_METHODS else 0


@lru_cache(maxsize=1024)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
