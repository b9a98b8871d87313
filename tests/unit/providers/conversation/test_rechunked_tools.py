"""However a provider's stream is cut into blocks, every client API gets the same calls: those of the document."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.conversation.pairs import PATHS, TARGETS, dialect, translation
from tests.support.conversation.tool_streams import ARGUMENTS, IDS, NAMES, RECORDINGS, Recording

BODIES: dict[str, dict[str, Any]] = {
    "chat": {
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": name}} for name in dict.fromkeys(NAMES)],
    },
    "messages": {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 100,
        "tools": [{"name": name, "input_schema": {"type": "object"}} for name in dict.fromkeys(NAMES)],
    },
    "responses": {
        "input": "Hi",
        "tools": [
            {"type": "function", "name": name, "parameters": {"type": "object"}}
            for name in dict.fromkeys(NAMES)
        ],
    },
}
recordings = pytest.mark.parametrize("name", RECORDINGS)
clients = pytest.mark.parametrize("client_api", PATHS)
PASSING = [("chat", "openai_chat"), ("messages", "anthropic_messages"), ("responses", "openai_responses")]


class Call(NamedTuple):
    id: str
    name: str
    arguments: str


def streamed(client_api: str, recording: Recording, blocks: list[bytes]) -> list[Call]:
    """Return the calls in the client's stream, put together as its SDK does."""
    made = translation(client_api, recording.api, stream=True)
    made.request(body(client_api, stream=True), TARGETS[recording.api])
    stream = made.stream()
    out = b"".join([stream.feed(block) for block in blocks]) + stream.end()
    assert (stream.done, stream.failure) == (True, None)
    return READERS[client_api](data_of(out + stream.final))


def of_document(client_api: str, recording: Recording) -> list[Call]:
    made = translation(client_api, recording.api)
    made.request(body(client_api), TARGETS[recording.api])
    return DOCUMENTS[client_api](json.loads(made.response(recording.document).body))


def body(client_api: str, **more: Any) -> bytes:
    return json.dumps({"model": "alias", **BODIES[client_api], **more}).encode()


