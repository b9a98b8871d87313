"""How each upstream API counts a prompt without answering it: path, body and number. Pure.

The body is made of the one that the call itself would send, so that what is counted is what is billed: it loses only
the members that a count does not take, and that are no part of the prompt.
Sources: Anthropic, "Count tokens in a Message"; AWS, "CountTokens"; Google, "countTokens" of Vertex AI and of the
Gemini API; OpenAI, "Get input token counts".
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import msgspec

from providers.dialects.openai.model_alias import assemble, members
from providers.platforms.bedrock import COUNT
from providers.platforms.vertex import is_gemini_api
from providers.target import Target

_CLAUDE: Final = "anthropic"
_encode = msgspec.json.Encoder().encode

# Members of a call that say nothing of its prompt, and that a count refuses.
_NOT_OF_A_PROMPT: Final = frozenset(
    {"max_tokens", "metadata", "service_tier", "stop_sequences", "stream", "temperature", "top_k", "top_p"}
)
_NOT_OF_AN_INPUT: Final = frozenset(
    {
        "background", "include", "max_output_tokens", "max_tool_calls", "metadata", "prompt_cache_key",
        "prompt_cache_retention", "safety_identifier", "service_tier", "store", "stream", "stream_options",
        "temperature", "top_logprobs", "top_p", "user",
    }
)  # fmt: skip
_OF_CONVERSE: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")
_OF_VERTEX: Final = ("contents", "systemInstruction", "tools", "generationConfig")


class TokenCount(msgspec.Struct, frozen=True):
    """One way to count. `body` takes the body of the call; `read` raises msgspec.DecodeError."""

    path: str  # what the provider's address is completed with
    body: Callable[[bytes, Target], bytes]
    read: Callable[[bytes], int]


def count_for(api: str, target: Target) -> TokenCount | None:
    """Return how calls of this upstream API are counted at the target; None: they cannot be."""
    if api == "anthropic_messages":
        return {"bedrock": _OF_INVOKE, "vertex": _CLAUDE_AT_VERTEX}.get(target.provider, _MESSAGES)
    if api == "bedrock_converse":  # of all models there only Claude's can be counted
        return _CONVERSE if target.facts.vendor == _CLAUDE else None
    return {"gemini": _GEMINI, "openai_responses": _RESPONSES}.get(api)


class _OfAnthropic(msgspec.Struct):
    """`context_management`: what the prompt has before its old parts are taken out."""

    class Edited(msgspec.Struct):
        original_input_tokens: int = 0

    input_tokens: int
    context_management: Edited | None = None


class _OfBedrock(msgspec.Struct, rename="camel"):
    input_tokens: int


class _OfGoogle(msgspec.Struct, rename="camel"):
    total_tokens: int


class _OfOpenAI(msgspec.Struct):
    input_tokens: int


_of_anthropic = msgspec.json.Decoder(_OfAnthropic)
_of_bedrock = msgspec.json.Decoder(_OfBedrock)
_of_google = msgspec.json.Decoder(_OfGoogle)
_of_openai = msgspec.json.Decoder(_OfOpenAI)


def _without(raw: bytes, names: frozenset[str]) -> bytes:
    """Leave members out; the same bytes where there are none."""
    given = members(raw)
    if not names & given.keys():
        return raw
    return assemble({name: value for name, value in given.items() if name not in names})


def _messages(raw: bytes, _target: Target) -> bytes:
    return _without(raw, _NOT_OF_A_PROMPT)


def _claude_at_vertex(raw: bytes, target: Target) -> bytes:
    """The model is in the body here: the path names the counter."""
    given = members(_without(raw, _NOT_OF_A_PROMPT))
    name = (target.wire_model or target.upstream_model).rpartition("/")[2]
    return assemble({**given, "model": msgspec.Raw(_encode(name))})


def _of_invoke(raw: bytes, _target: Target) -> bytes:
    """InvokeModel's whole body, which must have a cap."""
    given = members(raw)
    if "max_tokens" not in given:
        raw = assemble({**given, "max_tokens": msgspec.Raw(b"1")})
    return _encode({"input": {"invokeModel": {"body": base64.b64encode(raw).decode()}}})


def _converse(raw: bytes, _target: Target) -> bytes:
    given = members(raw)
    kept: dict[str, Any] = {name: given[name] for name in _OF_CONVERSE if name in given}
    return _encode({"input": {"converse": kept}})


def _gemini(raw: bytes, target: Target) -> bytes:
    """The Gemini API counts a whole request, which names its model again; Vertex takes the members that count."""
    given = members(raw)
    if is_gemini_api(target):
        model = target.upstream_model.removeprefix("google/").removeprefix("models/")
        inner: dict[str, Any] = {"model": f"models/{model}", **given}
        return _encode({"generateContentRequest": inner})
    return assemble({name: given[name] for name in _OF_VERTEX if name in given})


def _responses(raw: bytes, _target: Target) -> bytes:
    return _without(raw, _NOT_OF_AN_INPUT)


def _anthropics(raw: bytes) -> int:
    found = _of_anthropic.decode(raw)
    edited = found.context_management
    return max(found.input_tokens, edited.original_input_tokens if edited is not None else 0)


def _bedrocks(raw: bytes) -> int:
    return _of_bedrock.decode(raw).input_tokens


def _googles(raw: bytes) -> int:
    return _of_google.decode(raw).total_tokens


def _openais(raw: bytes) -> int:
    return _of_openai.decode(raw).input_tokens


_MESSAGES: Final = TokenCount("messages/count_tokens", _messages, _anthropics)
_CLAUDE_AT_VERTEX: Final = TokenCount("count-tokens:rawPredict", _claude_at_vertex, _anthropics)
_OF_INVOKE: Final = TokenCount(COUNT, _of_invoke, _bedrocks)
_CONVERSE: Final = TokenCount(COUNT, _converse, _bedrocks)
_GEMINI: Final = TokenCount("countTokens", _gemini, _googles)
_RESPONSES: Final = TokenCount("responses/input_tokens", _responses, _openais)
