"""`tools`, `toolConfig` and `generationConfig` of a request to Gemini."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from providers.conversation.gemini.schema import cleaned
from providers.conversation.gemini.thinking import config_of
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Choosing, Conversation, Tool
from providers.model_facts import ModelFacts

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_TEXT_INPUT: Final = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}


def declarations_of(conversation: Conversation) -> list[dict[str, Any]]:
    """Return `tools`; empty: none. Raises Unsupported."""
    choice = conversation.tool_choice
    only = frozenset(choice.allowed) if choice is not None and choice.mode is Choosing.AUTO else frozenset()
    tools = [tool for tool in conversation.tools if not only or tool.name in only]
    return [{"functionDeclarations": [_declaration(tool) for tool in tools]}] if tools else []


def _declaration(tool: Tool) -> dict[str, Any]:
    if not _NAME.fullmatch(tool.name):
        raise Unsupported("tools", f"takes no tool of the name '{tool.name[:80]}'")
    found: dict[str, Any] = {"name": tool.name}
    description = "\n".join([text for text in (tool.description, tool.grammar) if text])
    if description:
        found["description"] = description
    if tool.is_custom:
        found["parametersJsonSchema"] = _TEXT_INPUT
    elif tool.schema:
        found["parametersJsonSchema"] = msgspec.Raw(cleaned(tool.schema, "tools"))
    return found


def tool_config_of(conversation: Conversation, facts: ModelFacts) -> dict[str, Any]:
    """Return `toolConfig`, which is refused without functions; empty: Gemini's default. Raises Unsupported."""
    choice, tools = conversation.tool_choice, conversation.tools
    if not tools:
        if choice is not None and choice.mode in {Choosing.REQUIRED, Choosing.NAMED}:
            raise Unsupported("tool_choice", "cannot be made to call a tool where there is none")
        return {}
    is_strict = any(tool.strict for tool in tools) and facts.strict_tools and bool(facts.vendor)
    mode = "VALIDATED" if is_strict else ""
    names: tuple[str, ...] = ()
    if choice is not None and choice.mode is Choosing.NONE:
        mode = "NONE"
    elif choice is not None and choice.mode is Choosing.NAMED:
        mode, names = "ANY", (choice.name,)
    elif choice is not None and choice.mode is Choosing.REQUIRED:
        mode, names = "ANY", choice.allowed
    if not mode:
        return {}
    allowed = {"allowedFunctionNames": list(names)} if names else {}
    return {"functionCallingConfig": {"mode": mode, **allowed}}


def generation_config_of(conversation: Conversation, facts: ModelFacts, cap: int | None) -> dict[str, Any]:
    """Return `generationConfig`; `cap` is the gateway's, which replaces the client's. Raises Unsupported."""
    values = {
        "maxOutputTokens": conversation.max_output_tokens if cap is None else cap,
        "temperature": conversation.temperature,
        "topP": conversation.top_p,
        "topK": conversation.top_k,
        "presencePenalty": conversation.presence_penalty,
        "frequencyPenalty": conversation.frequency_penalty,
        "seed": conversation.seed,
        "candidateCount": conversation.n if conversation.n != 1 else None,
        "stopSequences": [each for each in conversation.stop if each] or None,
        "responseLogprobs": True if conversation.logprobs else None,
        "logprobs": conversation.top_logprobs or None if conversation.logprobs else None,
        "thinkingConfig": config_of(conversation, facts) or None,
    }
    found: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    wanted = conversation.response_format
    if wanted is not None:
        found["responseMimeType"] = "application/json"
        if wanted.schema:
            found["responseJsonSchema"] = msgspec.Raw(cleaned(wanted.schema, "response_format"))
    return found
