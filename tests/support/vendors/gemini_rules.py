"""What Google refuses in a generateContent request, as a check that returns its message; "" if it accepts the body.

Sources: the reference of generateContent (v1 and v1beta1), "Function calling", "Thought signatures".
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

SKIP = "skip_thought_signature_validator"
_BODY = {
    "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "labels",
    "cachedContent",
}  # fmt: skip
_GENERATION = {
    "maxOutputTokens", "temperature", "topP", "topK", "candidateCount", "stopSequences", "presencePenalty",
    "frequencyPenalty", "seed", "responseLogprobs", "logprobs", "responseMimeType", "responseJsonSchema",
    "thinkingConfig", "responseModalities", "mediaResolution",
}  # fmt: skip
_DATA = {"text", "inlineData", "fileData", "functionCall", "functionResponse"}
_SCHEMA = {
    "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems",
    "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required",
    "propertyOrdering",
}  # fmt: skip
_MODES = {"AUTO", "ANY", "NONE", "VALIDATED"}
_IMAGES = {"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"}
_MEDIA = {*_IMAGES, "audio/wav", "audio/mp3", "application/pdf", "text/plain"}


class Refused(Exception):
    """The text of Google's 400."""


def refusal(body: Any, *, version: str = "v1beta1", needs_signatures: bool = True) -> str:
    try:
        _check(body, version=version, needs_signatures=needs_signatures)
    except Refused as error:
        return str(error)
    return ""


def _known(holder: dict[str, Any], names: set[str], where: str) -> None:
    for name in holder:
        if name not in names:
            raise Refused(f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}'")


def _check(body: Any, *, version: str, needs_signatures: bool) -> None:
    _known(body, _BODY, "body")
    if not body.get("contents"):
        raise Refused("contents is not specified")
    for part in body.get("systemInstruction", {}).get("parts", []):
        if set(part) != {"text"} or not part["text"]:
            raise Refused("system_instruction parts must be texts")
    names = _tools(body)
    _generation(body.get("generationConfig", {}), has_tools=bool(names), needs_signatures=needs_signatures)
    _contents(body["contents"], version, needs_signatures=needs_signatures)


def _tools(body: dict[str, Any]) -> set[str]:
    names: set[str] = set()
    for tool in body.get("tools", []):
        _known(tool, {"functionDeclarations"}, "tools[0]")
        for each in tool["functionDeclarations"]:
            _known(each, {"name", "description", "parametersJsonSchema"}, "tools[0].function_declarations[0]")
            if each["name"] in names:
                raise Refused(f"Duplicate function declaration found: {each['name']}")
            names.add(each["name"])
            _schema(each.get("parametersJsonSchema", {}))
    config = body.get("toolConfig", {}).get("functionCallingConfig")
    if "toolConfig" in body and not names:
        raise Refused("Function calling config is set without function_declarations.")
    if config is not None:
        _known(config, {"mode", "allowedFunctionNames"}, "tool_config.function_calling_config")
        if config["mode"] not in _MODES:
            raise Refused("Invalid value at 'tool_config.function_calling_config.mode'")
        allowed = config.get("allowedFunctionNames", [])
        if (allowed and config["mode"] not in {"ANY", "VALIDATED"}) or set(allowed) - names:
            raise Refused("allowed_function_names do not fit")
    return names


def _schema(schema: Any) -> None:
    _known(schema, _SCHEMA, "schema")
    if "$ref" in schema and set(schema) - {"$ref", "$defs"}:
        raise Refused("a schema with $ref must hold nothing else")
    for name in ("properties", "$defs"):
        for each in schema.get(name, {}).values():
            _schema(each)
    for name in ("prefixItems", "anyOf", "oneOf"):
        for each in schema.get(name, []):
            _schema(each)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            _schema(schema[name])


def _generation(config: dict[str, Any], *, has_tools: bool, needs_signatures: bool) -> None:
    _known(config, _GENERATION, "generation_config")
    thinking = config.get("thinkingConfig", {})
    _known(thinking, {"thinkingBudget", "thinkingLevel", "includeThoughts"}, "thinking_config")
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise Refused("You can only set only one of thinking budget and thinking level.")
    if "thinkingLevel" in thinking and not needs_signatures:
        raise Refused("Thinking level is not supported for this model.")
    if thinking.get("thinkingBudget") == 0 and thinking.get("includeThoughts"):
        raise Refused("Thinking budget 0 with include_thoughts")
    if len(config.get("stopSequences", [])) > 5 or "" in config.get("stopSequences", []):
        raise Refused("stop_sequences: at most 5, none empty")
    if not 0 <= config.get("temperature", 1) <= 2:
        raise Refused("temperature must be in the range [0.0, 2.0].")
    if "responseJsonSchema" in config:
        if config.get("responseMimeType") != "application/json":
            raise Refused("response_json_schema needs response_mime_type application/json")
        _schema(config["responseJsonSchema"])
    if has_tools and "responseMimeType" in config and not needs_signatures:
        raise Refused("Function calling with a response mime type: 'application/json' is unsupported")


def _contents(contents: list[dict[str, Any]], version: str, *, needs_signatures: bool) -> None:
    open_calls: list[dict[str, Any]] = []
    for at, content in enumerate(contents):
        _known(content, {"role", "parts"}, f"contents[{at}]")
        if content["role"] not in {"user", "model"} or not content["parts"]:
            raise Refused("Please use a valid role: user, model; with parts.")
        parts = [_part(part, content["role"], version) for part in content["parts"]]
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if len(open_calls) != len(responses):
            raise Refused(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        for call, response in zip(open_calls, responses, strict=True):
            if (call["name"], call.get("id")) != (response["name"], response.get("id")):
                raise Refused("a function response does not fit its call")
        if responses and len(responses) != len(parts):
            raise Refused("a function response turn holds nothing else")
        if calls and (at == 0 or contents[at - 1]["role"] != "user"):
            raise Refused("Please ensure that function call turn comes immediately after a user turn.")
        if (
            calls
            and needs_signatures
            and not next(p for p in parts if "functionCall" in p).get("thoughtSignature")
        ):
            raise Refused("Function call is missing a thought_signature in functionCall parts.")
        open_calls = calls


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refused(f"Base64 decoding failed for {text[:40]!r}") from None


def _part(part: dict[str, Any], role: str, version: str) -> dict[str, Any]:
    _known(part, {*_DATA, "thought", "thoughtSignature"}, "parts[0]")
    data = set(part) & _DATA
    if len(data) != 1:
        raise Refused("required oneof field 'data' must have one initialized field")
    signature = part.get("thoughtSignature")
    for encoded in (signature, part.get("inlineData", {}).get("data")):
        if encoded is not None and encoded != SKIP:
            _check_base64(encoded)
    if part.get("text") == "" and not signature:
        raise Refused("Unable to submit request because it must have a text parameter.")
    if "functionCall" in part and (role != "model" or not isinstance(part["functionCall"].get("args"), dict)):
        raise Refused("Invalid value at 'function_call'")
    response = part.get("functionResponse")
    if response is not None and (role != "user" or not isinstance(response["response"], dict)):
        raise Refused("Invalid value at 'function_response'")
    for name in ("functionCall", "functionResponse"):
        if version == "v1" and "id" in part.get(name, {}):
            raise Refused(f"Invalid JSON payload received. Unknown name \"id\" at '{name}'")
    media = part.get("inlineData") or part.get("fileData")
    if media is not None and media.get("mimeType") not in _MEDIA:
        raise Refused(f"Unsupported MIME type: {media.get('mimeType')}")
    return part
