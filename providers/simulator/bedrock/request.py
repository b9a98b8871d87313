"""Requests to Converse: the known members, by type. Pure."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from providers.simulator.anthropic.request import OutputConfig, ThinkingChoice
from providers.simulator.core.errors import SimulatorError


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class CachePoint(_Strict):
    type: Literal["default"]
    ttl: Literal["5m", "1h"] = "5m"


class Media(_Strict):
    format: str
    source: dict[str, Any]


class Document(_Strict):
    format: str
    name: str
    source: dict[str, Any]
    context: str | None = None
    citations: Any = None


class ToolUse(_Strict):
    toolUseId: str  # noqa: N815 - the vendor's name
    name: str
    input: Any


class ResultContent(_Strict):
    text: str | None = None
    json: dict[str, Any] | None = None
    image: Media | None = None
    document: Document | None = None
    video: Media | None = None


class ToolResult(_Strict):
    toolUseId: str  # noqa: N815
    content: list[ResultContent]
    status: Literal["success", "error"] | None = None


class ReasoningText(_Strict):
    text: str
    signature: str | None = None


class ReasoningContent(_Strict):
    reasoningText: ReasoningText | None = None  # noqa: N815
    redactedContent: str | None = None  # noqa: N815


class Block(_Strict):
    """One of these."""

    text: str | None = None
    image: Media | None = None
    document: Document | None = None
    video: Media | None = None
    audio: Media | None = None
    toolUse: ToolUse | None = None  # noqa: N815
    toolResult: ToolResult | None = None  # noqa: N815
    reasoningContent: ReasoningContent | None = None  # noqa: N815
    guardContent: Any = None  # noqa: N815
    citationsContent: Any = None  # noqa: N815
    cachePoint: CachePoint | None = None  # noqa: N815

    @property
    def kinds(self) -> list[str]:
        return [name for name in self.__struct_fields__ if getattr(self, name) is not None]


class Message(_Strict):
    role: Literal["user", "assistant"]
    content: list[Block]


class SystemBlock(_Strict):
    text: str | None = None
    cachePoint: CachePoint | None = None  # noqa: N815
    guardContent: Any = None  # noqa: N815


class ToolSpec(_Strict):
    name: str
    inputSchema: dict[str, Any]  # noqa: N815
    description: str | None = None
    strict: bool | None = None


class ToolEntry(_Strict):
    toolSpec: ToolSpec | None = None  # noqa: N815
    cachePoint: CachePoint | None = None  # noqa: N815
    systemTool: Any = None  # noqa: N815


class NamedTool(_Strict):
    name: str


class ToolChoice(_Strict):
    auto: dict[str, Any] | None = None
    any: dict[str, Any] | None = None
    tool: NamedTool | None = None


class ToolConfig(_Strict):
    tools: list[ToolEntry]
    toolChoice: ToolChoice | None = None  # noqa: N815

    @property
    def specs(self) -> list[ToolSpec]:
        return [entry.toolSpec for entry in self.tools if entry.toolSpec is not None]


class InferenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    maxTokens: int | None = None  # noqa: N815
    temperature: float | None = None
    topP: float | None = None  # noqa: N815
    stopSequences: list[str] = []  # noqa: N815


class JsonSchema(_Strict):
    schema: str
    name: str = ""
    description: str = ""


class Structure(_Strict):
    jsonSchema: JsonSchema  # noqa: N815


class TextFormat(_Strict):
    type: Literal["json_schema"]
    structure: Structure


class ConverseOutput(_Strict):
    textFormat: TextFormat | None = None  # noqa: N815
    effort: str | None = None


class ClaudeChoice(_Strict):
    type: Literal["auto", "any", "tool", "none"]
    disable_parallel_tool_use: bool = False
    name: str = ""


class ClaudeFields(_Strict):
    """`additionalModelRequestFields` of a Claude model."""

    thinking: ThinkingChoice | None = None
    output_config: OutputConfig | None = None
    top_k: int | None = None
    anthropic_beta: list[str] = []
    tool_choice: ClaudeChoice | None = None


class ConverseRequest(_Strict):
    messages: list[Message] = []
    system: list[SystemBlock] = []
    inferenceConfig: InferenceConfig = InferenceConfig()  # noqa: N815
    toolConfig: ToolConfig | None = None  # noqa: N815
    additionalModelRequestFields: dict[str, Any] = {}  # noqa: N815
    additionalModelResponseFieldPaths: list[str] = []  # noqa: N815
    outputConfig: ConverseOutput | None = None  # noqa: N815
    guardrailConfig: Any = None  # noqa: N815
    performanceConfig: Any = None  # noqa: N815
    projectIdentifier: str | None = None  # noqa: N815
    promptVariables: Any = None  # noqa: N815
    requestMetadata: dict[str, str] | None = None  # noqa: N815
    serviceTier: dict[str, str] | None = None  # noqa: N815


_UNKNOWN = re.compile(r"unknown field `([^`]+)`(?: - at `\$\.?([^`]*)`)?")


def read(body: bytes | dict[str, Any]) -> ConverseRequest:
    """Return the parsed request. Raises SimulatorError."""
    try:
        made = msgspec.json.decode(body) if isinstance(body, bytes) else body
        return msgspec.convert(made, ConverseRequest)
    except msgspec.DecodeError as error:
        raise malformed(error) from error


def claude_fields(request: ConverseRequest) -> ClaudeFields:
    """Raises SimulatorError."""
    try:
        return msgspec.convert(request.additionalModelRequestFields, ClaudeFields)
    except msgspec.ValidationError as error:
        raise malformed(error) from error


def malformed(error: msgspec.DecodeError) -> SimulatorError:
    unknown = _UNKNOWN.search(str(error))
    if unknown is not None:
        where = f"{unknown.group(2)}." if unknown.group(2) else ""
        return SimulatorError(
            f"The model returned the following errors: {where}{unknown.group(1)}: Extra inputs are not permitted"
        )
    return SimulatorError(f"Malformed input request: {error}")
