"""A conversation's turns as Gemini's `contents`, under its rules: roles `user` and `model`, all results of a step's
calls in one turn right after it, no empty text, one data field in each part.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

import msgspec

from providers.conversation.content import (
    OF_TEXT,
    Audio,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.gemini.media import media_part
from providers.conversation.gemini.thinking import (
    OF_THOUGHT,
    SKIP_SIGNATURE,
    signatures_of,
    takes_levels,
)
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Conversation, Turn
from providers.target import Target

FILLER: Final = "."  # the user's turn where there is none, and Gemini demands one
MESSAGES: Final = "messages"
_LATER_SYSTEM: Final = "<system>\n%s\n</system>"  # what marks a system message that is no instruction

Content = dict[str, Any]
Parts = list[dict[str, Any]]


def contents_of(conversation: Conversation, target: Target, *, has_ids: bool) -> list[Content]:
    """Return the contents. `has_ids`: this version of the API knows ids of calls. Raises Unsupported."""
    contents: list[Content] = []
    calls: list[ToolCall] = []
    for is_model, run in groupby(conversation.turns, lambda turn: turn.role == "assistant"):
        turns = list(run)
        if is_model:
            parts = signatures_of([part for turn in turns for part in turn.parts], target)
            calls = [part for part in parts if isinstance(part, ToolCall)]
            made = _model_parts(parts, has_ids=has_ids, needs_signature=takes_levels(target.facts))
            if calls and (not contents or contents[-1]["role"] == "model"):
                contents.append(_content("user", [{"text": FILLER}]))
            contents += [_content("model", made)] if made else []
        else:
            contents += _user_contents(turns, calls, has_ids=has_ids)
            calls = []
    return contents or [_content("user", [{"text": FILLER}])]


def _content(role: str, parts: Parts) -> Content:
    return {"role": role, "parts": parts}


def _model_parts(parts: list[Part], *, has_ids: bool, needs_signature: bool) -> Parts:
    """Return the parts of one step of the model, each signature in the part that it came with."""
    signed = {part.place: part.signature for part in parts if isinstance(part, Thinking)}
    out: Parts = []
    waiting = ""  # the signature of the next text
    lost = SKIP_SIGNATURE if needs_signature else ""  # Gemini checks a step's first call only
    for part in parts:
        if isinstance(part, Thinking):
            if part.place == OF_TEXT:
                out += _signed_text("", waiting)
                waiting = part.signature
            elif part.place == OF_THOUGHT:
                out.append({"text": part.text, "thought": True, "thoughtSignature": part.signature})
        elif isinstance(part, ToolCall):
            out += _signed_text("", waiting)
            signature = signed.get(part.id) or lost
            out.append(_call(part, signature, has_ids=has_ids))
            waiting = lost = ""
        elif isinstance(part, Text | Refusal):
            out += _signed_text(part.text, waiting)
            waiting = ""
        elif isinstance(part, Image | Audio | Document):
            out.append(media_part(part))
    return out + _signed_text("", waiting)


def _signed_text(text: str, signature: str) -> Parts:
    """Return the text's part; an empty text is one only for its signature."""
    if signature:
        return [{"text": text, "thoughtSignature": signature}]
    return [{"text": text}] if text else []


def _call(call: ToolCall, signature: str, *, has_ids: bool) -> dict[str, Any]:
    body = {"id": call.id} if has_ids and call.id else {}
    part: dict[str, Any] = {"functionCall": {**body, "name": call.name, "args": _arguments(call)}}
    return {**part, "thoughtSignature": signature} if signature else part


def _arguments(call: ToolCall) -> Any:
    """Return the arguments as an object, in the client's own bytes where they are one."""
    if call.is_custom:
        return {"input": call.arguments}
    text = call.arguments.strip()
    if not text:
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {"input": call.arguments}
    return msgspec.Raw(text.encode()) if isinstance(value, dict) else {"input": value}


def _user_contents(turns: list[Turn], calls: list[ToolCall], *, has_ids: bool) -> list[Content]:
    """Return the results of the step before, then each turn of its own. Raises Unsupported."""
    results = [part for turn in turns for part in turn.parts if isinstance(part, ToolResult)]
    contents: list[Content] = []
    if calls or results:
        ordered = _ordered(calls, results)
        responses = [
            _response(call, result, has_ids=has_ids) for call, result in zip(calls, ordered, strict=True)
        ]
        contents.append(_content("user", responses))
        pictures = [
            media_part(each) for part in ordered for each in part.content if not isinstance(each, Text)
        ]
        contents += [_content("user", pictures)] if pictures else []
    for turn in turns:
        parts = [made for part in turn.parts for made in _user_parts(part, turn.role)]
        contents += [_content("user", parts)] if parts else []
    return contents


def _ordered(calls: list[ToolCall], results: list[ToolResult]) -> list[ToolResult]:
    """Return one result for each call, in the order of the calls. Raises Unsupported."""
    ordered: list[ToolResult] = []
    by_id: dict[str, list[ToolResult]] = {}
    for result in reversed(results):
        by_id.setdefault(result.call_id, []).append(result)
    for call in calls:
        found = by_id.get(call.id)
        if not found:
            raise Unsupported(MESSAGES, "needs the result of every tool call right after it")
        ordered.append(found.pop())
    if len(ordered) != len(results):
        raise Unsupported(MESSAGES, "takes results only of tool calls of the message before them")
    return ordered


def _response(call: ToolCall, result: ToolResult, *, has_ids: bool) -> dict[str, Any]:
    text = "".join([part.text for part in result.content if isinstance(part, Text)])
    body = {"id": call.id} if has_ids and call.id else {}
    response = {"error" if result.is_error else "output": text}
    return {"functionResponse": {**body, "name": call.name, "response": response}}


def _user_parts(part: Part, role: str) -> Iterable[dict[str, Any]]:
    if isinstance(part, Text | Refusal):
        if part.text:
            yield {"text": _LATER_SYSTEM % part.text if role == "system" else part.text}
    elif isinstance(part, Image | Audio | Document):
        yield media_part(part)
