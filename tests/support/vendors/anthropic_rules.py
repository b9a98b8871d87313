"""What Anthropic's Messages API refuses. Rules: Anthropic's API reference, "Messages", "Structured outputs", "Extended
thinking".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

KNOWN = frozenset(
    [
        "model",
        "messages",
        "max_tokens",
        "system",
        "tools",
        "tool_choice",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "metadata",
        "stream",
        "thinking",
        "output_config",
        "service_tier",
        "anthropic_version",
        "anthropic_beta",
        "context_management",
    ]
)
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
ID = re.compile(r"[a-zA-Z0-9_-]+")
BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "maxItems", "oneOf", "pattern")
MOST_MARKS = 4
RESULT = "tool_result"


class Refused(Exception):
    """What the real API answers with 400."""


def check(body: dict[str, Any], *, has_prefill: bool = True) -> None:
    """Raise Refused where the API would."""
    unknown = body.keys() - KNOWN
    need(not unknown, f"{unknown}: Extra inputs are not permitted")
    need(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: Field required")
    messages = body.get("messages") or []
    need(bool(messages) and messages[0]["role"] == "user", "messages: first message must use the user role")
    blocks = [*blocks_of(body)]
    for block in blocks:
        check_block(block)
    marks = [each for each in [*blocks, *body.get("tools", [])] if "cache_control" in each]
    need(len(marks) <= MOST_MARKS, "A maximum of 4 blocks with cache_control may be provided")
    last = messages[-1]
    if last["role"] == "assistant":
        need(has_prefill, "This model does not support assistant message prefill")
        text = texts(last)
        need(
            not text or text[-1] == text[-1].rstrip(),
            "final assistant content cannot end with trailing whitespace",
        )
    check_tools(body, blocks)
    check_pairs(messages)
    check_thinking(body)
    check_format(body)


def need(is_right: bool, message: str) -> None:  # noqa: FBT001 - a condition
    if not is_right:
        raise Refused(message)


def blocks_of(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    system = body.get("system", [])
    yield from ([] if isinstance(system, str) else system)
    for message in body["messages"]:
        need(message["role"] in {"user", "assistant", "system"}, "unexpected role")
        content = message["content"]
        need(bool(content), "messages: text content blocks must be non-empty")
        for block in [] if isinstance(content, str) else content:
            yield block
            inner = block.get("content")
            yield from (inner if isinstance(inner, list) else [])


def texts(message: dict[str, Any]) -> list[str]:
    content = message["content"]
    return (
        [content]
        if isinstance(content, str)
        else [each["text"] for each in content if each["type"] == "text"]
    )


def check_block(block: dict[str, Any]) -> None:
    kind = block["type"]
    if kind == "text":
        need(bool(block["text"].strip()), "text content blocks must contain non-whitespace text")
    elif kind == "tool_use":
        need(bool(ID.fullmatch(block["id"])), "tool_use.id: String should match pattern")
        need(isinstance(block["input"], dict), "tool_use.input: Input should be a valid dictionary")
    elif kind == "thinking":
        need(block["signature"].startswith("sig-"), "Invalid `signature` in `thinking` block")
        need("~gw1." not in block["signature"], "Invalid `signature` in `thinking` block")
    elif kind == "redacted_thinking":
        need("~gw1." not in block["data"], "Invalid `data` in `redacted_thinking` block")
    elif kind == "image" and block["source"]["type"] == "base64":
        kinds = {"image/jpeg", "image/png", "image/gif", "image/webp"}
        need(block["source"]["media_type"] in kinds, "media_type: Input should be 'image/jpeg', ...")


def check_tools(body: dict[str, Any], blocks: list[dict[str, Any]]) -> None:
    tools = body.get("tools")
    has_blocks = any(each["type"] in {"tool_use", RESULT} for each in blocks)
    need(
        bool(tools) or not has_blocks,
        "Requests which include `tool_use` or `tool_result` blocks must define tools",
    )
    need("tool_choice" not in body or bool(tools), "tool_choice may only be specified while providing tools")
    names = [tool["name"] for tool in tools or ()]
    need(len(names) == len(set(names)), "tools: Tool names must be unique.")
    for tool in tools or ():
        need(bool(NAME.fullmatch(tool["name"])), "tools.name: String should match pattern")
        need(tool["input_schema"].get("type") == "object", "input_schema.type: Input should be 'object'")
        if tool.get("strict"):
            check_schema(tool["input_schema"])


def check_pairs(messages: list[dict[str, Any]]) -> None:
    merged: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if merged and merged[-1][0] == message["role"]:
            merged[-1][1].extend(blocks)
        else:
            merged.append((message["role"], [*blocks]))
    waiting: set[str] = set()
    for _, blocks in merged:
        answered = [each["tool_use_id"] for each in blocks if each["type"] == RESULT]
        need(
            set(answered) == waiting,
            "`tool_use` ids were found without `tool_result` blocks immediately after",
        )
        need(
            all(each["type"] == RESULT for each in blocks[: len(answered)]),
            "tool_result blocks must come first",
        )
        waiting = {each["id"] for each in blocks if each["type"] == "tool_use"}


def check_thinking(body: dict[str, Any]) -> None:
    thinking = body.get("thinking", {})
    if thinking.get("type") == "enabled":
        budget = thinking["budget_tokens"]
        need(
            1024 <= budget < body["max_tokens"], "`max_tokens` must be greater than `thinking.budget_tokens`"
        )
        need(body.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled")
        need(
            body.get("tool_choice", {}).get("type") not in {"any", "tool"},
            "Thinking may not be enabled when forced",
        )
        before, last = body["messages"][-2:] if len(body["messages"]) > 1 else (None, body["messages"][-1])
        if before and any(each["type"] == RESULT for each in last["content"]):
            first = before["content"][0]["type"]
            need(first in {"thinking", "redacted_thinking"}, "Expected `thinking` or `redacted_thinking`")


def check_format(body: dict[str, Any]) -> None:
    wanted = body.get("output_config", {}).get("format")
    if wanted is not None:
        need(wanted["type"] == "json_schema", "output_config.format.type")
        check_schema(wanted["schema"])


def check_schema(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            need(
                schema.get("additionalProperties") is False,
                "additionalProperties must be explicitly set to false",
            )
        for name in BOUNDS:
            need(
                not (name in schema and not isinstance(schema[name], dict)),
                f"property '{name}' is not supported",
            )
        need(schema.get("minItems", 0) in {0, 1}, "minItems must be 0 or 1")
        for value in schema.values():
            check_schema(value)
    elif isinstance(schema, list):
        for value in schema:
            check_schema(value)
