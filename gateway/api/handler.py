"""Serves /v1: Django resolves the URL, ninja runs the operation; no middleware, no signals, no thread hop.

Stock Django spends two thread hops a request (signals and response.close), which costs 5-8x the throughput here.
Paths in `hot` go straight to the functions that ninja documents. Every response is sent by _send(), with X-Request-ID
and one access log line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.urls import Resolver404, ResolverMatch, get_resolver
from typing_extensions import override

from budgets.admission.interface import BudgetRefused
from gateway import runtime
from gateway.api.call_log import log
from gateway.http.cors import Cors, is_preflight
from gateway.http.errors import response_for
from gateway.http.exceptions import MethodNotAllowed, NotFound
from gateway.http.headers import head
from gateway.http.limit_status import standing_of
from gateway.http.request import ClientGone, Receive, Scope, Send, V1Request
from gateway.http.response import Headers, Response
from gateway.overload.exceptions import Overloaded
from providers.errors.exceptions import UpstreamFailed
from providers.errors.tracebacks import drop_frames
from tenants.errors import AccessDenied, InvalidKey, KeysUnavailable, TooManyMisses

View = Callable[[Any], Awaitable[Response]]
Authenticate = Callable[[Any], Awaitable[Any]]


class V1Handler(ASGIHandler):
    """A lean variant of Django's handler. Caches the matches of static paths, so a hot path is resolved once."""

    def __init__(self, urlconf: str, hot: Mapping[str, View], auth: Authenticate, cors: Cors) -> None:
        # ASGIHandler.__init__ would load settings.MIDDLEWARE, which belongs to the ordinary site.
        self._hot, self._auth, self._cors = hot, auth, cors
        self._resolver = get_resolver(urlconf)
        self._matches: dict[str, ResolverMatch] = {}

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        request = V1Request(scope, receive, send)
        if self._cors.is_on:
            request.extra_headers += self._cors.of_answer(request.raw_headers)
        try:
            answer = await self._answer(request)
            await self._send(request, answer)
        except asyncio.CancelledError:
            if not request.client_left:
                raise  # the server is cancelling this task
            log(request, 499, "client_disconnected")
        except ClientGone:
            log(request, 499, "client_disconnected")
        finally:
            request.stop_watching()
            if request.slot is not None:
                request.slot.release()
            if request.portion is not None:
                request.portion.release()

    async def _answer(self, request: V1Request) -> Response:
        try:
            hot = self._hot.get(request.path)
            if hot is not None and request.method == "POST":
                request.auth = await self._auth(request)
                return await hot(request)
            if is_preflight(request.scope["method"], request.raw_headers):
                return Response(200, b"", self._cors.of_preflight(request.raw_headers))
            if request.method == "HEAD":  # uvicorn omits the response body
                request.method = "GET"
            match = self._match(request.path)
            request.resolver_match = match
            answer = await match.func(request, *match.args, **match.kwargs)
        except (asyncio.CancelledError, ClientGone):
            raise
        except Exception as error:  # noqa: BLE001 - the error table maps it; unknown ones are logged there
            return await self._refuse(request, error)
        if isinstance(answer, Response):
            return answer
        if answer.status_code == 405:  # noqa: PLR2004 - ninja's own response to a wrong method
            return await self._refuse(request, MethodNotAllowed(_allowed(match)))
        return Response(answer.status_code, answer.content, _pairs(answer))

    def _match(self, path: str) -> ResolverMatch:
        match = self._matches.get(path)
        if match is None:
            try:
                match = self._resolver.resolve(path)
            except Resolver404:
                raise NotFound(path) from None
            if not match.kwargs:
                self._matches[path] = match  # bounded by the number of static paths
        return match

    async def _refuse(self, request: V1Request, error: Exception) -> Response:
        answer = response_for(error, request.id)
        if runtime.is_open():
            live = runtime.current()
            # A provider's own code can be any text, and every metric label is kept forever.
            code = error.code if isinstance(error, UpstreamFailed) else answer.error_code
            live.metrics.refusals.add((code,))
            if isinstance(error, NotFound | MethodNotAllowed):
                await self._recognize(request)
            _take_note(request, error)
            request.standing = getattr(error, "standing", None) or request.standing
            if request.standing is None and request.caller is not None:
                request.standing = await standing_of(request.caller)
        drop_frames(error)
        return answer

    async def _recognize(self, request: V1Request) -> None:
        """Authenticate the caller of an unknown path, so that the response has its limit status."""
        if request.caller is None:
            try:
                await self._auth(request)
            except (AccessDenied, KeysUnavailable) as refusal:  # an unknown path is 404 without a key too
                _take_note(request, refusal)

    async def _send(self, request: V1Request, answer: Response) -> None:
        body, relay, pulse = answer.body, answer.relay, request.pulse
        start = head(request, answer.status_code, answer.pairs)
        if relay is not None:
            await relay.run(start)
        elif pulse is not None and pulse.has_begun:
            # A heartbeat has sent the head: the failure can only be an event.
            await pulse.send(b"data: " + body + b"\n\n", more=False)
        else:
            if pulse is not None:
                pulse.stop()
            start["headers"].append((b"content-length", str(len(body)).encode()))
            await request.send(start)
            await request.send({"type": "http.response.body", "body": body})
        log(request, answer.status_code, answer.error_code, answer)


def _take_note(request: V1Request, error: Exception) -> None:
    """Store the details of an error that the logs need and its response does not have."""
    if isinstance(error, InvalidKey | TooManyMisses):
        request.refused_prefix, request.refused_caller = error.prefix, error.caller
    elif isinstance(error, BudgetRefused):
        request.enlarged_by = error.enlarged_by
    elif isinstance(error, Overloaded):
        request.facts["reason"] = error.reason
    else:
        request.passed_over = getattr(error, "passed_over", ())


def _allowed(match: ResolverMatch) -> str:
    view = getattr(match.func, "__closure__", None) or ()
    for cell in view:
        operations = getattr(cell.cell_contents, "operations", None)
        if operations:
            methods = {method for operation in operations for method in operation.methods}
            return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return "GET, POST"


def _pairs(response: Any) -> Headers:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
