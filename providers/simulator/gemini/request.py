"""Requests to generateContent: the known members, by type. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from providers.simulator.core.errors import SimulatorError

DATA = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class FunctionCall(_Strict):
    name: str
    args: dict[str, Any] = {}
    id: str | None = None


class FunctionResponse(_Strict):
    name: str
    response: dict[str, Any]
    id: str | None = None
    parts: Any = None


class Data(_Strict):
    mimeType: str  # noqa: N815 - the vendor's name
    data: str = ""
    fileUri: str = ""  # noqa: N815
    displayName: str = ""  # noqa: N815


class Part(_Strict):
    """One of these, and what is known of it."""

    text: str | None = None
    inlineData: Data | None = None  # noqa: N815
    fileData: Data | None = None  # noqa: N815
    functionCall: FunctionCall | None = None  # noqa: N815
    functionResponse: FunctionResponse | None = None  # noqa: N815
    executableCode: Any = None  # noqa: N815
    codeExecutionResult: Any = None  # noqa: N815
    thought: bool = False
    thoughtSignature: str | None = None  # noqa: N815
    videoMetadata: Any = None  # noqa: N815
    mediaResolution: Any = None  # noqa: N815

    @property
    def kinds(self) -> list[str]:
        return [name for name in DATA if getattr(self, name) is not None]


class Content(_Strict):
    parts: list[Part] = []
    role: str = "user"


class Function(_Strict):
    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    parametersJsonSchema: dict[str, Any] | None = None  # noqa: N815
    response: Any = None
    responseJsonSchema: Any = None  # noqa: N815
    behavior: str | None = None


class Tool(_Strict):
    functionDeclarations: list[Function] = []  # noqa: N815
    googleSearch: Any = None  # noqa: N815
    codeExecution: Any = None  # noqa: N815
    urlContext: Any = None  # noqa: N815


class FunctionCalling(_Strict):
    mode: str = "AUTO"
    allowedFunctionNames: list[str] = []  # noqa: N815
    streamFunctionCallArguments: bool = False  # noqa: N815


class ToolConfig(_Strict):
    functionCallingConfig: FunctionCalling | None = None  # noqa: N815
    retrievalConfig: Any = None  # noqa: N815


class ThinkingConfig(_Strict):
    thinkingBudget: int | None = None  # noqa: N815
    thinkingLevel: str | None = None  # noqa: N815
    includeThoughts: bool = False  # noqa: N815


class GenerationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    candidateCount: int | None = None  # noqa: N815
    maxOutputTokens: int | None = None  # noqa: N815
    stopSequences: list[str] = []  # noqa: N815
    temperature: float | None = None
    topP: float | None = None  # noqa: N815
    topK: float | None = None  # noqa: N815
    seed: int | None = None
    presencePenalty: float | None = None  # noqa: N815
    frequencyPenalty: float | None = None  # noqa: N815
    responseLogprobs: bool | None = None  # noqa: N815
    logprobs: int | None = None
    responseMimeType: str | None = None  # noqa: N815
    responseSchema: dict[str, Any] | None = None  # noqa: N815
    responseJsonSchema: dict[str, Any] | None = None  # noqa: N815
    responseModalities: list[str] | None = None  # noqa: N815
    thinkingConfig: ThinkingConfig | None = None  # noqa: N815
    mediaResolution: str | None = None  # noqa: N815
    imageConfig: Any = None  # noqa: N815
    speechConfig: Any = None  # noqa: N815


class GenerateRequest(_Strict):
    contents: list[Content] = []
    systemInstruction: Content | None = None  # noqa: N815
    tools: list[Tool] = []
    toolConfig: ToolConfig | None = None  # noqa: N815
    generationConfig: GenerationConfig = GenerationConfig()  # noqa: N815
    safetySettings: list[Any] = []  # noqa: N815
    cachedContent: str | None = None  # noqa: N815
    labels: dict[str, str] = {}
    serviceTier: str | None = None  # noqa: N815
    store: bool | None = None

    @property
    def functions(self) -> list[Function]:
        return [function for tool in self.tools for function in tool.functionDeclarations]


_UNKNOWN = re.compile(r"unknown field `([^`]+)`(?: - at `\$\.?([^`]*)`)?")


def read(body: bytes | dict[str, Any]) -> GenerateRequest:
    """Return the parsed request. Raises SimulatorError."""
    try:
        made = msgspec.json.decode(body) if isinstance(body, bytes) else body
        return msgspec.convert(made, GenerateRequest)
    except msgspec.DecodeError as error:
        raise malformed(error) from error


def malformed(error: msgspec.DecodeError) -> SimulatorError:
    unknown = _UNKNOWN.search(str(error))
    if unknown is None:
        return SimulatorError(f"Invalid JSON payload received. {error}")
    where = f" at '{unknown.group(2)}'" if unknown.group(2) else ""
    return SimulatorError(
        f'Invalid JSON payload received. Unknown name "{unknown.group(1)}"{where}: Cannot find field.'
    )
