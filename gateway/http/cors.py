"""Which pages of other origins may call /v1 from a browser (Fetch standard, "CORS protocol"). Pure.

A page sends a key, never cookies, so credentials are not allowed. Without a configured origin no header is added, and
the response to a preflight names the missing setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.http.exceptions import BadRequest
from gateway.http.response import Headers

ANY: Final = "*"
MAX_AGE_S: Final = 7200  # Chromium's maximum
VARIES: Final = (b"vary", b"Origin")
_ORIGIN: Final = b"origin"
_METHOD: Final = b"access-control-request-method"
_ASKED: Final = b"access-control-request-headers"
_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2048}")


class Cors:
    """The origins of `server.cors.origins`; `*` allows any."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self._is_any = ANY.encode() in self._origins
        self.is_on = bool(self._origins)

    def of_answer(self, headers: Mapping[bytes, bytes]) -> Headers:
        """Return the CORS headers of a response; the names in `headers` are in lower case."""
        if not self.is_on:
            return []
        origin = headers.get(_ORIGIN)
        if origin is None or not self._allows(origin):
            return [VARIES]  # a cache must not serve it to an allowed origin
        return [
            (b"access-control-allow-origin", b"*" if self._is_any else origin),
            (b"access-control-expose-headers", b"*"),
            *([] if self._is_any else [VARIES]),
        ]

    def of_preflight(self, headers: Mapping[bytes, bytes]) -> Headers:
        """Return the CORS headers of a preflight response. Raises BadRequest."""
        if not self._allows(headers.get(_ORIGIN, b"")):
            raise BadRequest(
                "Pages of this origin may not call the gateway from a browser; its operator names those that may in "
                "server.cors.origins.",
                "Origin",
                "origin_not_allowed",
            )
        asked = headers.get(_ASKED, b"")
        return [
            (b"access-control-allow-methods", b"GET, HEAD, POST"),
            # `*` does not cover Authorization.
            (b"access-control-allow-headers", asked if _NAMES.fullmatch(asked) else b"authorization, *"),
            (b"access-control-max-age", str(MAX_AGE_S).encode()),
        ]

    def _allows(self, origin: bytes) -> bool:
        return self._is_any or origin in self._origins


def is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Return whether this is a CORS preflight; any other OPTIONS is an ordinary request."""
    return method == "OPTIONS" and _ORIGIN in headers and _METHOD in headers
