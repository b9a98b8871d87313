"""Responses in the other form than requested: a document in place of a stream, a stream in place of a document.

Both are billed, so each is delivered in the form that its client can read. Used by upstream.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from providers.dialects.base import Answered, Dialect, NeedsOffload, has_complete_usage
from providers.dialects.body_kind import Kind, is_declared_stream, opening
from providers.dialects.lenient.document import Document
from providers.dialects.one_piece import Edit, as_event, edits_of
from providers.dialects.openai.passthrough import DONE
from providers.errors.exceptions import UpstreamBroken
from providers.errors.messages import LONGEST
from providers.errors.out_of_memory import OutOfMemory
from providers.exchange import (
    MAX_ANSWER,
    QUICK_BYTES,
    failure_if_incomplete,
    first_content,
    read_large_events,
    stream_for,
)
from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.outline import LARGE

if TYPE_CHECKING:
    from providers.call import Call
    from providers.dialects.base import Stream
    from providers.outgoing import Outgoing
    from providers.usage import Usage

MOST_COUNTED: Final = 100_000  # tokens of a text that was not kept
QUICK_FORM: Final = 16 * 1024  # of a response that is converted within one step of the loop


async def begin_stream(
    call: Call, dialect: Dialect, outgoing: Outgoing, blocks: AsyncIterator[bytes]
) -> bytes:
    """Return the client's first bytes of a requested stream. Raises UpstreamFailed, MalformedAnswer."""
    outgoing.progress.stream = stream_for(call, dialect, outgoing)
    if not dialect.is_sse:
        return await first_content(call, blocks, await anext(blocks, b""))
    headers = call.response.headers
    kind, block = await opening(blocks, is_declared=is_declared_stream(headers))
    if kind is Kind.OTHER:
        raise UpstreamBroken(
            f"not an event stream: {headers.get('content-type', '')!r}", body=block[:LONGEST]
        )
    if kind is Kind.WHOLE:
        return await _begin_with_document(call, dialect, blocks, block)
    return await first_content(call, blocks, block)


async def _begin_with_document(
    call: Call, dialect: Dialect, blocks: AsyncIterator[bytes], head: bytes
) -> bytes:
    """Read a document in place of a stream: a response becomes its only event."""
    stream = call.stream
    assert stream is not None  # noqa: S101 - it was made
    raw = await _collect(dialect.document(), blocks, head)
    translated = dialect.begin_with_document(stream, raw)
    if translated is not None:
        if stream.failure is not None or not stream.done:
            raise MalformedAnswer("an answer in one piece that failed", stream.usage, stream.failure)
        return translated
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
        out += await read_large_events(call)
    out += stream.feed(DONE)
    if stream.failure is not None:
        raise MalformedAnswer("an answer in one piece that failed", stream.usage, stream.failure)
    return out


async def _edits(call: Call, dialect: Dialect, raw: bytes) -> tuple[list[Edit], bytes]:
    """Return the edits of a document that is a response, and the document. Raises MalformedAnswer."""
    offload = call.offload
    if len(raw) <= (QUICK_FORM if offload is not None else LARGE):
        try:
            source = dialect.response(raw).source or raw
            return edits_of(source), source
        except NeedsOffload:
            if offload is None:
                raise
    if offload is None:
        raise UpstreamBroken(
            f"an answer in one piece of more than {LARGE} bytes, where a stream was asked for"
        )
    piece = await offload.piece(raw)
    if piece.malformed:
        raise MalformedAnswer(piece.malformed, piece.usage)
    return piece.edits, piece.source or raw


async def read_other_form(call: Call, dialect: Dialect, outgoing: Outgoing, head: bytes) -> bytes:
    """Return a document that does not begin as one: after blanks, or folded from a stream, which then is the call's.
    Raises UpstreamFailed, MalformedAnswer, MalformedStream.
    """
    response = call.response
    response.note_content()
    blocks = _chain(head, response.chunks())
    kind, head = await opening(blocks, is_declared=is_declared_stream(response.headers))
    if kind is not Kind.EVENTS or not dialect.has_output:
        return await _collect(Document(MAX_ANSWER), blocks, head)
    stream_for(call, dialect, outgoing)
    events = await _read_all_events(call, dialect, blocks, head)
    if not dialect.has_offload or len(events) <= (QUICK_FORM if call.offload is not None else LARGE):
        return dialect.folded(events)
    outgoing.on_response(call.target, events)
    if call.offload is None:
        raise UpstreamBroken(f"a stream of more than {LARGE} bytes, where a document was asked for")
    return await _yield_if_large(await call.offload.folded(events))


async def _read_all_events(call: Call, dialect: Dialect, blocks: AsyncIterator[bytes], head: bytes) -> bytes:
    document = dialect.document()
    call.blocks = blocks
    document.add(await _yield_if_large(await first_content(call, blocks, head)))
    async for out in call.rest():
        document.add(await _yield_if_large(out))
    stream = call.stream
    assert stream is not None  # noqa: S101 - it was made
    if stream.is_full:
        raise OutOfMemory("there is no memory for an event")
    if (fault := failure_if_incomplete(stream)) is not None:
        raise fault
    await call.aclose()
    return await _yield_if_large(document.take_content())


def set_folded(call: Call, outgoing: Outgoing, document: bytes) -> None:
    """Set the response from a stream that has been read: it has the alias, and its usage is known."""
    stream = call.stream
    assert stream is not None  # noqa: S101 - it was one
    call.stream = None
    if len(document) <= QUICK_BYTES:
        call.unrecorded = document
    else:
        outgoing.on_response(call.target, document)
    if has_complete_usage(stream) and stream.usage is not None and _is_true(stream.usage, stream):
        call.answered = Answered(document, stream.usage)
    else:  # about as many tokens as were produced
        beyond = " word" * min(stream.produced_tokens, MOST_COUNTED)
        call.answered = Answered(document, None, stream.produced() + beyond)


def _is_true(usage: Usage, stream: Stream) -> bool:
    """Whether a usage can be: no output is used up where nothing was produced, as when a model refuses at once."""
    return not usage.is_lacking or bool(usage.total_input_tokens and not stream.produced_events)


async def _yield_if_large(out: bytes) -> bytes:
    """Let other tasks run before a large block is copied once more."""
    if len(out) > LARGE:
        await asyncio.sleep(0)
    return out


async def _collect(document: Document, blocks: AsyncIterator[bytes], head: bytes) -> bytes:
    document.add(head)
    async for block in blocks:
        document.add(block)
    return document.take_content()


async def _chain(head: bytes, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for block in blocks:
        yield block
