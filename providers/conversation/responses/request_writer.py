"""Writes a conversation as the body of `POST /responses` of an OpenAI-family provider. Pure.

Nothing is stored there (`store: false`); encrypted reasoning is requested where the model reasons. The tools and the
input come before all that may differ from turn to turn, such as the cap, so that the body of a later turn begins with
the bytes of the earlier one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.apis import SentOptions
from providers.conversation.request import Choosing, Conversation, Effort, Reasoning, Tool
from providers.conversation.responses.input_writer import items_of
from providers.isolation.tenant_salt import member_at
from providers.model_facts import ModelFacts
from providers.registry import responses_model
from providers.target import Target

_encode = msgspec.json.Encoder().encode
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_LOW_BUDGET, _MEDIUM_BUDGET = 4_096, 16_384  # tokens of thinking, below which an effort is low, or medium
_NO_SCHEMA: Final = msgspec.Raw(b'{"type":"object","properties":{}}')


def write(conversation: Conversation, target: Target, options: SentOptions) -> bytes:
    """Raises Unsupported."""
    cap = options.cap if options.cap is not None else conversation.max_output_tokens
    cache = member_at(target)
    body: dict[str, Any] = {
        "model": responses_model(target),
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "input": items_of(conversation, target),
        "store": False,
        "stream": conversation.stream or None,
        "max_output_tokens": cap,
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "top_logprobs": conversation.top_logprobs,
        "parallel_tool_calls": conversation.parallel_tool_calls,
        "service_tier": conversation.service_tier or None,
        "safety_identifier": conversation.user or None,
        **({cache: conversation.prompt_cache_key} if cache and conversation.prompt_cache_key else {}),
        "reasoning": _reasoning(conversation.reasoning, target.facts) or None,
        "include": _include(conversation, target.facts) or None,
        "text": _text(conversation) or None,
        "tool_choice": _choice(conversation),
    }
    return _encode({name: value for name, value in body.items() if value is not None})


def _reasoning(asked: Reasoning, facts: ModelFacts) -> dict[str, Any]:
    effort = _effort(asked, facts)
    found: dict[str, Any] = {} if effort is None else {"effort": effort}
    if asked.wants_text and effort != "none" and _reasons(facts):
        found["summary"] = "auto"
    return found


def _effort(asked: Reasoning, facts: ModelFacts) -> str | None:
    """Return the effort; a level that the model does not have becomes the next lower one, or its lowest."""
    if asked.is_adaptive and not facts.effort:
        return None
    effort: Effort | None = "none" if asked.is_off else asked.effort
    if effort is None and asked.budget is not None:
        effort = (
            "low" if asked.budget < _LOW_BUDGET else "medium" if asked.budget < _MEDIUM_BUDGET else "high"
        )
    if effort is None or not facts.effort or effort in facts.effort:
        return effort
    lower = [each for each in facts.effort if each in _EFFORTS and _rank(each) < _rank(effort)]
    return max(lower, key=_rank) if lower else facts.effort[0]


def _rank(effort: str) -> int:
    return _EFFORTS.index(effort)


def _reasons(facts: ModelFacts) -> bool:
    """Return whether it is known that the model reasons: others refuse what concerns reasoning."""
    return facts.tools_need_responses or bool(facts.effort) or facts.thinking != "none"


def _include(conversation: Conversation, facts: ModelFacts) -> list[str]:
    found = ["reasoning.encrypted_content"] if _reasons(facts) else []
    if conversation.logprobs:
        found.append("message.output_text.logprobs")
    return found


def _text(conversation: Conversation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    stated = conversation.response_format
    if stated is not None and not stated.schema:
        found["format"] = {"type": "json_object"}
    elif stated is not None:
        found["format"] = {
            "type": "json_schema",
            "name": stated.name,
            **({"description": stated.description} if stated.description else {}),
            **({"strict": stated.strict} if stated.strict is not None else {}),
            "schema": msgspec.Raw(stated.schema),
        }
    if conversation.verbosity:
        found["verbosity"] = conversation.verbosity
    return found


def _tool(tool: Tool) -> dict[str, Any]:
    """Return a tool. Here `strict` is true where it is absent; in every other API it is false."""
    about = {"description": tool.description} if tool.description else {}
    if tool.is_custom:
        syntax, _, definition = tool.grammar.partition("\n")
        grammar = {"type": "grammar", "syntax": syntax, "definition": definition}
        form = {"format": grammar} if tool.grammar else {}
        return {"type": "custom", "name": tool.name, **about, **form}
    schema = msgspec.Raw(tool.schema) if tool.schema else _NO_SCHEMA
    strict = bool(tool.strict)
    return {"type": "function", "name": tool.name, **about, "parameters": schema, "strict": strict}


def _choice(conversation: Conversation) -> Any:
    choice = conversation.tool_choice
    if choice is None:
        return None
    kinds = {tool.name: "custom" if tool.is_custom else "function" for tool in conversation.tools}
    if choice.mode is Choosing.NAMED:
        return {"type": kinds.get(choice.name, "function"), "name": choice.name}
    if choice.allowed:
        tools = [{"type": kinds.get(name, "function"), "name": name} for name in choice.allowed]
        return {"type": "allowed_tools", "mode": choice.mode.value, "tools": tools}
    return choice.mode.value
