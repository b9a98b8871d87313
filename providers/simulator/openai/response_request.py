"""Requests to `POST /v1/responses`: the known members, the items of the input, and what OpenAI refuses. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.simulator.core import play, scenario
from providers.simulator.core.asked import ANY, AUTO, NONE, Asked, Tool
from providers.simulator.core.errors import SimulatorError, refusal_of
from providers.simulator.core.signatures import opened
from providers.simulator.openai.models import check_sampling, is_reasoning

Item = dict[str, Any]
CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
_OUTPUTS = {output: call for call, output in CALLS.items()}


class ResponsesRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The members of OpenAI's API; any other is refused by name."""

    model: str = ""
    input: str | list[Item] = []
    background: bool | None = None
    context_management: Any = None
    conversation: Any = None
    include: list[str] | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: Any = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    reasoning: dict[str, Any] | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: Any = None
    temperature: float | None = None
    text: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: str | None = None
    user: str | None = None
    client_metadata: Any = None  # Codex sends it

    @property
    def items(self) -> list[Item]:
        if isinstance(self.input, str):
            return [{"type": "message", "role": "user", "content": self.input}]
        return [item if "type" in item else {"type": "message", **item} for item in self.input]

    @property
    def effort(self) -> str | None:
        effort = (self.reasoning or {}).get("effort")
        return effort if isinstance(effort, str) else None


_request = msgspec.json.Decoder(ResponsesRequest)


def read(body: bytes) -> ResponsesRequest:
    """Raises SimulatorError."""
    try:
        request = _request.decode(body)
    except msgspec.ValidationError as error:
        if "unknown field" in str(error):
            name = str(error).split("`")[1]
            raise SimulatorError(
                f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            ) from error
        raise refusal_of(error) from error
    except msgspec.DecodeError as error:
        raise refusal_of(error) from error
    if not request.model:
        raise SimulatorError(
            "Missing required parameter: 'model'.", param="model", code="missing_required_parameter"
        )
    cap = request.max_output_tokens
    if cap is not None and cap < 16:  # noqa: PLR2004 - OpenAI's own bound
        raise SimulatorError(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.",
            param="max_output_tokens",
            code="integer_below_min_value",
        )
    if is_reasoning(request.model) and request.effort != "none":
        check_sampling(msgspec.to_builtins(request))
    if request.background and request.store is False:
        raise SimulatorError("Background requires 'store' to be true.", param="background")
    return request


def text_of(item: Item) -> str:
    content = item.get("content", item.get("output", ""))
    if isinstance(content, str):
        return content
    parts = [part for part in content or () if isinstance(part, dict)]
    return " ".join(str(part.get("text") or part.get("refusal") or "") for part in parts)


def asked_of(request: ResponsesRequest, context: list[Item], account: str) -> Asked:
    """Return what is asked, of a request and all items before it and in it. Raises SimulatorError."""
    check_items(context, account, request.model)
    user = [place for place, item in enumerate(context) if item.get("role") == "user"]
    drama, prompt = scenario.read(text_of(context[user[-1]]) if user else "")
    after = context[user[-1] + 1 :] if user else context
    kinds = [item.get("type") in _OUTPUTS for item in after]
    tools = tuple(_tools(request))
    shape = (request.text or {}).get("format") or {}
    return Asked(
        model=request.model,
        material=request.model.encode() + b"\0" + msgspec.json.encode([request.instructions, context]),
        prompt=prompt,
        scenario=drama,
        step=play.step((text_of(context[place]) for place in user), _results(context)),
        results=text_of(after[-1]) if kinds and kinds[-1] else None,
        rounds=sum(kind and not before for kind, before in zip(kinds, [False, *kinds], strict=False)),
        tools=tools,
        choice=_choice(request.tool_choice, {tool.name for tool in tools}),
        parallel=request.parallel_tool_calls is not False,
        schema=shape.get("schema") if shape.get("type") == "json_schema" else None,
        wants_json=shape.get("type") == "json_object",
        thinks=drama.thinks
        or (request.effort or ("medium" if is_reasoning(request.model) else "none")) != "none",
        cap=request.max_output_tokens,
    )


def _results(items: list[Item]) -> int:
    return sum(item.get("type") in _OUTPUTS for item in items)


def _tools(request: ResponsesRequest) -> list[Tool]:
    made = []
    for place, tool in enumerate(request.tools or ()):
        kind, name = tool.get("type"), tool.get("name")
        if kind in {"function", "custom"}:
            if not isinstance(name, str) or not name:
                raise SimulatorError(
                    f"Missing required parameter: 'tools[{place}].name'.",
                    param=f"tools[{place}].name",
                    code="missing_required_parameter",
                )
            made.append(Tool(name, (tool.get("parameters") or {}) if kind == "function" else None))
    return made


def _choice(choice: str | dict[str, Any] | None, names: set[str]) -> str:
    if isinstance(choice, dict):
        if choice.get("type") == "allowed_tools":
            return ANY if choice.get("mode") == "required" else AUTO
        name = choice.get("name")
        if name not in names:
            raise SimulatorError(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
        return f"={name}"
    return {"required": ANY, "none": NONE}.get(choice or "", AUTO)


def check_items(items: list[Item], account: str, model: str) -> None:
    """Calls and their results pair up; reasoning is what this account and model made. Raises SimulatorError."""
    calls: dict[str, str] = {}
    answered: set[str] = set()
    for place, item in enumerate(items):
        kind, call_id = str(item.get("type")), str(item.get("call_id"))
        if kind in CALLS:
            calls[call_id] = kind
        elif kind in _OUTPUTS:
            if calls.get(call_id) != _OUTPUTS[kind]:
                raise SimulatorError(
                    f"No tool call found for {kind.replace('_', ' ')} with call_id {call_id}.", param="input"
                )
            answered.add(call_id)
        elif kind == "reasoning":
            following = items[place + 1] if place + 1 < len(items) else {}
            check_reasoning(item, following, account, model)
    for call_id in calls.keys() - answered:
        raise SimulatorError(f"No tool output found for function call {call_id}.", param="input")


def check_reasoning(item: Item, following: Item, account: str, model: str) -> None:
    """Raises SimulatorError."""
    sealed, name = item.get("encrypted_content"), item.get("id", "")
    if sealed is not None and opened(str(sealed), account, model) is None:
        raise SimulatorError(
            f"The encrypted content for item {name} could not be verified. Reason: Encrypted content could not be "
            "decrypted or parsed.",
            code="invalid_encrypted_content",
        )
    is_kept = following.get("type") in {"message", "reasoning", *CALLS} and following.get("role") != "user"
    if not is_kept:
        raise SimulatorError(
            f"Item '{name}' of type 'reasoning' was provided without its required following item.",
            param="input",
        )
