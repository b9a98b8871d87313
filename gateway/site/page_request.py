"""Page requests: Django's, but under every host name that a network gives a machine.

Django accepts the names of the public DNS only (RFC 1034). Internal names have underscores: a scraper, a probe and a
browser beside a compose file's services use such names.
"""

from __future__ import annotations

import re

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from typing_extensions import override

from gateway.http.forwarded import FORWARDED_HOST
from gateway.http.request import Receive, Scope, Send
from gateway.http.response import send_whole

# RFC 3986, 3.2.2: the characters of a registered name, less those that no resolver accepts.
_HOST = re.compile(rb"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?")
_REFUSAL = b"The Host header names no host.\n"


class SiteRequest(ASGIRequest):
    @override
    def get_host(self) -> str:
        """Return the requested host, in lower case, as browsers write it in Origin. Nothing else depends on it, and
        SiteHandler has checked the Host.
        """
        forwarded_host: bytes = self.scope.get(FORWARDED_HOST, b"")
        if _HOST.fullmatch(forwarded_host):
            return forwarded_host.decode().lower()
        return str(self._get_raw_host()).lower()  # type: ignore[attr-defined]  # Django's own, beside its check


class SiteHandler(ASGIHandler):
    """Django's handler for these requests. A Host that is no host name is refused without a traceback in the log."""

    request_class = SiteRequest

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        host = next((value for name, value in scope["headers"] if name == b"host"), None)
        if host is None or _HOST.fullmatch(host):
            await super().__call__(scope, receive, send)  # type: ignore[arg-type]
            return
        await send_whole(send, 400, [(b"content-type", b"text/plain")], _REFUSAL)
