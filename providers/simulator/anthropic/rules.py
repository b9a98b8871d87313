"""What Anthropic's API refuses of a well-formed request (providers' documentation, "Messages"). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from providers.simulator.anthropic.models import Traits
from providers.simulator.anthropic.request import (
    AnyBlock,
    Block,
    MessagesRequest,
    RedactedThinking,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from providers.simulator.anthropic.schema_limits import check_schema
from providers.simulator.core.errors import SimulatorError

MOST_MARKS = 4
_LEAST_BUDGET = 1024
_SETTINGS = ("temperature", "top_p", "top_k")
Turn = tuple[str, list[AnyBlock]]


def check(request: MessagesRequest, known: Traits, version: str) -> None:
    """Raises SimulatorError."""
    _check_cap(request, known)
    _check_messages(request, known)
    _check_marks(request)
    _check_tools(request, known)
    check_settings(request, known, version)


def check_settings(request: MessagesRequest, known: Traits, version: str = "") -> None:
    """Check what does not depend on the messages. Raises SimulatorError."""
    _check_thinking(request, known)
    _check_sampling(request, known, version)
    _check_output(request, known)


def turns(request: MessagesRequest) -> list[Turn]:
    """Return the messages, those of one role in a row merged, as the API does."""
    merged: list[Turn] = []
    for message in request.messages:
        if merged and merged[-1][0] == message.role:
            merged[-1][1].extend(message.blocks)
        else:
            merged.append((message.role, list(message.blocks)))
    return merged


def thinks(request: MessagesRequest, known: Traits) -> bool:
    if request.thinking is None:
        return known.thinks_by_default
    return request.thinking.type in {"enabled", "adaptive"}


def _check_cap(request: MessagesRequest, known: Traits) -> None:
    cap = request.max_tokens
    if cap is None:
        raise SimulatorError("max_tokens: Field required")
    if cap < 0 or cap > known.max_tokens:
        raise SimulatorError(
            f"max_tokens: {cap} > {known.max_tokens}, which is the maximum allowed number of output tokens for "
            f"{request.model}"
        )
    if cap == 0 and (request.stream or thinks(request, known) or request.output_config is not None):
        raise SimulatorError("max_tokens: must be at least 1 with these parameters")


def _check_messages(request: MessagesRequest, known: Traits) -> None:
    if not request.messages:
        raise SimulatorError("messages: at least one message is required")
    merged = turns(request)
    if merged[0][0] != "user":
        raise SimulatorError('messages: first message must use the "user" role')
    if any(role == "system" for role, _ in merged) and not known.system_in_messages:
        raise SimulatorError(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter'
        )
    for place, message in enumerate(request.messages):
        for index, block in enumerate(message.blocks):
            _check_block(block, message.role, f"messages.{place}.content.{index}")
        is_final = place == len(request.messages) - 1 and message.role == "assistant"
        if not message.blocks and not is_final:
            raise SimulatorError(f"messages.{place}: all messages must have non-empty content")
    for index, block in enumerate(request.system_blocks):
        _check_block(block, "system", f"system.{index}")
    _check_pairs(merged)
    _check_prefill(merged[-1], known)


def _check_prefill(last: Turn, known: Traits) -> None:
    role, blocks = last
    if role != "assistant":
        return
    if not known.prefill:
        raise SimulatorError("This model does not support assistant message prefill.")
    if blocks and isinstance(blocks[-1], Text) and blocks[-1].text != blocks[-1].text.rstrip():
        raise SimulatorError("messages: final assistant content cannot end with trailing whitespace")


def _check_block(block: AnyBlock, role: str, where: str) -> None:
    if isinstance(block, Text) and not block.text:
        raise SimulatorError(f"{where}: text content blocks must be non-empty")
    if isinstance(block, ToolUse | Thinking | RedactedThinking) and role != "assistant":
        raise SimulatorError(f"{where}: `{_kind(block)}` blocks can only be in `assistant` messages")
    if isinstance(block, ToolResult) and role != "user":
        raise SimulatorError(f"{where}: `tool_result` blocks can only be in `user` messages")
    if isinstance(block, ToolUse) and not block.id.replace("_", "a").replace("-", "a").isalnum():
        raise SimulatorError(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _kind(block: Block) -> str:
    return str(block.__struct_config__.tag)


def _check_pairs(merged: list[Turn]) -> None:
    """Every tool_use is answered in the next user message, results first."""
    open_calls: set[str] = set()
    for place, (role, blocks) in enumerate(merged):
        results = [block for block in blocks if isinstance(block, ToolResult)]
        answered = {result.tool_use_id for result in results}
        if missing := open_calls - answered:
            raise SimulatorError(
                f"messages.{place - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(sorted(missing))}. Each `tool_use` block must have a corresponding `tool_result` block "
                "in the next message."
            )
        if unknown := answered - open_calls:
            raise SimulatorError(
                f"messages.{place}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{', '.join(sorted(unknown))}. Each `tool_result` block must have a corresponding `tool_use` block in "
                "the previous message."
            )
        if results and any(not isinstance(block, ToolResult) for block in blocks[: len(results)]):
            raise SimulatorError(f"messages.{place}: `tool_result` blocks must come first in the message")
        calls = [block.id for block in blocks if isinstance(block, ToolUse)]
        if len(calls) != len(set(calls)):
            raise SimulatorError(f"messages.{place}: `tool_use` ids must be unique")
        open_calls = set(calls) if role == "assistant" else set()
    if open_calls:
        raise SimulatorError(
            f"messages.{len(merged) - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(sorted(open_calls))}."
        )


def marked(request: MessagesRequest) -> Iterator[object]:
    """Yield everything with a `cache_control`."""
    for each in (
        *request.tools,
        *request.system_blocks,
        *(block for m in request.messages for block in m.blocks),
    ):
        if each.cache_control is not None:
            yield each
    if request.cache_control is not None:
        yield request


def _check_marks(request: MessagesRequest) -> None:
    found = sum(1 for _ in marked(request))
    if found > MOST_MARKS:
        raise SimulatorError(
            f"A maximum of {MOST_MARKS} blocks with cache_control may be provided. Found {found}."
        )


def _check_tools(request: MessagesRequest, known: Traits) -> None:
    names = [tool.name for tool in request.tools]
    has_history = any(
        isinstance(block, ToolUse | ToolResult) for message in request.messages for block in message.blocks
    )
    if has_history and not names:
        raise SimulatorError("Requests which include `tool_use` or `tool_result` blocks must define tools")
    if len(names) != len(set(names)):
        raise SimulatorError("tools: Tool names must be unique.")
    for place, tool in enumerate(request.tools):
        if tool.input_schema.get("type") != "object":
            raise SimulatorError(f"tools.{place}.custom.input_schema.type: Input should be 'object'")
        if tool.strict:
            if not known.schema:
                raise SimulatorError(f"tools.{place}.custom.strict: Extra inputs are not permitted")
            check_schema(tool.input_schema, f"tools.{place}.custom.input_schema")
    _check_choice(request, known, names)


def _check_choice(request: MessagesRequest, known: Traits, names: list[str]) -> None:
    choice = request.tool_choice
    if choice is None:
        return
    if not names:
        raise SimulatorError("tool_choice: tool_choice may only be specified while providing tools")
    if choice.type in {"any", "tool"} and not known.forced_choice:
        raise SimulatorError("tool_choice: this model does not support forced tool use")
    if choice.type == "tool" and choice.name not in names:
        raise SimulatorError(f"tool_choice: Tool '{choice.name}' not found in provided tools")


def _check_thinking(request: MessagesRequest, known: Traits) -> None:
    chosen = request.thinking
    if chosen is None:
        return
    allowed = {"enabled": known.budget, "adaptive": known.adaptive}
    if not allowed.get(chosen.type, chosen.type in known.disable):
        raise SimulatorError(f'thinking.type: "{chosen.type}" is not supported by this model')
    if chosen.type != "enabled":
        return
    budget = chosen.budget_tokens
    if budget is None:
        raise SimulatorError("thinking.enabled.budget_tokens: Field required")
    if budget < _LEAST_BUDGET:
        raise SimulatorError("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= (request.max_tokens or 0):
        raise SimulatorError("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if request.temperature not in {None, 1} or request.top_k is not None:
        raise SimulatorError("`temperature` may only be set to 1 when thinking is enabled.")
    if request.tool_choice is not None and request.tool_choice.type in {"any", "tool"}:
        raise SimulatorError("Thinking may not be enabled when tool_choice forces tool use.")
    _check_final_turn(request)


def _check_final_turn(request: MessagesRequest) -> None:
    assistants = [blocks for role, blocks in turns(request) if role == "assistant"]
    blocks = assistants[-1] if assistants else []
    last = request.messages[-1].blocks[:1] if request.messages else []
    ends_in_results = bool(last) and isinstance(last[0], ToolResult)
    if ends_in_results and blocks and not isinstance(blocks[0], Thinking | RedactedThinking):
        raise SimulatorError(
            f"messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{_kind(blocks[0])}`. "
            "When `thinking` is enabled, a final `assistant` message must start with a thinking block."
        )


def _check_sampling(request: MessagesRequest, known: Traits, version: str) -> None:
    given = [name for name in _SETTINGS if getattr(request, name) is not None]
    if given and (known.sampling == "none" or version >= "2026-10-21"):
        raise SimulatorError(f"{given[0]}: this parameter is not supported")
    if request.temperature is not None and not 0 <= request.temperature <= 1:
        raise SimulatorError("temperature: range: 0..1")
    if "temperature" in given and "top_p" in given:
        raise SimulatorError(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
    if any(not stop.strip() for stop in request.stop_sequences):
        raise SimulatorError("stop_sequences: each stop sequence must contain non-whitespace")


def _check_output(request: MessagesRequest, known: Traits) -> None:
    config = request.output_config
    if config is None:
        return
    if config.effort is not None and config.effort not in known.efforts:
        raise SimulatorError(f'output_config.effort: "{config.effort}" is not supported by this model')
    if config.format is not None:
        if not known.schema:
            raise SimulatorError("output_config.format: Extra inputs are not permitted")
        check_schema(config.format.schema, "output_config.format.schema")
