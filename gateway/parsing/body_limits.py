"""How much a body may contain, whatever its size in bytes: messages, parts of a message, inputs, nesting, values.

Small bodies pass after a few counts over their bytes (a microsecond), which err on the safe side only; what does not
pass is checked exactly. Large bodies: gateway/parsing/large_bodies.py.
"""

from __future__ import annotations

from typing import Final

import msgspec

from budgets.admission.demand import Demand
from gateway.config.sections.process import Server
from gateway.http.exceptions import BadRequest, not_json
from gateway.parsing.decoding import BULK, MOST_MEMBERS
from providers.json_scan.limits import VALUE_BYTES, Limits, NotJson, OverLimit
from providers.json_scan.outline import BUSY, outline_of

# Of a body that is read on the event loop: lists of numbers have few bytes per element.
MOST_COMMAS: Final = 32_768
_FEWEST_VALUES: Final = 100_000  # are allowed whatever the body's size
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_WORDS: Final = {
    "nesting": ("levels of lists and objects inside each other", None, "max_nesting", "too_deeply_nested"),
    "messages": ("messages", "messages", "max_messages", "too_many_messages"),
    "parts": (
        "parts in the content of one message",
        "messages",
        "max_content_parts",
        "too_many_content_parts",
    ),
    "inputs": ("inputs", "input", "max_inputs", "too_many_inputs"),
    "members": ("members", None, "", "too_many_members"),
    "values": ("values, names included", None, "body_decoded_mb", "too_many_values"),
}


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw()


class _Chat(msgspec.Struct):
    messages: list[_Message] = []


class _Embeddings(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw()


_chat = msgspec.json.Decoder(_Chat)
_embeddings = msgspec.json.Decoder(_Embeddings)
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def limits_of(server: Server, size: int) -> Limits:
    """Return what a body of so many bytes may contain."""
    return Limits(
        nesting=server.max_nesting,
        messages=server.max_messages,
        parts=server.max_content_parts,
        inputs=server.max_inputs,
        members=MOST_MEMBERS,
        bulk=BULK,
        values=max((server.body_decoded_mb * 1024 * 1024 - size) // VALUE_BYTES, _FEWEST_VALUES),
    )


def is_bare(raw: bytes, server: Server, demand: Demand) -> bool:
    """Return whether a body contains so little that no limit can be exceeded, wherever its parts are."""
    lists = raw.count(b"[")
    opened = lists + raw.count(b"{")
    if opened > server.max_nesting or demand.messages > server.max_messages:
        return False
    if demand.kind == "embeddings":
        return len(raw) < server.max_inputs or raw.count(b",") < server.max_inputs
    most = server.max_content_parts
    return opened + raw.count(b'"') // 2 <= most and (lists == 1 or raw.count(b",") < most)


def check_prompts(demand: Demand, server: Server) -> None:
    """Raises BadRequest for more prompts of one completions request than inputs are allowed."""
    if demand.kind == "chat" and demand.inputs > server.max_inputs:
        message = (
            f"Your request has more than {server.max_inputs:,} prompts. Send less in one request, or ask the "
        )
        raise BadRequest(f"{message}operator for more (server.max_inputs).", "prompt", "too_many_inputs")


def takes_long(raw: bytes, limits: Limits) -> bool:
    """Return whether depth needs an outline that is too slow for an event loop, judged by texts and commas."""
    return len(raw) > BUSY and raw.count(b'"') + raw.count(b",") > BUSY and _is_tangled(raw, limits.nesting)


def check_small(raw: bytes, limits: Limits, demand: Demand) -> None:
    """Raises BadRequest. For a body that was already decoded, so that it is known to be JSON."""
    lists = raw.count(b"[")
    try:
        if _is_tangled(raw, limits.nesting):
            outline_of(raw, limits)
        if demand.messages > limits.messages:
            raise OverLimit("messages", limits.messages)
        if demand.kind == "embeddings":
            if raw.count(b",") >= limits.inputs:
                _check_inputs(raw, limits)
        elif lists > 1 and len(raw) > 2 * limits.parts and _has_many(raw, limits.parts):
            _check_parts(raw, limits)
    except (OverLimit, NotJson) as error:
        raise refusal_of(error) from None


def refusal_of(error: OverLimit | NotJson) -> BadRequest:
    """Return the error for the client."""
    if isinstance(error, NotJson):
        return not_json(error)
    words, param, setting, code = _WORDS[error.what]
    more = f", or ask the operator for more (server.{setting})" if setting else ""
    return BadRequest(
        f"Your request has more than {error.limit:,} {words}. Send less in one request{more}.", param, code
    )


def _is_tangled(raw: bytes, most: int) -> bool:
    """Return whether a body may be nested deeper: brackets inside texts can mislead this cheap check."""
    return raw.count(b"[") + raw.count(b"{") > most and not _is_flat(raw, most)


def _is_flat(raw: bytes, most: int) -> bool:
    """Return whether nothing is nested deeper, judged by brackets: each round removes the innermost pairs."""
    left = raw.translate(_SQUARE, _NO_BRACKETS)
    for _ in range(most):
        if not left:
            return True
        left = left.replace(b"[]", b"")
    return not left


def _has_many(raw: bytes, most: int) -> bool:
    """Return whether a list may have more elements: texts, objects and lists, or numbers, each after a comma."""
    opened = raw.count(b"[") + raw.count(b"{")
    return opened + raw.count(b'"') // 2 > most or raw.count(b",") >= most


def _check_parts(raw: bytes, limits: Limits) -> None:
    try:
        chat = _chat.decode(raw)
    except msgspec.ValidationError:
        return  # no valid messages: the provider reports it
    for message in chat.messages:
        content = memoryview(message.content)
        is_long = len(content) > 2 * limits.parts and content[0] == ord("[")
        if is_long and len(_elements.decode(content)) > limits.parts:
            raise OverLimit("parts", limits.parts)


def _check_inputs(raw: bytes, limits: Limits) -> None:
    given = memoryview(_embeddings.decode(raw).input)
    if given and given[0] == ord("[") and len(_elements.decode(given)) > limits.inputs:
        raise OverLimit("inputs", limits.inputs)
