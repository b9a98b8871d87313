"""Reads the body of POST /v1/messages into a conversation. Pure.

Not stated, because the response is the same without them: cache marks, `context_management`, the `diagnostics` of
caches, and how tools are loaded. The first system block of Claude Code, `x-anthropic-billing-header: ...`, differs in
every call: it is left out, so that the provider's prompt cache holds.
"""

from __future__ import annotations

from typing import Final

import msgspec

from providers.conversation.content import Text
from providers.conversation.messages import body as bodies
from providers.conversation.messages.block_reader import Found, mark_of, parts_of, text_of
from providers.conversation.messages.body import Block, Body, decoded, invalid, is_given
from providers.conversation.messages.closed_schemas import is_closed
from providers.conversation.parameters import UNKNOWN
from providers.conversation.request import (
    Choosing,
    Conversation,
    Effort,
    Reasoning,
    ResponseFormat,
    Role,
    Tool,
    ToolChoice,
    Turn,
)
from providers.isolation.ownership import Ownership

BILLING: Final = "x-anthropic-billing-header:"
_READ: Final = frozenset(Body.__struct_fields__) | {"model"}
_IGNORED: Final = frozenset(
    {"cache_control", "context_management", "diagnostics", "betas", "anthropic_beta", "anthropic_version"}
)
_NEUTRAL: Final = {  # values of members that are not translated, and that mean what happens anyway
    "speed": frozenset({b'"standard"'}),
    "inference_geo": frozenset({b'"global"'}),
    "mcp_servers": frozenset({b"[]"}),
}
_HOSTED: Final = {"mcp_servers": "hosted_tools"}
_TOOL_IGNORED: Final = frozenset(
    {"defer_loading", "eager_input_streaming", "allowed_callers", "input_examples", "type", "cache_control"}
)
_TOOL_READ: Final = frozenset({"name", "description", "input_schema", "strict"})
_CUSTOM: Final = frozenset({"", "custom"})
_EFFORTS: Final[dict[str, Effort]] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_CHOICES: Final = {
    "auto": Choosing.AUTO,
    "any": Choosing.REQUIRED,
    "tool": Choosing.NAMED,
    "none": Choosing.NONE,
}
_TIERS: Final = {"standard_only": "default"}  # OpenAI's name for it


def read(raw: bytes, ownership: Ownership | None) -> Conversation:
    """Raises Unacceptable."""
    given = decoded(bodies.body, raw)
    found = Found(ownership)
    _state_others(raw, found)
    system, turns = _turns(given, found)
    tools = tuple(
        [tool for place, each in enumerate(given.tools or ()) if (tool := _tool(each, place, found))]
    )
    choice, parallel = _choice(given, found)
    response_format = _format(given, found)
    reasoning = _reasoning(given, found)
    numbers = _numbers(given, found)
    return Conversation(
        system=system,
        turns=turns,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=response_format,
        stop=tuple(given.stop_sequences or ()),
        reasoning=reasoning,
        user=_user(given, found),
        service_tier=_tier(given, found),
        stream=bool(given.stream),
        owners=frozenset(found.owners),
        stated=found.stated(),
        max_output_tokens=given.max_tokens,
        **numbers,  # type: ignore[arg-type]  # names and types are those of the body
    )


def _state_others(raw: bytes, found: Found) -> None:
    """State the members that no conversation has."""
    for name, value in decoded(bodies.members, raw).items():
        is_neutral = not is_given(value) or bytes(value) in _NEUTRAL.get(name, ())
        if name not in _READ and name not in _IGNORED and not is_neutral:
            found.state(_HOSTED.get(name, UNKNOWN), name)


def _turns(given: Body, found: Found) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    system = [*_system(given.system)]
    turns: list[Turn] = []
    for place, message in enumerate(given.messages):
        where = f"messages[{place}]"
        role = _role(message.role, where)
        parts = parts_of(message.content, f"{where}.content", found)
        if role == "system" and not turns:
            system += [part for part in parts if isinstance(part, Text)]
            continue
        if role == "system":
            found.state("system_later", f"{where}.role")
        turns.append(Turn(role, parts))
    if system:
        found.state("system", "system")
    if turns and turns[-1].role == "assistant":
        found.state("prefill", f"messages[{len(given.messages) - 1}]")
    return tuple(system), tuple(turns)


def _role(role: str, where: str) -> Role:
    if role == "user":
        return "user"
    if role == "assistant":
        return "assistant"
    if role == "system":
        return "system"
    raise invalid(f"{where}.role", "expected 'user', 'assistant' or 'system'")


def _system(given: str | list[Block] | None) -> list[Text]:
    if not given:
        return []
    if isinstance(given, str):
        return [Text(given)]
    parts = [text_of(block, f"system[{place}]") for place, block in enumerate(given)]
    return parts[1:] if parts[0].text.startswith(BILLING) else parts


