"""A chat request becomes a conversation. The usual request is decoded once, by type, and read in one pass."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from providers.conversation.chat.body import Body, decode_strict
from providers.conversation.chat.faults import invalid, unknown_in, wrong
from providers.conversation.chat.loose_body import decode_loose
from providers.conversation.chat.messages_reader import Messages
from providers.conversation.chat.tools_reader import choice_of, tools_of
from providers.conversation.parameters import UNKNOWN
from providers.conversation.request import Conversation, Effort, Reasoning, ResponseFormat
from providers.conversation.stated import Statements
from providers.isolation.ownership import Ownership

_EFFORTS: Final = frozenset(get_args(Effort))
_NULL: Final = b"null"
# Member, parameter, and the values that are the API's default, or mean nothing.
_VALUES: Final[tuple[tuple[str, str, tuple[Any, ...]], ...]] = (
    ("temperature", "temperature", (1,)),
    ("top_p", "top_p", (1,)),
    ("top_k", "top_k", ()),
    ("n", "n", (1,)),
    ("presence_penalty", "presence_penalty", (0,)),
    ("frequency_penalty", "frequency_penalty", (0,)),
    ("logprobs", "logprobs", (False,)),
    ("top_logprobs", "top_logprobs", (0,)),
    ("seed", "seed", ()),
    ("logit_bias", "logit_bias", ({},)),
    ("safety_identifier", "user", ("",)),
    ("user", "user", ("",)),
    ("metadata", "metadata", ({},)),
    ("store", "store", (False,)),
    ("verbosity", "verbosity", ("medium",)),
    ("prompt_cache_key", "prompt_cache_key", ("",)),
    ("prompt_cache_retention", "prompt_cache_retention", ()),
    ("prompt_cache_options", "prompt_cache_retention", ({},)),
    ("service_tier", "service_tier", ("auto",)),
    ("modalities", "modalities", ((), ("text",))),
    ("audio", "audio_output", ()),
    ("prediction", "prediction", ()),
    ("moderation", "moderation", ()),
    ("web_search_options", "web_search", ()),
    ("parallel_tool_calls", "parallel_tool_calls", (True,)),
)


def read(raw: bytes, ownership: Ownership | None) -> Conversation:
    """Raises Unacceptable, msgspec.DecodeError. `user` and `prompt_cache_key` are not salted yet."""
    stated = Statements()
    body = _decoded(raw, stated)
    messages = Messages(ownership, stated)
    messages.read(body.messages)
    tools = tools_of(body, stated)
    _state(body, stated)
    return Conversation(
        system=tuple(messages.system),
        turns=tuple(messages.turns),
        tools=tools,
        tool_choice=choice_of(body, stated, has_tools=bool(tools)),
        parallel_tool_calls=False if body.parallel_tool_calls is False else None,
        response_format=_format(body, stated),
        max_output_tokens=_cap(body, stated),
        stop=_stop(body, stated),
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        n=body.n or 1,
        presence_penalty=body.presence_penalty or None,
        frequency_penalty=body.frequency_penalty or None,
        logprobs=bool(body.logprobs),
        top_logprobs=body.top_logprobs or None,
        seed=body.seed,
        reasoning=_reasoning(body, stated),
        user=body.safety_identifier or body.user or "",
        service_tier=body.service_tier or "",
        verbosity=body.verbosity or "",
        prompt_cache_key=body.prompt_cache_key or "",
        stream=bool(body.stream),
        uses_old_functions=bool(body.functions) and not body.tools,
        stated=stated.all(),
        owners=frozenset(messages.owners),
    )


def _decoded(raw: bytes, stated: Statements) -> Body:
    try:
        return decode_strict(raw)
    except msgspec.ValidationError:
        pass
    try:
        body = decode_loose(raw)
    except msgspec.ValidationError as error:
        raise invalid(raw, error) from None
    stated.add_unknown(UNKNOWN, unknown_in(raw))
    return body


def _state(body: Body, stated: Statements) -> None:
    """State the parameters that are values, where they differ from the API's defaults."""
    for member, name, defaults in _VALUES:
        value = getattr(body, member)
        if value is not None and value not in defaults:
            stated.add(name, member)


def _format(body: Body, stated: Statements) -> ResponseFormat | None:
    given = body.response_format
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        stated.add("json_object", "response_format")
        return ResponseFormat()
    if given.type != "json_schema" or given.json_schema is None:
        raise wrong("response_format", "expected text, json_object, or json_schema with its schema")
    stated.add("json_schema", "response_format")
    asked = given.json_schema
    schema = bytes(asked.schema)
    return ResponseFormat(
        b"{}" if schema in (b"", _NULL) else schema, asked.name, asked.description or "", asked.strict
    )


def _cap(body: Body, stated: Statements) -> int | None:
    cap, member = body.max_completion_tokens, "max_completion_tokens"
    if cap is None:
        cap, member = body.max_tokens, "max_tokens"
    if cap is not None:
        stated.add("max_tokens", member)
    return cap


def _stop(body: Body, stated: Statements) -> tuple[str, ...]:
    given = body.stop
    stop = (given,) if isinstance(given, str) else given or ()
    if stop:
        stated.add("stop")
    return stop


def _reasoning(body: Body, stated: Statements) -> Reasoning:
    effort = body.reasoning_effort
    if effort is None:
        return Reasoning()
    if effort not in _EFFORTS:
        raise wrong("reasoning_effort", f"expected one of {', '.join(get_args(Effort))}")
    stated.add("reasoning_effort")
    return Reasoning(effort=effort, wants_text=effort != "none")  # type: ignore[arg-type]  # it was checked
