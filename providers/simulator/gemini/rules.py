"""What Gemini refuses of a well-formed request (providers' documentation, "Vertex"). Pure."""

from __future__ import annotations

import re
from typing import Any

from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.signatures import verdict
from providers.simulator.gemini.request import Content, Function, GenerateRequest, Part, ThinkingConfig

SKIP = "skip_thought_signature_validator"
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")
_LEVELS = {"MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"}
_MODES = {"AUTO", "ANY", "NONE", "VALIDATED"}
_MOST_STOPS, _MOST_CANDIDATES, _MOST_LOGPROBS = 5, 8, 20
_KEYWORDS = {
    "$defs",
    "$ref",
    "$id",
    "$anchor",
    "type",
    "format",
    "title",
    "description",
    "enum",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "anyOf",
    "oneOf",
    "properties",
    "additionalProperties",
    "required",
    "propertyOrdering",
}
_MOST_NODES = 5_000
_MISSING = (
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
    "correctly. Additional data, function call `default_api:{name}`, position {place}."
)


def is_third(model: str) -> bool:
    """Return whether a model's function calls must come back with their signatures."""
    return re.search(r"gemini-([3-9]|\d\d)", model) is not None


def is_pro(model: str) -> bool:
    return "pro" in model


def signed_text(part: Part) -> str:
    """Return what a signature is bound to: the name of a call, whose arguments may be written in several ways."""
    return "" if part.functionCall is None else part.functionCall.name


def check(request: GenerateRequest, model: str, account: str, *, has_ids: bool) -> None:
    """Raises SimulatorError."""
    if not request.contents:
        raise SimulatorError("* GenerateContentRequest.contents: contents is not specified")
    for place, content in enumerate(request.contents):
        _check_content(content, place, has_ids=has_ids)
    if any(part.kinds != ["text"] for part in (request.systemInstruction or Content()).parts):
        raise SimulatorError("systemInstruction: only text parts are supported")
    _check_turns(request.contents)
    _check_signatures(request.contents, model, account)
    _check_tools(request, model)
    _check_generation(request, model)


def _check_content(content: Content, place: int, *, has_ids: bool) -> None:
    if content.role not in {"user", "model"}:
        raise SimulatorError("Please use a valid role: user, model.")
    if not content.parts:
        raise SimulatorError(
            f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty."
        )
    for index, part in enumerate(content.parts):
        where = f"contents[{place}].parts[{index}]"
        if len(part.kinds) != 1:
            raise SimulatorError(
                f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field"
            )
        if part.text == "" and part.thoughtSignature is None:
            raise SimulatorError(f"Unable to submit request because {where} has an empty text parameter.")
        if (part.functionCall is not None or part.thought) and content.role != "model":
            raise SimulatorError(f"{where}: function calls and thoughts belong to the role model.")
        inner = part.functionCall or part.functionResponse
        if inner is not None and inner.id is not None and not has_ids:
            raise SimulatorError(
                f"Invalid JSON payload received. Unknown name \"id\" at '{where}': Cannot find field."
            )
        if inner is not None and not inner.name:
            raise SimulatorError(f"* GenerateContentRequest.{where}: name cannot be empty.")


