"""Estimates the prompt tokens of a request body: chat messages with their tools, or embedding inputs. No I/O.

For rates, display, routing and the bills of calls without reported usage; holds are made of bounds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.values.fallback_log import FALLBACKS
from providers.json_scan.outline import is_large
from providers.processes.work_process import WorkFailed
from providers.tokens.amounts import Estimate
from providers.tokens.count import count, count_messages

if TYPE_CHECKING:
    from providers.processes.heavy_work import Share


class _Body(msgspec.Struct):
    """A union of Raw and None decodes null alone (msgspec 0.22), so an absent member is an empty Raw here."""

    messages: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    functions: msgspec.Raw = msgspec.Raw()
    response_format: msgspec.Raw = msgspec.Raw()
    documents: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()  # of Messages
    instructions: msgspec.Raw = msgspec.Raw()  # of Responses
    input: Any = None
    prompt: Any = None  # of completions


_body = msgspec.json.Decoder(_Body)
_AROUND = ("functions", "response_format", "documents", "system")
_OF_RESPONSES = ("instructions", "tools")
BYTES_PER_TOKEN = 4


def count_prompt(raw: bytes, model: str) -> Estimate:
    """Return the tokens of a request body; an unreadable one counts by its length, and is noted as a fallback."""
    try:
        body = _body.decode(raw)
        if not bytes(body.messages):
            given = body.input if body.prompt is None else body.prompt
            return Estimate(_inputs(given, model) + _around(body, _OF_RESPONSES, model))
        extra = _around(body, _AROUND, model)
        tools = bytes(body.tools)
        return Estimate(
            count_messages(bytes(body.messages), model, b"" if tools == b"null" else tools) + extra
        )
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        FALLBACKS.note("prompt_counter", error)
        return Estimate(max(1, len(raw) // BYTES_PER_TOKEN))


async def count_prompt_in_process(share: Share, raw: bytes, model: str) -> Estimate:
    """Return the same without blocking the event loop, whatever the size."""
    if not is_large(raw):
        return await asyncio.to_thread(count_prompt, raw, model)
    try:
        return Estimate(await share.run(int, "count", raw, model))
    except WorkFailed as fault:
        FALLBACKS.note("prompt_counter", fault)
        return Estimate(len(raw) // BYTES_PER_TOKEN)


def _around(body: _Body, names: tuple[str, ...], model: str) -> int:
    texts = [bytes(getattr(body, name)).decode(errors="replace") for name in names]
    return sum([count(text, model) for text in texts if text and text != "null"])


def _inputs(value: Any, model: str) -> int:
    """Count inputs: a string, strings, token ids, lists of token ids, or the items of Responses."""
    if isinstance(value, str):
        return count(value, model)
    if isinstance(value, list):
        return sum(_inputs(item, model) if isinstance(item, str | list | dict) else 1 for item in value)
    if isinstance(value, dict):
        return count(msgspec.json.encode(value).decode(), model)
    return 1
