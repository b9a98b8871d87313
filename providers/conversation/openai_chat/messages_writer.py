"""The system and the turns of a conversation become the messages of a chat request.

Each turn is written on its own, so that a longer conversation begins with the bytes of a shorter one: providers' prompt
caches depend on it.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import msgspec

from providers.conversation.content import (
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
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Conversation, Turn
from providers.target import Target

REASONING: Final = "reasoning_content"  # of a deployment's metadata: send | drop
FAILED: Final = "Error: "  # before the result of a tool that failed: chat has no member for it
SHOWN_BELOW: Final = "The result is in the next message."
_MOST_ID: Final = 40  # characters that OpenAI accepts
_PDF: Final = "application/pdf"
_ENDINGS: Final = {_PDF: "pdf", "text/plain": "txt", "text/markdown": "md", "text/csv": "csv"}
_encode = msgspec.json.Encoder().encode

Json = dict[str, Any]


class Messages:
    """`knows_custom`: it has custom tools; elsewhere one is a function with the only argument `input`."""

    def __init__(self, target: Target, *, knows_custom: bool) -> None:
        self._target, self._knows_custom = target, knows_custom
        self._sends_thinking = sends_thinking(target)

    def of(self, conversation: Conversation) -> list[Json]:
        """Raises Unsupported."""
        found: list[Json] = []
        if conversation.system:
            found.append({"role": "system", "content": _joined(conversation.system)})
        for turn in conversation.turns:
            found += self._turn(turn)
        return found

    def _turn(self, turn: Turn) -> list[Json]:
        if turn.role == "assistant":
            return [self._assistant(turn.parts)]
        if turn.role == "system":
            return [{"role": "system", "content": _joined(turn.parts)}]
        return self._user(turn.parts)

    def _user(self, parts: tuple[Part, ...]) -> list[Json]:
        """Return the results of tools, and then what the user says: a result must follow its call at once."""
        results, media, others = [], [], []
        for part in parts:
            if isinstance(part, ToolResult):
                texts = [each for each in part.content if isinstance(each, Text)]
                media += [each for each in part.content if not isinstance(each, Text)]
                text = _joined(texts) if texts or len(texts) == len(part.content) else SHOWN_BELOW
                text = f"{FAILED}{text}" if part.is_error else text
                results.append({"role": "tool", "tool_call_id": _short(part.call_id), "content": text})
            elif not isinstance(part, Thinking | ToolCall):
                others.append(part)
        content = [*media, *others]
        return [*results, {"role": "user", "content": self._content(content)}] if content else results

    def _content(self, parts: list[Any]) -> str | list[Json]:
        """Return one string where all is text: not every server takes a list."""
        if all(isinstance(part, Text | Refusal) for part in parts):
            return _joined(parts)
        return [self._part(part) for part in parts if not (isinstance(part, Text) and not part.text)]

    def _part(self, part: Part) -> Json:
        if isinstance(part, Image):
            url = part.url or f"data:{part.media_type};base64,{part.data}"
            return {"type": "image_url", "image_url": {"url": url}}
        if isinstance(part, Audio):
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
        if isinstance(part, Document):
            return _file(part)
        assert isinstance(part, Text | Refusal)  # noqa: S101 - a reader puts the others elsewhere
        return {"type": "text", "text": part.text}

    def _assistant(self, parts: tuple[Part, ...]) -> Json:
        texts = [part for part in parts if isinstance(part, Text | Refusal)]
        calls = [self._call(part) for part in parts if isinstance(part, ToolCall)]
        text = "".join([part.text for part in texts])
        message: Json = {"role": "assistant", "content": text if text or not calls else None}
        if self._sends_thinking:
            thoughts = [part.text for part in parts if isinstance(part, Thinking) and self._is_own(part)]
            if calls or any(thoughts):
                message["reasoning_content"] = "".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        return message

    def _is_own(self, part: Thinking) -> bool:
        return not part.owner or self._target.accepts_state_of(part.owner)

    def _call(self, call: ToolCall) -> Json:
        if not call.is_custom:
            function = {"name": call.name, "arguments": call.arguments or "{}"}
        elif self._knows_custom:
            return {
                "id": _short(call.id),
                "type": "custom",
                "custom": {"name": call.name, "input": call.arguments},
            }
        else:
            function = {"name": call.name, "arguments": _encode({"input": call.arguments}).decode()}
        return {"id": _short(call.id), "type": "function", "function": function}


def sends_thinking(target: Target) -> bool:
    """Return whether the model gets its earlier thinking back. DeepSeek requires that of turns that called tools."""
    stated = target.metadata.get(REASONING)
    return target.facts.vendor == "deepseek" if stated is None else stated == "send"


def _short(call_id: str) -> str:
    """Return an id that OpenAI accepts, the same for a call and its result."""
    if len(call_id) <= _MOST_ID:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _joined(parts: Any) -> str:
    """Return several texts as one; a blank line separates them, as they were separate blocks."""
    return "\n\n".join([part.text for part in parts if part.text])


def _file(part: Document) -> Json:
    if part.url:
        raise Unsupported("document", "takes no document by its address")
    media_type = part.media_type or ("text/plain" if part.text else _PDF)
    data = base64.b64encode(part.text.encode()).decode() if part.text else part.data
    name = part.name or f"document.{_ENDINGS.get(media_type, 'bin')}"
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{media_type};base64,{data}"}}