def _check_turns(contents: list[Content]) -> None:
    calls = 0
    before: Content | None = None
    for content in contents:
        responses = sum(part.functionResponse is not None for part in content.parts)
        if responses != calls:
            raise SimulatorError(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        calls = sum(part.functionCall is not None for part in content.parts)
        if calls and (before is None or before.role != "user"):
            raise SimulatorError(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        before = content
    if calls:
        raise SimulatorError(
            "Please ensure that function response turn comes immediately after a function call turn."
        )


def _check_signatures(contents: list[Content], model: str, account: str) -> None:
    """Check every signature that is there, and that no step since the user's last text lacks its own."""
    texts = [
        place
        for place, content in enumerate(contents)
        if content.role == "user" and any(part.functionResponse is None for part in content.parts)
    ]
    current = texts[-1] if texts else 0
    for place, content in enumerate(contents):
        calls = [part for part in content.parts if part.functionCall is not None]
        is_missing = bool(calls) and calls[0].thoughtSignature is None
        if is_missing and place > current and is_third(model) and calls[0].functionCall is not None:
            raise SimulatorError(_MISSING.format(name=calls[0].functionCall.name, place=place))
        for part in content.parts:
            signature = part.thoughtSignature
            if signature in {None, SKIP}:
                continue
            if verdict(str(signature), account, model, signed_text(part)) != "ok":
                raise SimulatorError("Thought signature is not valid.")


def _check_tools(request: GenerateRequest, model: str) -> None:
    functions = request.functions
    for function in functions:
        if not _NAME.match(function.name):
            raise SimulatorError(
                f"Invalid function name {function.name!r}. Must start with a letter or an underscore."
            )
        _check_parameters(function)
    names = {function.name for function in functions}
    if len(names) != len(functions):
        raise SimulatorError("Duplicate function declaration found.")
    config = request.toolConfig.functionCallingConfig if request.toolConfig is not None else None
    if config is not None:
        if not functions:
            raise SimulatorError("Function calling config is set without function_declarations.")
        if config.mode not in _MODES:
            raise SimulatorError(
                f"Invalid value at 'tool_config.function_calling_config.mode': {config.mode!r}"
            )
        if config.allowedFunctionNames and (
            config.mode not in {"ANY", "VALIDATED"} or not names.issuperset(config.allowedFunctionNames)
        ):
            raise SimulatorError(
                "allowed_function_names should only be set to known functions when the mode is ANY."
            )
    if request.cachedContent is not None and (
        request.tools or request.toolConfig or request.systemInstruction
    ):
        raise SimulatorError(
            "CachedContent can not be used with GenerateContent request setting system_instruction, tools or "
            "tool_config."
        )
    generation = request.generationConfig
    if functions and generation.responseMimeType == "application/json" and not is_third(model):
        raise SimulatorError("Function calling with a response mime type: 'application/json' is unsupported")


def _check_parameters(function: Function) -> None:
    if function.parameters is not None and function.parametersJsonSchema is not None:
        raise SimulatorError("parameters and parametersJsonSchema are mutually exclusive.")
    if function.parametersJsonSchema is not None:
        check_schema(
            function.parametersJsonSchema, f"functionDeclarations[{function.name}].parametersJsonSchema"
        )


def check_schema(schema: dict[str, Any], where: str) -> None:
    """Raises SimulatorError."""
    stack, seen = [schema], 0
    while stack and seen < _MOST_NODES:
        node = stack.pop()
        seen += 1
        if unknown := node.keys() - _KEYWORDS:
            raise SimulatorError(f"{where}: Unsupported JSON schema keyword: {min(unknown)}")
        if "$ref" in node and any(not name.startswith("$") for name in node):
            raise SimulatorError(
                f"{where}: a sub-schema with $ref must not set other fields than those that start with $"
            )
        for name in ("properties", "$defs"):
            stack += [inner for inner in (node.get(name) or {}).values() if isinstance(inner, dict)]
        for name in ("anyOf", "oneOf", "prefixItems"):
            stack += [inner for inner in node.get(name) or () if isinstance(inner, dict)]
        stack += [
            node[name] for name in ("items", "additionalProperties") if isinstance(node.get(name), dict)
        ]


def _check_generation(request: GenerateRequest, model: str) -> None:
    config = request.generationConfig
    if config.responseJsonSchema is not None or config.responseSchema is not None:
        if config.responseMimeType != "application/json":
            raise SimulatorError("response_mime_type must be application/json when a response schema is set.")
        if config.responseJsonSchema is not None:
            check_schema(config.responseJsonSchema, "generationConfig.responseJsonSchema")
    if len(config.stopSequences) > _MOST_STOPS or not all(config.stopSequences):
        raise SimulatorError(
            "Unable to submit request because it has more than 5 stop sequences, or an empty one."
        )
    if config.candidateCount is not None and not 1 <= config.candidateCount <= _MOST_CANDIDATES:
        raise SimulatorError("candidateCount must be from 1 to 8.")
    if config.temperature is not None and not 0 <= config.temperature <= 2:  # noqa: PLR2004 - the vendor's bound
        raise SimulatorError("temperature must be in the range [0.0, 2.0].")
    if config.maxOutputTokens is not None and config.maxOutputTokens < 1:
        raise SimulatorError("maxOutputTokens must be positive.")
    if config.logprobs is not None and not (
        config.responseLogprobs and 0 <= config.logprobs <= _MOST_LOGPROBS
    ):
        raise SimulatorError("logprobs must be from 0 to 20, and responseLogprobs must be true.")
    if config.thinkingConfig is not None:
        _check_thinking(config.thinkingConfig, model)


def _check_thinking(config: ThinkingConfig, model: str) -> None:
    budget, level = config.thinkingBudget, config.thinkingLevel
    if budget is not None and level is not None:
        raise SimulatorError("thinking_budget and thinking_level cannot be set together.")
    if level is not None and not is_third(model):
        raise SimulatorError("Thinking level is not supported for this model.")
    if level is not None and (level not in _LEVELS or (level == "MINIMAL" and is_pro(model))):
        raise SimulatorError(f"Thinking level {level} is not supported for this model.")
    if budget is not None and budget < (128 if is_pro(model) else 0) and budget != -1:
        raise SimulatorError(
            f"The thinking budget {budget} is invalid. Please choose a value between 128 and 32768."
        )
    if budget == 0 and config.includeThoughts:
        raise SimulatorError("include_thoughts is only enabled when thinking is enabled.")
