"""The simulator's completion as OpenAI documents: one JSON response, or the events of a stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import orjson

from providers.simulator.core.exchange import Frame
from providers.simulator.core.replying import MadeCall, Reply
from providers.simulator.core.text import tokens_of_piece
from providers.simulator.openai.chat import ChatRequest, Completion

FINGERPRINT = "fp_simulator"
DONE = b"data: [DONE]\n\n"
_REASONS = {"tools": "tool_calls", "filter": "content_filter", "length": "length"}  # others: stop
BROKEN = {
    "message": "The server had an error in the stream.",
    "type": "server_error",
    "param": None,
    "code": None,
}


def document(completion: Completion, request: ChatRequest, created: int) -> bytes:
    """Return the whole response."""
    choices = [
        {
            "index": index,
            "message": _message(choice, completion),
            "logprobs": _logprobs(choice.text.pieces, request)
            if request.logprobs and not choice.calls
            else None,
            "finish_reason": finish_reason(choice),
        }
        for index, choice in enumerate(completion.choices)
    ]
    head = _head(completion, "chat.completion", created)
    return orjson.dumps({**head, "choices": choices, "usage": completion.usage()})


def finish_reason(choice: Reply) -> str:
    return _REASONS.get(choice.finish, "stop")


def events(completion: Completion, request: ChatRequest, created: int) -> Iterator[Frame]:
    """Yield the stream's events: roles, a piece of each choice in turn, finish reasons, usage, [DONE]."""
    wants_usage = request.stream_options is not None and bool(request.stream_options.include_usage)
    head = _head(completion, "chat.completion.chunk", created)
    produced = 0

    def event(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> Frame:
        body = {**head, "choices": choices}
        if wants_usage:
            body["usage"] = usage
        return Frame(b"data: " + orjson.dumps(body) + b"\n\n", produced)

    numbered = list(enumerate(completion.choices))
    for index, choice in numbered:
        yield event([_choice(index, _first_delta(choice))])
    for turn in zip_longest(*[_deltas(choice, completion, request) for choice in completion.choices]):
        for (index, _), step in zip(numbered, turn, strict=True):
            if step is not None:
                delta, tokens, logprobs = step
                produced += tokens
                if delta is not None:
                    yield event([_choice(index, delta, logprobs=logprobs)])
    for index, choice in numbered:
        yield event([_choice(index, {}, finish_reason=finish_reason(choice))])
    if wants_usage:
        yield event([], completion.usage())
    yield Frame(DONE, produced)


def broken() -> bytes:
    """Return the event that reports an error in the middle of a stream."""
    return b"data: " + orjson.dumps({"error": BROKEN}) + b"\n\n"


_Step = tuple[dict[str, Any] | None, int, dict[str, Any] | None]


def _deltas(choice: Reply, completion: Completion, request: ChatRequest) -> Iterator[_Step]:
    """Yield the deltas of one choice with their tokens and log probabilities; None where thinking is not shown."""
    for piece in choice.thinking.pieces:
        shown = None if completion.hides_thinking else {"reasoning_content": piece}
        yield shown, tokens_of_piece(piece), None
    name = "refusal" if choice.finish == "refusal" else "content"
    for piece in choice.text.pieces:
        logprobs = _logprobs((piece,), request) if request.logprobs and not choice.calls else None
        yield {name: piece}, tokens_of_piece(piece), logprobs
    for index, call in enumerate(choice.calls):
        yield {"tool_calls": [{"index": index, **_call(call, "")}]}, tokens_of_piece(call.name), None
        kind, member = _kind(call)
        for piece in call.arguments.pieces:
            yield {"tool_calls": [{"index": index, kind: {member: piece}}]}, tokens_of_piece(piece), None


def _kind(call: MadeCall) -> tuple[str, str]:
    return ("custom", "input") if call.is_text else ("function", "arguments")


def _call(call: MadeCall, arguments: str) -> dict[str, Any]:
    kind, member = _kind(call)
    return {"id": f"call_{call.key}", "type": kind, kind: {"name": call.name, member: arguments}}


def _head(completion: Completion, kind: str, created: int) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": kind,
        "created": created,
        "model": completion.model,
        "system_fingerprint": FINGERPRINT,
    }


def _message(choice: Reply, completion: Completion) -> dict[str, Any]:
    refuses = choice.finish == "refusal"
    text = choice.text.whole
    made: dict[str, Any] = {
        "role": "assistant",
        "content": None if refuses or (choice.calls and not text) else text,
        "refusal": text if refuses else None,
    }
    if choice.thinking.pieces and not completion.hides_thinking:
        made["reasoning_content"] = choice.thinking.whole
    if choice.calls:
        made["tool_calls"] = [_call(call, call.arguments.whole) for call in choice.calls]
    return made


def _choice(
    index: int,
    delta: dict[str, Any],
    *,
    finish_reason: str | None = None,
    logprobs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _first_delta(choice: Reply) -> dict[str, Any]:
    return {"role": "assistant", "content": None if choice.calls else "", "refusal": None}


def _logprobs(pieces: tuple[str, ...], request: ChatRequest) -> dict[str, Any]:
    """Return synthetic but valid logprobs: a piece's probability follows from its length, without alternatives."""
    content = []
    for piece in pieces:
        token = {"token": piece, "logprob": -len(piece) / 64, "bytes": list(piece.encode())}
        content.append({**token, "top_logprobs": [token] if request.top_logprobs else []})
    return {"content": content, "refusal": None}
