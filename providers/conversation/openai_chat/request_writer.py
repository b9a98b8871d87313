"""Writes a conversation as the body of a chat request.

The model, the tools and the messages come first, so that the body of a later turn begins with that of an earlier one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.apis import SentOptions
from providers.conversation.openai_chat.messages_writer import Json, Messages
from providers.conversation.request import Choosing, Conversation, Tool
from providers.isolation.tenant_salt import member_at
from providers.request_additions import stated
from providers.target import Target

OPENAI: Final = frozenset({"openai", "azure"})  # have custom tools and `allowed_tools`
PATH: Final = "chat/completions"
_LEVELS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS: Final = ((1_024, "minimal"), (4_096, "low"), (12_288, "medium"), (32_768, "high"))
_encode = msgspec.json.Encoder().encode


def write(conversation: Conversation, target: Target, options: SentOptions) -> bytes:
    """Raises Unsupported."""
    is_openai = target.provider in OPENAI
    body: Json = {"model": target.wire_model or target.upstream_model}
    tools = _tools(conversation, is_openai=is_openai)
    if tools:
        body["tools"] = tools
    body["messages"] = Messages(target, knows_custom=is_openai).of(conversation)
    if tools:
        _add_choice(body, conversation, is_openai=is_openai)
    _add_output(body, conversation, target, options)
    _add_sampling(body, conversation, target)
    _add_names(body, conversation, target)
    return _encode(body)


def path(_target: Target, _streams: bool) -> str:  # noqa: FBT001 - the interface's
    return PATH


def _tools(conversation: Conversation, *, is_openai: bool) -> list[Json]:
    choice = conversation.tool_choice
    allowed = choice.allowed if choice is not None and not is_openai else ()
    return [
        _tool(tool, knows_custom=is_openai)
        for tool in conversation.tools
        if not allowed or tool.name in allowed
    ]


def _tool(tool: Tool, *, knows_custom: bool) -> Json:
    if not tool.is_custom:
        function: Json = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        if tool.schema:
            function["parameters"] = msgspec.Raw(tool.schema)
        if tool.strict is not None:
            function["strict"] = tool.strict
        return {"type": "function", "function": function}
    syntax, _, definition = tool.grammar.partition("\n")
    if knows_custom:
        custom: Json = {"name": tool.name}
        if tool.description:
            custom["description"] = tool.description
        if tool.grammar:
            custom["format"] = {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}
        return {"type": "custom", "custom": custom}
    texts = [tool.description, f"Grammar of `input` ({syntax}):\n{definition}" if tool.grammar else ""]
    schema = {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
    }
    description = "\n\n".join([text for text in texts if text])
    return {
        "type": "function",
        "function": {"name": tool.name, "description": description, "parameters": schema},
    }


def _add_choice(body: Json, conversation: Conversation, *, is_openai: bool) -> None:
    choice = conversation.tool_choice
    if choice is not None:
        if choice.allowed and is_openai:
            names = [_named(name, conversation, is_openai=is_openai) for name in choice.allowed]
            allowed = {"mode": choice.mode.value, "tools": names}
            body["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
        elif choice.mode is Choosing.NAMED:
            body["tool_choice"] = _named(choice.name, conversation, is_openai=is_openai)
        elif choice.mode is not Choosing.AUTO:
            body["tool_choice"] = choice.mode.value
    if conversation.parallel_tool_calls is False:
        body["parallel_tool_calls"] = False


def _named(name: str, conversation: Conversation, *, is_openai: bool) -> Json:
    is_custom = is_openai and any(tool.is_custom and tool.name == name for tool in conversation.tools)
    kind = "custom" if is_custom else "function"
    return {"type": kind, kind: {"name": name}}


def _add_output(body: Json, conversation: Conversation, target: Target, options: SentOptions) -> None:
    """Add how much may be written, in which form, and how it is sent."""
    added = options.added or stated(target)
    cap = conversation.max_output_tokens if options.cap is None else options.cap
    if cap is not None and (added.cap or conversation.max_output_tokens is not None):
        body[added.cap or "max_tokens"] = cap
    if conversation.stream:
        body["stream"] = True
        if added.usage:
            body["stream_options"] = {"include_usage": True}
    asked = conversation.response_format
    if asked is not None and not asked.schema:
        body["response_format"] = {"type": "json_object"}
    elif asked is not None:
        schema: Json = {"name": asked.name, "schema": msgspec.Raw(asked.schema)}
        if asked.description:
            schema["description"] = asked.description
        if asked.strict is not None:
            schema["strict"] = asked.strict
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    effort = effort_of(conversation, target)
    if effort:
        body["reasoning_effort"] = effort
    if conversation.verbosity and target.facts.vendor == "openai":
        body["verbosity"] = conversation.verbosity


def effort_of(conversation: Conversation, target: Target) -> str:
    """Return the level of reasoning to ask for; "": none is asked for."""
    reasoning, known = conversation.reasoning, target.facts.effort
    if reasoning.is_adaptive and not known:
        return ""
    wanted: str = reasoning.effort or ""
    if not wanted and known:
        if reasoning.is_off:
            wanted = "none"
        elif reasoning.budget is not None:
            wanted = next((level for most, level in _BUDGETS if reasoning.budget <= most), "xhigh")
    if not wanted or not known or wanted in known:
        return wanted
    place = _LEVELS.index(wanted)
    below = [level for level in _LEVELS[:place] if level in known and level != "none"]
    above = [level for level in _LEVELS[place:] if level in known]
    return (below[-1:] or above[:1] or [""])[0]


def _add_sampling(body: Json, conversation: Conversation, target: Target) -> None:
    is_sampled = target.facts.sampling != "none"  # else only the defaults were accepted
    values: dict[str, Any] = {
        "stop": [*conversation.stop] or None,
        "temperature": conversation.temperature if is_sampled else None,
        "top_p": conversation.top_p if is_sampled else None,
        "top_k": conversation.top_k,
        "n": conversation.n if conversation.n > 1 else None,
        "presence_penalty": conversation.presence_penalty,
        "frequency_penalty": conversation.frequency_penalty,
        "logprobs": conversation.logprobs or None,
        "top_logprobs": conversation.top_logprobs,
        "seed": conversation.seed,
    }
    body.update({name: value for name, value in values.items() if value is not None})


def _add_names(body: Json, conversation: Conversation, target: Target) -> None:
    if conversation.user:
        body["user"] = conversation.user
    cache = member_at(target)
    if cache and conversation.prompt_cache_key:
        body[cache] = conversation.prompt_cache_key
    if conversation.service_tier not in ("", "auto"):
        body["service_tier"] = conversation.service_tier