def _tool(given: dict[str, msgspec.Raw], place: int, found: Found) -> Tool | None:
    """Return a client's tool. One that Anthropic defines, or runs, is stated as a hosted tool."""
    where = f"tools[{place}]"
    if _text(given, "type", where) not in _CUSTOM:
        found.state("hosted_tools", where)
        return None
    for name in given.keys() - _TOOL_READ - _TOOL_IGNORED:
        if is_given(given[name]):
            found.state(UNKNOWN, f"{where}.{name[:64]}")
    schema = bytes(given.get("input_schema", b""))
    name = _text(given, "name", where)
    if not name or schema[:1] != b"{":
        raise invalid(where, "expected 'name' and 'input_schema', an object")
    found.state("tools", "tools")
    strict = decoded(bodies.flag, given.get("strict", b"null"), f"{where}.strict")
    if strict:
        found.state("strict", f"{where}.strict")
    control = decoded(bodies.cache_control, given.get("cache_control", b"null"), f"{where}.cache_control")
    return Tool(name, _text(given, "description", where), schema, strict, cache=mark_of(control))


def _text(given: dict[str, msgspec.Raw], name: str, where: str) -> str:
    return decoded(bodies.text, given.get(name, b"null"), f"{where}.{name}") or ""


def _choice(given: Body, found: Found) -> tuple[ToolChoice | None, bool | None]:
    stated = given.tool_choice
    if stated is None:
        return None, None
    mode = _CHOICES.get(stated.type)
    if mode is None:
        raise invalid("tool_choice.type", f"expected one of {', '.join(_CHOICES)}")
    if mode is Choosing.NAMED and not stated.name:
        raise invalid("tool_choice.name", "it is missing")
    if mode in {Choosing.REQUIRED, Choosing.NAMED}:
        found.state("forced_tool_choice", "tool_choice")
    elif mode is Choosing.NONE:
        found.state("tool_choice", "tool_choice")
    parallel = None
    if stated.disable_parallel_tool_use:
        found.state("parallel_tool_calls", "tool_choice.disable_parallel_tool_use")
        parallel = False
    return ToolChoice(mode, (stated.name or "") if mode is Choosing.NAMED else ""), parallel


def _format(given: Body, found: Found) -> ResponseFormat | None:
    config = given.output_config
    stated, where = (config.format if config is not None else None), "output_config.format"
    if stated is None and given.output_format is not None:
        stated, where = given.output_format, "output_format"
    if stated is None:
        return None
    schema = bytes(stated.schema)
    if stated.type != "json_schema" or schema[:1] != b"{":
        raise invalid(where, "expected type 'json_schema' with a schema")
    found.state("json_schema", where)
    return ResponseFormat(schema, strict=True if is_closed(schema) else None)


def _reasoning(given: Body, found: Found) -> Reasoning:
    """`budget_tokens` and `effort` are stated; "adaptive" is what a model that thinks does anyway.

    An effort beside it (Claude Code sends both to every model) is no more than a hint: no model is refused for it.
    """
    thinking = given.thinking
    effort = _effort(given, found, is_hint=thinking is not None and thinking.type == "adaptive")
    if thinking is None:
        return Reasoning(effort=effort)
    wants_text = thinking.display != "omitted"
    if thinking.type == "enabled":
        if thinking.budget_tokens is None:
            raise invalid("thinking.budget_tokens", "it is missing")
        found.state("thinking_budget", "thinking.budget_tokens")
        return Reasoning(effort=effort, budget=thinking.budget_tokens, wants_text=wants_text)
    if thinking.type == "adaptive":
        return Reasoning(effort=effort, is_adaptive=True, wants_text=wants_text)
    if thinking.type == "disabled":
        found.state("reasoning_effort", "thinking.type")
        return Reasoning(effort=effort, is_off=True)
    if thinking.type == "between_tools":
        found.state("reasoning_effort", "thinking.type")
        return Reasoning(effort=effort or "minimal")
    raise invalid("thinking.type", "expected 'enabled', 'adaptive', 'between_tools' or 'disabled'")


def _effort(given: Body, found: Found, *, is_hint: bool) -> Effort | None:
    stated = None if given.output_config is None else given.output_config.effort
    if stated is None:
        return None
    if stated not in _EFFORTS:
        raise invalid("output_config.effort", f"expected one of {', '.join(_EFFORTS)}")
    if not is_hint:
        found.state("reasoning_effort", "output_config.effort")
    return _EFFORTS[stated]


def _numbers(given: Body, found: Found) -> dict[str, float | int | None]:
    """Return the sampling parameters; 1 is the default of two of them."""
    if given.max_tokens is not None:
        found.state("max_tokens", "max_tokens")
    if given.stop_sequences:
        found.state("stop", "stop_sequences")
    for name, value, default in (
        ("temperature", given.temperature, 1),
        ("top_p", given.top_p, 1),
        ("top_k", given.top_k, None),
    ):
        if value is not None and value != default:
            found.state(name, name)
    return {"temperature": given.temperature, "top_p": given.top_p, "top_k": given.top_k}


def _user(given: Body, found: Found) -> str:
    user = None if given.metadata is None else given.metadata.user_id
    if user:
        found.state("user", "metadata.user_id")
    return user or ""


def _tier(given: Body, found: Found) -> str:
    tier = given.service_tier
    if tier is None or tier == "auto":
        return ""
    if tier not in _TIERS:
        raise invalid("service_tier", "expected 'auto' or 'standard_only'")
    found.state("service_tier", "service_tier")
    return _TIERS[tier]
