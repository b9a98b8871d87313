"""The head of a /v1 request: Django's HttpRequest without META, cookies, files or a body. Cost: a few microseconds.

The body is read by gateway/http/client_connection.py; what a call acquires is in gateway/inference/call_context.py.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, QueryDict
from typing_extensions import override

if TYPE_CHECKING:
    from django.urls import ResolverMatch

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]  # an ASGI application

BLANKS = b" \t"  # what may be around a header's value (RFC 9110, 5.6.3)

_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class V1Request(HttpRequest):
    """`context` is the call's CallContext; operations that ninja calls find it here."""

    auth: Any = None  # the Caller; the handler or ninja sets it

    # Rarely set, so on the class: with more than 30 instance attributes (SHARED_KEYS_MAX_SIZE of CPython) each request
    # would get a dictionary, which is slower to create and to read.
    resolver_match: ResolverMatch | None = None

    def __init__(self, scope: Scope, context: Any = None) -> None:
        # HttpRequest.__init__ builds QueryDicts and dictionaries that are not used here, so it is not called.
        self.scope, self.context = scope, context
        self.method = scope["method"]
        self.path = self.path_info = scope["path"]
        # Lower-case names to values; of repeated headers the first one is used.
        self.raw_headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))

    def header(self, name: bytes) -> str:
        """Return a header's value as text ("" when absent), without trailing blanks, which the parser keeps."""
        value = self.raw_headers.get(name)
        return "" if value is None else value.rstrip(BLANKS).decode("latin-1")

    def values(self, name: bytes) -> list[str]:
        """Return the values of a header that may be repeated."""
        return [
            value.rstrip(BLANKS).decode("latin-1") for each, value in self.scope["headers"] if each == name
        ]

    @property
    def trace_parent(self) -> str:
        """The client's traceparent (W3C Trace Context), "" if absent or malformed."""
        value = self.header(b"traceparent")
        return value if value and _TRACE_PARENT.fullmatch(value) else ""

    @property
    def client_ip(self) -> str:
        client = self.scope.get("client")
        return client[0] if client else ""

    @cached_property
    @override
    def GET(self) -> QueryDict:  # type: ignore[override]  # computed only on access
        return QueryDict(self.scope.get("query_string", b"").decode("latin-1"))

    @cached_property
    @override
    def META(self) -> dict[str, Any]:  # type: ignore[override]  # computed only on access
        meta = {"REQUEST_METHOD": self.method, "PATH_INFO": self.path, "REMOTE_ADDR": self.client_ip}
        for name, value in self.raw_headers.items():
            meta["HTTP_" + name.decode("latin-1").upper().replace("-", "_")] = value.decode("latin-1")
        return meta
