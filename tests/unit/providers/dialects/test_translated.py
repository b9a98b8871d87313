"""A call between two APIs that differ: a completions client in front of a server of chats."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from providers.conversation.completions.side import COMPLETIONS
from providers.conversation.openai_chat.side import OPENAI_CHAT
from providers.dialects.base import Shape, has_complete_usage
from providers.dialects.translated import Conversations, Translated
from providers.dialects.translated_stream import MOST_EVENTS, TranslatedStream
from providers.exchange import read_answer
from providers.framing.malformed import MalformedStream
from providers.isolation.tenant_salt import Salts
from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.outline import LARGE
from providers.request_additions import Added
from providers.target import Secret, Target
from tests.support.conversation.chat_chunks import READ, USAGE, chunk, sse

SALT = Salts(b"secret").for_tenant(1)
TARGET = Target(
    id=1,
    alias="a",
    name="d",
    provider="openai",
    upstream_model="up",
    base_url="http://x/v1",
    secret=Secret(""),
)
RAW = json.dumps({"model": "a", "prompt": "Once", "user": "ann", "stream": True, "max_tokens": 9}).encode()


def dialect(**more: Any) -> Translated:
    shape = Shape(alias="a", path="completions", salt=SALT, response_id="abc", **more)
    return Translated(COMPLETIONS, OPENAI_CHAT, Conversations(COMPLETIONS, shape), shape)


def stream(**more: Any) -> TranslatedStream:
    made = dialect(stream=True, **more)
    made.request(RAW, TARGET)
    return made.stream()


def test_a_request_has_salted_names_the_gateways_cap_and_what_the_server_takes() -> None:
    made = dialect(stream=True, output_cap=5, stated_cap=9)
    body = json.loads(made.request(RAW, TARGET, Added("max_tokens", usage=False)))
    assert body == {
        "model": "up",
        "messages": [{"role": "user", "content": "Once"}],
        "max_tokens": 5,
        "stream": True,
        "user": SALT.name_of("user", "ann"),
        "prompt_cache_key": SALT.own,
    }
    assert made.path(TARGET) == "chat/completions"


def test_the_last_bytes_wait_for_the_record() -> None:
    taken = stream()
    out = taken.feed(sse(chunk({"content": "x"}), chunk({}, "stop"), {"choices": [], "usage": USAGE}))
    assert b"[DONE]" not in out
    assert (taken.final, taken.done, taken.usage) == (b"data: [DONE]\n\n", True, READ)
    assert has_complete_usage(taken)


def test_a_stream_that_ends_without_its_last_event_is_complete_if_every_choice_is() -> None:
    taken = stream()
    taken.feed(sse(chunk({"content": "x"}), chunk({}, "stop"), done=False))
    taken.end()
    assert taken.done
    two = stream(choices=2)
    two.feed(sse(chunk({"content": "x"}), chunk({}, "stop"), done=False))
    assert not two.is_finished
    two.end()
    assert not two.done
    late = stream()
    late.feed(
        sse(chunk({"content": "x"}, index=0), chunk({"content": "y"}, index=1), chunk({}, "stop"), done=False)
    )
    late.end()
    assert not late.done


@pytest.mark.parametrize(
    ("events", "is_complete"),
    [
        ([chunk({"content": "x"}, usage=USAGE), chunk({}, "stop")], True),
        ([chunk({"content": "x"}, usage=USAGE), chunk({"content": "y"}), chunk({}, "stop")], False),
        ([chunk({"content": "x"}), chunk({}, "stop", usage=USAGE)], True),
    ],
)
def test_usage_before_more_output_is_not_the_whole(events: list[Any], *, is_complete: bool) -> None:
    taken = stream()
    taken.feed(sse(*events))
    assert taken.usage == READ
    assert has_complete_usage(taken) is is_complete


def test_usage_after_the_end_is_billed() -> None:
    taken = stream()
    taken.feed(sse(chunk({"content": "x"}, "stop")))
    assert not has_complete_usage(taken)
    assert taken.feed(sse({"choices": [], "usage": USAGE}, done=False)) == b""
    assert has_complete_usage(taken)


def test_a_document_in_place_of_a_stream_and_a_stream_in_place_of_a_document() -> None:
    whole = {"id": "c", "choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}
    raw = json.dumps(whole | {"usage": USAGE}).encode()
    made = dialect(stream=True)
    made.request(RAW, TARGET)
    taken = made.stream()
    assert b'"text":"x"' in (made.begin_with_document(taken, raw) or b"")
    assert (taken.done, taken.final) == (True, b"data: [DONE]\n\n")
    folding = dialect()
    folding.request(RAW, TARGET)
    document = folding.stream().feed(sse(chunk({"content": "x"}, "stop")))
    assert json.loads(document)["choices"][0]["text"] == "x"
    answered = folding.response(raw)
    assert (json.loads(answered.body)["choices"][0]["text"], answered.usage) == ("x", READ)


async def test_a_large_response_is_translated_too() -> None:
    """Another process knows only what passes through."""
    text = "x" * LARGE
    whole = {
        "id": "c",
        "choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    made = dialect()
    made.request(RAW, TARGET)
    call = SimpleNamespace(target=TARGET, answered=None, unrecorded=b"")
    outgoing = SimpleNamespace(offload=object(), on_response=lambda _target, _raw: None)
    await read_answer(call, made, outgoing, json.dumps(whole).encode())  # type: ignore[arg-type]  # the parts it reads
    assert call.answered is not None
    assert json.loads(call.answered.body)["choices"][0]["text"] == text


def test_one_event_or_document_of_very_many_parts_is_refused() -> None:
    """Each part takes a step of the event loop's time, and all of one event are read in one step."""
    calls = [{"function": {"name": "f", "arguments": "{}"}}] * MOST_EVENTS
    with pytest.raises(MalformedStream, match="parts"):
        stream().feed(sse(chunk({"tool_calls": calls})))
    document = {"choices": [{"message": {"tool_calls": calls}, "finish_reason": "stop"}], "usage": USAGE}
    made = dialect()
    made.request(RAW, TARGET)
    with pytest.raises(MalformedAnswer, match="parts"):
        made.response(json.dumps(document).encode())
