"""How many tokens the prompt of a request body is: chat messages with their tools, or embedding inputs. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.tokens import count, count_messages


class _Body(msgspec.Struct):
    messages: msgspec.Raw | None = None
    tools: msgspec.Raw | None = None
    response_format: msgspec.Raw | None = None
    input: Any = None


_body = msgspec.json.Decoder(_Body)


def count_prompt(raw: bytes, model: str) -> int:
    """Return the tokens of a request body; a body that cannot be read counts by its length."""
    try:
        body = _body.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return max(1, len(raw) // 4)
    if body.messages is None:
        return _inputs(body.input, model)
    tools = bytes(body.tools) if body.tools is not None else b""
    extra = count(bytes(body.response_format).decode(errors="replace"), model) if body.response_format else 0
    return count_messages(bytes(body.messages), model, tools) + extra


def _inputs(value: Any, model: str) -> int:
    """Count embedding inputs: a string, strings, token ids, or lists of token ids."""
    if isinstance(value, str):
        return count(value, model)
    if isinstance(value, list):
        return sum(_inputs(item, model) if isinstance(item, str | list) else 1 for item in value)
    return 1
