"""Reads the body of POST /v1/responses into a conversation. Pure.

Ignored, because the response is the same without them: hints for caches, how a stream is padded, a limit on hosted
tools (there are none), and `include`, except for logprobs: reasoning is always returned sealed. What only OpenAI's own
servers have is stated as unknown, so that every other API refuses it by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from providers.conversation.parameters import UNKNOWN
from providers.conversation.request import Conversation, Effort, Reasoning, ResponseFormat
from providers.conversation.responses.findings import Findings, decoded, invalid, text_in
from providers.conversation.responses.input_items import Input
from providers.conversation.responses.tools_reader import read_choice, read_tools
from providers.isolation.ownership import Ownership

_READ: Final = frozenset({
    "model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "max_output_tokens",
    "parallel_tool_calls", "temperature", "top_p", "metadata", "user", "safety_identifier", "service_tier", "include",
    "prompt_cache_key", "stream", "store", "top_logprobs",
})  # fmt: skip
_IGNORED: Final = frozenset(
    {"prompt_cache_retention", "prompt_cache_options", "stream_options", "max_tool_calls", "client_metadata"}
)
_NEUTRAL: Final = {"truncation": b'"disabled"'}
_NAMES: Final = {"moderation": "moderation"}  # in the tables; the others are unknown there
_EMPTY: Final = frozenset({b"null", b"false", b"{}", b"[]", b'""'})
_TIERS: Final = frozenset({"", "auto"})
_EFFORTS: Final = frozenset(get_args(Effort))
_LOGPROBS: Final = "message.output_text.logprobs"
# Members that a response repeats as the client wrote them.
_ECHOED: Final = (
    "instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "temperature", "tool_choice", "tools",
    "top_p", "prompt_cache_key", "safety_identifier", "user", "max_tool_calls", "top_logprobs", "reasoning", "text",
)  # fmt: skip
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

Members = Mapping[str, msgspec.Raw]


def read(raw: bytes, ownership: Ownership | None) -> Conversation:
    """Raises Unacceptable, msgspec.DecodeError."""
    given, found = _members.decode(raw), Findings(ownership)
    tools = read_tools(given["tools"], found) if "tools" in given else ()
    read_input = _input(given, found)
    text = _object(given, "text")
    logprobs = _LOGPROBS in (_value(given, "include") or ())
    if logprobs:
        found.state("logprobs", "include")
    _state_others(given, found)
    return Conversation(
        system=tuple(read_input.system),
        turns=read_input.turns,
        tools=tools,
        tool_choice=read_choice(given["tool_choice"], found) if "tool_choice" in given else None,
        parallel_tool_calls=_parallel(given, found),
        response_format=_format(text, found),
        max_output_tokens=_number(given, "max_output_tokens", "max_tokens", found, int),
        temperature=_number(given, "temperature", "temperature", found, float, 1),
        top_p=_number(given, "top_p", "top_p", found, float, 1),
        logprobs=logprobs,
        top_logprobs=_number(given, "top_logprobs", "top_logprobs", found, int, 0),
        reasoning=_reasoning(given, found),
        user=_user(given, found),
        service_tier=_tier(given, found),
        verbosity=_verbosity(text, found),
        prompt_cache_key=_text(given, "prompt_cache_key"),
        stream=bool(_value(given, "stream")),
        owners=frozenset(found.owners),
        echo={name: given[name] for name in _ECHOED if name in given and bytes(given[name]) != b"null"},
        stated=found.stated,
    )


def _value(given: Members, name: str) -> Any:
    return decoded(given[name], name) if name in given else None


def _object(given: Members, name: str) -> dict[str, Any]:
    value = _value(given, name)
    if value is not None and not isinstance(value, dict):
        raise invalid(name, "expected an object")
    return value or {}


def _text(given: Members, name: str) -> str:
    value = _value(given, name)
    if value is not None and not isinstance(value, str):
        raise invalid(name, "expected a string")
    return value or ""


def _input(given: Members, found: Findings) -> Input:
    read_input = Input(found)
    instructions = _value(given, "instructions")
    if isinstance(instructions, list):  # items, as a response may repeat them
        for place, item in enumerate(instructions):
            read_input.add(item, f"instructions[{place}]")
    elif instructions is not None:
        read_input.add_instructions(_text(given, "instructions"))
    stated = _value(given, "input")
    if isinstance(stated, str):
        read_input.add_text(stated)
    elif isinstance(stated, list):
        for place, item in enumerate(stated):
            read_input.add(item, f"input[{place}]")
    elif stated is not None:
        raise invalid("input", "expected a string or a list of items")
    if read_input.turns and read_input.turns[-1].role == "assistant":
        found.state("prefill", "input")
    return read_input


def _state_others(given: Members, found: Findings) -> None:
    """State the members that no conversation has. `store` is false here where it is absent."""
    if _value(given, "store"):
        found.state("store", "store")
    if "metadata" in given and bytes(given["metadata"]) not in _EMPTY:
        found.state("metadata", "metadata")
    if _text(given, "prompt_cache_key"):
        found.state("prompt_cache_key", "prompt_cache_key")
    for name in given.keys() - _READ - _IGNORED:
        value = bytes(given[name])
        if value not in _EMPTY and value != _NEUTRAL.get(name):
            found.state(_NAMES.get(name, UNKNOWN), name)


def _parallel(given: Members, found: Findings) -> bool | None:
    value = _value(given, "parallel_tool_calls")
    if value is not None and not isinstance(value, bool):
        raise invalid("parallel_tool_calls", "expected true or false")
    if value is False:
        found.state("parallel_tool_calls", "parallel_tool_calls")
    return value


def _number(
    given: Members, name: str, known_as: str, found: Findings, kind: type, default: float | None = None
) -> Any:
    value = _value(given, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise invalid(name, "expected a number")
    if value != default:
        found.state(known_as, name)
    return kind(value)


def _format(text: dict[str, Any], found: Findings) -> ResponseFormat | None:
    given = text.get("format")
    if given is None or (isinstance(given, dict) and given.get("type") in {None, "text"}):
        return None
    kind = given.get("type") if isinstance(given, dict) else None
    if kind == "json_object":
        found.state("json_object", "text.format")
        return ResponseFormat()
    if kind != "json_schema" or not isinstance(given.get("schema"), dict):
        raise invalid("text.format", "expected text, json_object, or json_schema with a schema")
    found.state("json_schema", "text.format")
    return ResponseFormat(
        msgspec.json.encode(given["schema"]),
        text_in(given, "name", "text.format") or "response",
        text_in(given, "description", "text.format"),
        given.get("strict") if isinstance(given.get("strict"), bool) else None,
    )


def _verbosity(text: dict[str, Any], found: Findings) -> str:
    verbosity = text_in(text, "verbosity", "text")
    if verbosity and verbosity != "medium":
        found.state("verbosity", "text.verbosity")
    return verbosity


def _reasoning(given: Members, found: Findings) -> Reasoning:
    stated = _object(given, "reasoning")
    effort = stated.get("effort")
    if effort is not None:
        if effort not in _EFFORTS:
            raise invalid("reasoning.effort", f"expected one of {', '.join(get_args(Effort))}")
        found.state("reasoning_effort", "reasoning.effort")
    summary = stated.get("summary") or stated.get("generate_summary")
    for name in stated.keys() - {"effort", "summary", "generate_summary"}:
        if stated[name] is not None:
            found.state(UNKNOWN, f"reasoning.{name[:64]}")
    return Reasoning(effort=effort, is_off=effort == "none", wants_text=summary not in {None, "", "none"})


def _user(given: Members, found: Findings) -> str:
    for name in ("safety_identifier", "user"):
        text = _text(given, name)
        if text:
            found.state("user", name)
            return text
    return ""


def _tier(given: Members, found: Findings) -> str:
    tier = _text(given, "service_tier")
    if tier not in _TIERS:
        found.state("service_tier", "service_tier")
    return tier
