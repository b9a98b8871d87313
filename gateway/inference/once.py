"""Makes a call at most once for its Idempotency-Key, or repeats its response (docs/call-state.md, "A claim")."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway import runtime
from gateway.http.response import Response
from gateway.idempotency.store import IdempotencyClaim, StoredResponse
from gateway.inference.call_context import CallContext
from gateway.values.tasks import spawn


async def run_once(context: CallContext, path: str, make: Callable[[], Awaitable[Response]]) -> Response:
    """Return the response that `make` makes, or the stored one. Raises what IdempotencyStore.claim raises (409, 422,
    503) and what `make` raises; a call that was not made leaves no claim.
    """
    live = runtime.current()
    found = await _claim(context, path)
    if isinstance(found, StoredResponse):
        context.limit_status = await context.read_limit_status()
        return _replayed(found)
    context.claim = found  # the code that records the outcome takes it
    try:
        return await make()
    except BaseException:  # also when cancelled: a refusal or a failure is not kept, a retry may run
        await context.release_claim(live)
        raise


async def _claim(context: CallContext, path: str) -> IdempotencyClaim | StoredResponse:
    live, caller = runtime.current(), context.caller
    claiming = spawn(
        live.idempotency.claim(
            f"{caller.key_id} POST {path}",
            context.options.idempotency_key,
            context.body,
            context.id,
            tenant_id=caller.tenant_id,
            keeps_streams=caller.stores_answers and not live.config.retention.zero_retention,
        )
    )
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:  # its row may still be inserted
        live.in_flight.run_in_background(live.idempotency.release_when_claimed(claiming))
        raise


def _replayed(stored: StoredResponse) -> Response:
    """Return the stored response of an earlier call with this Idempotency-Key."""
    headers = [
        (b"content-type", stored.content_type.encode()),
        (b"idempotency-replayed", b"true"),
        (b"x-original-request-id", stored.request_id.encode()),
    ]
    return Response(stored.status, stored.body, headers)