def data_of(raw: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in raw.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def from_chat(events: list[dict[str, Any]]) -> list[Call]:
    found: dict[int, list[str]] = {}
    for event in events:
        for choice in event["choices"]:
            for part in choice["delta"].get("tool_calls", ()):
                call = found.setdefault(part["index"], ["", "", ""])
                call[0] += part.get("id", "")  # it comes once
                call[1] += part["function"].get("name", "")
                call[2] += part["function"].get("arguments", "")
    assert list(found) == list(range(len(found)))
    return [Call(*call) for call in found.values()]


def from_messages(events: list[dict[str, Any]]) -> list[Call]:
    found: dict[int, Call] = {}
    for event in events:
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            block = event["content_block"]
            assert block["input"] == {}
            found[event["index"]] = Call(block["id"], block["name"], "")
        elif event["type"] == "content_block_delta" and event["delta"]["type"] == "input_json_delta":
            call = found[event["index"]]
            found[event["index"]] = call._replace(arguments=call.arguments + event["delta"]["partial_json"])
    return [call._replace(arguments=call.arguments or "{}") for call in found.values()]


def from_responses(events: list[dict[str, Any]]) -> list[Call]:
    """All three places state the same: the deltas, the end of each item, and the whole response."""
    texts: dict[str, str] = {}
    ended: list[Call] = []
    for event in events:
        if event["type"] == "response.function_call_arguments.delta":
            texts[event["item_id"]] = texts.get(event["item_id"], "") + event["delta"]
        elif event["type"] == "response.output_item.done" and event["item"]["type"] == "function_call":
            assert texts.get(event["item"]["id"], "") == event["item"]["arguments"]
            ended.append(Call(event["item"]["call_id"], event["item"]["name"], event["item"]["arguments"]))
    assert whole_responses(events[-1]["response"]) == ended
    return ended


def whole_chat(document: dict[str, Any]) -> list[Call]:
    calls = document["choices"][0]["message"]["tool_calls"]
    return [Call(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]


def whole_messages(document: dict[str, Any]) -> list[Call]:
    blocks = [block for block in document["content"] if block["type"] == "tool_use"]
    return [Call(block["id"], block["name"], json.dumps(block["input"])) for block in blocks]


def whole_responses(document: dict[str, Any]) -> list[Call]:
    items = [item for item in document["output"] if item["type"] == "function_call"]
    return [Call(item["call_id"], item["name"], item["arguments"]) for item in items]


READERS = {"chat": from_chat, "messages": from_messages, "responses": from_responses}
DOCUMENTS = {"chat": whole_chat, "messages": whole_messages, "responses": whole_responses}


def meant(calls: list[Call], recording: Recording) -> list[tuple[str, str, Any]]:
    """Return the calls with their arguments as values. Ids that the gateway made are only told apart."""
    ids = [call.id for call in calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    return [(call.id if recording.has_ids else "", call.name, json.loads(call.arguments)) for call in calls]


def exact(calls: list[Call], recording: Recording) -> list[Call]:
    return calls if recording.has_ids else [call._replace(id="") for call in calls]


@cache
def at_once(client_api: str, name: str) -> tuple[Call, ...]:
    recording = RECORDINGS[name]
    return tuple(exact(streamed(client_api, recording, [recording.stream]), recording))


@clients
@recordings
def test_a_stream_has_the_calls_of_the_document(client_api: str, name: str) -> None:
    recording = RECORDINGS[name]
    calls = streamed(client_api, recording, [recording.stream])
    assert meant(calls, recording) == meant(of_document(client_api, recording), recording)
    assert [(call.name, json.loads(call.arguments)) for call in calls] == list(
        zip(NAMES, ARGUMENTS, strict=True)
    )
    if recording.has_ids and client_api != "chat":
        assert [call.id for call in calls] == IDS
    if recording.has_ids and client_api == "chat":  # a signature of Gemini's is behind the id
        assert [call.id.partition("~")[0] for call in calls] == IDS


@clients
@recordings
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_blocks_of_one_size_cut_at_every_byte(client_api: str, name: str, size: int) -> None:
    recording = RECORDINGS[name]
    stream = recording.stream
    for first in range(1, size + 1):
        cuts = [0, *range(first, len(stream), size), len(stream)]
        calls = streamed(client_api, recording, [stream[begin:end] for begin, end in pairwise(cuts)])
        assert exact(calls, recording) == [*at_once(client_api, name)], first


@clients
@recordings
@settings(max_examples=25)
@given(data=st.data())
def test_any_blocks(client_api: str, name: str, data: st.DataObject) -> None:
    recording = RECORDINGS[name]
    size = len(recording.stream)
    cuts = sorted(data.draw(st.sets(st.integers(1, size - 1), max_size=40)))
    blocks = [recording.stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, size], strict=True)]
    assert exact(streamed(client_api, recording, blocks), recording) == [*at_once(client_api, name)]


@pytest.mark.parametrize(("client_api", "name"), PASSING)
@settings(max_examples=25)
@given(data=st.data())
def test_what_passes_as_bytes_is_the_same_however_it_is_cut(
    client_api: str, name: str, data: st.DataObject
) -> None:
    stream = RECORDINGS[name].stream
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=40)))

    def passed(at: list[int]) -> list[Call]:
        made = dialect(client_api, name, stream=True)
        made.request(body(client_api, stream=True), TARGETS[name])
        taken = made.stream()
        out = b"".join(
            [taken.feed(stream[begin:end]) for begin, end in zip([0, *at], [*at, len(stream)], strict=True)]
        )
        return READERS[client_api](data_of(out + taken.end() + taken.final))

    assert [(call.name, json.loads(call.arguments)) for call in passed(cuts)] == list(
        zip(NAMES, ARGUMENTS, strict=True)
    )
    assert passed(cuts) == passed([])
