"""What makes one endpoint differ from another: its body, its response, its client API. A value per endpoint."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

import msgspec

from gateway.http.client_api import BINARY, OPENAI, ClientApi, Framing
from gateway.inference.call_context import CallContext
from gateway.parsing.json_body import json_body
from gateway.parsing.large_bodies import understand
from gateway.parsing.parsed_request import BodyParser, ParsedRequest
from providers.outgoing import ResponseKind

if TYPE_CHECKING:
    from gateway.http.request import V1Request
    from gateway.runtime import Runtime


class Body(Protocol):
    """How a body is read and parsed. An endpoint may have one in any format."""

    def read(self, request: V1Request, context: CallContext, live: Runtime) -> Awaitable[bytes]:
        """Return the bytes that `parse` takes. Raises what gateway/parsing/json_body.py raises."""
        ...

    def parse(self, raw: bytes, context: CallContext, live: Runtime) -> Awaitable[ParsedRequest]:
        """Raises BadRequest, Unacceptable, Overloaded."""
        ...


class JsonBody(msgspec.Struct, frozen=True):
    """A JSON body in memory; a large one is parsed in another process."""

    peek: BodyParser

    def read(self, request: V1Request, context: CallContext, live: Runtime) -> Awaitable[bytes]:
        connection = context.connection
        assert connection is not None  # noqa: S101 - a request came over one
        return json_body(request, connection, live, context.body_lease(live), context.caller.tenant_id)

    def parse(self, raw: bytes, context: CallContext, live: Runtime) -> Awaitable[ParsedRequest]:
        return understand(raw, self.peek, live.config.server, live.heavy_work.share(context.caller.tenant_id))


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`name`: as in metrics and the ledger. `path`: an Idempotency-Key is of one key and one path. `scope`: a key's
    scope that allows it.

    `dialect`: the client side of the dialects (providers/dialects/choice.py). `is_binary`: the response is neither JSON
    nor events; it passes in pieces, with the provider's content type.
    """

    name: str
    path: str
    scope: str
    model_type: str
    body: Body
    api: ClientApi = OPENAI
    dialect: str = OPENAI.name  # choice.OPENAI: bytes pass
    is_binary: bool = False

    def answer(self, *, streams: bool) -> ResponseKind:
        """Return the form of the response to a request that asks for a stream, or for none."""
        return ResponseKind.BINARY if self.is_binary else ResponseKind.of(streams=streams)

    def framing(self) -> Framing:
        """Return how its streamed responses are written."""
        return BINARY if self.is_binary else self.api.events
