"""Counts a chat's or embeddings' prompt exactly, as a bound: every member that becomes prompt, nothing sampled.

Only for models whose vocabulary ships with the gateway (OpenAI's); for others the bound is the number of bytes. Slow,
up to 10 ms a kB of hostile text: never on the event loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from providers.requests import chat, embeddings
from providers.requests.messages import table as messages
from providers.requests.money_classes import Money
from providers.tokens.amounts import Bound
from providers.tokens.count import PER_ANSWER, PER_MESSAGE, PER_NAME, PER_TOOL, count_exactly

_O200K: Final = re.compile(r"(^|/)(gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|gpt-oss|chatgpt-4o|o1|o3|o4)(?![a-z0-9])")
_CL100K: Final = re.compile(
    r"(^|/)(gpt-4(-turbo|-\d{4}|-32k)?($|-)|gpt-3\.5-turbo|gpt-35-turbo|text-embedding-)"
)
_TEXT: Final = frozenset(
    name
    for name, row in (messages.MEMBERS | chat.MEMBERS | embeddings.MEMBERS).items()
    if row.money is Money.TEXT and name not in {"messages", "input"}
)
_MEDIA: Final = frozenset(name for name, row in chat.PART.items() if row.money is Money.MEDIA)

Tick = Callable[[], None]
Count = Callable[[str], int]

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_messages = msgspec.json.Decoder(list[dict[str, Any]])
_any = msgspec.json.Decoder()
_dump = msgspec.json.Encoder().encode


def encoding_of(models: Sequence[str]) -> str | None:
    """Return the vocabulary that all of these models share; None if one has another, or an unknown one."""
    found = {_encoding(model.lower()) for model in models}
    return found.pop() if len(found) == 1 else None


def exact_prompt(raw: bytes, encoding: str, tick: Tick = lambda: None) -> Bound:
    """Return the tokens of a body's text, without its media. Raises msgspec.DecodeError, and what `tick` raises."""
    count = partial(count_exactly, encoding=encoding, tick=tick)
    parts = _members.decode(raw)
    tokens = sum([count(_spaced(bytes(parts[name]))) for name in parts.keys() & _TEXT])
    if "tools" in parts or "functions" in parts:
        tokens += PER_TOOL * bytes(parts.get("tools") or parts["functions"]).count(b'"name"')
    if "input" in parts:
        return Bound(tokens + _input(_any.decode(parts["input"]), count))
    for message in _messages.decode(parts["messages"]):
        tokens += PER_MESSAGE + sum([_member(name, value, count) for name, value in message.items()])
    return Bound(tokens + PER_ANSWER)


def _encoding(model: str) -> str | None:
    if _O200K.search(model):
        return "o200k_base"
    return "cl100k_base" if _CL100K.search(model) else None


def _spaced(raw: bytes) -> str:
    """Return JSON printed again with a space after each comma and colon, which may be a token."""
    return msgspec.json.format(raw, indent=0).decode()


def _member(name: str, value: Any, count: Count) -> int:
    if value is None:
        return 0
    extra = PER_NAME if name == "name" else 0
    if name in chat.CALLS:
        calls = _dump(value)  # their arguments are JSON inside a text, and are printed again too
        return count(calls.decode()) + calls.count(b",") + calls.count(b":")
    if name == "input":  # of a call in Messages, which another API has as a text that holds JSON
        given = _dump(value)
        return count(given.decode()) + sum([given.count(mark) for mark in (b",", b":", b'"', b"\\")])
    if isinstance(value, str):
        return extra + count(value)
    if name == "content" and isinstance(value, list):
        return sum([_part(part, count) for part in value])
    return extra + count(_dump(value).decode())


def _part(part: Any, count: Count) -> int:
    if not isinstance(part, dict):
        return count(part if isinstance(part, str) else _dump(part).decode())
    media = _MEDIA | {"source"} if _is_encoded(part.get("source")) else _MEDIA
    text = {name: value for name, value in part.items() if name not in media}
    return sum([_member(name, value, count) for name, value in text.items()]) + PER_NAME


def _is_encoded(source: Any) -> bool:
    """Return whether it is an image or a document of Messages that is not text."""
    return isinstance(source, dict) and source.get("type") == "base64"


def _input(value: Any, count: Count) -> int:
    """Count embedding inputs: a string, strings, token ids, or lists of token ids."""
    if isinstance(value, str):
        return count(value)
    if isinstance(value, list):
        return sum([_input(item, count) if isinstance(item, str | list) else 1 for item in value])
    return 1
