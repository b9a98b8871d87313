"""The documents of the test upstream: OpenAI's format, exact usage. Each token is " word", one in o200k too."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec

from tests.support.provider.script import Behavior

TOKEN = " word"
TOKENS_PER_INPUT = 4
CREATED = 1_700_000_000
DIMENSIONS = 8


class Asked(msgspec.Struct):
    """The few fields of a request that the upstream reads."""

    model: str = ""
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    n: int | None = None
    best_of: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    input: Any = None
    encoding_format: str | None = None
    request_id: Any = None

    @property
    def wants_usage(self) -> bool:
        return bool((self.stream_options or {}).get("include_usage"))

    @property
    def cap(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def made(self) -> int:
        """How many choices are made, and so billed; `best_of` shows fewer."""
        return max(self.n or 1, self.best_of or 1)

    @property
    def most_output(self) -> int | None:
        """The most that a provider may write that keeps to the cap."""
        return None if self.cap is None else self.cap * self.made


class Bill(msgspec.Struct):
    """What the provider would charge so far; grows while it sends. The last four are parts of the first two."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    audio_input_tokens: int = 0
    reasoning_tokens: int = 0
    audio_output_tokens: int = 0

    def reads(self, behavior: Behavior) -> None:
        """Add the prompt of a chat to the bill."""
        self.prompt_tokens = behavior.prompt_tokens
        self.cached_tokens, self.audio_input_tokens = behavior.cached_tokens, behavior.audio_input_tokens

    def hides(self, asked: Asked, behavior: Behavior) -> None:
        """Add hidden output to the bill."""
        reasoning, sound = behavior.reasoning_tokens, behavior.audio_output_tokens
        if behavior.obeys and asked.most_output is not None:
            room = asked.most_output - visible_tokens(asked, behavior) * asked.made
            reasoning = min(reasoning, room)
            sound = min(sound, room - reasoning)
        self.reasoning_tokens, self.audio_output_tokens = reasoning, sound
        self.completion_tokens += reasoning + sound

    def has_all(self, asked: Asked, behavior: Behavior) -> None:
        """Add a whole chat to the bill."""
        self.reads(behavior)
        self.completion_tokens = visible_tokens(asked, behavior) * asked.made
        self.hides(asked, behavior)


def visible_tokens(asked: Asked, behavior: Behavior) -> int:
    """Return the visible tokens of one choice."""
    wanted = behavior.chunks * behavior.tokens_per_chunk
    return wanted if asked.cap is None or behavior.ignore_cap else min(wanted, asked.cap)


def is_cut(asked: Asked, behavior: Behavior) -> bool:
    return visible_tokens(asked, behavior) < behavior.chunks * behavior.tokens_per_chunk


def usage(bill: Bill, behavior: Behavior) -> dict[str, Any]:
    """Return the usage object for a bill, with false figures if the script says so."""
    factor = {"double": 2, "zero": 0}.get(behavior.usage, 1)
    prompt, completion = bill.prompt_tokens * factor, bill.completion_tokens * factor
    if behavior.usage == "nonsense":
        return {"prompt_tokens": "many", "completion_tokens": -1, "total_tokens": None}
    if behavior.usage in {"total", "prompt"}:  # and nothing else
        return {f"{behavior.usage}_tokens": prompt + completion if behavior.usage == "total" else prompt}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": bill.cached_tokens,
            "audio_tokens": bill.audio_input_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": bill.reasoning_tokens,
            "audio_tokens": bill.audio_output_tokens,
        },
    }


def chat(asked: Asked, behavior: Behavior, bill: Bill) -> dict[str, Any]:
    """Return the JSON answer and put its tokens on the bill."""
    choices = asked.n or 1
    tokens = visible_tokens(asked, behavior)
    bill.has_all(asked, behavior)
    message = {"role": "assistant", "content": TOKEN * tokens}
    reason = "length" if is_cut(asked, behavior) else "stop"
    answer = {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": CREATED,
        "model": asked.model,
        "choices": [{"index": i, "message": message, "finish_reason": reason} for i in range(choices)],
    }
    return answer if behavior.usage == "never" else {**answer, "usage": usage(bill, behavior)}


def chunk(asked: Asked, choices: list[dict[str, Any]], *, used: dict[str, Any] | None = None) -> bytes:
    body: dict[str, Any] = {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": asked.model,
        "choices": choices,
    }
    if used is not None or asked.wants_usage:
        body["usage"] = used
    return msgspec.json.encode(body)


def delta(index: int, content: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": content, "finish_reason": reason}


def embeddings(asked: Asked, behavior: Behavior, bill: Bill) -> dict[str, Any]:
    """Return one vector an input and put the tokens on the bill."""
    single = isinstance(asked.input, str) or (asked.input and isinstance(asked.input[0], int))
    inputs = 1 if single else len(asked.input or ())
    vector = [1.0] + [0.0] * (DIMENSIONS - 1)
    packed = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode()
    shown = packed if asked.encoding_format == "base64" else vector
    data = [{"object": "embedding", "index": i, "embedding": shown} for i in range(inputs)]
    given = behavior.embedded_tokens
    bill.prompt_tokens = inputs * TOKENS_PER_INPUT if given is None else given
    answer = {"object": "list", "data": data, "model": asked.model}
    if behavior.usage == "never":
        return answer
    said = usage(bill, behavior)
    return {
        **answer,
        "usage": {name: said[name] for name in ("prompt_tokens", "total_tokens") if name in said},
    }


def error(message: str, status: int) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": "upstream_says_no"}}
