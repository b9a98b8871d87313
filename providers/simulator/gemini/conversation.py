"""What a generateContent request asks, and its prompt in pieces. Pure."""

from __future__ import annotations

import msgspec

from providers.simulator.core import play, scenario
from providers.simulator.core.asked import ANY, AUTO, NONE, Asked, Tool
from providers.simulator.core.counting import PER_TURN, json_tokens, segment, value_tokens
from providers.simulator.core.prompt_cache import Segment
from providers.simulator.core.text import tokens_of
from providers.simulator.gemini.request import Content, GenerateRequest


def asked_of(request: GenerateRequest, model: str) -> Asked:
    users = [content for content in request.contents if content.role == "user"]
    spoken = [text for text in map(_text, users) if text]
    drama, prompt = scenario.read(spoken[-1] if spoken else "")
    responses = [
        part.functionResponse for part in request.contents[-1].parts if part.functionResponse is not None
    ]
    config = request.generationConfig
    calling = request.toolConfig.functionCallingConfig if request.toolConfig is not None else None
    allowed = set(calling.allowedFunctionNames) if calling is not None else set()
    functions = [function for function in request.functions if not allowed or function.name in allowed]
    mode = calling.mode if calling is not None else "AUTO"
    schema = config.responseJsonSchema or config.responseSchema
    return Asked(
        model=model,
        material=model.encode()
        + msgspec.json.encode([request.systemInstruction, request.contents, config.seed]),
        prompt=prompt,
        scenario=drama,
        step=play.step(spoken, sum(map(_results, users))),
        results=" ".join(msgspec.json.encode(each.response).decode() for each in responses)
        if responses
        else None,
        rounds=_rounds(users),
        tools=tuple(
            Tool(function.name, function.parametersJsonSchema or _plain(function.parameters))
            for function in functions
        ),
        choice={"ANY": ANY, "NONE": NONE}.get(mode, AUTO),
        schema=schema if config.responseJsonSchema else _plain(schema) if schema else None,
        wants_json=config.responseMimeType == "application/json",
        thinks=drama.thinks or _thinks(request, model),
        cap=config.maxOutputTokens,
        stops=tuple(config.stopSequences),
    )


def segments(request: GenerateRequest) -> list[Segment]:
    """Return the prompt in pieces. Gemini caches by itself: here behind the instructions, and the whole."""
    functions = request.functions
    pieces = [segment(functions, json_tokens(functions))]
    system = request.systemInstruction
    texts = " ".join(part.text or "" for part in system.parts) if system is not None else ""
    pieces.append(segment(texts, tokens_of(texts), "implicit"))
    for content in request.contents:
        bare = msgspec.to_builtins(content)
        parts = [{name: value for name, value in part.items() if value is not None} for part in bare["parts"]]
        for part in parts:
            part.pop("thoughtSignature", None)
        pieces.append(segment([content.role, parts], value_tokens(parts) + PER_TURN))
    pieces[-1] = msgspec.structs.replace(pieces[-1], mark="implicit")
    return pieces


def _thinks(request: GenerateRequest, model: str) -> bool:
    config = request.generationConfig.thinkingConfig
    if config is not None and (config.thinkingBudget is not None or config.thinkingLevel is not None):
        return config.thinkingBudget != 0
    return "gemini-2.5" in model or "gemini-3" in model


def _text(content: Content) -> str:
    return " ".join(part.text for part in content.parts if part.text)


def _results(content: Content) -> int:
    return sum(part.functionResponse is not None for part in content.parts)


def _rounds(users: list[Content]) -> int:
    rounds = 0
    for content in reversed(users):
        if not _results(content):
            break
        rounds += 1
    return rounds


def _plain(schema: object) -> dict[str, object]:
    """Return Google's own schema as JSON schema: its types are in upper case."""
    if not isinstance(schema, dict):
        return {}
    made: dict[str, object] = {}
    for name, value in schema.items():
        if name == "type" and isinstance(value, str):
            made[name] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            made[name] = {key: _plain(inner) for key, inner in value.items()}
        elif name == "items":
            made[name] = _plain(value)
        else:
            made[name] = value
    return made
