"""A later turn's body begins with the bytes of the earlier one, for every pair of APIs: provider's caches depend on it.

And a signature may be valid behind an unchanged conversation only.
"""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import Any

import pytest

from providers.dialects.translated import Translated
from tests.support.clients.media import png
from tests.support.conversation.pairs import PATHS, TARGETS, dialect
from tests.support.conversation.tool_streams import IDS, RECORDINGS, SIGNATURE

PICTURE = base64.b64encode(png(8, 8)).decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "größe"}}}
NAMES = ("get_weather", "get_time")
TURNS = 5
apis = pytest.mark.parametrize("api", TARGETS)
clients = pytest.mark.parametrize("client_api", PATHS)
# How each upstream API's body goes on behind its last message, and the name of the list.
LISTS = {
    "openai_chat": "messages",
    "openai_responses": "input",
    "anthropic_messages": "messages",
    "bedrock_converse": "messages",
    "gemini": "contents",
}


def chat(history: list[dict[str, Any]]) -> dict[str, Any]:
    system = {"type": "text", "text": "Be kind. " * 20, "cache_control": {"type": "ephemeral"}}
    functions = [{"name": name, "description": "It tells.", "parameters": SCHEMA} for name in NAMES]
    return {
        "model": "alias",
        "messages": [{"role": "system", "content": [system]}, *history],
        "tools": [{"type": "function", "function": each} for each in functions],
        "max_completion_tokens": 6_000,
        "reasoning_effort": "low",
    }


def messages(history: list[dict[str, Any]]) -> dict[str, Any]:
    tools: list[dict[str, Any]] = [{"name": name, "input_schema": SCHEMA} for name in NAMES]
    tools[-1]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    return {
        "model": "alias",
        "system": [{"type": "text", "text": "Be kind. " * 20, "cache_control": {"type": "ephemeral"}}],
        "messages": history,
        "tools": tools,
        "max_tokens": 6_000,
        "thinking": {"type": "enabled", "budget_tokens": 2_048},
    }


def responses(history: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "model": "alias",
        "instructions": "Be kind. " * 20,
        "input": history,
        "tools": [{"type": "function", "name": name, "parameters": SCHEMA} for name in NAMES],
        "max_output_tokens": 6_000,
        "reasoning": {"effort": "low"},
        "store": False,
    }


def chat_step(document: dict[str, Any]) -> list[dict[str, Any]]:
    message = document["choices"][0]["message"]
    calls = message.get("tool_calls") or ()
    return [message, *({"role": "tool", "tool_call_id": call["id"], "content": "sunny ✓"} for call in calls)]


def messages_step(document: dict[str, Any]) -> list[dict[str, Any]]:
    ids = [block["id"] for block in document["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": each, "content": "sunny ✓"} for each in ids]
    return [{"role": "assistant", "content": document["content"]}, {"role": "user", "content": results}]


def responses_step(document: dict[str, Any]) -> list[dict[str, Any]]:
    ids = [item["call_id"] for item in document["output"] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": each, "output": "sunny ✓"} for each in ids]
    return [*document["output"], *results]


def first(client_api: str) -> list[dict[str, Any]]:
    """Return the user's first message: a text and a picture."""
    parts: dict[str, list[dict[str, Any]]] = {
        "chat": [
            {"type": "text", "text": "Where?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
        ],
        "messages": [
            {"type": "text", "text": "Where?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
        ],
        "responses": [
            {"type": "input_text", "text": "Where?"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"},
        ],
    }
    return [{"role": "user", "content": parts[client_api]}]


BODIES = {"chat": chat, "messages": messages, "responses": responses}
STEPS = {"chat": chat_step, "messages": messages_step, "responses": responses_step}


def ids_of_turn(recording: bytes, number: int) -> bytes:
    """Return a response whose calls have other ids than those of the turns before."""
    for each in IDS:
        recording = recording.replace(f'"{each}"'.encode(), f'"{each}{number}"'.encode())
    return recording


def sent_in_turns(client_api: str, api: str, caps: list[int | None]) -> list[bytes]:
    """Return the bodies of the turns of one conversation, each with what the provider answered to the one before."""
    history, sent = first(client_api), []
    for number, cap in enumerate(caps):
        raw = json.dumps(BODIES[client_api](history), ensure_ascii=False).encode()
        made = dialect(client_api, api, cap=cap)
        sent.append(made.request(raw, TARGETS[api]))
        document = json.loads(made.response(ids_of_turn(RECORDINGS[api].document, number)).body)
        history = [*history, *STEPS[client_api](document)]
    return sent


def prefix_of(body: bytes, api: str) -> bytes:
    """Return the body up to the end of its last message."""
    decoder, text = json.JSONDecoder(), body.decode()
    name = f'"{LISTS[api]}":'
    at = text.index(name) + len(name)
    at += len(text[at:]) - len(text[at:].lstrip())
    found, end = decoder.raw_decode(text, at)
    assert isinstance(found, list)
    assert found == json.loads(body)[LISTS[api]]
    return text[: end - 1].rstrip().encode()


@clients
@apis
def test_a_later_turn_begins_with_the_bytes_of_the_earlier_one(client_api: str, api: str) -> None:
    sent = sent_in_turns(client_api, api, [None] * TURNS)
    for earlier, later in pairwise(sent):
        assert later.startswith(prefix_of(earlier, api)), (earlier, later)
        assert len(later) > len(earlier)


@clients
@apis
def test_a_cap_that_differs_from_turn_to_turn_changes_no_prefix(client_api: str, api: str) -> None:
    """A budget that runs low makes it smaller. What passes as bytes has it where the client wrote it."""
    if isinstance(dialect(client_api, api), Translated):
        sent = sent_in_turns(client_api, api, [5_000, 4_000, 3_000])
        for earlier, later in pairwise(sent):
            assert later.startswith(prefix_of(earlier, api)), (earlier, later)


@clients
@apis
def test_what_a_prompt_begins_with_is_sent_before_the_messages_or_unchanged(
    client_api: str, api: str
) -> None:
    """Tools and instructions are part of the prompt, wherever they stand in the body."""
    sent = [json.loads(body) for body in sent_in_turns(client_api, api, [None] * TURNS)]
    stable = ("tools", "toolConfig", "system", "systemInstruction", "instructions", "prompt_cache_key")
    for name in stable:
        assert len({json.dumps(body.get(name)) for body in sent}) == 1, name


@clients
@apis
def test_history_goes_back_whole(client_api: str, api: str) -> None:
    """All of it is there: the picture, the calls with their arguments, the results, and the vendor's thinking."""
    last = sent_in_turns(client_api, api, [None] * 3)[-1].decode()
    assert PICTURE in last
    assert last.count("sunny ✓") == 6
    assert last.count("東京") == 2
    thoughts = {"openai_responses": '"gAAAA"'}
    if api != "openai_chat":
        assert last.count(thoughts.get(api, f'"{SIGNATURE}"')) == 2
    assert "gw1." not in last
