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
from gateway.http.client_api import api_of
from gateway.http.client_connection import ClientConnection, ClientGone
from gateway.http.cors import Cors, is_preflight
from gateway.http.errors import response_for
from gateway.http.exceptions import MethodNotAllowed, NotFound
from gateway.http.headers import client_id_headers
from gateway.http.request import Receive, Scope, Send, V1Request
from gateway.http.response import Headers, Response
from gateway.inference.call_context import CallContext, RefusalDetails
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
        context = CallContext(ClientConnection(scope, receive, send))
        request = V1Request(scope, context)
        context.client_api = api_of(request.path, request.raw_headers)
        context.headers += client_id_headers(request)
        if self._cors.is_on:
            context.headers += self._cors.of_answer(request.raw_headers)
        try:
            response = await self._respond(request, context)
            await _send(request, context, send, response)
        except asyncio.CancelledError:
            if not context.is_client_disconnected:
                raise  # the server is cancelling this task
            log(request, context, 499, "client_disconnected")
        except ClientGone:
            log(request, context, 499, "client_disconnected")
        finally:
            context.release()

    async def _respond(self, request: V1Request, context: CallContext) -> Response:
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
            response = await match.func(request, *match.args, **match.kwargs)
        except (asyncio.CancelledError, ClientGone):
            raise
        except Exception as error:  # noqa: BLE001 - the error table maps it; unknown ones are logged there
            return await self._refuse(request, context, error)
        if isinstance(response, Response):
            return response
        if response.status_code == 405:  # noqa: PLR2004 - ninja's own response to a wrong method
            return await self._refuse(request, context, MethodNotAllowed(_allowed(match)))
        return Response(response.status_code, response.content, _pairs(response))

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

    async def _refuse(self, request: V1Request, context: CallContext, error: Exception) -> Response:
        response = response_for(error, context.id, context.client_api)
        if runtime.is_open():
            live = runtime.current()
            # A provider's own code can be any text, and every metric label is kept forever.
            code = error.code if isinstance(error, UpstreamFailed) else response.error_code
            live.metrics.refusals.add((code,))
            if isinstance(error, NotFound | MethodNotAllowed):
                await self._recognize(request, context)
            _keep_details(context, error)
            context.limit_status = getattr(error, "limit_status", None) or context.limit_status
            if context.limit_status is None and context.caller_if_known is not None:
                context.limit_status = await context.read_limit_status()
        drop_frames(error)
        return response

    async def _recognize(self, request: V1Request, context: CallContext) -> None:
        """Authenticate the caller of an unknown path, so that the response has its limit status."""
        if context.caller_if_known is None:
            try:
                await self._auth(request)
            except (AccessDenied, KeysUnavailable) as refusal:  # an unknown path is 404 without a key too
                _keep_details(context, refusal)


async def _send(request: V1Request, context: CallContext, send: Send, response: Response) -> None:
    body, relay, writer = response.body, response.relay, context.writer
    start = context.head(response.status_code, response.pairs)
    if relay is not None:
        await relay.run(start)
    elif writer is not None and writer.has_begun:
        # A heartbeat has sent the head: the failure can only be an event. Without events there are no heartbeats.
        await writer.send(context.client_api.events.error_event(body), more=False)
    else:
        if writer is not None:
            writer.stop()
        start["headers"].append((b"content-length", str(len(body)).encode()))
        await send(start)
        await send({"type": "http.response.body", "body": body})
    log(request, context, response.status_code, response.error_code, response)


def _keep_details(context: CallContext, error: Exception) -> None:
    """Store the details of an error that the logs need and its response does not have."""
    if isinstance(error, AccessDenied) and error.verified is not None:
        context.caller = context.caller_if_known or error.verified
    if isinstance(error, InvalidKey | TooManyMisses):
        context.refusal = RefusalDetails(error.caller, error.prefix)
    elif isinstance(error, BudgetRefused):
        context.refusal = RefusalDetails(enlarged_by=error.enlarged_by)
    elif isinstance(error, Overloaded):
        context.log_facts["reason"] = error.reason
    else:
        context.refusal = RefusalDetails(passed_over=getattr(error, "passed_over", ()))


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
