"""Reads the body of a request: its content type, its compression, and an optional byte order mark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from gateway.http.client_connection import BodyTooLarge, ClientConnection
from gateway.http.content_coding import RATIO, Decoding, Overgrown, codings_of
from gateway.http.exceptions import BadRequest, WrongContentType
from gateway.http.request import V1Request
from gateway.overload.body_memory import BodyMemoryLease
from gateway.overload.exceptions import Overloaded
from gateway.runtime import Runtime

if TYPE_CHECKING:
    from providers.processes.heavy_work import Share

ON_THE_LOOP = 256 * 1024  # bytes of decoding, in and out together: less than 2 ms
A_STEP = 1024 * 1024  # in a thread
_GROWS = f"The body of your request grows more than {RATIO:,} times where it is decoded."
_JSON = b"application/json"
BOM = b"\xef\xbb\xbf"  # RFC 8259, 8.1: a parser may ignore it
_OTHER_BEGINNINGS = {
    b"\xff\xfe": "It begins like UTF-16; JSON is sent in UTF-8 (RFC 8259).",
    b"\xfe\xff": "It begins like UTF-16; JSON is sent in UTF-8 (RFC 8259).",
    b"\x1f\x8b": "It begins like gzip; say so with 'Content-Encoding: gzip'.",
    b"\x28\xb5": "It begins like zstd; say so with 'Content-Encoding: zstd'.",
}


async def json_body(
    request: V1Request, connection: ClientConnection, live: Runtime, lease: BodyMemoryLease, tenant_id: int
) -> bytes:
    """Return the text of the body.

    Raises WrongContentType, UnknownCoding, BadCoding, BadRequest, BodyTooLarge, BodyTooSlow, ClientGone, Overloaded.
    """
    if request.raw_headers.get(b"content-type") != _JSON:
        content_type = request.header(b"content-type").partition(";")[0].strip().lower()
        if content_type != "application/json" and not content_type.endswith("+json"):
            raise WrongContentType
    raw = await whole_body(request, connection, live, lease, tenant_id)
    return raw if raw[:1] == b"{" else _from_its_beginning(raw)


async def whole_body(
    request: V1Request, connection: ClientConnection, live: Runtime, lease: BodyMemoryLease, tenant_id: int
) -> bytes:
    """Return the body of any type in memory, without its codings.

    Raises UnknownCoding, BadCoding, BodyTooLarge, BodyTooSlow, ClientGone, Overloaded.
    """
    headers = request.raw_headers
    codings = codings_of(request.values(b"content-encoding")) if b"content-encoding" in headers else ()
    server = live.config.server
    limit, declared = server.body_limit_bytes, headers.get(b"content-length", b"")
    try:
        raw = await connection.read_body(limit, lease, declared, server.read_body_timeout)
        if codings:
            raw = await decoded(raw, codings, limit, lease, live.heavy_work.share(tenant_id))
    except Overloaded as refusal:
        live.metrics.shed.add((refusal.reason,))
        raise
    return raw


async def decoded(
    raw: bytes, codings: Sequence[str], limit: int, lease: BodyMemoryLease, share: Share
) -> bytes:
    """Remove the codings, the last one first. Raises BadCoding, BodyTooLarge, Overloaded.

    Small bodies are decoded at once, others by a thread, in the tenant's turn: both libraries release the GIL.
    The lease never grows beyond the largest allowed body: that could never be granted. Memory beyond it is in use only
    while decoding, for two bodies at a time.
    """
    for coding in reversed(codings):
        decoding = Decoding(coding, raw, limit)
        try:
            decoding.advance(ON_THE_LOOP if len(raw) <= ON_THE_LOOP else 0)
            if not decoding.is_done:
                async with share.thread() as in_thread:
                    while not decoding.is_done:
                        lease.grow_to(min(limit, len(raw) + decoding.size + A_STEP))
                        await in_thread(partial(decoding.advance, A_STEP))
        except Overgrown as refusal:
            raise BodyTooLarge(limit, _GROWS if refusal.most < limit else "") from None
        lease.grow_to(min(limit, len(raw) + decoding.size))
        raw = decoding.result()
    return raw


def _from_its_beginning(raw: bytes) -> bytes:
    """Return a body that starts with no brace, without its mark. Raises BadRequest if it cannot be JSON."""
    if raw.startswith(BOM):
        return raw[len(BOM) :]
    words = _OTHER_BEGINNINGS.get(raw[:2])
    if words is not None:
        raise BadRequest(f"We could not parse the JSON body of your request. {words}", code="invalid_json")
    return raw
