"""A completions request as a conversation, and text completions written from events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.conversation.apis import WriterContext
from providers.conversation.completions.side import COMPLETIONS
from providers.conversation.content import Text
from providers.conversation.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Event,
    Finished,
    FinishReason,
    Ping,
    Started,
    UsageReported,
)
from providers.conversation.folding import Message, fold
from providers.conversation.request import Conversation, Turn
from providers.requests.money_classes import Unacceptable
from providers.usage import Usage

EVENTS: tuple[Event, ...] = (
    Started("up"),
    BlockStarted(0, "thinking"), BlockDelta(0, "Hm"), BlockEnded(0),
    BlockStarted(1, "text"), BlockDelta(1, 'a "b"'), BlockEnded(1),
    BlockStarted(2, "refusal"), BlockDelta(2, " no"), BlockEnded(2),
    Finished(FinishReason.LENGTH), UsageReported(Usage(input_tokens=1, output_tokens=2)),
)  # fmt: skip


def conversation(**body: Any) -> Conversation:
    return COMPLETIONS.read(json.dumps({"model": "m", "prompt": "Once", **body}).encode(), None)


def context(**more: Any) -> WriterContext:
    return WriterContext(
        alias="alias", response_id="abc", created=9, conversation=Conversation(turns=()), **more
    )


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_one_prompt_is_what_a_user_says(prompt: Any) -> None:
    found = conversation(prompt=prompt)
    assert found.turns == (Turn("user", (Text("Once"),)),)
    assert (found.max_output_tokens, found.stated) == (16, ())


@pytest.mark.parametrize(
    ("member", "value", "name"),
    [
        ("max_tokens", 0, "max_tokens"),
        ("temperature", 0, "temperature"),
        ("temperature", 1, ""),
        ("n", 2, "n"),
        ("stop", ["a"], "stop"),
        ("user", "ann", "user"),
        ("logit_bias", {"1": 1}, "logit_bias"),
        ("prompt", ["a", "b"], "unknown"),
        ("prompt", [1, 2], "unknown"),
        ("prompt", [[1], [2]], "unknown"),
        ("suffix", "x", "unknown"),
        ("suffix", "", ""),
        ("echo", True, "unknown"),
        ("echo", False, ""),
        ("best_of", 1, ""),
        ("best_of", 2, "unknown"),
        ("logprobs", 0, "unknown"),
        ("min_p", 0.1, "unknown"),
        ("min_p", None, ""),
    ],
)
def test_parameters_are_stated_by_their_names(member: str, value: Any, name: str) -> None:
    found = conversation(**{member: value}).stated
    assert [(each.name, each.member) for each in found] == ([(name, member)] if name else [])


def test_an_invalid_value_is_refused_by_its_name() -> None:
    with pytest.raises(Unacceptable) as refused:
        conversation(temperature="hot")
    assert refused.value.param == "temperature"


def test_a_stream() -> None:
    writer = COMPLETIONS.stream_writer(context(includes_usage=True))
    out = b"".join([writer.write(event) for event in EVENTS])
    assert writer.final == b""
    out += writer.write(Ended())
    assert writer.final == b"data: [DONE]\n\n"
    assert (writer.write(Ping()), writer.failed(b"{}")) == (b": ping\n\n", b"")
    chunks = [json.loads(line.removeprefix("data: ")) for line in out.decode().split("\n\n")[:-1]]
    common = {"id": "cmpl-abc", "object": "text_completion", "created": 9, "model": "alias", "usage": None}
    shown = [('a "b"', None), (" no", None), ("", "length")]
    assert chunks[:-1] == [
        common | {"choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": reason}]}
        for text, reason in shown
    ]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 3)


def test_a_document() -> None:
    message = Message()
    for event in EVENTS:
        fold(message, event)
    found = json.loads(COMPLETIONS.document(message, context()))
    assert (found["id"], found["object"], found["model"]) == ("cmpl-abc", "text_completion", "alias")
    choice = {"text": 'a "b" no', "index": 0, "logprobs": None, "finish_reason": "length"}
    assert found["choices"] == [choice]
    assert found["usage"]["completion_tokens"] == 2
