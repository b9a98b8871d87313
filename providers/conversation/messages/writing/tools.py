"""Writes tools, the choice of one, and the form of the response. Pure.

A response with a schema is the model's own where it has structured output, else the input of a reserved tool that it
must call, which the reader returns as text (reserved.py).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.content import ToolCall
from providers.conversation.messages.reserved import (
    CUSTOM_SCHEMA,
    JSON_DESCRIPTION,
    JSON_TOOL,
    is_name,
    tool_name,
)
from providers.conversation.messages.writing.content import mark
from providers.conversation.messages.writing.schema import Cleaned, cleaned
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Choosing, Conversation, Tool, ToolChoice
from providers.model_facts import ModelFacts

JSON_ONLY: Final = "Respond with one JSON object and nothing else: no words around it, no code fence."
_ANY_OBJECT: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_ANY_JSON: Final = b'{"type":"object"}'
_OBJECT_TYPE: Final = msgspec.Raw(b'"object"')
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_FORMAT: Final = "response_format"
_ROOTS: Final = frozenset(
    {"anyOf", "oneOf", "allOf", "$ref", "enum", "const"}
)  # what else a schema may begin with
_FORCED: Final = frozenset({Choosing.REQUIRED, Choosing.NAMED})


class Form(msgspec.Struct, frozen=True):
    """The form of a response. `native`: the schema of `output_config.format`; `tool`: that of the reserved tool;
    `words`: told in the system prompt.
    """

    native: bytes = b""
    tool: bytes = b""
    words: str = ""


class Written(msgspec.Struct, frozen=True):
    tools: list[dict[str, Any]]
    choice: dict[str, Any] | None


def is_forcing(choice: ToolChoice | None) -> bool:
    return choice is not None and choice.mode in _FORCED


def form_of(conversation: Conversation, facts: ModelFacts, *, can_force: bool) -> Form:
    """Return how the response gets its form. Raises Unsupported."""
    wanted = conversation.response_format
    if wanted is None:
        return Form()
    if not wanted.schema:
        is_tool = can_force and not conversation.tools
        return Form(tool=_ANY_JSON) if is_tool else Form(words=JSON_ONLY)
    found = _cleaned(wanted.schema, _FORMAT)
    if facts.json_schema == "native" and found.is_exact:
        return Form(native=bytes(found.schema))
    if can_force:
        return Form(tool=bytes(_object_schema(wanted.schema, _FORMAT)))
    if facts.json_schema == "native":
        raise Unsupported(_FORMAT, "has a recursive schema or objects with any members")
    raise Unsupported(_FORMAT, "needs a tool that is forced, which the model refuses here")


def write_tools(conversation: Conversation, form: Form, *, is_strict: bool) -> Written:
    """Return the tools, also those that only the history names, and the choice. Raises Unsupported."""
    choice = conversation.tool_choice or ToolChoice()
    offered = [tool for tool in conversation.tools if not choice.allowed or tool.name in choice.allowed]
    tools = [_tool(tool, is_strict=is_strict) for tool in offered]
    if not tools and (names := _called(conversation)):
        tools = [{"name": name, "input_schema": _ANY_OBJECT} for name in names]
        choice = ToolChoice(Choosing.NONE)
    if form.tool and not is_forcing(choice):
        tools.append(
            {"name": JSON_TOOL, "description": JSON_DESCRIPTION, "input_schema": msgspec.Raw(form.tool)}
        )
        is_only = choice.mode is Choosing.NONE or not offered
        return Written(tools, {"type": "tool", "name": JSON_TOOL} if is_only else {"type": "any"})
    return Written(tools, _choice(choice, conversation) if tools else None)


def _tool(tool: Tool, *, is_strict: bool) -> dict[str, Any]:
    name = tool_name(tool.name, is_custom=tool.is_custom)
    if not is_name(tool.name) or name == JSON_TOOL:
        raise Unsupported(
            "tools", f"has the name '{tool.name[:64]}', which is not 1 to 128 letters, digits, '_' or '-'"
        )
    out: dict[str, Any] = {"name": name}
    described = "\n\n".join([each for each in (tool.description, tool.grammar) if each])
    if described:
        out["description"] = described
    if tool.is_custom:
        return {**out, "input_schema": CUSTOM_SCHEMA, **mark(tool.cache)}
    if tool.strict and is_strict and tool.schema:
        found = _cleaned(tool.schema, "tools")
        if found.is_exact:
            return {**out, "input_schema": found.schema, "strict": True, **mark(tool.cache)}
    schema = _object_schema(tool.schema, "tools") if tool.schema else _ANY_OBJECT
    return {**out, "input_schema": schema, **mark(tool.cache)}


def _cleaned(schema: bytes, member: str) -> Cleaned:
    try:
        return cleaned(bytes(_object_schema(schema, member)))
    except (msgspec.DecodeError, RecursionError):
        raise Unsupported(member, "has a schema that is no JSON object, or is nested too deeply") from None


def _object_schema(schema: bytes | msgspec.Raw, member: str) -> msgspec.Raw:
    """Return the schema as it was written; `type: object` is added where it says nothing."""
    try:
        parts = _members(schema)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unsupported(member, "has a schema that is no JSON object") from None
    is_other = member == _FORMAT and not _ROOTS.isdisjoint(parts)
    if "type" in parts or is_other:
        return msgspec.Raw(bytes(schema))
    return msgspec.Raw(msgspec.json.encode({"type": _OBJECT_TYPE, **parts}))


def _called(conversation: Conversation) -> list[str]:
    """Return the names of the tools that the history calls, each once."""
    calls = [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)]
    return list(dict.fromkeys([tool_name(call.name, is_custom=call.is_custom) for call in calls]))


def _choice(choice: ToolChoice, conversation: Conversation) -> dict[str, Any] | None:
    """Return the choice; None: the API's default. Calls one at a time are a part of it."""
    single = {"disable_parallel_tool_use": True} if conversation.parallel_tool_calls is False else {}
    if choice.mode is Choosing.NONE:
        return {"type": "none"}
    if choice.mode is Choosing.REQUIRED:
        return {"type": "any", **single}
    if choice.mode is Choosing.NAMED:
        custom = any(tool.is_custom for tool in conversation.tools if tool.name == choice.name)
        return {"type": "tool", "name": tool_name(choice.name, is_custom=custom), **single}
    return {"type": "auto", **single} if single else None
