"""Writes `toolConfig`, also of the tools that only the history names, and the form of the response. Pure.

A form is the model's own structured output (`outputConfig.textFormat`), else a reserved tool that must be called and
whose input the reader returns as text (conversation/messages/reserved.py).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.content import ToolCall
from providers.conversation.converse.writing.messages import append
from providers.conversation.converse.writing.names import is_name, tool_name
from providers.conversation.messages.reserved import CUSTOM_SCHEMA, JSON_DESCRIPTION, JSON_TOOL
from providers.conversation.messages.writing.schema import cleaned
from providers.conversation.messages.writing.tools import Form, is_forcing
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Choosing, Conversation, Tool, ToolChoice
from providers.target import Target

ANTHROPIC: Final = "anthropic"
_ANY_OBJECT: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_OBJECT_TYPE: Final = msgspec.Raw(b'"object"')
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Block = dict[str, Any]


class ToolConfig(msgspec.Struct, frozen=True):
    """`extra`: what of the choice only Claude has, beside the API's own members."""

    config: Block | None = None
    extra: Block = {}


def write_tools(conversation: Conversation, target: Target, form: Form) -> ToolConfig:
    """Raises Unsupported."""
    vendor, choice = target.facts.vendor, conversation.tool_choice or ToolChoice()
    names = _called(conversation)
    offered = [tool for tool in conversation.tools if not choice.allowed or tool.name in choice.allowed]
    if choice.mode is Choosing.NONE and not names:
        offered = []
    tools: list[Block] = []
    for tool in offered:
        mark = tool.cache if vendor == ANTHROPIC else None  # Nova caches no tools
        append(tools, _tool(tool, target), mark, vendor)
    if not tools and names:
        tools = [_spec(name, name, _ANY_OBJECT) for name in names]
        choice = ToolChoice(Choosing.NONE)
    if form.tool and not is_forcing(choice):
        is_only = choice.mode is Choosing.NONE or not offered
        tools.append(_spec(JSON_TOOL, JSON_DESCRIPTION, msgspec.Raw(form.tool)))
        return ToolConfig(
            {"tools": tools, "toolChoice": {"tool": {"name": JSON_TOOL}} if is_only else {"any": {}}}
        )
    return _chosen(tools, choice, conversation, vendor) if tools else ToolConfig()


def _chosen(tools: list[Block], choice: ToolChoice, conversation: Conversation, vendor: str) -> ToolConfig:
    """Claude takes what the API does not have - no calls, one call at a time - in its own form."""
    name = ""
    if choice.mode is Choosing.NAMED:
        custom = any(tool.is_custom for tool in conversation.tools if tool.name == choice.name)
        name = tool_name(choice.name, is_custom=custom)
    is_single = conversation.parallel_tool_calls is False and choice.mode is not Choosing.NONE
    if vendor == ANTHROPIC and (is_single or choice.mode is Choosing.NONE):
        own: Block = {"type": _CLAUDES[choice.mode], **({"name": name} if name else {})}
        if is_single:
            own["disable_parallel_tool_use"] = True
        return ToolConfig({"tools": tools}, {"tool_choice": own})
    if choice.mode is Choosing.REQUIRED:
        return ToolConfig({"tools": tools, "toolChoice": {"any": {}}})
    if choice.mode is Choosing.NAMED:
        return ToolConfig({"tools": tools, "toolChoice": {"tool": {"name": name}}})
    return ToolConfig({"tools": tools})


_CLAUDES: Final = {
    Choosing.AUTO: "auto",
    Choosing.NONE: "none",
    Choosing.REQUIRED: "any",
    Choosing.NAMED: "tool",
}


def text_format(form: Form, conversation: Conversation) -> Block | None:
    """Return `outputConfig.textFormat`; None: the response has none."""
    if not form.native or conversation.response_format is None:
        return None
    name = conversation.response_format.name
    described = conversation.response_format.description
    schema: Block = {
        "schema": bytes(form.native).decode(),
        "name": name if is_name(name) else tool_name(name),
    }
    if described:
        schema["description"] = described
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _tool(tool: Tool, target: Target) -> Block:
    name = tool_name(tool.name, is_custom=tool.is_custom)
    if not is_name(tool.name, is_custom=tool.is_custom) or name == JSON_TOOL:
        raise Unsupported(
            "tools", f"has the name '{tool.name[:64]}', which is not 1 to 64 letters, digits, '_' or '-'"
        )
    described = "\n\n".join([each for each in (tool.description, tool.grammar) if each.strip()]) or name
    if tool.is_custom:
        return _spec(name, described, CUSTOM_SCHEMA)
    if tool.strict and tool.schema and target.facts.strict_tools:
        found = _exact(tool.schema)
        if found is not None:
            return _spec(name, described, found, is_strict=True)
    return _spec(name, described, _object_schema(tool.schema) if tool.schema else _ANY_OBJECT)


def _spec(name: str, described: str, schema: msgspec.Raw, *, is_strict: bool = False) -> Block:
    spec: Block = {"name": name, "description": described, "inputSchema": {"json": schema}}
    return {"toolSpec": {**spec, "strict": True} if is_strict else spec}


def _exact(schema: bytes) -> msgspec.Raw | None:
    """Return the schema as structured output takes it; None: its objects would be others."""
    try:
        found = cleaned(bytes(_object_schema(schema)))
    except (msgspec.DecodeError, RecursionError):
        raise Unsupported("tools", "has a schema that is no JSON object") from None
    return found.schema if found.is_exact else None


def _object_schema(schema: bytes) -> msgspec.Raw:
    """Return the schema as it was written; `type: object` is added where it says nothing."""
    try:
        parts = _members(schema)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unsupported("tools", "has a schema that is no JSON object") from None
    if "type" in parts:
        return msgspec.Raw(schema)
    return msgspec.Raw(msgspec.json.encode({"type": _OBJECT_TYPE, **parts}))


def _called(conversation: Conversation) -> list[str]:
    """Return the names of the tools that the history calls, each once."""
    calls = [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)]
    return list(dict.fromkeys([tool_name(call.name, is_custom=call.is_custom) for call in calls]))
