"""A chat stream event, as far as the gateway must understand it: choices, finish reasons, usage, errors. Pure.

Events of OpenAI's shape are decoded by type in a microsecond. Everything else - lists and objects as content, or as
arguments, odd indexes, unknown members - is parsed leniently (loose.py) into the same value.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from providers.reported_usage.reading import UsageJson

NOT_ENDED: Final = frozenset(
    {"", "null", "none", "None"}
)  # what servers send as the finish reason of a choice that continues


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct):
    function: Function | None = None


class Delta(msgspec.Struct):
    """What one event adds to a choice, or the whole choice."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    audio: Any = None


class _FirstDelta(Delta, forbid_unknown_fields=True):
    """Before content has begun an unknown member must be examined: it may be the content."""

    role: Any = None


class Choice(msgspec.Struct):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    text: str | None = None
    error: Any = None
    usage: Any = None  # Moonshot


class LooseChoice(Choice):
    """A choice from lenient parsing. `has_more`: content that is not text; the others: sizes of what was not kept."""

    has_more: bool = False
    unread_bytes: int = 0  # text
    unread_sound: int = 0  # base64


class _FirstChoice(Choice):
    delta: _FirstDelta | None = None


class XGroq(msgspec.Struct):
    """Groq's extra member of a chunk: `error` is why a stream was stopped early (groq-python, `XGroq`)."""

    error: Any = None


class Chunk(msgspec.Struct):
    """`usage` UNSET: the event has no such member; None: the member is null."""

    choices: list[Choice] | None = None
    usage: UsageJson | UnsetType | None = UNSET
    service_tier: Any = None
    error: Any = None
    x_groq: XGroq | None = None


class _FirstChunk(Chunk):
    choices: list[_FirstChoice] | None = None  # type: ignore[assignment]  # lists are not covariant


decode_first: Final = msgspec.json.Decoder(_FirstChunk).decode
decode_chunk: Final = msgspec.json.Decoder(Chunk).decode


def ends(reason: Any) -> bool:
    """Whether a finish reason ends its choice: Ollama and SGLang send "" with every event, others "null"."""
    return bool(reason) and reason not in NOT_ENDED if isinstance(reason, str) else bool(reason)
