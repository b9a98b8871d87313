"""The simulator's completion as OpenAI documents: one JSON response, or the events of a stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import orjson

from providers.dialects.openai.passthrough import DONE
from providers.simulator.chat import ChatRequest, Choice, Completion

FINGERPRINT = "fp_simulator"


def document(completion: Completion, request: ChatRequest, created: int) -> bytes:
    """Return the whole response."""
    choices = [
        {
            "index": index,
            "message": _message(choice),
            "logprobs": _logprobs(choice.text.pieces, request)
            if request.logprobs and not choice.tool
            else None,
            "finish_reason": choice.finish_reason,
        }
        for index, choice in enumerate(completion.choices)
    ]
    head = _head(completion, "chat.completion", created)
    return orjson.dumps({**head, "choices": choices, "usage": completion.usage()})


def events(completion: Completion, request: ChatRequest, created: int) -> Iterator[bytes]:
    """Yield the stream's events: roles, a piece of each choice in turn, finish reasons, usage, [DONE]."""
    wants_usage = request.stream_options is not None and bool(request.stream_options.include_usage)
    head = _head(completion, "chat.completion.chunk", created)

    def event(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        body = {**head, "choices": choices}
        if wants_usage:
            body["usage"] = usage
        return b"data: " + orjson.dumps(body) + b"\n\n"

    numbered = list(enumerate(completion.choices))
    for index, choice in numbered:
        yield event([_choice(index, _first_delta(choice))])
    for turn in zip_longest(*[choice.text.pieces for choice in completion.choices]):
        for (index, choice), piece in zip(numbered, turn, strict=True):
            if piece is not None:
                yield event(
                    [_choice(index, _delta(choice, piece), logprobs=_chunk_logprobs(choice, piece, request))]
                )
    for index, choice in numbered:
        yield event([_choice(index, {}, finish_reason=choice.finish_reason)])
    if wants_usage:
        yield event([], completion.usage())
    yield DONE


def _head(completion: Completion, kind: str, created: int) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": kind,
        "created": created,
        "model": completion.model,
        "system_fingerprint": FINGERPRINT,
    }


def _message(choice: Choice) -> dict[str, Any]:
    if not choice.tool:
        return {"role": "assistant", "content": choice.text.whole, "refusal": None}
    function = {"name": choice.tool, "arguments": choice.text.whole}
    calls = [{"id": choice.call_id, "type": "function", "function": function}]
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}


def _choice(
    index: int,
    delta: dict[str, Any],
    *,
    finish_reason: str | None = None,
    logprobs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _first_delta(choice: Choice) -> dict[str, Any]:
    if not choice.tool:
        return {"role": "assistant", "content": "", "refusal": None}
    function = {"name": choice.tool, "arguments": ""}
    calls = [{"index": 0, "id": choice.call_id, "type": "function", "function": function}]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _delta(choice: Choice, piece: str) -> dict[str, Any]:
    if not choice.tool:
        return {"content": piece}
    return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _chunk_logprobs(choice: Choice, piece: str, request: ChatRequest) -> dict[str, Any] | None:
    return _logprobs((piece,), request) if request.logprobs and not choice.tool else None


def _logprobs(pieces: tuple[str, ...], request: ChatRequest) -> dict[str, Any]:
    """Return synthetic but valid logprobs: a piece's probability follows from its length, without alternatives."""
    content = []
    for piece in pieces:
        token = {"token": piece, "logprob": -len(piece) / 64, "bytes": list(piece.encode())}
        content.append({**token, "top_logprobs": [token] if request.top_logprobs else []})
    return {"content": content, "refusal": None}
