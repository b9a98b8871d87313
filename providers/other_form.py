"""Responses in the other form than requested: a document in place of a stream, a stream in place of a document.

Both are billed, so each is delivered in the form that its client can read. Used by upstream.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from providers.dialects.base import Answered, Dialect, Laborious, has_said_all
from providers.dialects.body_kind import Kind, is_declared_stream, opening
from providers.dialects.lenient.document import Document
from providers.dialects.one_piece import Edit, as_event, edits_of
from providers.dialects.openai.passthrough import DONE
from providers.errors.exceptions import UpstreamBroken
from providers.errors.messages import LONGEST
from providers.errors.out_of_memory import NoRoom
from providers.exchange import (
    MAX_ANSWER,
    QUICK_BYTES,
    first_content,
    looked_into,
    stream_for,
    unfinished,
)
from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.outline import LARGE

if TYPE_CHECKING:
    from providers.call import Call
    from providers.outgoing import Outgoing

MOST_COUNTED: Final = 100_000  # tokens of a text that was not kept
QUICK_FORM: Final = 16 * 1024  # of a response that is converted within one step of the loop


async def begun(call: Call, dialect: Dialect, outgoing: Outgoing, blocks: AsyncIterator[bytes]) -> bytes:
    """Return the client's first bytes of a requested stream. Raises UpstreamFailed, MalformedAnswer."""
    outgoing.asker.stream = stream_for(call, dialect, outgoing)
    headers = call.response.headers
    kind, block = await opening(blocks, is_declared=is_declared_stream(headers))
    if kind is Kind.OTHER:
        raise UpstreamBroken(
            f"not an event stream: {headers.get('content-type', '')!r}", body=block[:LONGEST]
        )
    if kind is Kind.WHOLE:
        return await _in_one_piece(call, dialect, blocks, block)
    return await first_content(call, blocks, block)


async def _in_one_piece(call: Call, dialect: Dialect, blocks: AsyncIterator[bytes], head: bytes) -> bytes:
    """Read a document in place of a stream: a response becomes its only event."""
    stream = call.stream
    assert stream is not None  # noqa: S101 - it was made
    raw = await _all_of(dialect.document(), blocks, head)
    try:
        edits, raw = await _edits(call, dialect, raw)
    except MalformedAnswer as fault:
        fault.quoted = raw[:LONGEST]
        raise
    event = as_event(raw, edits)
    del raw  # it is as large as the event
    out = stream.feed(event)
    del event
    if stream.large is not None:
        out += await looked_into(call)
    out += stream.feed(DONE)
    if stream.failure is not None:
        raise MalformedAnswer("an answer in one piece that failed", stream.usage, stream.failure)
    return out


async def _edits(call: Call, dialect: Dialect, raw: bytes) -> tuple[list[Edit], bytes]:
    """Return the edits of a document that is a response, and the document. Raises MalformedAnswer."""
    aside = call.aside
    if len(raw) <= (QUICK_FORM if aside is not None else LARGE):
        try:
            source = dialect.response(raw).source or raw
            return edits_of(source), source
        except Laborious:
            if aside is None:
                raise
    if aside is None:
        raise UpstreamBroken(
            f"an answer in one piece of more than {LARGE} bytes, where a stream was asked for"
        )
    piece = await aside.piece(raw)
    if piece.malformed:
        raise MalformedAnswer(piece.malformed, piece.usage)
    return piece.edits, piece.source or raw


async def read_otherwise(call: Call, dialect: Dialect, outgoing: Outgoing, head: bytes) -> bytes:
    """Return a document that does not begin as one: after blanks, or folded from a stream, which then is the call's.
    Raises UpstreamFailed, MalformedAnswer, MalformedStream.
    """
    response = call.response
    response.begun()
    blocks = _from(head, response.chunks())
    kind, head = await opening(blocks, is_declared=is_declared_stream(response.headers))
    if kind is not Kind.EVENTS or not dialect.writes:
        return await _all_of(Document(MAX_ANSWER), blocks, head)
    stream_for(call, dialect, outgoing)
    events = await _every_event(call, dialect, blocks, head)
    if len(events) <= (QUICK_FORM if call.aside is not None else LARGE):
        return dialect.folded(events)
    outgoing.heard(call.target, events)
    if call.aside is None:
        raise UpstreamBroken(f"a stream of more than {LARGE} bytes, where a document was asked for")
    return await _next_step(await call.aside.folded(events))


async def _every_event(call: Call, dialect: Dialect, blocks: AsyncIterator[bytes], head: bytes) -> bytes:
    document = dialect.document()
    call.blocks = blocks
    document.add(await _next_step(await first_content(call, blocks, head)))
    async for out in call.rest():
        document.add(await _next_step(out))
    stream = call.stream
    assert stream is not None  # noqa: S101 - it was made
    if stream.is_full:
        raise NoRoom("there is no memory for an event")
    if (fault := unfinished(stream)) is not None:
        raise fault
    await call.aclose()
    return await _next_step(document.taken())


def take_folded(call: Call, outgoing: Outgoing, document: bytes) -> None:
    """Set the response from a stream that has been read: it has the alias, and its usage is known."""
    stream = call.stream
    assert stream is not None  # noqa: S101 - it was one
    call.stream = None
    if len(document) <= QUICK_BYTES:
        call.unnoted = document
    else:
        outgoing.heard(call.target, document)
    if has_said_all(stream) and stream.usage is not None and not stream.usage.is_lacking:
        call.answered = Answered(document, stream.usage)
    else:  # about as many tokens as were produced
        beyond = " word" * min(stream.produced_tokens, MOST_COUNTED)
        call.answered = Answered(document, None, stream.produced() + beyond)


async def _next_step(out: bytes) -> bytes:
    """Let other tasks run before a large block is copied once more."""
    if len(out) > LARGE:
        await asyncio.sleep(0)
    return out


async def _all_of(document: Document, blocks: AsyncIterator[bytes], head: bytes) -> bytes:
    document.add(head)
    async for block in blocks:
        document.add(block)
    return document.taken()


async def _from(head: bytes, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for block in blocks:
        yield block
