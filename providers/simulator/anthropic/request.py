"""Requests to `POST /v1/messages`: the known members, by type. Pure."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from providers.simulator.core.errors import SimulatorError

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
_MISSING = re.compile(r"required field `([^`]+)`")
_BETA_MEMBERS = {
    "context_management": "context-management",
    "mcp_servers": "mcp-client",
    "speed": "fast-mode",
    "container": "",
}


class CacheControl(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"
    scope: Any = None


class Block(msgspec.Struct, forbid_unknown_fields=True, tag_field="type"):
    cache_control: CacheControl | None = None


class Text(Block, tag="text", kw_only=True):
    text: str
    citations: list[Any] | None = None


class Source(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["base64", "url", "text", "content", "file"]
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: Any = None
    file_id: str = ""


class Image(Block, tag="image", kw_only=True):
    source: Source


class Document(Block, tag="document", kw_only=True):
    source: Source
    title: str | None = None
    context: str | None = None
    citations: dict[str, Any] | None = None


class ToolUse(Block, tag="tool_use", kw_only=True):
    id: str
    name: str
    input: dict[str, Any]
    caller: Any = None


class ToolResult(Block, tag="tool_result", kw_only=True):
    tool_use_id: str
    content: str | list[Text | Image | Document] = ""
    is_error: bool = False


class Thinking(Block, tag="thinking", kw_only=True):
    thinking: str
    signature: str


class RedactedThinking(Block, tag="redacted_thinking", kw_only=True):
    data: str


AnyBlock = Text | Image | Document | ToolUse | ToolResult | Thinking | RedactedThinking


class Message(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[AnyBlock]

    @property
    def blocks(self) -> list[AnyBlock]:
        return [Text(text=self.content)] if isinstance(self.content, str) else self.content


class OfferedTool(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool = False
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    defer_loading: bool | None = None
    input_examples: list[Any] | None = None
    allowed_callers: list[str] | None = None


class ToolChoice(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool = False


class ThinkingChoice(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted", "full"] | None = None
    block_binding: dict[str, Any] | None = None


class Format(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, forbid_unknown_fields=True):
    effort: str | None = None
    format: Format | None = None


class Metadata(msgspec.Struct, forbid_unknown_fields=True):
    user_id: str | None = None


class MessagesRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    model: str
    messages: list[Message]
    max_tokens: int | None = None
    system: str | list[Text] = ""
    stop_sequences: list[str] = []
    stream: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    metadata: Metadata | None = None
    tools: list[OfferedTool] = []
    tool_choice: ToolChoice | None = None
    thinking: ThinkingChoice | None = None
    output_config: OutputConfig | None = None
    service_tier: Literal["auto", "standard_only"] = "auto"
    cache_control: CacheControl | None = None
    context_management: Any = None
    mcp_servers: Any = None
    container: Any = None
    speed: str | None = None
    inference_geo: str | None = None

    @property
    def system_blocks(self) -> list[Text]:
        if isinstance(self.system, str):
            return [Text(text=self.system)] if self.system else []
        return self.system


def read(body: bytes | dict[str, Any], betas: str = "") -> MessagesRequest:
    """Return the parsed request. Raises SimulatorError."""
    try:
        made = msgspec.json.decode(body) if isinstance(body, bytes) else body
        request = msgspec.convert(made, MessagesRequest)
    except msgspec.ValidationError as error:
        raise SimulatorError(_worded(str(error))) from error
    except msgspec.DecodeError as error:
        raise SimulatorError(f"The request body is not valid JSON: {error}") from error
    for member, beta in _BETA_MEMBERS.items():
        if getattr(request, member) is not None and beta not in betas:
            raise SimulatorError(f"{member}: Extra inputs are not permitted")
    return request


def _worded(text: str) -> str:
    path = _PATH.search(text)
    where = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", path.group(1)) if path is not None else ""
    before = f"{where}." if where else ""
    if unknown := _UNKNOWN.search(text):
        return f"{before}{unknown.group(1)}: Extra inputs are not permitted"
    if missing := _MISSING.search(text):
        return f"{before}{missing.group(1)}: Field required"
    return f"{where}: {_PATH.sub('', text)}"
